"""Deleting for good: messages, threads, people. What is gone is told to every browser that had it (tombstones)."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet

from threads import broadcast
from threads.models import Message, Run, Thread, User
from threads.models.run import RunQuerySet

Position = tuple[int, int]


def delete_messages(thread_id: UUID, ids: Iterable[UUID]) -> list[UUID]:
    """Delete these messages with their tool calls; returns the ids that were there. Ids of other threads are left alone."""
    return _delete(thread_id, Message.objects.filter(pk__in=list(ids)))


def delete_range(thread_id: UUID, start: Position, end: Position) -> int:
    """Delete all messages with start ≤ (order, step_order) < end; returns how many.

    Positions compare like words in a dictionary: (1, 2) → (2, 5) takes turn 1 from step 2 on *and* turn 2 up to step 4.
    """
    return len(_delete(thread_id, Message.objects.between(start, end)))


def delete_thread(thread: Thread) -> None:
    """Delete a thread with everything in it, and its branches. An answer that is being written ends as stopped."""
    members = list(thread.members.values_list("user_id", flat=True))
    with transaction.atomic():
        for each in thread.family:
            _stop(each.runs.all())
            each.delete()
        transaction.on_commit(lambda: broadcast.gone(thread.pk, members), robust=True)


def erase_user(user: User) -> None:
    """Delete a person and all that is theirs: threads, what they said in the threads of others, memberships, sessions."""
    for thread in list(user.owned_threads.all()):
        delete_thread(thread)
    for thread_id in list(user.messages.values_list("thread_id", flat=True).distinct()):
        _delete(thread_id, user.messages.all())
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
    user.delete()


def _delete(thread_id: UUID, messages: QuerySet[Message]) -> list[UUID]:
    with transaction.atomic():
        thread = Thread.objects.select_for_update(no_key=True).get(pk=thread_id)
        doomed = list(messages.filter(thread=thread).values_list("pk", flat=True))
        # A run whose prompt or pending row goes has nothing left to write for.
        _stop(thread.runs.live().filter(Q(prompt__in=doomed) | Q(pending_message__in=doomed)))
        with Thread.changing(thread_id) as change:
            change.delete("message", Message.objects.filter(pk__in=doomed))
            if doomed and change.thread.summary:
                # It may quote what was deleted; the rest is summed up anew when that is needed.
                change.update_thread(summary="", summarised_to=None)
    return doomed


def _stop(runs: RunQuerySet) -> None:
    for run in runs.live():
        run.end(Run.Status.STOPPED)
