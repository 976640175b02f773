"""The front door: what can be done with agents, for views, tasks, commands and tests alike.

Each function is one transaction; the hint to the workers goes out after its commit, and may be lost without harm.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from kombu.exceptions import OperationalError as BrokerError

from agents.accounting import afford
from agents.agent import Agent
from agents.attachments import attachment_tokens
from agents.errors import BadInput, Busy, Conflict
from agents.registry import all_agents, get_agent
from agents.unsaved import AnyRun, UnsavedRun
from billing.admission import Asker, admit, estimate
from billing.usage import tell
from threads.changes import Change
from threads.files import stored
from threads.ids import uuid7
from threads.models import Message, Run, Thread, ToolCall, User
from threads.models.run import ClockTimestamp, RunQuerySet
from threads.saving import parsed
from threads.storable import is_storable
from threads.words import grouped

Json = dict[str, Any]
logger = logging.getLogger(__name__)
TITLE_CHARS = 60
TAKEN = gettext_noop("This id is taken by another message.")
# The hint that goes out with the commit is usually heard at once; after this the sweeper begins to repeat it.
FIRST_HINT = timedelta(seconds=5)


@dataclass(frozen=True)
class Decision:
    """What a person decides about a call. `arguments_hash` is that of the arguments they were shown."""

    call: UUID
    approved: bool
    arguments_hash: str
    reason: str = ""


@dataclass(frozen=True)
class Sender:
    """Who asks, and in whose name if that is somebody else's."""

    user: User
    on_behalf_of: User | None = None

    @property
    def author(self) -> User:
        """Who is said to have asked."""
        return self.on_behalf_of or self.user


def send(
    user: User,
    thread: Thread,
    text: str,
    *,
    files: Sequence[Json] = (),
    agent: str = "",
    message_id: UUID | None = None,
    meanwhile: str = "queue",
    options: Mapping[str, Any] | None = None,
    answer: bool = True,
    on_behalf_of: User | None = None,
) -> tuple[Message, Run | None]:
    """Save a prompt and queue its answer. The same id and text again return the same rows and change nothing.

    An archived thread is active again.

    There is no run without `answer`, and while a person has the conversation or is waited for. `agent` is empty for the thread's own.
    `meanwhile` says what to do while an answer is being written: `queue` behind it, `interrupt` it, or `reject` (Busy). `options` are
    StoredOptions, and count before those of the thread and the agent. `files` are parts, see `threads.files`. `on_behalf_of` is in whose
    name it is asked; the user is noted as who sent it, and pays. Raises BadInput, Conflict (the id is taken), LimitExceeded,
    BudgetExceeded and PriceUnknown.
    """
    content = said(text, files)
    chosen = get_agent(agent or thread.default_agent or all_agents()[0].name)
    options = dict(options or {})
    chosen.stored(options)
    message_id = message_id or uuid7()
    asker = Sender(user, on_behalf_of)
    try:
        with transaction.atomic():
            if thread.status == Thread.Status.ARCHIVED:
                thread.change_lines(status=Thread.Status.ACTIVE)
            with Thread.changing(thread.pk) as change:
                if existing := repeated(message_id, thread, asker.author, content):
                    return existing, existing.answers.order_by("created_at").first()
                if meanwhile == "reject" and change.thread.runs.live().exists():
                    raise Busy(gettext("An answer is being written."))
                answer = answer and not change.thread.awaits_human
                tokens = expected(change.thread, text, files)
                if answer:
                    _make_way(change, interrupt=meanwhile == "interrupt")
                saved = _save_prompt(change, asker, content, chosen.name, message_id, options, answer=answer)
                admit_run(user, chosen, tokens, saved[1])
                return saved
    except IntegrityError as error:
        raise Conflict(gettext(TAKEN)) from error  # by a message that came at the same moment, in another thread


