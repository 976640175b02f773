"""What one worker process shares among its runs: the reading loop, the group commit, and the watch that keeps every run honest.

Watch threads poll four times a second whether runs were stopped and models have gone silent, renew leases, and sweep up after dead
workers.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection

from agents.errors import AgentError, Drained, LeaseLost, ProviderError
from agents.providers import openai
from agents.unsaved import AnyRun
from threads.figures import ACTIVE_RUNS, LEFT_TOOLS
from threads.models import Process, Run
from threads.writer import Stream, Unsaved, Writer

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.25
BEAT_SECONDS = 3.0
# Cheap, and with the lease it decides how long an answer hangs after its worker died.
SWEEP_SECONDS = 1.0
# So many tools that never came back are a leak, and a new process is the cure.
MOST_LEFT_TOOLS = 20
COMES_BACK_SECONDS = 30.0
LAST_SECONDS = 5.0
STOLEN = LeaseLost("The run was stopped, ended or taken over.")

LOST = """
SELECT m.id, m.attempt FROM unnest(%s::uuid[], %s::int[]) AS m(id, attempt)
LEFT JOIN threads_run r ON r.id = m.id AND r.attempt = m.attempt AND r.status = 'running' WHERE r.id IS NULL
"""
RENEW = """
UPDATE threads_run SET lease_until = clock_timestamp() + interval '10 seconds' WHERE id IN (
    SELECT r.id FROM threads_run r JOIN unnest(%s::uuid[], %s::int[]) AS m(id, attempt) ON r.id = m.id AND r.attempt = m.attempt
    WHERE r.status = 'running' ORDER BY r.id FOR NO KEY UPDATE OF r)
"""


class Active:
    """A run in this process, and the way to interrupt whatever it waits for."""

    def __init__(self, worker: "Worker", run: AnyRun, *, shared: bool) -> None:
        # `shared`: the process answers for others too, so a long run makes way at a step's border.
        self.worker, self.run, self.shared = worker, run, shared
        self.stream = self._open()
        self.started = time.monotonic()
        # The attempt that polls and heartbeats ask about; None while the run itself is moving to another or to its end.
        self.fence = self._attempt()
        self.reason: AgentError | None = None
        self.settled = threading.Event()
        self._reading: Future[Any] | None = None
        self._heard: float | None = None
        self._lock = threading.Lock()

    def read(self, reading: Callable[[Callable[[], None]], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine on the reading loop and wait; raises the reason if it was interrupted."""
        with self._lock:
            self.check()
            self._heard = time.monotonic()
            future = self._reading = asyncio.run_coroutine_threadsafe(reading(self._hear), self.worker.loop)
        try:
            return future.result()
        except CancelledError:
            self.check()
            raise
        finally:
            self._heard = None

    def wait(self, seconds: float, *, patient: bool = False) -> None:
        """Wait until something happens (`settled`) or the time is over; raises the reason if interrupted.

        `patient`: a worker that shuts down still waits, for what it waits for cannot be moved.
        """
        self.settled.wait(seconds)
        self.settled.clear()
        if not (patient and isinstance(self.reason, Drained)):
            self.check()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """The run moves to a new attempt: meanwhile nobody asks whether it still holds the old one."""
        self.fence = None
        yield
        self.fence = self._attempt()

    def leave(self) -> None:
        """The run's last write is next: nothing more is streamed, and losing the fence is no news."""
        self.fence = None
        self.stream.writer.close(self.stream)

    def interrupt(self, reason: AgentError) -> None:
        """Make the run's thread raise this at once. A lost lease outranks what was said before."""
        with self._lock:
            if self.reason is None or isinstance(reason, LeaseLost):
                self.reason = reason
            if self._reading:
                self._reading.cancel()
        self.settled.set()

    def check_stall(self) -> None:
        """Interrupt the reading of a model that has been silent for too long."""
        heard = self._heard  # once: the run's own thread clears it
        if heard is not None and time.monotonic() - heard > settings.STALL_SECONDS:
            self.interrupt(ProviderError("stalled", "The model's server fell silent.", retryable=True))

    def forgive(self) -> None:
        """The interruption was dealt with, unless the run is lost or the worker is leaving."""
        with self._lock:
            if isinstance(self.reason, ProviderError):
                self.reason = None

    def _open(self) -> Stream:
        if isinstance(self.run, Run):
            return self.worker.writer.open(self.run, self._lost)
        return Stream(Unsaved(), self.run.pk, self.run.pk, self.run.attempt, 0, 0, self._lost)

    def _attempt(self) -> int | None:
        return self.run.attempt if isinstance(self.run, Run) else None

    def _hear(self) -> None:
        self._heard = time.monotonic()

    def _lost(self, error: Exception | None) -> None:
        self.interrupt(STOLEN if error is None else ProviderError("garbage", "The model sent text that cannot be stored.", retryable=False))

    def check(self) -> None:
        """Raise what interrupts the run, if something does."""
        if self.reason:
            raise self.reason


