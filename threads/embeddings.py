"""The vectors of chunks: saving them, and the indexes that large scopes need."""

import hashlib
from collections.abc import Sequence

from django.db import connection, transaction

from threads.models.chunk import Chunk, Embedding, WrongDimensions

# Below this many rows of a model no scope can be so large that its index is used.
INDEX_ROWS = 20_000
MAX_DIMENSIONS = 4000
# In place of a label: the model takes no part of this text.
REFUSED = "refused"
# Of the chunks that wait for a new vector so many are asked for their old model.
LOOKED_AT = 500


def label(model: str, dims: int) -> str:
    """As chunks name what they were embedded as."""
    return f"{model}:{dims}"


def save_vectors(chunks: Sequence[Chunk], vectors: Sequence[Sequence[float]], model: str, dims: int) -> int:
    """Save the vectors of chunks; whose text has changed meanwhile (they are gone) are left out. Returns how many were saved.

    Raises WrongDimensions, naming both numbers, before anything is saved.
    """
    for vector in vectors:
        if len(vector) != dims:
            raise WrongDimensions(f"A vector of {len(vector):,} dimensions cannot be saved: those of {model} have {dims:,}.")
    if dims > MAX_DIMENSIONS:
        raise WrongDimensions(f"Vectors of {model} have {dims:,} dimensions; at most {MAX_DIMENSIONS:,} can be searched.")
    by_chunk = dict(zip([chunk.pk for chunk in chunks], vectors, strict=True))
    with transaction.atomic():
        # The chunk before its vector, as whoever deletes them does.
        there = list(Chunk.objects.select_for_update().filter(pk__in=by_chunk).order_by("pk"))
        rows = [Embedding(chunk=c, model=model, dims=dims, thread_id=c.thread_id, user_id=c.user_id, vec=by_chunk[c.pk]) for c in there]
        Embedding.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["chunk"], update_fields=["model", "dims", "vec", "thread", "user"]
        )
        Chunk.objects.filter(pk__in=[chunk.pk for chunk in there]).update(embedded_as=label(model, dims))
    return len(there)


def models_in_use() -> list[tuple[str, int]]:
    """The (model, dimensions) of saved vectors."""
    # A loose index scan: DISTINCT would read every row.
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH RECURSIVE found AS (
                   (SELECT min(embedded_as) AS name FROM threads_chunk WHERE NOT embedded_as = '')
                   UNION ALL
                   SELECT (SELECT min(embedded_as) FROM threads_chunk WHERE NOT embedded_as = '' AND embedded_as > found.name)
                   FROM found WHERE name IS NOT NULL)
               SELECT name FROM found WHERE name IS NOT NULL"""
        )
        names = {name for (name,) in cursor.fetchall()}
        # Chunks that wait for a new vector keep their old one until then.
        cursor.execute(
            """SELECT DISTINCT e.model || ':' || e.dims
               FROM (SELECT id FROM threads_chunk WHERE embedded_as = '' ORDER BY id LIMIT %s) c
               JOIN threads_embedding e ON e.chunk_id = c.id""",
            [LOOKED_AT],
        )
        names |= {name for (name,) in cursor.fetchall()}
    return sorted((name.rpartition(":")[0], int(name.rpartition(":")[2])) for name in names - {REFUSED})


def build_index(model: str, dims: int) -> bool:
    """Make the model's index if it has none yet, without locking anybody out; says whether it was made. Not within a transaction."""
    name = f"embedding_hnsw_{hashlib.sha256(label(model, dims).encode()).hexdigest()[:12]}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        found = cursor.fetchone()
        if found and found[0]:
            return False
        cursor.execute(f"DROP INDEX IF EXISTS {name}")  # what an interrupted attempt left
        (literal,) = cursor.connection.execute("SELECT quote_literal(%s)", [model]).fetchone()
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {name} ON threads_embedding USING hnsw ((vec::halfvec({int(dims)})) halfvec_cosine_ops) "
            f"WHERE model = {literal} AND dims = {int(dims)}".replace("%", "%%")
        )
    return True


def needs_index(model: str, dims: int) -> bool:
    """Whether there are so many vectors of this model that some scope may be a large one."""
    rows = Embedding.objects.filter(model=model, dims=dims)
    return rows[INDEX_ROWS : INDEX_ROWS + 1].exists()
