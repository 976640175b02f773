"""What a browser is missing, read from rows: the answer to a connect, to a gap, and to a page that scrolls back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import QuerySet

from threads.models import Message, Run, Thread, ToolCall
from threads.parts import Part, merge
from threads.rows import Json, message_row, run_row, thread_rows, tool_call_row
from threads.tail import Tail

PAGE_ROWS = 50
MAX_ROWS = 200
MAX_BYTES = 1_000_000


@contextmanager
def one_moment() -> Iterator[None]:
    """Read everything as of one moment, so that rows and the deltas they replace never disagree."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@dataclass(frozen=True)
class Wanted:
    """What a sync is to bring besides: the streams of runs that ended in the last five minutes too (`ended`), only turns from `start` on,
    and no streams of the runs `skip` (somebody gets them by another way)."""

    ended: bool = False
    start: int = 0
    skip: frozenset[str] = frozenset()


USUAL = Wanted()


def snapshot(thread_id: UUID | str, version: int | None = None, cursors: Mapping[str, int] | None = None, wanted: Wanted = USUAL) -> Json:
    """A `sync` frame with what is newer than this version and these cursors (run id → parts seen).

    Without a version, or when the browser is too far behind, it is the newest page, with `reset`. Raises Thread.DoesNotExist.
    """
    with one_moment():
        thread = Thread.objects.kept().get(pk=thread_id)
        if version is not None and thread.sync_floor <= version <= thread.version:
            frame = _newer(thread, version, cursors or {}, wanted)
            if frame is not None:
                return frame
        return _page_frame(thread, wanted)


def page(thread: Thread, before: int | None = None, limit: int = PAGE_ROWS) -> tuple[list[Message], list[Run], list[ToolCall], int | None]:
    """Whole turns below `before`, at least `limit` rows if there are so many, with their runs and tool calls.

    The last value is where the next page ends, or None.
    """
    below = thread.messages.all() if before is None else thread.messages.filter(order__lt=before)
    orders = list(below.order_by("-order", "-step_order").values_list("order", flat=True)[:limit])
    messages = _read(below.filter(order__gte=orders[-1])) if orders else []
    runs = list(Run.objects.filter(pk__in={m.run_id for m in messages if m.run_id}))
    calls = list(ToolCall.objects.filter(message__in=[m.pk for m in messages if m.is_tool]).order_by("step", "index"))
    more = bool(orders) and thread.messages.filter(order__lt=orders[-1]).exists()
    return messages, runs, calls, orders[-1] if more else None


def _read(messages: QuerySet[Message], limit: int | None = None) -> list[Message]:
    return list(messages.select_related("author").order_by("order", "step_order")[:limit])


def _page_frame(thread: Thread, wanted: Wanted) -> Json:
    messages, runs, calls, before = page(thread)
    messages = [message for message in messages if message.order >= wanted.start]
    known = {run.pk for run in runs}
    runs += [run for run in thread.runs.live() if run.pk not in known]
    runs = [run for run in runs if run.order >= wanted.start]
    deltas = [delta for run in runs for delta in _streamed(run, run.base, wanted)]
    return _frame(thread, messages, runs, calls, deltas) | {"reset": True, "before": before}


def _newer(thread: Thread, version: int, cursors: Mapping[str, int], wanted: Wanted) -> Json | None:
    messages = _read(thread.messages.filter(version__gt=version, order__gte=wanted.start), MAX_ROWS + 1)
    runs = list(thread.runs.filter(version__gt=version, order__gte=wanted.start)[: MAX_ROWS + 1])
    calls = list(thread.tool_calls.filter(version__gt=version)[: MAX_ROWS + 1])
    gone = list(thread.tombstones.filter(version__gt=version)[: MAX_ROWS + 1])
    if len(messages) + len(runs) + len(calls) + len(gone) > MAX_ROWS:
        return None
    changed = {run.pk for run in runs}
    deltas = []
    active = list(thread.runs.active().filter(order__gte=wanted.start))
    for run in [*active, *(run for run in runs if wanted.ended and run.status in Run.ENDED)]:
        # A cursor belongs to the run as the browser knew it: after a new attempt or a saved step it counts from `base`.
        deltas += _streamed(run, run.base if run.pk in changed else max(run.base, cursors.get(str(run.pk), 0)), wanted)
    frame = _frame(thread, messages, runs, calls, deltas) | {"reset": False}
    frame["deleted"] = [tombstone.as_json() for tombstone in gone]
    return frame if len(msgspec.json.encode([frame["messages"], frame["tool_calls"]])) <= MAX_BYTES else None


def _streamed(run: Run, cursor: int, wanted: Wanted) -> list[Json]:
    """What a run has streamed from there on. Of an ended one all of it, from the beginning."""
    if str(run.pk) in wanted.skip:
        return []
    if run.status in Run.ENDED and wanted.ended:
        tail = Tail(run)
        parts = [part for part in tail.read() if part is not None]
        return [delta_frame(run.pk, run.attempt, 0, tail.cursor, merge(parts))] if parts else []
    return _live(run, cursor)


def _live(run: Run, cursor: int) -> list[Json]:
    if run.status != Run.Status.RUNNING:
        return []
    start, parts = cursor, list[Part]()
    rows = run.deltas.filter(attempt=run.attempt, start__gte=cursor).order_by("start").values_list("start", "end", "parts")
    for first, end, batch in rows:
        if first != cursor:
            break
        parts += batch
        cursor = end
    return [delta_frame(run.pk, run.attempt, start, cursor, merge(parts))] if cursor > start else []


def delta_frame(run_id: UUID | str, attempt: int, start: int, end: int, parts: list[Part]) -> Json:
    """Parts `[start, end)` of a run's present attempt."""
    return {"type": "delta", "run": str(run_id), "attempt": attempt, "start": start, "end": end, "parts": parts}


def _frame(thread: Thread, messages: list[Message], runs: list[Run], calls: list[ToolCall], deltas: list[Json]) -> dict[str, Any]:
    return {
        "type": "sync",
        "version": thread.version,
        "thread": thread_rows([thread.pk])[0],
        "messages": [message_row(message) for message in messages],
        "runs": [run_row(run) for run in runs],
        "tool_calls": [tool_call_row(call) for call in calls],
        "deleted": [],
        "deltas": deltas,
        "before": None,
    }
