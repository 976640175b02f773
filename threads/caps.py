"""How much of a web process one person may take with their sockets, so that nobody else feels it. The counts are this process's own."""

import asyncio
import time
from collections import Counter, deque
from uuid import UUID

from django.conf import settings

# A page asks at most every 150 ms, and pings now and then.
FRAMES, WITHIN_SECONDS = 50, 5.0
READS_AT_ONCE = 2
# All of a person's tabs may come back at once, some of them twice.
COMES_PER_SOCKET, COMES_WITHIN_SECONDS = 3, 10.0


class Crowd:
    """Who has how many sockets open, and a gate for what they ask for."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()
        self._gates: dict[UUID, asyncio.Semaphore] = {}
        self._came: deque[tuple[float, UUID]] = deque()
        self._lately: Counter[UUID] = Counter()

    def enter(self, person: UUID) -> bool:
        """Count one more socket; False, and not counted, if those are too many, or came too fast after each other."""
        self._forget()
        most = settings.MAX_SOCKETS_PER_PERSON
        if self._open[person] >= most or self._lately[person] >= most * COMES_PER_SOCKET:
            return False
        self._open[person] += 1
        self._lately[person] += 1
        self._came.append((time.monotonic(), person))
        return True

    def leave(self, person: UUID) -> None:
        """One socket less."""
        self._open[person] -= 1
        if self._open[person] <= 0:
            del self._open[person]
            self._gates.pop(person, None)

    def _forget(self) -> None:
        """Who came longer ago than counts."""
        while self._came and time.monotonic() - self._came[0][0] > COMES_WITHIN_SECONDS:
            _, person = self._came.popleft()
            self._lately[person] -= 1
            if not self._lately[person]:
                del self._lately[person]

    def gate(self, person: UUID) -> asyncio.Semaphore:
        """Lets through a few reads of one person at a time: the others of theirs wait for it, not those of other people."""
        return self._gates.setdefault(person, asyncio.Semaphore(READS_AT_ONCE))


class Pace:
    """The frames one socket sent lately."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=FRAMES)

    def too_fast(self) -> bool:
        """Note a frame; whether it came with more than a page ever sends."""
        now = time.monotonic()
        full = len(self._times) == FRAMES and now - self._times[0] < WITHIN_SECONDS
        self._times.append(now)
        return full


crowd = Crowd()
