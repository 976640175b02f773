"""Runs: one agent answering one prompt."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Func, Q, When
from django.db.models.functions import Greatest, Least, Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.changes import Change
from threads.errors import LeaseLost
from threads.ids import uuid7
from threads.models.held_run import LOST, HeldRun
from threads.models.message import Message
from threads.models.thread import Thread
from threads.models.tool_call import ToolCall
from threads.parts import Call, Part, Rest, fold

if TYPE_CHECKING:
    from threads.models.people import User

LEASE = timedelta(seconds=10)
MAX_CRASHES = 3
MOVED_ON = "The conversation went on without a decision."
MONEY = ("charge", "currency")
NOT_RUN = {"kind": "not_run", "message": "Ended before it was run.", "retryable": False, "retry_after": None}


class ClockTimestamp(Func):
    """The database's clock now, not at the start of the transaction: leases of all workers are read on one clock."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


class RunQuerySet(models.QuerySet["Run"]):
    """Which runs."""

    def active(self) -> "RunQuerySet":
        """The one that holds its thread."""
        return self.filter(status__in=["running", "waiting"])

    def live(self) -> "RunQuerySet":
        """Not ended yet."""
        return self.filter(status__in=["queued", "running", "waiting"])

    def expired(self) -> "RunQuerySet":
        """Running ones whose worker has not been heard of."""
        return self.filter(status=Run.Status.RUNNING, lease_until__lt=ClockTimestamp())

    def due(self) -> "RunQuerySet":
        """Queued ones nobody took up: the hint was lost, or every worker was busy."""
        return self.filter(status=Run.Status.QUEUED, wake_at__lt=ClockTimestamp())

    def unclaimed(self) -> "RunQuerySet":
        """Queued ones that wait for a worker, not for another answer of their thread."""
        return self.filter(status=Run.Status.QUEUED).exclude(thread__runs__in=Run.objects.active())

    def snooze(self) -> None:
        """Hint again after as long as they have waited already: 5 s, doubling up to 5 minutes."""
        waited = Greatest(ClockTimestamp() - F("queued_at"), timedelta(seconds=5), output_field=models.DurationField())
        self.update(wake_at=ClockTimestamp() + Least(waited, timedelta(minutes=5), output_field=models.DurationField()))

    def claim(self, thread_id: UUID, worker: str) -> "Run | None":
        """Take the thread's oldest queued run for this worker, unless the thread already has an active one."""
        with Thread.changing(thread_id) as change:
            live = self.filter(thread_id=thread_id).live().select_related("pending_message")
            first = live.order_by(Case(When(status=Run.Status.QUEUED, then=1), default=0), "created_at", "id")
            run = first.select_for_update(no_key=True, of=("self",)).first()
            if run is None or run.status != Run.Status.QUEUED:
                return None
            run.take(change, worker)
            run.thread = change.thread
            return run


