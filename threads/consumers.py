"""The push-only sockets: join the group, send what was missed, forward frames. Commands come by HTTP."""

import asyncio
import time
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import OperationalError
from django.http import HttpRequest

from threads.access import may_view
from threads.broadcast import thread_group
from threads.models import Thread, User
from threads.sync import USUAL, Wanted, snapshot
from threads.watch import Seen, read, watch

NOT_SIGNED_IN, BAD_FRAME, BAD_ORIGIN, NOT_YOURS, IDLE = 4401, 4400, 4403, 4404, 4408
TRY_AGAIN = 1013
SILENCE_SECONDS = 30
MAX_UNHEARD_BYTES = 2_000_000


class SyncRequest(msgspec.Struct):
    """What a browser may send: it asks for what it misses, or says that it is still there."""

    type: str
    version: int | None = None
    cursors: dict[str, int] = {}
    # See `threads.sync.Wanted`.
    ended: bool = False
    start: int = 0
    skip: list[str] = []


class Refused(Exception):
    """The socket is closed with this code."""

    def __init__(self, code: int) -> None:
        self.code = code


class PushSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """A socket of one signed-in person. Subclasses say which group they join and what a fresh page needs."""

    group: str
    session_key = ""
    wanted = USUAL
    user_id: UUID
    thread_id: UUID | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Whatever ends the socket, it is watched no more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            watch.discard(self)

    async def connect(self) -> None:
        """Accept first: a close before it loses its code."""
        await self.accept()
        self.heard, self.unheard_bytes, self.lock = time.monotonic(), 0, asyncio.Lock()
        try:
            self._check_origin()
            user = await read(self._person)
            self.user_id = user.pk
            await self.join(user)
            watch.add(self)
        except Refused as refused:
            await self.close(refused.code)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As channels does, but without looking for old database connections: that is a thread hop for every frame.

        All reads go through `read`, which gives its connection back. While the database is away, browsers come again later.
        """
        try:
            await getattr(self, get_handler_name(message))(message)
        except OperationalError:
            await self.close(TRY_AGAIN)

    async def disconnect(self, code: int) -> None:
        """Leave the group and the watch."""
        watch.discard(self)
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Only `sync` and `ping` are understood."""
        try:
            request = msgspec.json.decode(text_data or bytes_data or b"", type=SyncRequest)
        except msgspec.MsgspecError:
            await self.close(BAD_FRAME)
            return
        self.heard, self.unheard_bytes = time.monotonic(), 0
        if request.type == "sync":
            self.wanted = Wanted(request.ended, request.start, frozenset(request.skip))
            await self.sync(request.version, request.cursors)

    async def join(self, user: User) -> None:
        """Check that the person may be here, join the group, then send what is newer than the browser has."""
        raise NotImplementedError

    async def sync(self, version: int | None, cursors: dict[str, int]) -> None:
        """Send what is missing."""
        raise NotImplementedError

    async def frame(self, message: dict[str, Any]) -> None:
        """Forward a frame from the group."""
        async with self.lock:
            await self.push(message["text"])

    async def push(self, text: str) -> None:
        """Send, and count what the browser has not yet shown to have read."""
        self.unheard_bytes += len(text)
        await self.send(text)

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """Close for who may no longer watch, or no longer listens."""
        if not seen.signed_in:
            await self.close(NOT_SIGNED_IN)
        elif not seen.member:
            await self.close(NOT_YOURS)
        elif time.monotonic() - self.heard > SILENCE_SECONDS or self.unheard_bytes > MAX_UNHEARD_BYTES:
            await self.close(IDLE)
        elif ping:
            await self.send(msgspec.json.encode({"type": "ping", "version": seen.version, "cursors": seen.cursors}).decode())

    def _check_origin(self) -> None:
        """Browsers send cookies with sockets of any site, and always name it in Origin; programs send none."""
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        if origin and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin1") and origin not in settings.CSRF_TRUSTED_ORIGINS:
            raise Refused(BAD_ORIGIN)

    def _person(self) -> User:
        cookie = SimpleCookie(dict(self.scope["headers"]).get(b"cookie", b"").decode("latin1"))
        if settings.SESSION_COOKIE_NAME not in cookie:
            raise Refused(NOT_SIGNED_IN)
        self.session_key = cookie[settings.SESSION_COOKIE_NAME].value
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(self.session_key)
        user = get_user(request)
        if not isinstance(user, User):
            raise Refused(NOT_SIGNED_IN)
        return user


class ThreadSocket(PushSocket):
    """`/ws/threads/<id>/`: one thread, as its members see it."""

    version = -1
    seen: Seen | None = None

    async def join(self, user: User) -> None:
        """Join first, then read: a frame of the meantime is dropped by its version, a missed one could not be told."""
        thread_id: UUID = self.scope["url_route"]["kwargs"]["thread_id"]
        if not await read(lambda: may_view(user, thread_id)):
            raise Refused(NOT_YOURS)
        self.thread_id, self.group, self.cursors = thread_id, thread_group(thread_id), dict[str, int]()
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.sync(*self._asked())

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
            await self.push(msgspec.json.encode(frame).decode())

    async def frame(self, message: dict[str, Any]) -> None:
        """Forward, and remember how far this browser has come if nothing was lost before it."""
        async with self.lock:
            if "run" in message:
                self.cursors[message["run"]] = message["end"]
            elif message["version"] == self.version + 1:
                self.version = message["version"]
            await self.push(message["text"])

    async def recheck(self, message: dict[str, Any]) -> None:
        """Somebody was removed; the watch loop would see it within a second, a push is sooner."""
        del message
        if not await read(lambda: may_view(User.objects.get(pk=self.user_id), str(self.thread_id))):
            await self.close(NOT_YOURS)

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """Catch up if still behind what the rows said a tick ago: that frame is lost, and the last one leaves no gap to notice."""
        await super().observe(seen, ping=ping)
        before, self.seen = self.seen, seen
        if before and seen.member and self._is_behind(before):
            await self.sync(self.version, self.cursors)

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
