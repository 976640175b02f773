"""Finding what was said: by words (full text), by likeness (vectors), or both, fused by rank.

Everybody's rows lie side by side, so every statement begins with its scope: one thread, or the threads of one owner.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from threads.models import Message

Hit = tuple[UUID, float]
# Larger scopes are searched with the model's index, smaller ones exactly: faster then, and nothing is overlooked.
EXACT_ROWS = 20_000
# Of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009), for short lists.
RANK_CONSTANT = 10
MAX_WORDS = 12
# Words in more than this share of all chunks say little and cost much, unless they are few.
COMMON = 0.02
FEW = 1_000


@dataclass(frozen=True)
class Scope:
    """Where to search: in `thread`, or in all threads of `owner` but those of `without`. Of `thread` only what is before `before`
    (order, step_order)."""

    thread: UUID | None = None
    owner: UUID | None = None
    before: tuple[int, int] | None = None
    without: Sequence[UUID] = ()

    @property
    def condition(self) -> str:
        """SQL about a table `c` of chunks or `e` of embeddings."""
        return OWNED if self.owner else "{t}.thread_id = %(thread)s"

    @property
    def parameters(self) -> dict[str, Any]:
        """For `condition` and NOT_YET."""
        order, step_order = self.before or (None, None)
        places = {"thread": self.thread, "order": order, "step_order": step_order}
        return places | {"owner": self.owner, "without": list(self.without)}


OWNED = """{t}.user_id = %(owner)s AND {t}.thread_id NOT IN (
    SELECT id FROM threads_thread WHERE owner_id = %(owner)s AND deleted_at IS NOT NULL) AND {t}.thread_id <> ALL(%(without)s::uuid[])"""
# What was said after the question, in its own thread, is no context of it.
NOT_YET = """(%(order)s::int IS NULL OR c.thread_id IS DISTINCT FROM %(thread)s::uuid
              OR (c."order", c.step_order) < (%(order)s::int, %(step_order)s::int))"""

# The rarest words of the question and whether they are common, by the statistics of the index's column.
RARE = """
WITH asked AS (SELECT DISTINCT lexeme FROM unnest(to_tsvector('simple', %(words)s))),
     common AS (SELECT e.lexeme, f.share FROM pg_stats s,
                       unnest(s.most_common_elems::text::text[]) WITH ORDINALITY AS e(lexeme, n)
                       JOIN LATERAL unnest(s.most_common_elem_freqs) WITH ORDINALITY AS f(share, n) USING (n)
                WHERE s.schemaname = current_schema() AND s.tablename = 'threads_chunk' AND s.attname = 'tsv')
