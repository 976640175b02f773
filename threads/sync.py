"""What a browser is missing, read from rows: the answer to a connect, to a gap, and to a page that scrolls back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
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


class Page(NamedTuple):
    """Whole turns, ascending, with their runs and tool calls. Below `before` and from `after` on there are more, unless it is None."""

    messages: list[Message]
    runs: list[Run]
    calls: list[ToolCall]
    before: int | None
    after: int | None


def page(
    thread: Thread, limit: int = PAGE_ROWS, *, before: int | None = None, after: int | None = None, around: Message | None = None
) -> Page:
    """At least `limit` rows, if there are so many: the newest ones, those below the order `before`, those from the order `after` on, or
    those `around` a message."""
    rows = thread.messages.all()
    if around is not None:
        below, above = rows.filter(order__lt=around.order), rows.filter(order__gte=around.order)
        return _page_of(thread, (_orders(below, limit // 2, down=True) or [around.order])[-1], _orders(above, (limit + 1) // 2)[-1])
    if after is not None:
        orders = _orders(rows.filter(order__gte=after), limit)
        return _page_of(thread, after, orders[-1] if orders else after)
    orders = _orders(rows if before is None else rows.filter(order__lt=before), limit, down=True)
    return _page_of(thread, orders[-1], orders[0]) if orders else Page([], [], [], None, before)


def _orders(rows: QuerySet[Message], limit: int, *, down: bool = False) -> list[int]:
    sign = "-" if down else ""
    return list(rows.order_by(f"{sign}order", f"{sign}step_order").values_list("order", flat=True)[:limit])


def _page_of(thread: Thread, first: int, last: int) -> Page:
    messages = _read(thread.messages.filter(order__gte=first, order__lte=last))
    runs = list(Run.objects.filter(pk__in={m.run_id for m in messages if m.run_id}))
    calls = list(ToolCall.objects.filter(message__in=[m.pk for m in messages if m.is_tool]).order_by("step", "index"))
    is_first = not thread.messages.filter(order__lt=first).exists()
    is_last = not thread.messages.filter(order__gt=last).exists()
    return Page(messages, runs, calls, None if is_first else first, None if is_last else last + 1)


def _read(messages: QuerySet[Message], limit: int | None = None) -> list[Message]:
    return list(messages.select_related("author").order_by("order", "step_order")[:limit])


def _page_frame(thread: Thread, wanted: Wanted) -> Json:
    messages, runs, calls, before, _ = page(thread)
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
