"""Taking from limits, in the caller's transaction: what is rolled back costs nothing.

The allowance of a limit is in `shards` rows, each a share of it. Usually one that nobody else is at has enough; only if not, all are
looked at together, so that nothing is refused while there is enough in all.
"""

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext

from billing.models import Limit
from threads.errors import AgentError

# Who comes when they were told to is not refused for what fractions lose.
HAIR = 1e-6
# What a row has by now, and the moment from which it goes on. Clocks that run backwards give nothing and take nothing.
SINCE = "greatest(0, extract(epoch FROM clock_timestamp() - s.at))::float8"
HAS = {
    Limit.Kind.BUCKET: f"least(%(share)s, s.value + {SINCE} * %(flow)s)",
    Limit.Kind.WINDOW: f"least(%(share)s, s.value + floor({SINCE} / %(period)s) * %(gain)s)",
}
AT = {
    Limit.Kind.BUCKET: "clock_timestamp()",
    Limit.Kind.WINDOW: f"s.at + floor({SINCE} / %(period)s) * %(period)s * interval '1 second'",
}
# Only a shard that has enough is locked, and none is waited for. As a subquery it could be asked once for each row, and take from several.
TAKE = """
WITH found AS MATERIALIZED (
    SELECT s.id FROM billing_allowance s WHERE name = %(name)s AND key = %(key)s AND shard < %(shards)s AND {has} >= %(n)s - %(hair)s
    FOR UPDATE SKIP LOCKED LIMIT 1)
UPDATE billing_allowance AS s SET value = {has} - %(n)s, at = {at} FROM found WHERE s.id = found.id
"""
LEVEL = "UPDATE billing_allowance AS s SET value = %(level)s, at = {at} WHERE name = %(name)s AND key = %(key)s AND shard < %(shards)s"
LOOK = """
SELECT s.shard, {has}, extract(epoch FROM clock_timestamp() - {at})::float8 FROM billing_allowance s
WHERE name = %(name)s AND key = %(key)s ORDER BY s.shard
"""
FILL = """
INSERT INTO billing_allowance (name, key, shard, value, at) SELECT %(name)s, %(key)s, n, %(share)s, clock_timestamp()
FROM generate_series(0, %(shards)s - 1) AS n ON CONFLICT DO NOTHING
"""


class LimitExceeded(AgentError):
    """Come again in `retry_after` seconds; `name` is the limit's."""

    kind: ClassVar[str] = "limit_exceeded"
    retryable = True
    retry_after: float

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(gettext("That is more than is allowed at present (%(name)s).") % {"name": name})
        self.name, self.retry_after = name, retry_after

    def details(self) -> dict[str, Any]:
        """The moments are seconds since 1970 by the server's clock: their difference counts, not what a laptop believes the time is."""
        now = time.time()
        return {"name": self.name, "retry_after": self.retry_after, "retry_at": now + self.retry_after, "server_time": now}


@dataclass(frozen=True)
class Left:
    """What is left of a limit now, of how much, how many units come each second, and in how many seconds there is one."""

    value: float
    capacity: float
    flow: float
    retry_after: float


def limit(name: str | Limit, key: str = "", n: float = 1) -> None:
    """Take so many; raises LimitExceeded, and takes nothing, if there are not enough. More than ever fit raise ValueError."""
    config = configured(name)
    if config is None:
        return
    if n > config.capacity:
        raise ValueError(f"{config.name} never has {n:g}: its capacity is {config.capacity}.")
    _take(config, key, n, debt=False)


def check(name: str | Limit, key: str = "", n: float = 1) -> None:
    """Only look: raises LimitExceeded if there are not so many, or not all that fit."""
    config = configured(name)
    if config is None:
        return
    has = _all(config, key, lock=False)
    wanted = min(n, config.capacity)
    if sum(value for value, _ in has.values()) < wanted - HAIR:
        raise LimitExceeded(config.name, _wait(config, has, wanted))


