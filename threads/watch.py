"""The watch loop: once a second, one query for all open sockets of the process.

It finds what no frame can tell: that the last frame was lost, that somebody was removed, signed out or switched off.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
import redis
from channels.layers import get_channel_layer
from django.db import Error, OperationalError, connection

from threads.authentication import Caller
from threads.figures import LOOP_LAG, SOCKETS
from threads.models import Presence, Process
from threads.models.presence import Pair, Present

logger = logging.getLogger(__name__)
T = TypeVar("T")
TICK = 1.0
PING_TICKS = 5
FAILED = 1011
# Consumers' reads run here: bounded, and not one at a time as with the default thread-sensitive executor.
READS = ThreadPoolExecutor(6, thread_name_prefix="socket-read")

LOOK = """
SELECT w.n - 1, u.is_active AND (k.id IS NOT NULL OR (s.session_key IS NOT NULL AND u.password = w.password)),
       w.thread IS NULL OR (t.id IS NOT NULL AND (m.id IS NOT NULL OR EXISTS (
           SELECT FROM (VALUES ('operate_thread', 'operate', true), ('use_playground', 'playground', u.is_staff)) may(permission, scope, so)
           WHERE may.so AND (w.key IS NULL OR may.scope = ANY(k.scopes)) AND (u.is_superuser OR EXISTS (
               SELECT FROM auth_permission p WHERE p.codename = may.permission AND p.content_type_id = (
                       SELECT id FROM django_content_type WHERE app_label = 'threads' AND model = 'thread')
                   AND (EXISTS (SELECT FROM threads_user_user_permissions o WHERE o.user_id = u.id AND o.permission_id = p.id)
                        OR EXISTS (SELECT FROM threads_user_groups g JOIN auth_group_permissions o ON o.group_id = g.group_id
                                   WHERE g.user_id = u.id AND o.permission_id = p.id))))))),
       t.version,
       (SELECT json_object_agg(r.id, coalesce(
                   (SELECT d."end" FROM threads_delta d WHERE d.run_id = r.id AND d.attempt = r.attempt AND d.start >= r.base
                    ORDER BY d.start DESC LIMIT 1), r.base))::text
        FROM threads_run r WHERE r.thread_id = w.thread AND r.status = 'running')
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::uuid[], %s::uuid[]) WITH ORDINALITY AS w(session, password, key, person, thread, n)
LEFT JOIN django_session s ON s.session_key = w.session AND s.expire_date > now()
LEFT JOIN threads_apikey k ON k.id = w.key AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
LEFT JOIN threads_user u ON u.id = w.person
LEFT JOIN threads_threadmember m ON m.user_id = w.person AND m.thread_id = w.thread
LEFT JOIN threads_thread t ON t.id = w.thread AND t.deleted_at IS NULL
"""


@dataclass(frozen=True)
class Seen:
    """What the rows say about one socket: still signed in, still a member, and how far the thread has come."""

    signed_in: bool
    member: bool
    version: int
    cursors: dict[str, int]


class Watched(Protocol):
    """An open socket."""

    caller: Caller | None
    thread_id: UUID | None

    @property
    def place(self) -> Pair | None:
        """Which thread is before whose eyes."""

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """Act on what the rows say: close, catch up, ping."""

    async def meet(self, people: list[Present]) -> None:
        """Tell who looks at the same thread."""

    async def close(self, code: int) -> None:
        """End it."""


async def read(query: Callable[[], T]) -> T:
    """Run a database read off the event loop; the connection goes back to the pool at once."""

    def released() -> T:
        try:
            return query()
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(READS, released)


def look(sockets: list[Watched]) -> list[Seen]:
    """One query for all of them, in their order."""
    if not sockets:
        return []
    who = [(c.session_key, c.password, c.api_key, c.user.pk, socket.thread_id) for socket in sockets if (c := socket.caller)]
    with connection.cursor() as cursor:
        cursor.execute(LOOK, [list(column) for column in zip(*who, strict=True)])
        rows = sorted(cursor.fetchall())
    return [Seen(bool(here), member, version or 0, msgspec.json.decode(cursors or "{}")) for _, here, member, version, cursors in rows]


def company(threads: set[UUID], places: set[Pair], said: set[Pair], *, renew: bool) -> dict[UUID, list[Present]]:
    """Say who is where in this process, beyond what was said before; who is in these threads on the whole site. Only with `renew` is also
    said who has left: whoever loads a page again is gone for a moment."""
    Presence.objects.renew(places if renew else places - said)
    if renew:
        Presence.objects.leave(said - places)
    return Presence.objects.here(threads)


class Watch:
    """The loop of one process; it runs while there is a socket to watch."""

    def __init__(self) -> None:
        self._sockets: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_anchored = False
        self._said: set[Pair] = set()

    def add(self, socket: Watched) -> None:
        """Watch a socket that was let in."""
        self._sockets.add(socket)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), context=Context())  # not the first socket's: what it logs is about nobody

    def discard(self, socket: Watched) -> None:
        """It is closed."""
        self._sockets.discard(socket)

    async def _run(self) -> None:
        tick, self._said = 0, set()
        while self._sockets:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            LOOP_LAG.observe(max(0.0, time.monotonic() - due))
            tick += 1
            sockets = list(self._sockets)
            try:
                if not self._is_anchored:
                    # A subscription that stays: without any, the channel layer polls, and a first frame waits up to 100 ms.
                    layer = get_channel_layer()
                    await layer.group_add("anchor", await layer.new_channel())
                    self._is_anchored = True
                seen = await read(lambda: look(sockets))  # noqa: B023 (awaited before the next turn)
                ping = tick % PING_TICKS == 0
                places = {place for socket in sockets if (place := socket.place)}
                threads = {socket.thread_id for socket in sockets if socket.thread_id}
                people = await read(lambda: company(threads, places, self._said, renew=ping))  # noqa: B023
                self._said = places if ping else self._said | places
                if ping:
                    SOCKETS.set(len(sockets))
                    await read(Process.objects.beat)
                if ping or not self._sockets:
                    await get_channel_layer().tidy()
            except (Error, redis.RedisError) as error:
                # The database or Redis is away, or its tables are of another version; whoever is behind is seen when it is back.
                logger.warning("the sockets were not looked after (%s)", type(error).__name__)
                continue
            pairs = zip(sockets, seen, strict=True)
            await asyncio.gather(*(self._observe(socket, facts, people, ping) for socket, facts in pairs if socket in self._sockets))

    async def _observe(self, socket: Watched, seen: Seen, people: dict[UUID, list[Present]], ping: bool) -> None:
        try:
            await socket.observe(seen, ping=ping)
            if socket.thread_id:
                await socket.meet(people.get(socket.thread_id, []))
        except OperationalError:
            logger.info("a socket could not be brought up to date: the database is away")
        except Exception:
            # Whatever is wrong with one socket, the others are looked after; its browser comes back.
            logger.exception("a socket failed")
            await socket.close(FAILED)


watch = Watch()
