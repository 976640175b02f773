"""What search reads: the words of settled messages in pieces, and their vectors.

Chunks are made by a trigger of the messages' table (migration 0006), so that nobody who writes messages can forget them; embeddings
follow in the background.
"""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import F, Func, GeneratedField, Q
from pgvector.django import VectorField

CHUNK_CHARS = 8000


class ChunkQuerySet(models.QuerySet["Chunk"]):
    """Which chunks."""

    def to_embed(self) -> "ChunkQuerySet":
        """Those that wait for their vector."""
        return self.filter(embedded_as="")


class Chunk(models.Model):
    """At most 8,000 characters of a message that was said (not of tools). `user` is the thread's owner."""

    # DO_NOTHING: the database cascades (migration 0007), in the one order in which nobody waits for each other.
    message = models.ForeignKey("threads.Message", on_delete=models.DO_NOTHING, db_index=False, related_name="chunks")
    # Plain references: they go with the message, and are checked there.
    thread = models.ForeignKey("threads.Thread", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    order = models.IntegerField()
    step_order = models.IntegerField()
    part = models.IntegerField()
    text = models.TextField()
    tsv = GeneratedField(expression=SearchVector("text", config="simple"), output_field=SearchVectorField(), db_persist=True)
    # "model:dimensions" of its vector; empty while it waits for one.
    embedded_as = models.CharField(max_length=220, default="", db_default="")

    objects = ChunkQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["tsv"], name="chunk_by_words"),
            models.Index(fields=["id"], name="chunk_to_embed", condition=Q(embedded_as="")),
            models.Index(fields=["embedded_as"], name="chunk_by_model", condition=~Q(embedded_as="")),
        ]
        constraints = [models.UniqueConstraint(fields=["message", "part"], name="chunk_position_unique")]

    def __str__(self) -> str:
        return f"{self.order}.{self.step_order} [{self.part}] {self.text[:40]}"


class Embedding(models.Model):
    """A chunk's vector. Thread and user are here too, so that a small scope is found without a join."""

    chunk = models.OneToOneField(Chunk, on_delete=models.DO_NOTHING, related_name="embedding")
    model = models.CharField(max_length=200)
    dims = models.IntegerField()
    thread = models.ForeignKey("threads.Thread", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    vec = VectorField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(dims=Func(F("vec"), function="vector_dims", output_field=models.IntegerField())), name="embedding_dims_true"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.dims})"


class WrongDimensions(ValueError):
    """A vector of another length than its model's vectors have."""