def reserve(name: str | Limit, key: str = "", n: float = 1) -> None:
    """Take so many even if there are fewer: the debt is paid off by what comes, and until then others are refused."""
    config = configured(name)
    if config is not None:
        _take(config, key, n, debt=True)


def left(name: str | Limit, key: str = "") -> Left | None:
    """What is left; None if there is no such limit at present."""
    config = configured(name)
    if config is None:
        return None
    has = _all(config, key, lock=False)
    value = sum(value for value, _ in has.values())
    return Left(value, config.capacity, config.rate / config.period, _wait(config, has, 1) if value < 1 - HAIR else 0.0)


def active() -> list[Limit]:
    """Those that count at present, by name: as the admin has them, or else the settings. Whoever takes from several does it in this
    order, as all others do."""
    if not settings.RATE_LIMITS:
        return []
    limits = {name: Limit(name=name, **facts) for name, facts in settings.LIMITS.items()}
    limits |= {found.name: found for found in Limit.objects.all()}
    return sorted((each for each in limits.values() if each.enabled), key=lambda each: each.name)


def configured(name: str | Limit) -> Limit | None:
    """The limit of this name; None if it does not count at present. KeyError if there is none."""
    if isinstance(name, Limit):
        return name
    found = Limit.objects.filter(name=name).first() or Limit(name=name, **settings.LIMITS[name])
    return found if settings.RATE_LIMITS and found.enabled else None


def _values(config: Limit, key: str, **more: Any) -> dict[str, Any]:
    shards = config.shards
    gain = config.rate / shards
    share = {"share": config.capacity / shards, "gain": gain, "flow": gain / config.period, "period": config.period}
    return {"name": config.name, "key": key, "shards": shards, "hair": HAIR, **share, **more}


def _take(config: Limit, key: str, n: float, *, debt: bool) -> None:
    kind = Limit.Kind(config.kind)
    values = _values(config, key, n=float(n))
    if _taken(TAKE.format(has=HAS[kind], at=AT[kind]), values):
        return
    wait = 0.0
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        has = _all(config, key, lock=True)
        rest = sum(value for value, _ in has.values()) - n
        if rest < -HAIR and not debt:
            wait = _wait(config, has, n)
        else:
            # Evenly, so that no shard has a debt while another one lets people in.
            cursor.execute(LEVEL.format(at=AT[kind]), values | {"level": rest / config.shards})
    if wait:  # not from within: the caller's transaction may go on
        raise LimitExceeded(config.name, wait)


def _taken(take: str, values: dict[str, Any]) -> bool:
    """Whether one shard had enough. If none had, no lock is kept: Postgres locks rows first and then sees that they just became too
    small, and whoever holds one of those and then asks for all would wait for others who do the same."""
    sid = transaction.savepoint() if connection.in_atomic_block else None
    with connection.cursor() as cursor:
        cursor.execute(take, values)
        found = bool(cursor.rowcount)
    if sid:
        (transaction.savepoint_commit if found else transaction.savepoint_rollback)(sid)
    return found


def _all(config: Limit, key: str, *, lock: bool) -> dict[int, tuple[float, float]]:
    """What each shard has, and the seconds since its window began. One that was never used is full."""
    kind = Limit.Kind(config.kind)
    values = _values(config, key)
    with connection.cursor() as cursor:
        if lock:
            cursor.execute(FILL, values)
        cursor.execute(LOOK.format(has=HAS[kind], at=AT[kind]) + "FOR UPDATE" * lock, values)
        found = {shard: (value, since) for shard, value, since in cursor.fetchall() if shard < config.shards}
    return {shard: found.get(shard, (values["share"], 0.0)) for shard in range(config.shards)}


def _wait(config: Limit, has: dict[int, tuple[float, float]], n: float) -> float:
    """Seconds until there are so many."""
    missing = n - sum(value for value, _ in has.values())
    if config.kind == Limit.Kind.BUCKET:
        return missing / (config.rate / config.period)
    windows = -(-missing // config.rate)
    return float(windows * config.period - min(since for _, since in has.values()))