class Worker:
    """The machinery of one process. Made once, by the first run or by the start of the Celery worker."""

    def __init__(self, sweep: Callable[[], bool]) -> None:
        self.sweep = sweep
        self._left: list[tuple[threading.Thread, float]] = []
        self.loop = asyncio.new_event_loop()
        self.writer = Writer()
        self.draining = False
        self.closed = threading.Event()
        self._active: set[Active] = set()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read_loop, name="model-reader", daemon=True)
        self._watchers = [
            threading.Thread(target=self._repeat, args=each, name=each[0].__name__, daemon=True)
            for each in ((self._poll, POLL_SECONDS), (self._renew, BEAT_SECONDS), (self._sweep, SWEEP_SECONDS))
        ]
        for thread in (self._reader, *self._watchers):
            thread.start()

    @contextmanager
    def active(self, run: AnyRun, *, shared: bool = False) -> Iterator[Active]:
        """Register a claimed run for its heartbeat and for interruptions."""
        active = Active(self, run, shared=shared)
        with self._lock:
            self._active.add(active)
        if self.draining:
            active.interrupt(Drained("The worker is shutting down."))
        try:
            yield active
        finally:
            active.stream.writer.close(active.stream)
            with self._lock:
                self._active.discard(active)

    def drain(self) -> None:
        """Hand every run back at once; new ones are handed back as they come."""
        self.draining = True
        for active in self.runs():
            active.interrupt(Drained("The worker is shutting down."))

    def leave(self, tool: threading.Thread) -> None:
        """Nobody waits for a tool any more, and its thread cannot be ended: it has a while to come back by itself."""
        with self._lock:
            self._left.append((tool, time.monotonic() + COMES_BACK_SECONDS))

    def _give_up_tools(self) -> None:
        """Too many tools that never came back end the process, once its runs are handed over; whoever watches over it starts another."""
        with self._lock:
            self._left = [(thread, until) for thread, until in self._left if thread.is_alive()]
            stuck = sum(time.monotonic() > until for _, until in self._left)
        LEFT_TOOLS.set(stuck)
        if stuck < MOST_LEFT_TOOLS or settings.PROCESS != "worker":
            return
        logger.critical("%d tools did not come back; leaving, so that a new worker takes over", stuck)
        self.drain()
        self._until_idle(LAST_SECONDS)
        os._exit(1)

    def _until_idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.runs() and time.monotonic() < deadline:
            time.sleep(0.1)

    def runs(self) -> list[Active]:
        """The runs of this moment."""
        with self._lock:
            return list(self._active)

    def stop(self) -> None:
        """End the machinery; runs still in it find themselves without a lease."""
        self.closed.set()
        for thread in self._watchers:
            thread.join()
        asyncio.run_coroutine_threadsafe(openai.close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._reader.join()
        self.writer.stop()

    def _read_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _repeat(self, watch: Callable[[], None], seconds: float) -> None:
        """One duty of the process, for as long as it lives: in a thread of its own, for a slow sweep must not keep a heartbeat waiting."""
        try:
            while not self.closed.is_set():
                try:
                    watch()
                except (OperationalError, InterfaceError) as error:
                    logger.warning("%s: the database is away (%s)", watch.__name__, type(error).__name__)
                except Error:  # its tables may be of another version for a moment
                    logger.exception("%s failed", watch.__name__)
                finally:
                    connection.close()
                self.closed.wait(seconds)
        finally:
            if not self.closed.is_set():
                logger.critical("%s has died; leaving, so that other workers take over", watch.__name__, exc_info=True)
                os._exit(1)

    def _poll(self) -> None:
        if not self.writer.alive:
            logger.critical("the delta writer has died; leaving, so that other workers take over")
            os._exit(1)
        for active in self.runs():
            active.check_stall()
        held = {(active.run.pk, fence): active for active in self.runs() if (fence := active.fence)}
        for key in self._execute(LOST, held):
            # Asked again: the run may have moved on by itself while the statement ran.
            if held[key].fence == key[1]:
                held[key].interrupt(STOLEN)

    def _renew(self) -> None:
        self._execute(RENEW, {(active.run.pk, fence) for active in self.runs() if (fence := active.fence)})
        ACTIVE_RUNS.set(len(self.runs()))
        self._give_up_tools()
        Process.objects.beat(draining=self.draining)

    def _sweep(self) -> None:
        if self.sweep():
            Process.objects.note("swept_at")

    def _execute(self, sql: str, held: Collection[tuple[UUID, int | None]]) -> list[Any]:
        """One statement about these runs, as (ids, attempts)."""
        if not held:
            return []
        with connection.cursor() as cursor:
            cursor.execute(sql, [[pk for pk, _ in held], [attempt for _, attempt in held]])
            return cursor.fetchall() if cursor.description else []
