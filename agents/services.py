"""The front door: what can be done with agents, for views, tasks, commands and tests alike.

Each function is one transaction; the hint to the workers goes out after its commit, and may be lost without harm.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from agents.errors import BadInput, Busy, Conflict
from agents.registry import all_agents, get_agent
from threads.changes import Change
from threads.ids import uuid7
from threads.models import Message, Run, Thread, User
from threads.models.run import ClockTimestamp

logger = logging.getLogger(__name__)
TITLE_CHARS = 60
# The hint that goes out with the commit is usually heard at once; after this the sweeper begins to repeat it.
FIRST_HINT = timedelta(seconds=5)
SWEEP_LOCK = 0x61676E74


def send(
    user: User, thread: Thread, text: str, *, agent: str = "", message_id: UUID | None = None, meanwhile: str = "queue"
) -> tuple[Message, Run]:
    """Save a prompt and queue its answer. The same id and text again return the same rows and change nothing.

    `agent` is empty for the thread's own. `meanwhile` says what to do while an answer is being written: `queue` behind it,
    `interrupt` it, or `reject` (Busy). Raises BadInput, Conflict (the id is taken).
    """
    text = _checked(text)
    chosen = get_agent(agent or thread.default_agent or all_agents()[0].name).name
    message_id = message_id or uuid7()
    with transaction.atomic():
        if meanwhile == "interrupt":
            _interrupt(thread, message_id)
        with Thread.changing(thread.pk) as change:
            if repeated := _repeated(message_id, thread, user, text):
                return repeated
            if meanwhile == "reject" and change.thread.runs.live().exists():
                raise Busy("An answer is being written.")
            change.then(lambda: _hint(thread.pk))
            return _save_prompt(change, user, text, chosen, message_id)


def retry(user: User, run: Run) -> tuple[Message, Run]:
    """Answer a failed or stopped run's prompt again; its finished steps stay part of the answer. Busy while the thread is answering."""
    prompt = run.prompt
    if prompt is None or run.status not in (Run.Status.FAILED, Run.Status.STOPPED):
        raise Conflict("Only an answer that failed or was stopped can be tried again.")
    with Thread.changing(run.thread_id) as change:
        if change.thread.runs.live().exists():
            raise Busy("An answer is being written.")
        again = _queue_run(change, user, prompt, run.agent)
        change.touch()
        change.then(lambda: _hint(run.thread_id))
    return prompt, again


def stop_thread(thread: Thread) -> Run | None:
    """End the thread's active run as stopped; what it has said is kept. None if there is none."""
    run = thread.runs.active().first() or thread.runs.live().order_by("created_at").first()
    if run is not None:
        stop(run)
    return run


def stop(run: Run) -> None:
    """End a run as stopped. Its worker notices within a quarter of a second, and can write nothing more from now on."""
    end_run(run, Run.Status.STOPPED)
    run.refresh_from_db()


def end_run(run: Run, status: str, error: dict[str, Any] | None = None, **said: Any) -> None:
    """`run.end()`, and the thread's next queued run gets its turn. All ends of runs come through here."""
    with transaction.atomic():
        if run.end(status, error, **said) and Run.objects.filter(thread_id=run.thread_id, status=Run.Status.QUEUED).exists():
            _enqueue(run.thread_id)


def requeue(run: Run) -> None:
    """Hand a run over to any other worker."""
    with transaction.atomic():
        run.requeue()
        _enqueue(run.thread_id)


def sweep() -> None:
    """Take runs back from dead workers, and hint again at queued ones. Of all processes, one at a time does it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
            if cursor.fetchone() != (True,):
                return
        expired = list(Run.objects.expired())
        for run in expired:
            run.lose_lease()
        due = list(Run.objects.due()[:100])
        Run.objects.filter(pk__in=[run.pk for run in due]).snooze()
    for thread_id in dict.fromkeys(run.thread_id for run in [*expired, *due]):
        if not _hint(thread_id):
            break  # Each further one would wait for Redis again, and heartbeats come from this thread.


def _enqueue(thread_id: UUID) -> None:
    transaction.on_commit(lambda: _hint(thread_id), robust=True)


def _hint(thread_id: UUID) -> bool:
    """Say that the thread may have something to do. Redis being down costs a log line: the sweep repeats it."""
    try:
        current_app.send_task("agents.tasks.answer", [str(thread_id)])
    except BrokerError as error:
        logger.warning("no hint sent for thread %s (%s); the sweep repeats it", thread_id, error)
        return False
    return True


def _interrupt(thread: Thread, message_id: UUID) -> None:
    """End the active run as stopped, unless the prompt that interrupts it is here already."""
    Thread.objects.select_for_update(no_key=True).get(pk=thread.pk)
    if not Message.objects.filter(pk=message_id).exists():
        for run in thread.runs.active():
            run.end(Run.Status.STOPPED)


def _checked(text: str) -> str:
    if not text.strip():
        raise BadInput("text", "Write something first.")
    if len(text) > settings.MAX_PROMPT_CHARS:
        raise BadInput("text", f"The text has {len(text):,} characters; at most {settings.MAX_PROMPT_CHARS:,} are allowed.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadInput("text", "The text contains characters that are no text (NUL or half of a surrogate pair).")
    return text


def _repeated(message_id: UUID, thread: Thread, user: User, text: str) -> tuple[Message, Run] | None:
    existing = Message.objects.filter(pk=message_id).first()
    if existing is None:
        return None
    if existing.thread_id != thread.pk or existing.author_id != user.pk or existing.text != text:
        raise Conflict("This id is taken by another message.")
    return existing, existing.answers.order_by("created_at")[0]


def _save_prompt(change: Change, user: User, text: str, agent: str, message_id: UUID) -> tuple[Message, Run]:
    thread = change.thread
    order, step_order = thread.next_turn()
    content = [{"type": "text", "text": text}]
    message = Message(id=message_id, thread=thread, order=order, step_order=step_order, role="user", author=user, content=content)
    run = _queue_run(change, user, message, agent, message)
    change.touch()
    if not thread.title:
        change.update_thread(title=_title(text))
    if not thread.default_agent:
        change.update_thread(default_agent=agent)
    return message, run


def _queue_run(change: Change, user: User, prompt: Message, agent: str, *new: Message) -> Run:
    """A queued run with its pending row, and the `new` rows before it."""
    run = Run(
        thread=change.thread, prompt=prompt, order=prompt.order, agent=agent, requested_by=user, wake_at=ClockTimestamp() + FIRST_HINT
    )
    run.pending_message = pending = run.new_pending(change.thread)
    # Foreign keys are checked at the commit: messages and run name each other.
    change.add_all([*new, pending])
    change.add(run)
    return run


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[:TITLE_CHARS].rsplit(" ", 1)[0] + "…"
