"""Finding what was said and where, as a person looks for it: all words must be there, in any of the threads they may see."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from threads.models import User

# Of so many messages, the newest, the first `limit` are shown: copies of them in other versions are not.
LOOKED_AT = 200
# Up to so many messages of everybody are looked up by their words; measured with benchmarks/search.py.
RARE = 5_000
TITLES = 10

MINE = """
mine AS MATERIALIZED (
    SELECT t.id, t.last_activity, CASE WHEN t.kind = 'branch' AND t.root_id IS NOT NULL THEN t.root_id ELSE t.id END AS listed
    FROM threads_threadmember m JOIN threads_thread t ON t.id = m.thread_id
    WHERE m.user_id = %(user)s AND t.deleted_at IS NULL AND t.kind NOT IN ('child', 'trial', 'temp'))
"""
# Everybody's messages with rare words, of which the person's own.
BY_INDEX = """
hits AS MATERIALIZED (SELECT c.id, c.thread_id FROM threads_chunk c WHERE c.tsv @@ %(query)s::tsquery),
found AS MATERIALIZED (SELECT hits.id, mine.listed FROM hits JOIN mine ON mine.id = hits.thread_id ORDER BY hits.id DESC LIMIT %(most)s)
"""
# The person's own threads, the newest first, until enough is found. As a function the comparison cannot use the index, which would read
# everybody's messages again for each thread.
BY_THREADS = """
found AS MATERIALIZED (
    SELECT hit.id, own.listed FROM (SELECT * FROM mine ORDER BY last_activity DESC) own CROSS JOIN LATERAL (
        SELECT c.id FROM threads_chunk c WHERE c.thread_id = own.id AND ts_match_vq(c.tsv, %(query)s::tsquery) OFFSET 0) hit
    LIMIT %(most)s)
"""
FIND = """
WITH {mine}, {by},
     once AS (SELECT DISTINCT ON (found.listed, md5(c.text)) c.* FROM found JOIN threads_chunk c USING (id)
              ORDER BY found.listed, md5(c.text), c.id)
SELECT f.thread_id, t.title, f.message_id, m.created_at, ts_headline('simple', f.text, %(query)s::tsquery, %(options)s)
FROM (SELECT * FROM once ORDER BY id DESC LIMIT %(limit)s) f
JOIN threads_message m ON m.id = f.message_id JOIN threads_thread t ON t.id = f.thread_id ORDER BY f.id DESC
"""
EXPECTED = "EXPLAIN (FORMAT JSON) SELECT FROM threads_chunk WHERE tsv @@ %(query)s::tsquery"
FIND_TITLES = """
SELECT t.id, t.title, NULL, t.last_activity, ts_headline('simple', t.title, %(query)s::tsquery, %(options)s)
FROM threads_threadmember m JOIN threads_thread t ON t.id = m.thread_id
WHERE m.user_id = %(user)s AND t.deleted_at IS NULL AND t.kind NOT IN ('branch', 'child', 'trial', 'temp')
    AND to_tsvector('simple', t.title) @@ %(query)s::tsquery ORDER BY t.last_activity DESC LIMIT %(limit)s
"""
# Split as the texts were, so that "4.5" and "foo-bar" are found.
QUERY = "SELECT (plainto_tsquery('simple', %(before)s) && to_tsquery('simple', %(last)s))::text"


@dataclass(frozen=True)
class Finding:
    """A thread whose title has the words, or a message of it that has them. `snippet` is (text, whether it is one of the words)."""

    thread: UUID
    title: str
    at: datetime
    snippet: list[tuple[str, bool]]
    message: UUID | None = None


@dataclass(frozen=True)
class Findings:
    """What was found, the newest first."""

    titles: list[Finding] = field(default_factory=list)
    messages: list[Finding] = field(default_factory=list)


def find(user: User, words: str, limit: int) -> Findings:
    """What has all these words in the threads that the user may see. The last word may be unfinished."""
    *before, last = words.split() or [""]
    escaped = last.replace("\\", "\\\\").replace("'", "''")
    ((query,),) = _run(QUERY, {"before": " ".join(before), "last": f"'{escaped}':*" if escaped else ""})
    if not query:
        return Findings()
    about = {"user": user.pk, "query": query, "most": LOOKED_AT}
    (((plan,),),) = _run(EXPECTED, about)
    messages = FIND.format(mine=MINE, by=BY_INDEX if plan["Plan"]["Plan Rows"] <= RARE else BY_THREADS)
    titles = _found(FIND_TITLES, about | {"limit": TITLES}, "HighlightAll=true")
    return Findings(titles, _found(messages, about | {"limit": limit}, "MinWords=12, MaxWords=28, MaxFragments=1"))


def _found(sql: str, parameters: dict[str, Any], options: str) -> list[Finding]:
    mark = secrets.token_hex(8)
    # Around the words stands what nobody can have written: it is made anew for each search.
    rows = _run(sql, parameters | {"options": f"StartSel={mark}+, StopSel={mark}-, {options}"})
    return [Finding(thread, title, at, _parts(text, mark), message) for thread, title, message, at, text in rows]


def _run(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _parts(text: str, mark: str) -> list[tuple[str, bool]]:
    found = []
    for piece in text.split(f"{mark}-"):
        before, _, hit = piece.partition(f"{mark}+")
        found += [(before, False), (hit, True)]
    return [(words, hit) for words, hit in found if words]
