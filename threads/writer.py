"""Group commit: one thread per worker process writes the new parts of all its runs in one statement per window, then publishes.

The statement inserts, fences and tells in one go: it locks the runs FOR SHARE (a plain join would let a delta commit after the
stop), writes only for those still running in the same attempt, and returns them; whoever is missing is told to go.

The window is 0.5 ms per open stream, so a lone run's part leaves at once and 200 runs share a commit each 100 ms: what costs is
the number of frames, not the database.

These commits are not flushed (`synchronous_commit=off`). A crashed Postgres may therefore forget some that were acknowledged:
each stream keeps the parts of its current step and writes them again after any lost connection.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from threads import broadcast
from threads.connections import connect
from threads.figures import DELTA_WAIT, FIRST_TOKEN, WINDOW
from threads.parts import Part, Rest, merge
from threads.sync import delta_frame

logger = logging.getLogger(__name__)
WINDOW_PER_STREAM = 0.0005
WINDOW_MAX = 0.1

INSERT = """
WITH alive AS MATERIALIZED (
    SELECT id, attempt FROM threads_run WHERE id = ANY(%(run)s::uuid[]) AND status = 'running' ORDER BY id FOR SHARE
), written AS (
    INSERT INTO threads_delta (run_id, attempt, step, start, "end", parts)
    SELECT b.run, b.attempt, b.step, b.start, b.end, b.parts
    FROM unnest(%(run)s::uuid[], %(attempt)s::int[], %(step)s::int[], %(start)s::int[], %(end)s::int[], %(parts)s::jsonb[])
         AS b(run, attempt, step, start, "end", parts)
    JOIN alive ON alive.id = b.run AND alive.attempt = b.attempt
    ON CONFLICT DO NOTHING
)
SELECT id, attempt FROM alive
"""


@dataclass(slots=True)
class Batch:
    """What one stream gave to one window."""

    stream: "Stream"
    attempt: int
    step: int
    start: int
    end: int
    parts: list[Part]
    encoded: str
    committed: bool = False


@dataclass(eq=False)
class Stream:
    """The live parts of one run in this process. `put` is called from the reading loop; the rest by the run's own thread."""

    writer: "Writer | Unsaved"
    run_id: UUID
    thread_id: UUID
    attempt: int
    step: int
    base: int
    on_lost: Callable[[Exception | None], None]
    pending: list[Part] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    taken: int = 0
    rewrite: bool = False
    # Who in this process listens along: each part as it comes, None when what the step said so far is void.
    heard: Callable[[Part | None], None] = lambda _part: None
    # When the oldest pending part came, and when the run was asked for (`time.time`; 0: nobody measures).
    since: float = 0.0
    asked_at: float = 0.0
    # Least seconds between two commits; `due` is when the next one may be.
    interval: float = 0.0
    due: float = 0.0

    def put(self, attempt: int, part: Part) -> None:
        """Hand over a part; it is committed and shown with the next window. A late one of an attempt that is over is dropped."""
        with self.writer.wake:
            if attempt != self.attempt:
                return
            self.heard(part)
            self.pending.append(part)
            if len(self.pending) > 1:
                return
            self.since = time.monotonic()
            rest = self.due - time.monotonic() if self.interval else 0
            if rest > 0:
                threading.Timer(rest, self._now).start()
            else:
                self._show()

    def _now(self) -> None:
        with self.writer.wake:
            if self.pending:
                self._show()

    def _show(self) -> None:
        self.due = time.monotonic() + self.interval
        if self not in self.writer.dirty:
            self.writer.dirty.append(self)
            self.writer.wake.notify()

    def said(self) -> tuple[list[Part], int]:
        """Everything of the step so far, committed or not, and its number of unmerged parts."""
        with self.writer.wake:
            self.take()
            return [part for batch in self.batches for part in batch.parts], self.taken - self.base

    def rest(self) -> list[Rest]:
        """What is not known to be committed: it belongs into the transaction that saves the step, for those who read deltas."""
        with self.writer.wake:
            self.take()
            return [(batch.start, batch.end, merge(batch.parts)) for batch in self.batches if not batch.committed]

    def restart(self, attempt: int, step: int, base: int) -> None:
        """Begin a step, or the same step again under a new attempt."""
        with self.writer.wake:
            if step == self.step and self.taken > self.base:
                self.heard(None)
            self.attempt, self.step, self.base, self.taken = attempt, step, base, base
            self.pending, self.batches = [], []

    def take(self) -> None:
        """Move what is pending into a batch. Call under the writer's lock."""
        if self.pending:
            start, self.taken = self.taken, self.taken + len(self.pending)
            self.batches.append(Batch(self, self.attempt, self.step, start, self.taken, self.pending, ""))
            self.pending = []


class Unsaved:
    """What a stream needs of its writer when nothing is committed."""

    def __init__(self) -> None:
        self.wake = threading.Condition()
        self.dirty: list[Stream] = []

    def close(self, stream: Stream) -> None:
        """Nothing is held."""


