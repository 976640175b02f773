"""The push-only sockets: join the group, send what was missed, forward frames. Commands come by HTTP."""

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
import redis
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import OperationalError

from threads.access import is_operator, may_view, require_scope, takes_part
from threads.authentication import Caller, caller_of_socket
from threads.broadcast import person_group, thread_group
from threads.caps import Pace, crowd
from threads.errors import Forbidden
from threads.logs import note
from threads.models import Thread, User
from threads.models.presence import Pair, Present
from threads.rows import person
from threads.sync import USUAL, Wanted, snapshot
from threads.watch import Seen, look, read, watch

NOT_SIGNED_IN, BAD_FRAME, BAD_ORIGIN, NOT_YOURS, IDLE, TOO_MANY = 4401, 4400, 4403, 4404, 4408, 4429
TRY_AGAIN = 1013
SILENCE_SECONDS = 30
MOST_NAMED = 20
# A page tells every 3 s that something is being written.
TYPING_SECONDS = 2


class SyncRequest(msgspec.Struct):
    """What a browser may send: it asks for what it misses, says that it is still there, or that something is being written."""

    type: str
    version: int | None = None
    cursors: dict[str, int] = {}
    # With `ping`: nobody looks at the page just now.
    away: bool = False
    # See `threads.sync.Wanted`.
    ended: bool = False
    start: int = 0
    skip: list[str] = []


class Refused(Exception):
    """The socket is closed with this code."""

    def __init__(self, code: int) -> None:
        self.code = code


class PushSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """A socket of one person, or of a program on their behalf. Subclasses say which group they join and what a fresh page needs."""

    channel_name = ""
    caller: Caller | None = None
    user: User
    wanted = USUAL
    thread_id: UUID | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard, self.lock, self.pace = time.monotonic(), asyncio.Lock(), Pace()
        self.over = self.away = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Whatever ends the socket, it is watched no more, and nothing is kept for it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            watch.discard(self)
            if self.channel_name:
                self.channel_layer.forget(self.channel_name)
            if self.caller:
                crowd.leave(self.caller.user.pk)

    async def connect(self) -> None:
        """Accept first: a close before it loses its code."""
        await self.accept()
        try:
            await self._let_in()
            await self.enter(person_group(self.user.pk))
            await self.join()
            watch.add(self)
        except Refused as refused:
            await self.close(refused.code)
        except Forbidden:
            await self.close(NOT_YOURS)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As channels does, but without looking for old database connections: that is a thread hop for every frame.

        All reads go through `read`, which gives its connection back. While the database or Redis is away, browsers come again later.
        """
        try:
            await getattr(self, get_handler_name(message))(message)
        except (OperationalError, redis.RedisError):
            await self.close(TRY_AGAIN)

    async def close(self, code: int) -> None:
        """End the socket, for good."""
        self.over = True
        await super().close(code)

    async def enter(self, group: str) -> None:
        """Get the group's messages from now on."""
        await self.channel_layer.group_add(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Only `sync`, `ping` and `typing` are understood. What was sent before the browser knew of the close is not read."""
        if self.over:
            return
        try:
            request = msgspec.json.decode(text_data or bytes_data or b"", type=SyncRequest)
        except msgspec.MsgspecError:
            await self.close(BAD_FRAME)
            return
        self.heard = time.monotonic()
        if self.pace.too_fast():
            await self.close(TOO_MANY)
        elif request.type == "sync":
            self.wanted = Wanted(request.ended, request.start, frozenset(request.skip))
            await self.catch_up(request.version, request.cursors)
        elif request.type == "typing":
            await self.writes()
        else:
            self.away = request.away

    async def join(self) -> None:
        """Check that the person may be here, join the group, then send what is newer than the browser has."""
        raise NotImplementedError

    async def catch_up(self, version: int | None, cursors: dict[str, int]) -> None:
        """Send what is missing, after what else the person asked for."""
        async with crowd.gate(self.user.pk):
            await self.sync(version, cursors)

    async def sync(self, version: int | None, cursors: dict[str, int]) -> None:
        """Send what is missing."""
        raise NotImplementedError

    async def writes(self) -> None:
        """Somebody writes in the page; most sockets have nobody to tell."""

    async def frame(self, message: dict[str, Any]) -> None:
        """Forward a frame from the group."""
        async with self.lock:
            await self.send(message["text"])

    async def recheck(self, message: dict[str, Any]) -> None:
        """Somebody signed out or was removed; the watch loop would see it within a second, a push is sooner."""
        del message
        for seen in await read(lambda: look([self])):
            await self._close_if_gone(seen)

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """Close for who may no longer watch, or no longer listens."""
        if await self._close_if_gone(seen):
            return
        if time.monotonic() - self.heard > SILENCE_SECONDS:
            await self.close(IDLE)
        elif ping:
            await self.send(msgspec.json.encode({"type": "ping", "version": seen.version, "cursors": seen.cursors}).decode())

    @property
    def place(self) -> Pair | None:
        """The thread before a person's eyes; a program has none."""
        if self.thread_id and not self.away and self.caller and self.caller.session_key:
            return self.thread_id, self.user.pk
        return None

    async def meet(self, people: list[Present]) -> None:
        """Only the sockets of threads tell of others."""

    async def _close_if_gone(self, seen: Seen) -> bool:
        if seen.signed_in and seen.member:
            return False
        watch.discard(self)
        await self.close(NOT_YOURS if seen.signed_in else NOT_SIGNED_IN)
        return True

    async def _let_in(self) -> None:
        headers = dict(self.scope["headers"])
        caller = await read(lambda: caller_of_socket(headers))
        if caller is None:
            raise Refused(NOT_SIGNED_IN)
        if caller.session_key and not self._is_own(
            headers.get(b"origin", b"").decode("latin1"), headers.get(b"host", b"").decode("latin1")
        ):
            raise Refused(BAD_ORIGIN)
        require_scope(caller.user, "view")
        if not crowd.enter(caller.user.pk):
            raise Refused(TOO_MANY)
        self.caller, self.user = caller, caller.user
        note(user=caller.user.pk)

    def _is_own(self, origin: str, host: str) -> bool:
        """Browsers send cookies with sockets of any site, and always name it in Origin. A page cannot send a key."""
        return urlsplit(origin).netloc == host or origin in settings.CSRF_TRUSTED_ORIGINS


class ThreadSocket(PushSocket):
    """`/ws/threads/<id>/`: one thread, as its members see it."""

    version = -1
    seen: Seen | None = None
    operates = False
    wrote = 0.0
    # As the browser was told.
    others: list[Present] = []

    async def join(self) -> None:
        """Join first, then read: a frame of the meantime is dropped by its version, a missed one could not be told."""
        thread_id: UUID = self.scope["url_route"]["kwargs"]["thread_id"]
        if not await read(lambda: may_view(self.user, thread_id)):
            raise Refused(NOT_YOURS)
        self.thread_id, self.cursors = thread_id, dict[str, int]()
        self.operates = await read(lambda: is_operator(self.user))
        await self.enter(thread_group(thread_id))
        await self.catch_up(*self._asked())

    async def sync(self, version: int | None, cursors: dict[str, int]) -> None:
        """Frames that arrive meanwhile wait behind the lock."""
        async with self.lock:
            try:
                frame = await read(lambda: snapshot(str(self.thread_id), version, cursors, self.wanted))
            except Thread.DoesNotExist:
                await self.close(NOT_YOURS)
                return
            self.version = frame["version"]
            self.cursors.update({delta["run"]: delta["end"] for delta in frame["deltas"]})
            await self.send(msgspec.json.encode(frame).decode())

    async def frame(self, message: dict[str, Any]) -> None:
        """Forward, and remember how far this browser has come if nothing was lost before it."""
        async with self.lock:
            if "run" in message:
                self.cursors[message["run"]] = message["end"]
            elif message["version"] == self.version + 1:
                self.version = message["version"]
            await self.send(message["text"])

    async def writes(self) -> None:
        """Tell the others, if this person answers or asks here."""
        if self.place is None or time.monotonic() - self.wrote < TYPING_SECONDS:
            return
        self.wrote, thread_id = time.monotonic(), self.place[0]
        async with crowd.gate(self.user.pk):
            may = await read(lambda: takes_part(self.user, thread_id))
        if may:
            text = msgspec.json.encode({"type": "typing", "person": person(self.user)}).decode()
            await self.channel_layer.group_send(thread_group(thread_id), {"type": "typing", "text": text, "from": str(self.user.pk)})

    async def typing(self, message: dict[str, Any]) -> None:
        """Forward that somebody else writes."""
        if message["from"] != str(self.user.pk):
            await self.send(message["text"])

    async def meet(self, people: list[Present]) -> None:
        """Tell who else is here when that changed. Those who only look on (operators) are told to operators alone."""
        others = [each for each in people if each.id != str(self.user.pk) and (each.takes_part or self.operates)]
        if others != self.others and not self.over:
            self.others = others
            named = [{"id": each.id, "name": each.name} for each in others[:MOST_NAMED]]
            await self.send(msgspec.json.encode({"type": "here", "people": named, "more": len(others) - len(named)}).decode())

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """Catch up if still behind what the rows said a tick ago: that frame is lost, and the last one leaves no gap to notice."""
        await super().observe(seen, ping=ping)
        before, self.seen = self.seen, seen
        if ping and self.operates:
            self.operates = await read(lambda: is_operator(self.user.anew()))
        if before and not self.over and self._is_behind(before):
            await self.catch_up(self.version, self.cursors)

    def _is_behind(self, seen: Seen) -> bool:
        return seen.version > self.version or any(end > self.cursors.get(run, 0) for run, end in seen.cursors.items())

    def _asked(self) -> tuple[int | None, dict[str, int]]:
        """The version and cursors a returning browser names in the address."""
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        try:
            pairs = [pair.split(":") for pair in ",".join(query.get("cursors", [])).split(",") if pair]
            return int(query["version"][0]) if "version" in query else None, {run: int(end) for run, end in pairs}
        except ValueError as error:
            raise Refused(BAD_FRAME) from error
