"""What waits for an operator, in all threads: conversations that a person has or is wanted for, questions, approvals, calls of unknown
outcome, answers that failed."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Max

from threads.access import is_operator
from threads.models import InternalNote, User
from threads.rows import thread_rows
from threads.shapes import WaitingThread, Waits

MOST = 200

# Failed answers count while they are the thread's last ones, for a week. What an operator has said to have dealt with counts no more, and
# what somebody tries in the playground never does.
WAITING = """
WITH reasons AS (
    SELECT id AS thread, 'assigned' AS reason, last_activity AS since, NULL AS detail
    FROM threads_thread WHERE assigned_to_id IS NOT NULL
    UNION ALL
    SELECT id, 'wanted', human_wanted_at, NULL FROM threads_thread WHERE human_wanted_at IS NOT NULL
    UNION ALL
    SELECT thread_id, CASE status WHEN 'requested' THEN 'question' WHEN 'awaiting_approval' THEN 'approval' ELSE 'unknown' END,
        created_at, tool
    FROM threads_toolcall WHERE status IN ('awaiting_approval', 'requested', 'unknown')
    UNION ALL
    SELECT r.thread_id, 'failed', r.ended_at, r.error->>'message' FROM threads_run r
    WHERE r.status = 'failed' AND r.ended_at > now() - interval '7 days' AND NOT EXISTS (
        SELECT FROM threads_run later WHERE later.thread_id = r.thread_id AND later.created_at > r.created_at)
)
SELECT t.id, min(reasons.since), json_agg(json_build_object('reason', reason, 'since', since, 'detail', detail) ORDER BY since, reason)
FROM reasons JOIN threads_thread t ON t.id = reasons.thread
WHERE t.deleted_at IS NULL AND t.kind <> 'trial' AND NOT EXISTS (SELECT FROM threads_thread r WHERE r.id = t.root_id AND r.kind = 'trial')
    AND (t.attended_at IS NULL OR since > t.attended_at OR reason NOT IN ('failed', 'unknown'))
GROUP BY t.id ORDER BY 2, 1 LIMIT %(most)s
"""


def waiting() -> Sequence[tuple[Any, Any, list[Waits]]]:
    """(thread, since when, its reasons: {reason, since, detail}), who waits longest first; at most 200 of them."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"most": MOST})
        return list(cursor.fetchall())


def waiting_rows() -> list[WaitingThread]:
    """The threads that wait, and why: `waits`, a list of {reason, since, detail}."""
    found = waiting()
    rows = {row["id"]: row for row in thread_rows([thread for thread, _, _ in found])}
    return [{**rows[str(thread)], "waits": reasons} for thread, _, reasons in found]


def as_seen_by(user: User) -> tuple[int | None, list[tuple[Any, Any, int]]] | None:
    """What there is for an operator, to be compared with what they were told of: the last note, and what waits. None if they are no
    operator any more."""
    if not is_operator(user.anew()):
        return None
    note = InternalNote.objects.aggregate(last=Max("pk"))["last"]
    return note, [(thread, since, len(reasons)) for thread, since, reasons in waiting()]