class Writer:
    """The group commit of one process."""

    def __init__(self) -> None:
        self.wake = threading.Condition()
        self.dirty: list[Stream] = []
        self.streams: set[Stream] = set()
        self._closing = False
        self._oldest = 0.0
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="delta-writer", daemon=True)
        self._thread.start()

    def open(self, run: Any, on_lost: Callable[[Exception | None], None]) -> Stream:
        """Start streaming for a claimed run. `on_lost` is called, with the database's complaint if it had one, when the run isn't ours."""
        stream = Stream(self, run.pk, run.thread_id, run.attempt, run.step, run.base, on_lost, taken=run.base)
        stream.asked_at = run.queued_at.timestamp() if run.attempt == 1 and run.step == 0 else 0.0
        with self.wake:
            self.streams.add(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """The run has ended here; what was not written stays unwritten."""
        with self.wake:
            self.streams.discard(stream)
            stream.pending = []

    @property
    def alive(self) -> bool:
        """False after a bug ended the thread: then no run of this process can be shown any more."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread and its connection."""
        with self.wake:
            self._closing = True
            self.wake.notify()
        self._thread.join()

    def _run(self) -> None:
        started = 0.0
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self.dirty or self._closing)
                if self._closing:
                    break
                window = min(WINDOW_MAX, WINDOW_PER_STREAM * len(self.streams)) if len(self.streams) > 1 else 0
            rest = started + window - time.monotonic()
            if rest > 0:
                time.sleep(rest)
            started = time.monotonic()
            self._write(self._take())
            WINDOW.observe(time.monotonic() - started)
        if self._connection:
            self._connection.close()

    def _take(self) -> list[Batch]:
        with self.wake:
            streams, self.dirty = self.dirty, []
            self._oldest = min((stream.since for stream in streams), default=0.0)
            batches = []
            for stream in streams:
                stream.take()
                # The newest two: `said` may have made one since the last window.
                fresh = stream.batches if stream.rewrite else stream.batches[-2:]
                batches += [batch for batch in fresh if stream.rewrite or not batch.encoded]
                stream.rewrite = False
        return [batch for batch in batches if self._encode(batch)]

    def _encode(self, batch: Batch) -> bool:
        """What cannot be encoded ends the run it belongs to, not the others of its window."""
        batch.parts = merge(batch.parts)
        try:
            batch.encoded = batch.encoded or msgspec.json.encode(batch.parts).decode()
        except UnicodeEncodeError as error:
            self._lose(batch, error)
            return False
        return True

    def _write(self, batches: list[Batch]) -> None:
        if not batches:
            return
        try:
            alive = self._insert(batches)
        except psycopg.DataError as error:
            self._refuse(batches, error)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._reconnect(error)
        else:
            DELTA_WAIT.observe(time.monotonic() - self._oldest)
            self._publish([batch for batch in batches if (batch.stream.run_id, batch.attempt) in alive])
            for batch in batches:
                batch.committed = (batch.stream.run_id, batch.attempt) in alive
                if batch.start == 0 and batch.stream.asked_at:
                    FIRST_TOKEN.observe(max(0.0, time.time() - batch.stream.asked_at))
                    batch.stream.asked_at = 0.0
                if (batch.stream.run_id, batch.attempt) not in alive:
                    self._lose(batch, None)

    def _insert(self, batches: list[Batch]) -> set[tuple[UUID, int]]:
        columns = {
            "run": [batch.stream.run_id for batch in batches],
            "attempt": [batch.attempt for batch in batches],
            "step": [batch.step for batch in batches],
            "start": [batch.start for batch in batches],
            "end": [batch.end for batch in batches],
            "parts": [batch.encoded for batch in batches],
        }
        return set(self._connected().execute(INSERT, columns, prepare=True).fetchall())

    def _connected(self) -> psycopg.Connection[Any]:
        """A connection of its own: its commits are not flushed, and it must never wait for one of the pool's."""
        if self._connection is None or self._connection.closed:
            options = "-c synchronous_commit=off"
            self._connection = connect(options=options, autocommit=True, application_name="agentsite-deltas")
        return self._connection

    def _refuse(self, batches: list[Batch], error: psycopg.DataError) -> None:
        if len(batches) == 1:
            logger.error("parts of run %s refused by the database: %s", batches[0].stream.run_id, type(error).__name__)
            self._lose(batches[0], error)
            return
        for batch in batches:
            self._write([batch])

    def _lose(self, batch: Batch, error: Exception | None) -> None:
        """Tell the run, unless it has moved on by itself to another attempt or to its end."""
        if batch.stream in self.streams and batch.attempt == batch.stream.attempt:
            batch.stream.on_lost(error)

    def _reconnect(self, error: Exception) -> None:
        """Whether the last commits survived cannot be known: write every step in progress again."""
        logger.warning("deltas not written (%s); trying again", type(error).__name__)
        if self._connection:
            self._connection.close()
            self._connection = None
        time.sleep(0.25)
        with self.wake:
            for stream in self.streams:
                stream.rewrite = bool(stream.batches)
                for batch in stream.batches:
                    batch.committed = False
            self.dirty += [stream for stream in self.streams if stream.rewrite and stream not in self.dirty]

    def _publish(self, batches: list[Batch]) -> None:
        broadcast.publish(
            (
                broadcast.thread_group(batch.stream.thread_id),
                broadcast.frame_message(delta_frame(batch.stream.run_id, batch.attempt, batch.start, batch.end, batch.parts)),
            )
            for batch in batches
        )