def retry(user: User, run: Run) -> tuple[Message, Run]:
    """Answer a failed or stopped run's prompt again; its finished steps stay part of the answer. Busy while the thread is answering.

    It takes of limits and budgets what a prompt takes: LimitExceeded, BudgetExceeded, PriceUnknown.
    """
    prompt = run.prompt
    if prompt is None or run.status not in (Run.Status.FAILED, Run.Status.STOPPED):
        raise Conflict(gettext("Only an answer that failed or was stopped can be tried again."))
    with Thread.changing(run.thread_id) as change:
        if change.thread.awaits_human:
            raise Conflict(gettext("A person answers here now."))
        if change.thread.runs.live().exists():
            raise Busy(gettext("An answer is being written."))
        tokens = expected(change.thread, prompt.text, prompt.file_parts)
        again = queue_run(change, user, prompt, run.agent, options=run.options, given=run.given, on_behalf_of=run.on_behalf_of)
        change.touch()
        admit_run(user, get_agent(run.agent), tokens, again)
    return prompt, again


def admit_run(user: User, agent: Agent, tokens: float, run: Run | None) -> None:
    """Take of limits and budgets what an answer takes; without a run nobody will be asked.

    To be called last: the rows that count are locked from here to the commit.
    """
    admit(Asker(user, agent.name), tokens if run else None)
    if run is not None:
        afford(run, agent, tokens)
    tell(user.pk)


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


def decide(user: User, thread: Thread, decisions: Sequence[Decision]) -> list[ToolCall]:
    """Approve or deny calls, any number in one transaction; their run goes on by itself when nothing is left to decide.

    Returns the calls this decided. Ones that somebody else decided first are left as they are, unless that is true of all (Conflict).
    Nothing is decided at all if one is not in this thread, is no question, or has other arguments than were shown.
    """
    wanted = {decision.call: decision for decision in decisions}
    if len(wanted) < len(decisions):
        raise BadInput("decisions", gettext("A call is named twice."))
    with Thread.changing(thread.pk) as change:
        run = change.thread.runs.active().select_for_update(no_key=True).first()
        calls = list(change.thread.tool_calls.filter(pk__in=wanted).select_for_update().order_by("step", "index"))
        for pk, decision in wanted.items():
            _check_decision(decision, next((call for call in calls if call.pk == pk), None))
        open_calls = [call for call in calls if call.is_undecided]
        if not open_calls:
            raise Conflict(gettext("This was decided already, or its time is over."))
        for call in open_calls:
            call.decide(user, wanted[call.pk].approved, wanted[call.pk].reason)
        change.update_all(open_calls, "status", "decided_by", "decided_at", "reason", "ended_at")
        if run is not None and run.wake_in(change):
            change.then(lambda: hint(thread.pk))
    return open_calls


def answer_call(user: User, thread: Thread, call_id: UUID, result: Any) -> ToolCall:
    """Give the result of a call that waits for a person, and let its run go on. If the conversation went on meanwhile, the answer
    opens a turn of its own. Raises Conflict if somebody else has answered, BadInput if there is no such question."""
    with Thread.changing(thread.pk) as change:
        run = change.thread.runs.active().select_for_update(no_key=True).first()
        call = change.thread.tool_calls.select_for_update().filter(pk=call_id).first()
        if call is None:
            raise BadInput("call", gettext("There is no such question in this thread."))
        if call.status != ToolCall.Status.REQUESTED:
            raise Conflict(gettext("This was answered already, or its time is over."))
        facts = {"decided_by": user, "decided_at": timezone.now(), "ended_at": timezone.now()}
        change.update(call, status=ToolCall.Status.SUCCEEDED, result=result, **facts)
        if run is not None and run.pk == call.run_id:
            if run.wake_in(change):
                change.then(lambda: hint(thread.pk))
        elif call.run is not None:
            _open_turn(change, user, call)
    return call


