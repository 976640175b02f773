"""Streaming anything into a thread, without an agent: what a workflow finds, what a voice hears, an object as it grows.

    write(thread, ["It ", "begins…"], name="workflow")                     # texts
    write(thread, parts, name="importer", prompt=question)                 # AI SDK UI message chunks, in answer to a row
    write(thread, drafts, name="planner", interval=0.2)                    # partial objects: the last one is what is kept

It is a run like any other: it streams into every open page, can be stopped from any tab, and its row has a lease.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

from django.db import connection
from django.utils.translation import gettext
from pydantic import BaseModel

from agents import services
from agents.errors import AgentError, BadInput, Busy, Drained, LeaseLost
from agents.persist import persist
from agents.process import process
from agents.worker import Active
from threads.figures import NAME
from threads.models import Message, Run, Thread, User
from threads.parts import Part
from threads.storable import storable

Piece = str | Part | BaseModel
OBJECT = "data-object"
FAILED = AgentError("What was to be written failed.").as_json()


def write(
    thread: Thread,
    pieces: Iterable[Piece],
    *,
    name: str,
    user: User | None = None,
    prompt: Message | None = None,
    order: int | Literal["next"] | None = None,
    interval: float = 0.0,
    on_abort: Callable[[AgentError], None] = lambda _reason: None,
) -> Run:
    """Write the pieces as they come into one row of the thread, under this name; returns the run at its end.

    It stands after `prompt`, at the end of turn `order` ("next": in a new turn), or at the thread's end. When it is stopped, `on_abort`
    is called and nothing more is taken from the pieces; what was written is kept. An error that they raise fails the row, and is raised.
    Raises Busy if the thread is answering, and BadInput.
    """
    if prompt is not None and order is not None:
        raise BadInput("order", gettext("order cannot be combined with prompt."))
    with Thread.changing(thread.pk) as change:
        if change.thread.runs.live().exists():
            raise Busy(gettext("An answer is being written."))
        turn = change.thread.last_order + 1 if order == "next" else order
        turn = prompt.order if prompt else max(change.thread.last_order, 0) if turn is None else turn
        run = Run(thread=change.thread, prompt=prompt, order=turn, agent=name[:100], requested_by=user)
        run.begin(change, NAME)
    try:
        with process().active(run) as active:
            active.stream.interval = interval
            _write(active, run, pieces, on_abort)
    finally:
        connection.close()
    run.refresh_from_db()
    return run


def _write(active: Active, run: Run, pieces: Iterable[Piece], on_abort: Callable[[AgentError], None]) -> None:
    writer = _Pieces(active)
    failure: dict[str, Any] | None = FAILED
    try:
        for piece in pieces:
            active.check()
            writer.add(piece)
        active.check()
        failure = None
    except (LeaseLost, Drained) as reason:
        failure = None
        _end(active, run, Run.Status.STOPPED)
        on_abort(reason)
        return
    except AgentError as error:
        failure = error.as_json()
        raise
    finally:
        if failure is not None:
            _end(active, run, Run.Status.FAILED, failure)
    writer.close()
    _end(active, run, Run.Status.SUCCEEDED, facts={"finish_reason": "stop"})


def _end(active: Active, run: Run, status: str, error: dict[str, Any] | None = None, **said: Any) -> None:
    parts, count = active.stream.said()
    rest = active.stream.rest()
    active.leave()
    try:
        persist(partial(services.end_run, run, status, error, attempt=run.attempt, parts=parts, count=count, rest=rest, **said))
    except LeaseLost:
        return  # It was ended from elsewhere, with what was committed until then.


class _Pieces:
    """Turns pieces into parts: neighbouring texts become one."""

    def __init__(self, active: Active) -> None:
        self._put = partial(active.stream.put, active.run.attempt)
        self._open = ""
        self._texts = 0

    def add(self, piece: Piece) -> None:
        """One piece of any kind."""
        if isinstance(piece, str):
            self._text(storable(piece))
            return
        self.close()
        plain = piece.model_dump(mode="json") if isinstance(piece, BaseModel) else dict(piece)
        self._put(storable(plain) if _is_part(plain) else {"type": OBJECT, "id": "object", "data": storable(plain)})

    def close(self) -> None:
        """The open text is complete."""
        if self._open:
            self._put({"type": "text-end", "id": self._open})
            self._open = ""

    def _text(self, text: str) -> None:
        if not self._open:
            self._texts += 1
            self._open = f"text-{self._texts}"
            self._put({"type": "text-start", "id": self._open})
        self._put({"type": "text-delta", "id": self._open, "delta": text})


def _is_part(piece: Mapping[str, Any]) -> bool:
    kind = piece.get("type")
    return isinstance(kind, str) and (
        kind.startswith("data-") or kind.partition("-")[0] in ("text", "reasoning", "tool", "source", "start", "finish")
    )
