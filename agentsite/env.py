"""Reads the environment; a bad value stops the start and names its variable."""

import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def text(name: str, default: str = "") -> str:
    """The variable's text, or the default when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """A yes/no variable: 1/0, true/false, yes/no, on/off."""
    value = text(name).lower()
    if value not in {"", "1", "0", "true", "false", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return value in {"1", "true", "yes", "on"} if value else default


def number(name: str, default: float, least: float = 0, cast: Callable[[str], Any] = int) -> Any:
    """A number of at least `least`."""
    raw = text(name)
    try:
        value = cast(raw) if raw else cast(str(default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number, not {raw!r}.") from error
    if value < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}, not {raw}.")
    return value


def numbers(name: str) -> dict[str, int]:
    """A comma-separated list of word=number."""
    found = {}
    for pair in words(name):
        key, sign, value = pair.rpartition("=")
        if not sign or not key or not value.isdecimal():
            raise ImproperlyConfigured(f"{name} must be a list such as name=1000,other=2000; {pair!r} does not fit.")
        found[key] = int(value)
    return found


def choice(name: str, default: str, known: tuple[str, ...]) -> str:
    """One of a few words, in capitals."""
    value = text(name, default).upper()
    if value not in known:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return value


def currency(name: str, default: str) -> str:
    """Three capital letters."""
    value = text(name, default)
    if not re.fullmatch("[A-Z]{3}", value):
        raise ImproperlyConfigured(f"{name} must be three capital letters such as USD, not {value!r}.")
    return value


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """An address of one of these schemes; empty if there is none and no default."""
    value = text(name, default)
    parts = urlsplit(value)
    if value and (parts.scheme not in schemes or not (parts.netloc or parts.scheme == "unix")):
        raise ImproperlyConfigured(f"{name} must be an address that begins with {' or '.join(f'{each}://' for each in schemes)}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, process: str, pool_size: int) -> dict[str, Any]:
    """Django's database entry from a libpq URI; `process` is "web" where statements may not run long."""
    try:
        found = conninfo_to_dict(text(name, "postgresql://localhost/agentsite"))
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"{name} is not a PostgreSQL URL (postgresql://user:password@host:port/name).") from error
    options: dict[str, Any] = {"application_name": f"agentsite-{process or 'command'}"}
    if process:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 30}
    if process == "web":
        options["options"] = "-c statement_timeout=10000"
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    # Checked when a pool gives one out, for 0.1 ms: after a restart of the database nobody gets a dead one.
    entry: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": bool(process)}
    for key, value in found.items():
        if key in known:
            entry[known[key]] = str(value)
        else:
            options[key] = value
    return entry | {"OPTIONS": options}