def settle_call(user: User, thread: Thread, call_id: UUID, *, happened: bool, note: str = "") -> ToolCall:
    """Say what became of a call whose worker died or whose time was over: it took effect, or it did not. The first word counts, be it a
    person's or the tool's own, late one. Raises BadInput if there is no such call, Conflict if its outcome is known."""
    facts: dict[str, Any] = {"decided_by": user, "decided_at": timezone.now(), "reason": note}
    if happened:
        facts |= {"status": ToolCall.Status.SUCCEEDED, "result": note or "A person has seen that it took effect.", "error": None}
    else:
        error = {"kind": "no_effect", "message": note or "A person has seen that it had no effect.", "retryable": True, "retry_after": None}
        facts |= {"status": ToolCall.Status.FAILED, "error": error}
    with Thread.changing(thread.pk) as change:
        call = change.thread.tool_calls.select_for_update().filter(pk=call_id).first()
        if call is None:
            raise BadInput("call", gettext("There is no such call in this thread."))
        if call.status != ToolCall.Status.UNKNOWN:
            raise Conflict(gettext("The outcome of this call is known."))
        change.update(call, **facts)
    return call


def end_run(run: AnyRun, status: str, error: dict[str, Any] | None = None, **said: Any) -> None:
    """`run.end()`, and the thread's next queued run gets its turn. All ends of runs come through here."""
    if isinstance(run, UnsavedRun):
        run.end(status, error, **said)
        return
    with transaction.atomic():
        if not run.end(status, error, **said):
            return
        if Run.objects.filter(thread_id=run.thread_id, status=Run.Status.QUEUED).exists():
            _enqueue(run.thread_id)
        if settings.DESCRIBE_THREADS and run.order == 0 and status == Run.Status.SUCCEEDED:
            transaction.on_commit(lambda: hint(run.thread_id, "agents.tasks.describe_thread"), robust=True)


def requeue(run: Run) -> None:
    """Hand a run over to any other worker."""
    with transaction.atomic():
        run.requeue()
        _enqueue(run.thread_id)


def _check_decision(decision: Decision, call: ToolCall | None) -> None:
    if call is None:
        raise BadInput("decisions.call", gettext("There is no such call in this thread."))
    if call.decided_at is None and call.status not in (ToolCall.Status.AWAITING_APPROVAL, ToolCall.Status.EXPIRED):
        raise BadInput("decisions.call", gettext("This call does not wait for a decision."))
    if decision.arguments_hash != call.arguments_hash:
        raise Conflict(gettext("The call has other arguments than those that were shown."))


def _open_turn(change: Change, user: User, call: ToolCall) -> None:
    """The run that asked has ended: what the person answers is a prompt of its own."""
    run = call.run
    assert run is not None
    answer = call.result if isinstance(call.result, str) else json.dumps(call.result, ensure_ascii=False)
    content = [{"type": "text", "text": answer[: settings.MAX_PROMPT_CHARS]}]
    _save_prompt(change, Sender(user, run.on_behalf_of), content, run.agent, uuid7(), {}, answer=not change.thread.awaits_human)


def _enqueue(thread_id: UUID) -> None:
    transaction.on_commit(lambda: hint(thread_id), robust=True)


def hint(thread_id: UUID, task: str = "agents.tasks.answer") -> bool:
    """Say that the thread may have something to do. Redis being down costs a log line: the sweep repeats it."""
    try:
        current_app.send_task(task, [str(thread_id)])
    except BrokerError as error:
        logger.warning("no hint sent for thread %s (%s); the sweep repeats it", thread_id, error)
        return False
    return True


def _make_way(change: Change, *, interrupt: bool) -> None:
    """A run that waits for a decision ends with the next prompt; one that answers only when it is interrupted."""
    statuses = [Run.Status.WAITING, Run.Status.RUNNING] if interrupt else [Run.Status.WAITING]
    stop_in(change, change.thread.runs.filter(status__in=statuses))