SELECT lexeme, coalesce(share > %(common)s AND share * reltuples > %(few)s, false)
FROM asked LEFT JOIN common USING (lexeme), pg_class WHERE oid = 'threads_chunk'::regclass
ORDER BY coalesce(share, 0), length(lexeme) DESC, 1 LIMIT %(limit)s
"""
BY_WORDS = """
SELECT message_id, max(rank) FROM (
    SELECT c.message_id, ts_rank(c.tsv, q) AS rank FROM threads_chunk c, to_tsquery('simple', %(query)s) q
    WHERE {scope} AND c.tsv @@ q AND {not_yet}
) found GROUP BY message_id ORDER BY 2 DESC, 1 DESC LIMIT %(limit)s
"""
COUNT = """
SELECT count(*) FROM (SELECT FROM threads_embedding e WHERE {scope} AND e.model = %(model)s AND e.dims = %(dims)s LIMIT %(most)s) x
"""
# The sum keeps the planner from the index, which would look at everybody's rows first.
EXACTLY = """
WITH nearest AS (
    SELECT c.message_id, (e.vec::halfvec({dims}) <=> %(vector)s::halfvec({dims})) + 0 AS distance
    FROM threads_embedding e JOIN threads_chunk c ON c.id = e.chunk_id
    WHERE {scope} AND e.model = %(model)s AND e.dims = {dims} AND {not_yet} ORDER BY 2 LIMIT %(chunks)s
)
SELECT message_id, 1 - min(distance) FROM nearest GROUP BY message_id ORDER BY 2 DESC, 1 DESC LIMIT %(limit)s
"""
BY_INDEX = """
WITH nearest AS MATERIALIZED (
    SELECT e.chunk_id, e.vec::halfvec({dims}) <=> %(vector)s::halfvec({dims}) AS distance
    FROM threads_embedding e WHERE {scope} AND e.model = {model} AND e.dims = {dims}
    ORDER BY e.vec::halfvec({dims}) <=> %(vector)s::halfvec({dims}) LIMIT %(chunks)s
)
SELECT c.message_id, 1 - min(n.distance) FROM nearest n JOIN threads_chunk c ON c.id = n.chunk_id
WHERE {not_yet} GROUP BY c.message_id ORDER BY 2 DESC, 1 DESC LIMIT %(limit)s
"""


def by_words(scope: Scope, words: str, limit: int) -> list[Hit]:
    """Messages with any of the words, the best match first."""
    with connection.cursor() as cursor:
        cursor.execute(RARE, {"words": words[:10_000], "limit": MAX_WORDS, "common": COMMON, "few": FEW})
        asked = cursor.fetchall()
        telling = [lexeme for lexeme, is_common in asked if not is_common] or [lexeme for lexeme, _ in asked[:3]]
        if not telling:
            return []
        query = " | ".join("'{}'".format(word.replace("\\", "\\\\").replace("'", "''")) for word in telling)
        cursor.execute(
            BY_WORDS.format(scope=scope.condition.format(t="c"), not_yet=NOT_YET), scope.parameters | {"query": query, "limit": limit}
        )
        return list(cursor.fetchall())


def by_likeness(scope: Scope, vector: Sequence[float], model: str, limit: int, *, least: float = 0.0) -> list[Hit]:
    """Messages whose vectors of this model are nearest, as (message, cosine similarity above `least`)."""
    dims = len(vector)
    parameters = scope.parameters | {"model": model, "dims": dims, "vector": str(list(vector)), "limit": limit, "chunks": 4 * limit}
    with connection.cursor() as cursor:
        condition = scope.condition.format(t="e")
        cursor.execute(COUNT.format(scope=condition), parameters | {"most": EXACT_ROWS + 1})
        (rows,) = cursor.fetchone()
        if rows <= EXACT_ROWS:
            cursor.execute(EXACTLY.format(scope=condition, dims=dims, not_yet=NOT_YET), parameters)
            return [hit for hit in cursor.fetchall() if hit[1] > least]
        with transaction.atomic():
            return [hit for hit in _by_index(cursor, condition, parameters, dims, model) if hit[1] > least]


def _by_index(cursor: Any, condition: str, parameters: Mapping[str, Any], dims: int, model: str) -> list[Hit]:
    """The planner uses a partial index only if its condition is spelled out in the statement."""
    literal = cursor.connection.execute("SELECT quote_literal(%s)", [model]).fetchone()[0].replace("%", "%%")
    # Measured with hashed vectors, the hardest (benchmarks/context.py): 100 finds 0.84 of the nearest in 4 ms, 800 finds 0.97 in 10 ms.
    # Iterative scans go on until enough rows are in the scope; for the rest of this transaction only.
    cursor.execute("SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', '800', true)")
    cursor.execute(BY_INDEX.format(scope=condition, dims=dims, model=literal, not_yet=NOT_YET), parameters)
    return list(cursor.fetchall())


def fused(*lists: Iterable[Hit], limit: int) -> dict[UUID, float]:
    """The best of several rankings, by the sum of 1 / (constant + rank), best first."""
    scores: dict[UUID, float] = {}
    for hits in lists:
        for rank, (message, _) in enumerate(hits):
            scores[message] = scores.get(message, 0.0) + 1 / (RANK_CONSTANT + rank)
    best = sorted(scores, key=lambda message: (-scores[message], message))[:limit]
    return {message: scores[message] for message in best}


def with_neighbours(ids: Collection[UUID], before: int, after: int, *, not_from: tuple[UUID | None, int]) -> list[Message]:
    """These messages and what was said some turns around each in its own thread, without tool rows: by thread, then as it was said.

    `not_from` is (thread, order): the turns of this thread from there on are left out.
    """
    hits = list(Message.objects.filter(pk__in=ids))
    wanted = Q(pk__in=ids)
    for hit in hits:
        wanted |= Q(thread=hit.thread_id, order__gte=hit.order - before, order__lte=hit.order + after)
    thread, order = not_from
    rows = Message.objects.settled().filter(wanted, is_tool=False).exclude(thread=thread, order__gte=order)
    return list(rows.order_by("thread", "order", "step_order"))
