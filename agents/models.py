"""Rows that belong to answering."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import CosineDistance, VectorField

from agents.embedding import embed
from threads.connections import release


class RequestLogQuerySet(models.QuerySet["RequestLog"]):
    """Which requests."""

    def old(self) -> "RequestLogQuerySet":
        """Those that were kept for as long as the settings say."""
        return self.filter(created_at__lt=timezone.now() - timedelta(days=settings.REQUEST_LOG_DAYS))


class RequestLog(models.Model):
    """What went to a model's server and what came back, where an agent or a thread wants it kept (`log_requests`); without secrets."""

    thread = models.ForeignKey("threads.Thread", on_delete=models.CASCADE, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    run_id = models.UUIDField(db_index=True)
    agent = models.CharField(max_length=100)
    step = models.IntegerField()
    attempt = models.IntegerField()
    request = models.JSONField()
    response = models.JSONField()
    error = models.TextField(blank=True)
    seconds = models.FloatField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True, editable=False)

    objects = RequestLogQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.agent} {self.step}.{self.attempt}"


class RoutingSampleQuerySet(models.QuerySet["RoutingSample"]):
    """Which sample questions."""

    def nearest(self, question: str, limit: int) -> "list[tuple[RoutingSample, float]]":
        """The samples most like a question, with their similarity (1 = the same). Those that are new are embedded first."""
        self.embed_new()
        release()
        (vector,) = embed([question])
        known = self.filter(embedded_as=settings.EMBEDDING_MODEL).annotate(distance=CosineDistance("vector", vector))
        return [(sample, 1 - sample.distance) for sample in known.order_by("distance")[:limit]]  # type: ignore[attr-defined]

    def embed_new(self) -> None:
        """Embed what was added or changed, or embedded by another model."""
        new = list(self.exclude(embedded_as=settings.EMBEDDING_MODEL))
        for sample, vector in zip(new, embed([sample.question for sample in new]) if new else [], strict=True):
            # Conditional: somebody may be editing it.
            self.filter(pk=sample.pk, question=sample.question).update(vector=vector, embedded_as=settings.EMBEDDING_MODEL)


class RoutingSample(models.Model):
    """A question, and who should answer such questions: `human`, or an agent's name. See `agents.routing.by_samples`."""

    question = models.TextField(max_length=2000)
    answered_by = models.CharField(max_length=100, help_text=_("human, or the name of an agent"))
    vector = VectorField(null=True, editable=False)
    embedded_as = models.CharField(max_length=200, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RoutingSampleQuerySet.as_manager()

    def __str__(self) -> str:
        return self.question[:80]
