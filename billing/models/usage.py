"""What was used, and by whom: the ledger. It outlives threads and people, so it names them by plain ids and holds no content."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

# Token classes. They are disjoint: what was read from a cache is not counted as fresh input, reasoning is not counted as output.
INPUT = ("fresh_input", "cache_read", "cache_write", "audio_input", "image_input")
OUTPUT = ("output_text", "reasoning", "audio_output", "image_output")
TOKENS = (*INPUT, *OUTPUT)
# What is not counted in tokens.
UNITS = ("seconds", "characters", "requests")
REASONS = 200


class UsageRecord(models.Model):
    """One model call, or (negative) the correction of one. Append-only: a trigger of the database refuses changes."""

    # Whoever is charged; nobody is the site itself.
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
    fresh_input = models.BigIntegerField(default=0)
    cache_read = models.BigIntegerField(default=0)
    cache_write = models.BigIntegerField(default=0)
    audio_input = models.BigIntegerField(default=0)
    image_input = models.BigIntegerField(default=0)
    output_text = models.BigIntegerField(default=0)
    reasoning = models.BigIntegerField(default=0)
    audio_output = models.BigIntegerField(default=0)
    image_output = models.BigIntegerField(default=0)
    seconds = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    characters = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(default=0)
    # So many of the tokens were not told by the provider.
    estimated = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The moment whose prices count. A correction has that of what it corrects, but belongs to the period in which it was made.
    priced_at = models.DateTimeField(db_default=Now(), editable=False)
    reverses = models.BigIntegerField(null=True, editable=False)
    reason = models.CharField(max_length=REASONS, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "created_at"], name="usage_by_user"),
            models.Index(fields=["provider", "model"], name="usage_by_model"),
            models.Index(fields=["thread_id"], name="usage_by_thread"),
            BrinIndex(fields=["created_at"], name="usage_by_time", autosummarize=True),
        ]
        constraints = [
            models.UniqueConstraint(fields=["run_id", "attempt", "step", "kind"], name="usage_once_per_call", condition=Q(reverses=None)),
            models.UniqueConstraint(fields=["reverses"], name="usage_reversed_once"),
            models.CheckConstraint(condition=Q(reverses=None) | ~Q(reason=""), name="usage_reversed_for_a_reason"),
            models.CheckConstraint(
                condition=~Q(reverses=None) | Q(**{f"{name}__gte": 0 for name in (*TOKENS, *UNITS)}), name="usage_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.agent} {self.model}"

    @property
    def tokens(self) -> int:
        """All classes together."""
        return sum(getattr(self, name) for name in TOKENS)
