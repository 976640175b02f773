"""Taking care of what nobody is at: runs of dead workers, prompts whose hint was lost, questions that nobody answered in time."""

from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from agents.services import hint
from threads.models import Run, Thread, ToolCall

SWEEP_LOCK = 0x61676E74


def sweep() -> bool:
    """Take runs back from dead workers, and hint again at queued ones. Of all processes, one at a time does it; says whether this did."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
            if cursor.fetchone() != (True,):
                return False
        # Locked in one go, so that none is deleted meanwhile; one that is being changed has its turn with the next sweep.
        stale = Thread.objects.filter(runs__in=Run.objects.expired()).select_for_update(no_key=True, of=("self",), skip_locked=True)
        expired = list(Run.objects.expired().filter(thread__in=[thread.pk for thread in stale.order_by("pk")]))
        for run in expired:
            run.lose_lease()
        overdue = _expire()
        due = list(Run.objects.due()[:100])
        Run.objects.filter(pk__in=[run.pk for run in due]).snooze()
    for thread_id in dict.fromkeys([*(run.thread_id for run in [*expired, *due]), *overdue]):
        if not hint(thread_id):
            break  # Each further one would wait for Redis again.
    return True


def _expire() -> list[UUID]:
    """Close the questions that nobody answered in time; returns the threads whose runs go on."""
    woken = []
    overdue = ToolCall.objects.overdue()
    late = Thread.objects.filter(tool_calls__in=overdue).select_for_update(no_key=True, of=("self",), skip_locked=True)
    for thread_id in dict.fromkeys(thread.pk for thread in late.order_by("pk")[:100]):
        with Thread.changing(thread_id) as change:
            run = change.thread.runs.active().select_for_update(no_key=True).first()
            calls = list(overdue.filter(thread_id=thread_id).select_for_update())
            for call in calls:
                call.status, call.ended_at = ToolCall.Status.EXPIRED, timezone.now()
            change.update_all(calls, "status", "ended_at")
            if run is not None and run.wake_in(change):
                woken.append(thread_id)
    return woken