class Run(HeldRun):
    """One agent answering one prompt.

    `attempt` is the fence token: every write for a run is conditional on `status='running' and attempt=mine`.
    `base` counts the stream parts already folded into rows; deltas below it are history.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        WAITING = "waiting", _("Waiting")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        STOPPED = "stopped", _("Stopped")

    ENDED = ("succeeded", "failed", "stopped")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="runs")
    # None for a stream without an agent, and when the prompt was deleted.
    prompt = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="answers")
    # The turn it writes in.
    order = models.IntegerField()
    pending_message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    agent = models.CharField(max_length=100)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs")
    # Whose memories and conversations count, and for whom tools act, if that is not who asked (and pays).
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    attempt = models.IntegerField(default=0)
    # Leases lost since the last saved step.
    crashes = models.IntegerField(default=0)
    step = models.IntegerField(default=0)
    base = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    wake_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(db_default=Now(), editable=False)
    # What this call wants otherwise than thread and agent, see `agents.agent.StoredOptions`.
    options = models.JSONField(default=dict, blank=True)
    # What the model is given besides the rows: {"messages": [...], "before": a row's id, "prompt": "in place of the saved one"}.
    given = models.JSONField(default=dict, blank=True)
    # Those that `given` names.
    files = models.ManyToManyField("threads.File", related_name="runs", blank=True, editable=False)
    usage = models.JSONField(default=dict, blank=True)
    error = models.JSONField(null=True, blank=True)
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "version"], name="run_by_version"),
            models.Index(fields=["lease_until"], name="run_running", condition=Q(status="running")),
            models.Index(fields=["wake_at"], name="run_queued", condition=Q(status="queued")),
            models.Index(fields=["status"], name="run_live", condition=Q(status__in=["queued", "running", "waiting"])),
            models.Index(fields=["on_behalf_of"], name="run_on_behalf", condition=Q(on_behalf_of__isnull=False)),
            models.Index(fields=["ended_at"], name="run_ended"),
            models.Index(fields=["ended_at"], name="run_failed", condition=Q(status="failed")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["thread"], name="one_active_run_per_thread", condition=Q(status__in=["running", "waiting"])),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "waiting", "succeeded", "failed", "stopped"]), name="run_status_known"
            ),
            models.CheckConstraint(condition=~Q(status="running") | Q(lease_until__isnull=False), name="run_running_has_lease"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} ({gettext(self.status)})"

    @property
    def person(self) -> "User | None":
        """Whose question it is."""
        return self.on_behalf_of if self.on_behalf_of_id else self.requested_by

    @property
    def person_id(self) -> UUID | None:
        """Their id, without reading them."""
        return self.on_behalf_of_id or self.requested_by_id

    def take(self, change: Change, worker: str) -> None:
        """Become this worker's: a new attempt with a fresh lease."""
        change.update(
            self,
            status=self.Status.RUNNING,
            attempt=self.attempt + 1,
            worker=worker,
            lease_until=ClockTimestamp() + LEASE,
            wake_at=None,
            started_at=self.started_at or timezone.now(),
        )

    def begin(self, change: Change, worker: str) -> None:
        """Insert this new run as one that a worker holds already, with its pending row. The thread must not have an active one."""
        self.pending_message = pending = self.new_pending(change.thread)
        self.status, self.attempt, self.worker = self.Status.RUNNING, 1, worker
        self.lease_until, self.started_at = ClockTimestamp() + LEASE, timezone.now()
        change.add(pending)
        change.add(self)
        change.touch()

    def save_step_in(
        self,
        change: Change,
        parts: list[Part],
        count: int,
        facts: dict[str, Any],
        verdicts: dict[str, dict[str, Any]],
        rest: Sequence[Rest] = (),
    ) -> None:
        """As part of a change; see `save_step`."""
        self._stream_rest(rest)
        self._fold(change, parts, facts | {"status": Message.Status.SUCCESS}, verdicts)
        change.update(self, base=self.base + count, crashes=0, usage=add_usage(self.usage, facts.get("usage")), pending_message=None)

    def turn(self) -> tuple[list[Message], list[ToolCall]]:
        """The settled rows of the run's turn, its prompt among them, and the tool calls they name."""
        rows = list(Message.objects.settled().filter(thread_id=self.thread_id, order=self.order).order_by("step_order"))
        named = [row.pk for row in rows if row.is_tool]
        return rows, list(ToolCall.objects.filter(message__in=named)) if named else []

    def said(self) -> tuple[list[Message], list[ToolCall]]:
        """The rows of the answer so far, in order, and its tool calls."""
        return list(self.messages.order_by("step_order")), list(self.tool_calls.all())

    def running_calls(self, begun: Collection[UUID]) -> list[ToolCall]:
        """The calls of the step that were committed as running, have no outcome, and were not `begun` here."""
        return list(self.tool_calls.filter(step=self.step, status=ToolCall.Status.RUNNING).exclude(pk__in=begun).order_by("index"))

    def settle_call(self, pk: UUID, status: str, **facts: Any) -> bool:
        """See `ToolCall.settle`."""
        return ToolCall.settle(pk, self.thread_id, status, **facts)

    def has_untrusted_results(self) -> bool:
        """Whether strangers may have put words into the conversation."""
        return ToolCall.objects.untrusted_for(self.thread).exists()

    def show(self, pk: UUID, **columns: Any) -> None:
        """Show everybody who watches how far a running call is: its `progress`, or a `result` that is not the last one."""
        with Thread.changing(self.thread_id) as change:
            call = ToolCall.objects.select_for_update().filter(pk=pk, status=ToolCall.Status.RUNNING).first()
            if call is not None:
                change.update(call, **columns)

    def wake_in(self, change: Change) -> bool:
        """A waiting run goes on when nobody has to decide or answer any more; says whether it does. Call with the run locked."""
        waits = self.tool_calls.filter(step=self.step, status__in=[ToolCall.Status.AWAITING_APPROVAL, ToolCall.Status.REQUESTED])
        if self.status != self.Status.WAITING or waits.exists():
            return False
        self.back_to_queue(change)
        return True

    def new_pending(self, thread: Thread) -> Message:
        """An empty row at the end of the turn: where the answer will stand, under the id it keeps."""
        order, step_order = thread.next_step(self.order)
        role, status = Message.Role.ASSISTANT, Message.Status.PENDING
        return Message(thread=thread, order=order, step_order=step_order, role=role, status=status, run=self, agent_name=self.agent)

    def back_to_queue(self, change: Change, **columns: Any) -> None:
        """Queued again, and hinted at with the next sweep at the latest."""
        now = ClockTimestamp()
        change.update(self, status=self.Status.QUEUED, lease_until=None, worker="", wake_at=now, queued_at=now, **columns)

    def lose_lease(self) -> bool:
        """The worker is gone: back to the queue, or the end after three crashes in one step. Says whether it is queued."""
        with Thread.changing(self.thread_id) as change:
            run = Run.objects.expired().select_for_update(no_key=True).filter(pk=self.pk).first()
            if run is None:
                return False
            if run.crashes + 1 < MAX_CRASHES:
                run.back_to_queue(change, crashes=run.crashes + 1)
                return True
        error = {"kind": "crashed", "message": "The worker died three times at this step.", "retryable": True, "retry_after": None}
        run.end(self.Status.FAILED, error)
        return False

    def end(
        self,
        status: str,
        error: dict[str, Any] | None = None,
        *,
        attempt: int | None = None,
        parts: list[Part] | None = None,
        count: int = 0,
        facts: dict[str, Any] | None = None,
        rest: Sequence[Rest] = (),
    ) -> bool:
        """The one way to end a run; a repeat is harmless. Says whether it was this call that ended it.

        A worker passes its `attempt` (LeaseLost if it no longer holds the run) and the step's parts; anybody else ends it
        as the committed deltas show it.
        """
        with Thread.changing(self.thread_id) as change:
            run = Run.objects.select_for_update(no_key=True, of=("self",)).select_related("pending_message").get(pk=self.pk)
            if attempt is not None and (run.status != self.Status.RUNNING or run.attempt != attempt):
                raise LeaseLost(LOST)
            if run.status in self.ENDED:
                return False
            run.end_in(change, status, error, parts=parts, count=count, facts=facts, rest=rest)
            return True

    def end_in(
        self,
        change: Change,
        status: str,
        error: dict[str, Any] | None = None,
        *,
        parts: list[Part] | None = None,
        count: int = 0,
        facts: dict[str, Any] | None = None,
        rest: Sequence[Rest] = (),
    ) -> None:
        """End a live run, locked, as part of a change of its thread; see `end`."""
        if parts is None:
            parts, count = self.live_parts()
        self._stream_rest(rest)
        self._close_answer(change, parts, status, error, facts or {})
        usage = add_usage(self.usage, (facts or {}).get("usage"))
        columns = {"lease_until": None, "wake_at": None, "pending_message": None, "ended_at": timezone.now(), "usage": usage}
        change.update(self, status=status, error=error, base=self.base + count, **columns)
        change.touch()

    def live_parts(self) -> tuple[list[Part], int]:
        """What the present attempt has streamed and committed since the last saved step, and its number of unmerged parts."""
        parts: list[Part] = []
        cursor = self.base
        deltas = self.deltas.filter(attempt=self.attempt, start__gte=self.base).order_by("start")
        for start, end, batch in deltas.values_list("start", "end", "parts"):
            if start != cursor:
                break
            parts += batch
            cursor = end
        return parts, cursor - self.base

    def _stream_rest(self, rest: Sequence[Rest]) -> None:
        """Whoever reads deltas, not rows, gets the last ones too; the group commit may be about to write the same."""
        deltas = [
            self.deltas.model(run=self, attempt=self.attempt, step=self.step, start=start, end=end, parts=parts)
            for start, end, parts in rest
        ]
        if deltas:
            self.deltas.model.objects.bulk_create(deltas, ignore_conflicts=True)

    def _close_answer(self, change: Change, parts: list[Part], status: str, error: dict[str, Any] | None, facts: dict[str, Any]) -> None:
        unsaved = self.pending_message is not None
        if unsaved:
            failed = status == self.Status.FAILED
            reason = {"failed": "error", "stopped": "stopped"}.get(status, facts.get("finish_reason", ""))
            columns = {"status": Message.Status.FAILED if failed else Message.Status.SUCCESS, "finish_reason": reason, "error": error}
            calls = self._fold(change, parts, facts | columns, {})
        else:
            self._settle_calls(change)
        if not unsaved or calls:
            self.add_results(change)

    def _settle_calls(self, change: Change) -> None:
        """A row is opened for the next step only when all calls have an outcome: without one, some may be missing."""
        for call in self.tool_calls.unsettled():
            match call.status:
                case ToolCall.Status.RUNNING:
                    outcome: dict[str, Any] = {"status": ToolCall.Status.UNKNOWN}
                case ToolCall.Status.AWAITING_APPROVAL:
                    outcome = {"status": ToolCall.Status.DENIED, "reason": MOVED_ON, "decided_at": timezone.now()}
                case ToolCall.Status.REQUESTED:
                    continue  # A question to a person stays open: its answer opens a turn of its own.
                case _:
                    outcome = {"status": ToolCall.Status.FAILED, "error": NOT_RUN}
            change.update(call, ended_at=timezone.now(), **outcome)

    def _fold(self, change: Change, parts: list[Part], columns: dict[str, Any], verdicts: dict[str, dict[str, Any]]) -> list[Call]:
        folded = fold(parts)
        message = self.pending_message
        assert message is not None, "a step is folded into the row that was opened for it"
        said = {"content": folded.content, "sources": folded.sources, "is_tool": bool(folded.calls)}
        change.update(message, agent_name=self.agent, **said, **columns)
        if folded.calls:
            change.add_all([self._new_call(index, call, verdicts.get(call.id)) for index, call in enumerate(folded.calls)])
        return folded.calls

    def _new_call(self, index: int, call: Call, verdict: dict[str, Any] | None) -> ToolCall:
        place = {"thread_id": self.thread_id, "run": self, "message": self.pending_message, "step": self.step, "index": index}
        return ToolCall(**place, **call.columns, **(verdict or {"status": ToolCall.Status.FAILED, "error": NOT_RUN}))

    def add_results(self, change: Change) -> None:
        """The row that stands for the results of the step's calls."""
        calls = list(self.tool_calls.filter(step=self.step).order_by("index").values_list("pk", "message__agent_name"))
        order, step_order = change.thread.next_step(self.order)
        content = [{"type": "tool-result", "tool_call": str(pk)} for pk, _ in calls]
        change.add(
            Message(
                thread=change.thread,
                order=order,
                step_order=step_order,
                role=Message.Role.TOOL,
                is_tool=True,
                run=self,
                agent_name=calls[0][1] if calls else self.agent,
                content=content,
            )
        )


def add_usage(total: dict[str, Any], step: dict[str, Any] | None) -> dict[str, Any]:
    """Sum of two usages, class by class; of what they cost (`charge`, as text) as far as it is known."""
    step = step or {}
    money = {name: value for part in (total, step) for name, value in part.items() if name in MONEY}
    if "charge" in money:
        money["charge"] = str(Decimal(total.get("charge", "0")) + Decimal(step.get("charge", "0")))
    return {key: total.get(key, 0) + step.get(key, 0) for key in {**total, **step} if key not in MONEY} | money
