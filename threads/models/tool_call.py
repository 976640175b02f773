"""Tool calls: the live feed, the approval record and the at-most-once ledger in one row."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from threads.ids import uuid7
from threads.models.thread import Thread


class ToolCallQuerySet(models.QuerySet["ToolCall"]):
    """Which tool calls."""

    def unsettled(self) -> "ToolCallQuerySet":
        """Calls whose outcome is still to come."""
        return self.filter(status__in=ToolCall.UNSETTLED)

    def untrusted_for(self, thread: Thread) -> "ToolCallQuerySet":
        """Those whose results strangers wrote, in the conversation and in those that its agents lead with others."""
        head = thread.head.pk
        return self.filter(Q(thread=head) | Q(thread__root=head, thread__kind__in=Thread.HIDDEN), untrusted=True)

    def overdue(self) -> "ToolCallQuerySet":
        """Calls that nobody approved or answered in time."""
        return self.filter(status__in=[ToolCall.Status.AWAITING_APPROVAL, ToolCall.Status.REQUESTED], expires_at__lt=Now())


class ToolCall(models.Model):
    """One call of a tool in a step of a run. Arguments and results live only here; messages refer to them.

    `running` is committed before the tool starts, so a call found running after a crash may or may not have happened: `unknown`.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        AWAITING_APPROVAL = "awaiting_approval", _("Awaiting Approval")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")
        EXPIRED = "expired", _("Expired")

    UNSETTLED = ("requested", "awaiting_approval", "approved", "running")
    # What keeps a run from its next step although nothing runs.
    OPEN = ("requested", "awaiting_approval", "approved")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="tool_calls")
    # None for calls that were saved or copied, not made by a run.
    run = models.ForeignKey("threads.Run", on_delete=models.CASCADE, null=True, blank=True, related_name="tool_calls")
    message = models.ForeignKey("threads.Message", on_delete=models.CASCADE, related_name="tool_calls")
    # The conversation it led with another agent.
    child = models.ForeignKey(Thread, on_delete=models.SET_NULL, null=True, blank=True, related_name="asked_by")
    step = models.IntegerField()
    index = models.IntegerField()
    provider_call_id = models.CharField(max_length=200, blank=True)
    tool = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict)
    arguments_hash = models.CharField(max_length=64)
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    # Those that its result names.
    files = models.ManyToManyField("threads.File", related_name="tool_calls", blank=True, editable=False)
    status = models.CharField(max_length=20, choices=Status, default=Status.REQUESTED)
    progress = models.JSONField(null=True, blank=True)
    # What it cost, as of messages: its fee, or the tokens of the agent that it asked.
    usage = models.JSONField(default=dict, blank=True)
    # Its result comes from strangers, and may tell the model what nobody here wants.
    untrusted = models.BooleanField(default=False)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="decisions")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ToolCallQuerySet.as_manager()
    # In place of `files` where nothing is saved.
    unsaved_files: Collection[str] = ()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "version"], name="tool_call_by_version"),
            models.Index(fields=["thread"], name="tool_call_untrusted", condition=Q(untrusted=True)),
            models.Index(
                fields=["status"], name="tool_call_waiting", condition=Q(status__in=["awaiting_approval", "requested", "unknown"])
            ),
            models.Index(fields=["expires_at"], name="tool_call_open", condition=Q(status__in=["requested", "awaiting_approval"])),
        ]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "index"], name="tool_call_position_unique"),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "requested", "awaiting_approval", "approved", "denied", "running", "succeeded", "failed", "unknown", "expired",
                    ]
                ),
                name="tool_call_status_known",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.tool} ({self.status})"

    @property
    def file_ids(self) -> set[str]:
        """Those of its files."""
        return set(self.unsaved_files) or {str(pk) for pk in self.files.values_list("pk", flat=True)}

    @property
    def is_undecided(self) -> bool:
        """Whether somebody may still approve or deny it."""
        return self.status == self.Status.AWAITING_APPROVAL and (self.expires_at is None or self.expires_at > timezone.now())

    def decide(self, user: Any, approved: bool, reason: str) -> None:
        """Set the columns of a decision; the caller holds the lock and saves them."""
        now = timezone.now()
        self.status = self.Status.APPROVED if approved else self.Status.DENIED
        self.decided_by, self.decided_at, self.reason = user, now, reason[:1000]
        self.ended_at = None if approved else now

    def begin_child(self, agent: str, title: str) -> Thread:
        """A thread of its own for what it asks another agent: hidden from lists, open to whoever may see this one."""
        with Thread.changing(self.thread_id) as change:
            child = change.thread.begin_child(agent, title)
            change.update(self, child=child)
        return child

    @classmethod
    def settle(cls, pk: UUID, thread_id: UUID, status: str, **facts: Any) -> bool:
        """Write a call's outcome once; says whether this was the one that counted.

        The outcome of a tool that outlived its run is taken too: it turns `unknown` into what really happened.
        """
        files = facts.pop("files", ())
        with Thread.changing(thread_id) as change:
            call = cls.objects.select_for_update().filter(pk=pk, status__in=[cls.Status.RUNNING, cls.Status.UNKNOWN]).first()
            if call is None:
                return False
            change.update(call, status=status, ended_at=timezone.now(), **facts)
            call.files.add(*files)
            return True