def stop_in(change: Change, runs: RunQuerySet) -> None:
    """End these runs of the thread as stopped, as part of a change of it; questions to a person stay open."""
    for run in runs.select_related("pending_message").select_for_update(no_key=True, of=("self",)).order_by("created_at"):
        run.end_in(change, Run.Status.STOPPED)


def said(text: str, files: Sequence[Json] = ()) -> list[Json]:
    """What somebody says as a message's content: a text, and file parts, whose large ones are stored. BadInput names `text` or `files`."""
    if len(files) > settings.MAX_FILES:
        raise BadInput("files", gettext("A message takes up to %(number)s files.") % {"number": settings.MAX_FILES})
    parts = [{"type": "text", "text": _checked(text)}] if text.strip() or not files else []
    (message,) = stored(parsed([{"content": [*parts, *files]}]))
    return [part.model_dump(by_alias=True) for part in message.content]


def expected(thread: Thread, text: str, files: Sequence[Json]) -> float:
    """So many tokens will a prompt and its answer take, about."""
    return estimate(thread, text) + sum(attachment_tokens(part) for part in files)


def _checked(text: str) -> str:
    if not text.strip():
        raise BadInput("text", gettext("Write something first."))
    if len(text) > settings.MAX_PROMPT_CHARS:
        numbers = {"number": grouped(len(text)), "most": grouped(settings.MAX_PROMPT_CHARS)}
        raise BadInput("text", gettext("The text has %(number)s characters; at most %(most)s are allowed.") % numbers)
    if not is_storable(text):
        raise BadInput("text", gettext("The text contains characters that are no text (NUL or half of a surrogate pair)."))
    return text


def repeated(message_id: UUID | None, thread: Thread, user: User, content: list[Json]) -> Message | None:
    """The message of this id, if it is there already; Conflict if it says something else, or elsewhere."""
    existing = Message.objects.filter(pk=message_id).first() if message_id else None
    if existing is not None and (existing.thread_id != thread.pk or existing.author_id != user.pk or existing.content != content):
        raise Conflict(gettext(TAKEN))
    return existing


def _save_prompt(
    change: Change, sender: Sender, content: list[Json], agent: str, message_id: UUID, options: dict[str, Any], *, answer: bool
) -> tuple[Message, Run | None]:
    thread = change.thread
    order, step_order = thread.next_turn()
    place = {"id": message_id, "thread": thread, "order": order, "step_order": step_order}
    people = {"author": sender.author, "sent_by": sender.user if sender.on_behalf_of else None}
    message = Message(role="user", content=content, **place, **people)
    run = None
    if answer:
        run = queue_run(change, sender.user, message, agent, message, options=options, on_behalf_of=sender.on_behalf_of)
    else:
        change.add(message)
    change.touch()
    if not thread.title:
        change.update_thread(title=title_of(message.text or message.file_parts[0]["filename"]))
    if not thread.default_agent:
        change.update_thread(default_agent=agent)
    return message, run


def queue_answer(change: Change, prompt: Message, agent: str) -> Run:
    """Queue an answer to a message that has none, as part of a change."""
    return queue_run(change, prompt.sent_by or prompt.author, prompt, agent, on_behalf_of=prompt.author if prompt.sent_by else None)


def queue_run(change: Change, user: User | None, prompt: Message, agent: str, *new: Message, **columns: Any) -> Run:
    """A queued run with its pending row, and the `new` rows before it; the workers are told."""
    change.then(lambda: hint(change.thread.pk))
    run = Run(
        thread=change.thread,
        prompt=prompt,
        order=prompt.order,
        agent=agent,
        requested_by=user,
        wake_at=ClockTimestamp() + FIRST_HINT,
        **columns,
    )
    run.pending_message = pending = run.new_pending(change.thread)
    # Foreign keys are checked at the commit: messages and run name each other.
    change.add_all([*new, pending])
    change.add(run)
    return run


def title_of(text: str) -> str:
    """The title that a thread has from its first prompt."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[:TITLE_CHARS].rsplit(" ", 1)[0] + "…"
