"""Whether the site can do its work: each probe looks at one thing, and says in plain words what it found or what is wrong.

`/readyz` asks those without which nothing is answered, `manage.py doctor` asks all.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import redis
from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max, Min
from django.db.models.functions import Now
from django.utils import timezone

from agents.errors import AgentError
from agents.providers import openai
from threads.connections import connect
from threads.models import Delta, Process, Run, ToolCall

Probe = Callable[[], str]
CONNECT_SECONDS = 2
OLDEST_POSTGRES = 15
LATE_SWEEP = timedelta(seconds=30)
LATE_BEAT = timedelta(minutes=1)
LONG_QUEUE = timedelta(minutes=1)
OLD_DELTAS = timedelta(minutes=30)
MOST_CLOCK_SKEW = timedelta(seconds=2)
LEAST_FREE_BYTES = 1_000_000_000


class Unwell(Exception):
    """What is wrong, and what to do about it."""


@dataclass(frozen=True)
class Finding:
    """What a probe said."""

    name: str
    well: bool
    words: str


def findings(probes: Mapping[str, Probe]) -> list[Finding]:
    """Ask the probes, in their order; without the database the others cannot know much, and are not asked."""
    found: list[Finding] = []
    for name, probe in probes.items():
        found.append(_asked(name, probe))
        if name == "database" and not found[-1].well:
            break
    return found


def _asked(name: str, probe: Probe) -> Finding:
    try:
        return Finding(name, True, probe())
    except Unwell as error:
        return Finding(name, False, str(error))
    except Error as error:
        return Finding(name, False, f"The database failed meanwhile ({type(error).__name__}).")
    finally:
        connection.close()


def database() -> str:
    """By a connection of its own: the pool would wait for a database that is away."""
    try:
        with connect(connect_timeout=CONNECT_SECONDS) as server:
            version = server.info.server_version // 10000
            row = server.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    except psycopg.OperationalError as error:
        raise Unwell(f"The database of DATABASE_URL does not answer: {str(error).strip().splitlines()[0]}") from error
    if version < OLDEST_POSTGRES:
        raise Unwell(f"This is Postgres {version}; {OLDEST_POSTGRES} or newer is needed.")
    return f"Postgres {version}, pgvector {row[0] if row else 'not installed yet'}"


def migrations() -> str:
    """Whether the tables are those of this version."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        raise Unwell(f"{len(pending)} migrations are missing ({names}): run `manage.py migrate`.")
    return "the tables are up to date"


def broker() -> str:
    """Redis, which wakes people up."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS) as client:
            version = str(client.info("server")["redis_version"])
    except (redis.RedisError, ValueError) as error:
        raise Unwell(f"REDIS_URL leads to no Redis ({error}). Answers still come, but late.") from error
    return f"Redis {version}"


def worker() -> str:
    """Somebody who answers."""
    alive = Process.objects.alive().filter(kind=Process.Kind.WORKER, draining=False).count()
    if not alive:
        last = Process.objects.filter(kind=Process.Kind.WORKER).aggregate(last=Max("seen_at"))["last"]
        raise Unwell(f"No worker has been heard of {_for_how_long(last)}: prompts wait. Start one (README, Settings), or read its log.")
    return f"{alive} at work"


def sweeper() -> str:
    """Somebody who takes runs back from the dead."""
    last = Process.objects.aggregate(last=Max("swept_at"))["last"]
    if last is None or timezone.now() - last > LATE_SWEEP:
        raise Unwell(f"Nobody has swept up after dead workers {_for_how_long(last)}: a worker has to run for that.")
    return f"swept {_ago(last)}"


def beat() -> str:
    """Who prunes, and gives vectors to what was said."""
    last = Process.objects.aggregate(last=Max("beat_at"))["last"]
    if last is None or timezone.now() - last > LATE_BEAT:
        raise Unwell(f"Celery's beat has not been heard of {_for_how_long(last)}: nothing is pruned, and no vectors are made.")
    return f"heard of {_ago(last)}"


def queue() -> str:
    """How long prompts wait for a worker. Those behind another answer of their thread do not count."""
    oldest = Run.objects.unclaimed().aggregate(at=Min("queued_at"))["at"]
    if oldest is not None and timezone.now() - oldest > LONG_QUEUE:
        raise Unwell(
            f"A prompt has waited for a worker for {_duration(oldest)}. All workers are busy, or none takes work: start another one."
        )
    return "no prompt waits long"


def leases() -> str:
    """Runs whose worker died have to be taken over within seconds."""
    lost = Run.objects.filter(status=Run.Status.RUNNING, lease_until__lt=Now() - LATE_SWEEP).count()
    if lost:
        raise Unwell(f"{lost} answers are held by workers that are gone, and nobody takes them over: no sweeper gets through.")
    return "every answer that is being written has a worker"


def deltas() -> str:
    """Streams of the past have to be pruned."""
    if Delta.objects.filter(run__ended_at__lt=Now() - OLD_DELTAS).exists():
        raise Unwell("Streams of answers that ended half an hour ago are still kept: beat, or the worker that prunes, does not run.")
    return "streams of the past are pruned"


def outcomes() -> str:
    """Calls of which nobody knows whether they had an effect wait for a person."""
    unknown = ToolCall.objects.filter(status=ToolCall.Status.UNKNOWN).count()
    return f"{unknown} tool calls have an unknown outcome, and wait for somebody to settle them" if unknown else "all outcomes are known"


def clock() -> str:
    """Times of this machine and of the database's are compared in places."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    skew = abs(timezone.now() - theirs)
    if skew > MOST_CLOCK_SKEW:
        raise Unwell(f"This machine's clock and the database's differ by {skew.total_seconds():.0f} s: let both follow a time server.")
    return "runs as the database's does"


