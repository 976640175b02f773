"""Deleting: messages and people for good, threads at first so that they can be brought back. What is gone is told to every browser that
had it (tombstones)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from threads import broadcast
from threads.files import vacuum
from threads.models import File, Message, Run, Thread, User
from threads.models.run import RunQuerySet
from threads.models.thread import ThreadQuerySet

Position = tuple[int, int]
# For so long a deleted thread can be brought back.
UNDO = timedelta(hours=1)
# So long after their last activity threads that are not to be kept are deleted.
KEPT_FOR = {Thread.Kind.TRIAL: timedelta(days=7), Thread.Kind.TEMPORARY: timedelta(hours=1)}
AT_ONCE = 100


def delete_messages(thread_id: UUID, ids: Iterable[UUID]) -> list[UUID]:
    """Delete these messages with their tool calls; returns the ids that were there. Ids of other threads are left alone."""
    return _delete(thread_id, Message.objects.filter(pk__in=list(ids)))


def delete_range(thread_id: UUID, start: Position, end: Position) -> int:
    """Delete all messages with start ≤ (order, step_order) < end; returns how many.

    Positions compare like words in a dictionary: (1, 2) → (2, 5) takes turn 1 from step 2 on *and* turn 2 up to step 4.
    """
    return len(_delete(thread_id, Message.objects.between(start, end)))


def discard(thread: Thread) -> None:
    """Let nobody find a thread any more, in any of its versions; until UNDO is over it can be brought back, if it was to be kept. An
    answer that is being written ends as stopped."""
    if thread.head.kind == Thread.Kind.TEMPORARY:
        return delete_thread(thread.head)
    with transaction.atomic():
        members = list(thread.head.members.values_list("user_id", flat=True))
        _mark_deleted(thread.head, timezone.now())
        _drop_trials(thread.head)
        transaction.on_commit(lambda: broadcast.gone(thread.head.pk, members), robust=True)


def bring_back(thread: Thread) -> None:
    """Let a discarded thread be found again, as it was."""
    with transaction.atomic():
        _mark_deleted(thread, None)


def _mark_deleted(thread: Thread, moment: datetime | None) -> None:
    for each in thread.locked(thread.family):
        _stop(each.runs.all())
        with Thread.changing(each.pk) as change:
            change.update_thread(deleted_at=moment)


def _drop_trials(thread: Thread) -> None:
    """What was tried with a conversation goes with it."""
    for trial in Thread.objects.filter(kind=Thread.Kind.TRIAL, parent__in=thread.family):
        delete_thread(trial)


def forget_passing() -> int:
    """Delete for good what is not to be kept and has nothing going on, some of it at once; says how many threads went."""
    return sum(_forget(kind, pk) for kind in KEPT_FOR for pk in list(_passed(kind).values_list("pk", flat=True)[:AT_ONCE]))


def _passed(kind: Thread.Kind) -> ThreadQuerySet:
    """Threads of a kind whose time is over, in all their versions."""
    end = timezone.now() - KEPT_FOR[kind]
    versions = Thread.objects.filter(Q(last_activity__gte=end) | Q(runs__in=Run.objects.live()), kind__in=Thread.HIDDEN)
    old: ThreadQuerySet = Thread.objects.filter(kind=kind, last_activity__lt=end)
    return old.exclude(runs__in=Run.objects.live()).exclude(pk__in=versions.values("root")).order_by("last_activity")


def _forget(kind: Thread.Kind, pk: UUID) -> bool:
    """Somebody may have kept it, or have said something, since it was found."""
    with transaction.atomic():
        Thread.objects.select_for_update(no_key=True).filter(pk=pk).first()
        thread = _passed(kind).filter(pk=pk).first()
        if thread is not None:
            delete_thread(thread)
        return thread is not None


def empty_bin() -> int:
    """Delete for good what was discarded longer ago than UNDO, some of it at once; says how many threads went."""
    over = Thread.objects.filter(deleted_at__lt=timezone.now() - UNDO).exclude(kind__in=Thread.HIDDEN)
    doomed = list(over.order_by("deleted_at")[:AT_ONCE])
    for thread in doomed:
        delete_thread(thread)
    return len(doomed)


def delete_thread(thread: Thread) -> None:
    """Delete for good a thread with everything in it, and its branches. An answer that is being written ends as stopped."""
    members = list(thread.members.values_list("user_id", flat=True))
    with transaction.atomic():
        Thread.objects.select_for_update(no_key=True).filter(pk=thread.pk).first()  # no copy is begun from now on
        _drop_trials(thread)
        for each in thread.family:
            _stop(each.runs.all())
            each.delete()
        transaction.on_commit(lambda: broadcast.gone(thread.pk, members), robust=True)


def erase_user(user: User) -> None:
    """Delete a person and all that is theirs: threads, what they said in the threads of others, files, memberships, sessions."""
    mine = list(File.objects.of(user).values_list("pk", flat=True))
    for thread in list(user.owned_threads.all()):
        delete_thread(thread)
    for thread_id in list(user.messages.values_list("thread_id", flat=True).distinct()):
        _delete(thread_id, user.messages.all())
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
    user.delete()
    vacuum(File.objects.unreferenced().filter(pk__in=mine, owners=None))


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
