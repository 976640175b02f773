"""What a log line says besides its message: whose run, thread and user it is about. Never a prompt, never a key."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from django.conf import settings

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))

# Keys of programs and of model servers, wherever they turn up.
KEYS = re.compile(r"\b(?:agentsite_[\w-]{40,}|sk-[\w-]{8,})|(?i:bearer)\s+[\w.~+/-]{8,}=*")
# Postgres quotes the values of a refused row after these words, line breaks and all: up to the next trace of a chain nothing is shown.
VALUES = re.compile(r"^(DETAIL|CONTEXT):.*?(?=\n\n(?:The above exception|During handling)|\Z)", re.MULTILINE | re.DOTALL)
HIDDEN = "***"


def note(**ids: Any) -> Token[Mapping[str, str]]:
    """What this request or thread logs from now on is about this `run`, `thread`, `user`."""
    return _about.set({**_about.get(), **{name: str(value) for name, value in ids.items() if value}})


@contextmanager
def about(**ids: Any) -> Iterator[None]:
    """The same, within a block: the threads of a pool go on to something else."""
    token = note(**ids)
    try:
        yield
    finally:
        _about.reset(token)


def clean(text: str) -> str:
    """The text without secrets, and without what Postgres quotes of rows."""
    for secret in (settings.SECRET_KEY, settings.OPENAI_API_KEY, settings.METRICS_TOKEN):
        if len(secret) > 7:  # a shorter one is no secret, and part of many words
            text = text.replace(secret, HIDDEN)
    return VALUES.sub(r"\1: " + HIDDEN, KEYS.sub(HIDDEN, text))


class Lines(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, the ids, message, and the trace of an error."""
        record.about = "".join(f"{name}={value} " for name, value in _about.get().items())
        return clean(super().format(record))


class Json(logging.Formatter):
    """Lines for programs: one JSON object each. What else a library hangs on a record (a request, a task's arguments) stays out."""

    def format(self, record: logging.LogRecord) -> str:
        """`time`, `level`, `logger`, `message`, the ids, and `trace` with an error."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname, "logger": record.name, "message": clean(record.getMessage()), **_about.get()}
        if record.exc_info:
            line["trace"] = clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
