"""Messages: what a user, a model, a tool or a human operator said."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from threads.ids import uuid7

if TYPE_CHECKING:
    from uuid import UUID


class MessageQuerySet(models.QuerySet["Message"]):
    """Which messages."""

    def settled(self) -> "MessageQuerySet":
        """What a model may be told: pending and failed rows are not part of the conversation."""
        return self.filter(status=Message.Status.SUCCESS)

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> "MessageQuerySet":
        """Positions start ≤ (order, step_order) < end, compared like words in a dictionary."""
        after = Q(order__gt=start[0]) | Q(order=start[0], step_order__gte=start[1])
        before = Q(order__lt=end[0]) | Q(order=end[0], step_order__lt=end[1])
        return self.filter(after, before)

    def newest(self, limit: int) -> "list[Message]":
        """The last rows, in the order they were said."""
        return list(self.order_by("-order", "-step_order")[:limit])[::-1]


class Message(models.Model):
    """One row of a thread at (order, step_order): `order` is the turn, a user's row opens it at step 0.

    `content` is a list of typed parts; tool parts only name their ToolCall, which holds arguments and result.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SUCCESS = "success", _("Success")
        FAILED = "failed", _("Failed")

    class Role(models.TextChoices):
        USER = "user", _("User")
        ASSISTANT = "assistant", _("Assistant")
        TOOL = "tool", _("Tool")
        SYSTEM = "system", _("System")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    thread = models.ForeignKey("threads.Thread", on_delete=models.CASCADE, related_name="messages")
    order = models.IntegerField()
    step_order = models.IntegerField()
    role = models.CharField(max_length=16, choices=Role)
    status = models.CharField(max_length=16, choices=Status, default=Status.SUCCESS)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="messages")
    # Who wrote it in the author's name, if it was not them.
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    agent_name = models.CharField(max_length=100, blank=True)
    content = models.JSONField(default=list)
    # Those that `content` names: a trigger keeps it so.
    files = models.ManyToManyField("threads.File", related_name="messages", blank=True, editable=False)
    is_tool = models.BooleanField(default=False)
    run = models.ForeignKey("threads.Run", on_delete=models.SET_NULL, null=True, blank=True, related_name="messages")
    provider = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=200, blank=True)
    usage = models.JSONField(null=True, blank=True)
    finish_reason = models.CharField(max_length=32, blank=True)
    # Of its model call: {"began_at": ISO time, "first": seconds until the first word or null, "seconds": until its end}.
    timing = models.JSONField(null=True, blank=True)
    reasoning = models.JSONField(default=list, blank=True)
    sources = models.JSONField(default=list, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    provider_metadata = models.JSONField(default=dict, blank=True)
    error = models.JSONField(null=True, blank=True)
    copied_from = models.UUIDField(null=True, blank=True)
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "version"], name="message_by_version"),
            models.Index(fields=["sent_by"], name="message_sent_by", condition=Q(sent_by__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["thread", "order", "step_order"], name="message_position_unique"),
            models.CheckConstraint(condition=Q(order__gte=0, step_order__gte=0), name="message_position_positive"),
            models.CheckConstraint(condition=Q(status__in=["pending", "success", "failed"]), name="message_status_known"),
            models.CheckConstraint(condition=Q(role__in=["user", "assistant", "tool", "system"]), name="message_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.order}.{self.step_order}"

    @property
    def text(self) -> str:
        """The words of the message: its text parts joined by a space."""
        return " ".join(part["text"] for part in self.content if part["type"] == "text")

    @property
    def file_parts(self) -> "list[dict[str, Any]]":
        """The files that were brought along with it."""
        return [part for part in self.content if part["type"] == "file"]

    @property
    def siblings(self) -> "MessageQuerySet":
        """All rows of the answer that this one is part of; of anything else only itself."""
        rows: MessageQuerySet = self.thread.messages.all()
        if self.role not in (Message.Role.ASSISTANT, Message.Role.TOOL) or self.provider == "human":
            return rows.filter(pk=self.pk)
        answers = rows.filter(order=self.order, run=self.run_id, role__in=[Message.Role.ASSISTANT, Message.Role.TOOL])
        return answers.exclude(provider="human")

    @property
    def tool_call_ids(self) -> "list[UUID | str]":
        """The calls this row asks for or answers."""
        return [part["tool_call"] for part in self.content if "tool_call" in part]