def connections() -> str:
    """Postgres refuses further ones at its limit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_setting('max_connections')::int"
        )
        used, most = cursor.fetchone()
    if used > 0.8 * most:
        raise Unwell(f"{used} of {most} database connections are used: raise max_connections, or run fewer processes.")
    return f"{used} of {most} used"


def model() -> str:
    """The model's server."""
    if settings.MODEL == "demo":
        return "the demo model answers; set OPENAI_API_KEY or OPENAI_BASE_URL to connect a real one"
    try:
        names = asyncio.run(openai.models())
    except AgentError as error:
        raise Unwell(f"The model's server does not work: {error}") from error
    if names and settings.MODEL not in names:
        raise Unwell(f"The server does not offer AGENTSITE_MODEL={settings.MODEL}. It has: {', '.join(names[:8])}.")
    return f"{settings.MODEL} is there"


def configuration() -> str:
    """What `manage.py check` complains about."""
    found = [check for check in checks.run_checks() if check.level >= checks.WARNING and not check.is_silenced()]
    if found:
        raise Unwell(" ".join(f"{check.msg} ({check.id})" for check in found[:5]))
    if settings.DEBUG and not set(settings.ALLOWED_HOSTS) <= {"localhost", "127.0.0.1", "[::1]"}:
        raise Unwell("DEBUG is on while ALLOWED_HOSTS names foreign hosts: errors show their inside to everybody.")
    return "the checks find nothing"


def disk() -> str:
    """Room for what is written beside the database."""
    place = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        raise Unwell(f"Only {free / 1e9:.1f} GB are free in {place}.")
    return f"{free / 1e9:.0f} GB free"


def files() -> str:
    """The storage of what people and tools bring along."""
    try:
        default_storage.delete(default_storage.save("doctor", ContentFile(b"well?")))
    except OSError as error:
        raise Unwell(f"No file can be stored ({error}): look at AGENTSITE_FILES_DIR.") from error
    return "can be stored"


def _ago(moment: datetime) -> str:
    return f"{_duration(moment)} ago"


def _for_how_long(last: datetime | None) -> str:
    return f"for {_duration(last)}" if last else "yet"


def _duration(since: datetime) -> str:
    seconds = max(0, int((timezone.now() - since).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


NEEDED: dict[str, Probe] = {"database": database, "migrations": migrations, "redis": broker, "worker": worker, "sweeper": sweeper}
ALL: dict[str, Probe] = NEEDED | {
    probe.__name__: probe for probe in (beat, queue, leases, deltas, outcomes, clock, connections, model, configuration, disk, files)
}
