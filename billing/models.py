"""What was used, and by whom: the ledger. It outlives threads and people, so it names them by plain ids and holds no content."""

from django.db import models
from django.db.models.functions import Now


class UsageRecord(models.Model):
    """One model call. Append-only: a trigger of the database refuses changes."""

    user_id = models.UUIDField(null=True)
    thread_id = models.UUIDField(null=True)
    run_id = models.UUIDField()
    attempt = models.IntegerField()
    step = models.IntegerField()
    kind = models.CharField(max_length=20)
    agent = models.CharField(max_length=100)
    labels = models.JSONField(default=dict)
    provider = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=200, blank=True)
    provider_metadata = models.JSONField(default=dict)
    # Token classes are disjoint; `estimated` of them were not told by the provider.
    fresh_input = models.BigIntegerField(default=0)
    cache_read = models.BigIntegerField(default=0)
    cache_write = models.BigIntegerField(default=0)
    output_text = models.BigIntegerField(default=0)
    reasoning = models.BigIntegerField(default=0)
    estimated = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["user_id", "created_at"], name="usage_by_user")]
        constraints = [models.UniqueConstraint(fields=["run_id", "attempt", "step", "kind"], name="usage_once_per_call")]

    def __str__(self) -> str:
        return f"{self.kind} {self.agent} {self.model}"
