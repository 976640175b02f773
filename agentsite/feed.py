"""`/ws/me/`: a person's own feed: what changes in their list of threads, and in what they may send."""

from typing import Any

import msgspec
from django.db.models import Count, Max, Sum

from billing import admission
from billing.models import Allowance
from threads.access import is_operator
from threads.broadcast import INBOX, user_group
from threads.caps import crowd
from threads.consumers import NOT_YOURS, PushSocket
from threads.inbox import as_seen_by
from threads.lists import listing
from threads.models import Thread
from threads.watch import Seen, read


class MeSocket(PushSocket):
    """The list and the limits as they are on connect, then each change. It repairs itself with each ping: what moved unseen is sent
    again."""

    digest: tuple[Any, ...] | None = None
    # Of operators: what waits, as they were told of it, and whether that may have changed.
    waiting: tuple[Any, ...] | None = None
    stale = False

    async def join(self) -> None:
        """Join, then send the list, and to operators how much waits for them."""
        await self.enter(user_group(self.user.pk))
        await self.catch_up(None, {})
        if await read(lambda: is_operator(self.user)):
            await self.enter(INBOX)
            await self.look_for_work()

    async def inbox(self, message: dict[str, Any]) -> None:
        """Something happened in some thread: look with the next tick, once for all that happens until then."""
        self.stale = True
        if message["changed"]:
            self.waiting = None

    async def look_for_work(self) -> None:
        """Tell operators how many threads wait for one, if that is not what they know."""
        self.stale = False
        waiting = await read(lambda: as_seen_by(self.user))
        if waiting is not None and waiting != self.waiting:
            self.waiting = waiting
            await self.send(msgspec.json.encode({"type": "inbox", "count": len(waiting[1])}).decode())

    async def sync(self, version: int | None, cursors: dict[str, int]) -> None:
        """The list of threads; this feed has no versions."""
        del version, cursors
        async with self.lock:
            self.digest, threads, limits = await read(lambda: (self._digest(), listing(self.user), admission.state(self.user)))
            await self.send(msgspec.json.encode({"type": "threads", **threads}).decode())
            await self.send(msgspec.json.encode(limits).decode())

    async def limits(self, message: dict[str, Any]) -> None:
        """Something was taken: look what is left."""
        del message
        async with crowd.gate(self.user.pk), self.lock:
            await self.send(msgspec.json.encode(await read(lambda: admission.state(self.user))).decode())

    async def observe(self, seen: Seen, *, ping: bool) -> None:
        """With each ping, see whether the list moved since it was last sent."""
        await super().observe(seen, ping=ping)
        if self.over:
            return
        if ping and await read(self._digest) != self.digest:
            await self.catch_up(None, {})
        if self.stale or (ping and self.waiting is not None):
            await self.look_for_work()

    def _digest(self) -> tuple[Any, ...]:
        own = Thread.objects.visible_to(self.user)
        threads = own.aggregate(Count("id"), Max("last_activity"), Max("members__seen_at"), Max("members__pinned_at"))
        return threads, Allowance.objects.filter(key=str(self.user.pk)).aggregate(Max("at"), Sum("value"))


class NoSuchSocket(PushSocket):
    """Any other address."""

    async def connect(self) -> None:
        """Say so with a code that a browser can read."""
        await self.accept()
        await self.close(NOT_YOURS)
