"""What the worker that holds a run writes for it: each is one transaction, conditional on the fence, and may be repeated.

A connection can break while a commit is under way, so nobody knows whether it counted. The rows are therefore written from a fresh,
locked copy, this object follows only after the commit, and a repeat recognises its own work and does nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from threads.changes import Change
from threads.errors import LeaseLost
from threads.models.thread import Thread
from threads.models.tool_call import ToolCall
from threads.parts import Part, Rest

if TYPE_CHECKING:
    from threads.models.run import Run

Facts = dict[str, Any]
LOST = "The run was stopped, ended or taken over."


class HeldRun(models.Model):
    """A run as its worker sees it."""

    class Meta:
        abstract = True

    @contextmanager
    def owned(self: "Run", *, moved_on: bool = False) -> "Iterator[tuple[Change, Run]]":  # type: ignore[misc]  # the only subclass
        """One change of the run by the worker that holds it, on a copy of its row; raises LeaseLost if it no longer does.

        `moved_on`: it may hold the next attempt already.
        """
        with Thread.changing(self.thread_id) as change:
            attempts = [self.attempt, self.attempt + 1] if moved_on else [self.attempt]
            held = type(self).objects.filter(pk=self.pk, status="running", worker=self.worker, attempt__in=attempts)
            mine = held.select_for_update(no_key=True, of=("self",)).select_related("pending_message").first()
            if mine is None:
                raise LeaseLost(LOST)
            yield change, mine
            transaction.on_commit(lambda: self._follow(mine))

    def _follow(self: "Run", mine: "Run") -> None:  # type: ignore[misc]
        for field in self._meta.concrete_fields:
            setattr(self, field.attname, getattr(mine, field.attname))
        self.pending_message = mine.pending_message

    def save_step(self: "Run", parts: list[Part], count: int, facts: Facts, verdicts: dict[str, Facts], rest: Sequence[Rest] = ()) -> None:  # type: ignore[misc]
        """Fold a model call that asks for tools into rows. `count` is the number of unmerged parts.

        `facts` are columns of the message (model, usage, …), `verdicts` columns of its tool calls by id: what is to become of them.
        The calls that are to run are committed as `running` before they start. `rest` are the parts that are not committed yet.
        """
        with self.owned() as (change, mine):
            if mine.pending_message is not None:
                mine.save_step_in(change, parts, count, facts, verdicts, rest)

    def after_calls(self: "Run", begun: Collection[UUID]) -> str:  # type: ignore[misc]
        """What is next once no call of the step runs any more: `run` the calls that were approved meanwhile (they are committed as
        running), a `pause` because somebody has to decide or to answer, or the `next` model call. `begun` are those that ran here."""
        with self.owned() as (change, mine):
            calls = list(mine.tool_calls.select_for_update().filter(step=mine.step, status__in=ToolCall.UNSETTLED).exclude(pk__in=begun))
            if approved := [call for call in calls if call.status == ToolCall.Status.APPROVED]:
                for call in approved:
                    call.status, call.started_at = ToolCall.Status.RUNNING, timezone.now()
                change.update_all(approved, "status", "started_at")
            if any(call.status == ToolCall.Status.RUNNING for call in calls):
                return "run"
            if calls:
                change.update(mine, status=self.Status.WAITING, lease_until=None, worker="", crashes=0)
                change.touch()
                return "pause"
            return "next"

    def open_step(self: "Run") -> None:  # type: ignore[misc]
        """All calls of the step have an outcome: add the row of their results and the pending row of the next model call."""
        with self.owned() as (change, mine):
            if mine.pending_message is None:
                mine.add_results(change)
                pending = mine.new_pending(change.thread)
                change.add(pending)
                change.update(mine, step=mine.step + 1, pending_message=pending)

    def next_attempt(self: "Run") -> None:  # type: ignore[misc]
        """Ask the model again: what it streamed so far in this step is void."""
        with self.owned(moved_on=True) as (change, mine):
            if mine.attempt == self.attempt:
                change.update(mine, attempt=mine.attempt + 1)

    def hand_over(self: "Run", agent: str) -> None:  # type: ignore[misc]
        """Another agent goes on with this answer, and with the thread. What the call wanted of the first one does not bind it."""
        with self.owned() as (change, mine):
            options = {name: value for name, value in mine.options.items() if name not in ("instructions", "tools")}
            change.update(mine, agent=agent, options=options)
            change.update_thread(default_agent=agent)

    def requeue(self: "Run") -> None:  # type: ignore[misc]
        """Hand the run back, to be continued by any worker from its rows."""
        with self.owned() as (change, mine):
            mine.back_to_queue(change)
