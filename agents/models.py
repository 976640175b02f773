"""Rows that belong to answering."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from pgvector.django import CosineDistance, VectorField

from agents.embedding import embed


class RoutingSampleQuerySet(models.QuerySet["RoutingSample"]):
    """Which sample questions."""

    def nearest(self, question: str, limit: int) -> "list[tuple[RoutingSample, float]]":
        """The samples most like a question, with their similarity (1 = the same). Those that are new are embedded first."""
        self.embed_new()
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
    answered_by = models.CharField(max_length=100, help_text="human, or the name of an agent")
    vector = VectorField(null=True, editable=False)
    embedded_as = models.CharField(max_length=200, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RoutingSampleQuerySet.as_manager()

    def __str__(self) -> str:
        return self.question[:80]
