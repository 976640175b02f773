"""The playground: what a developer sees of conversations and their runs, and tries on copies of them.

What is tried is a run like any other, in a hidden copy of the conversation (a trial), so it streams, can be stopped and asks before it
acts. Who tries pays; memories, searches and tools are those of the person whose conversation it is. After a week it is deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db import IntegrityError, transaction
from django.utils.translation import gettext, override

from agents import services
from agents.accounting import redacted
from agents.agent import Agent
from agents.asking import request_of
from agents.attachments import sources
from agents.budget import Fitted
from agents.context import Context, ContextOptions, context_of, fetch_context, told_by
from agents.errors import BadInput, Conflict
from agents.providers.openai import body_of
from agents.registry import all_agents, get_agent, offered
from threads.copying import fork
from threads.ids import uuid7
from threads.models import Message, Run, Thread, User

Json = dict[str, Any]
Asked = tuple[Thread, Message, Run | None]


@dataclass(frozen=True)
class Trial:
    """What is to be tried: an agent, with other options (`agents.agent.StoredOptions`) than its own."""

    agent: str
    options: Mapping[str, Any]

    def of(self, thread: Thread) -> Agent:
        """The agent as it would answer in this thread. BadInput names what cannot be."""
        return chosen(thread, self.agent).in_thread(thread.options).stored(self.options)


def chosen(thread: Thread, name: str) -> Agent:
    """One of the agents that are offered for this thread (of a trial: for what it is a copy of); empty is the thread's own."""
    agent = get_agent(name or thread.default_agent or all_agents()[0].name)
    where = thread.parent if thread.kind == Thread.Kind.TRIAL and thread.parent else thread
    if agent not in offered(where.owner, where):
        raise BadInput("agent", gettext("%(agent)s is not offered here.") % {"agent": agent.name})
    return agent


def try_out(tester: User, thread: Thread, trial: Trial, *, text: str = "", prompt: Message | None = None, pk: UUID | None = None) -> Asked:
    """Answer a new prompt, or an earlier one (with `text` in its place, if there is one), in a copy of what was said before it.

    Nobody but the tester finds it. Takes of their limits and budgets, and raises, what `services.send` does. The same `pk` again returns
    the same trial and changes nothing.
    """
    if prompt is not None and prompt.role != Message.Role.USER:
        raise BadInput("message", gettext("Only a prompt can be answered anew."))
    trial.of(thread)
    person = (prompt.author if prompt else None) or thread.owner
    # Of the thread, so that whom the conversation is passed to has no others.
    tools = {"tools": trial.options["tools"]} if trial.options.get("tools") is not None else {}
    options = {name: value for name, value in trial.options.items() if name not in tools} | {"log_requests": True}
    asked = text or (prompt.text if prompt else "")
    files = prompt.file_parts if prompt else []
    if pk is not None and (existing := Thread.objects.filter(pk=pk).first()):
        return _tried(tester, thread, existing)
    try:
        with transaction.atomic():
            copy = fork(thread, tester, kind="trial", before=prompt, pk=pk)
            copy.options |= tools
            copy.save(update_fields=["options"])
            agent = trial.agent or thread.default_agent
            message, run = services.send(tester, copy, asked, files=files, agent=agent, options=options, on_behalf_of=person)
            if run is not None and prompt is not None and not text:
                _bring_along(run, prompt)
    except IntegrityError as error:
        raise Conflict(gettext("This id is taken.")) from error  # by a trial that was begun at the same moment
    return copy, message, run


def _tried(tester: User, thread: Thread, trial: Thread) -> Asked:
    run = trial.runs.select_related("prompt__author").order_by("created_at").first()
    own = trial.kind == Thread.Kind.TRIAL and trial.parent_id == thread.pk and trial.members.filter(user=tester).exists()
    if not own or run is None or run.prompt is None:
        raise Conflict(gettext("This id is taken."))
    return trial, run.prompt, run


def _first_given(prompt: Message) -> Run | None:
    """The first answer that was told more than the rows."""
    return prompt.answers.exclude(given={}).order_by("created_at").first()


def _bring_along(run: Run, prompt: Message) -> None:
    """What the first answer was given besides the rows."""
    if first := _first_given(prompt):
        Run.objects.filter(pk=run.pk).update(given={name: value for name, value in first.given.items() if name != "before"})
        run.files.set(first.files.all())


def send_for(tester: User, thread: Thread, trial: Trial, text: str, *, message_id: UUID | None = None) -> Asked:
    """Save a prompt in the name of the thread's owner, and have it answered. It is marked, and noted in the admin's log."""
    trial.of(thread)
    message_id = message_id or uuid7()
    asked: dict[str, Any] = {"agent": trial.agent, "options": trial.options, "message_id": message_id, "on_behalf_of": thread.owner}
    with transaction.atomic():
        is_new = not Message.objects.filter(pk=message_id).exists()
        message, run = services.send(tester, thread, text, **asked)
        if is_new:
            _log(tester, thread, CHANGE, f"Sent message {message.pk} on behalf of {thread.owner or 'nobody'}.")
    return thread, message, run


def start_for(tester: User, owner: User, **fields: Any) -> Thread:
    """A new thread of somebody else's, noted in the admin's log."""
    with transaction.atomic():
        thread = Thread.start(owner, **fields)
        _log(tester, thread, ADDITION, f"Made on behalf of {owner}.")
    return thread


def _log(tester: User, thread: Thread, action: int, words: str) -> None:
    with override(None):  # what is kept is in English
        LogEntry.objects.log_actions(tester.pk, [thread], action, words, single_object=True)


@dataclass(frozen=True)
class Preview:
    """What a model would be told: the rows and why each is among them, the request as its server would get it, and its size in tokens."""

    rows: list[Json]
    notes: list[str]
    request: Json
    tokens: int
    window: int


def preview(
    tester: User,
    thread: Thread,
    trial: Trial,
    *,
    text: str = "",
    prompt: Message | None = None,
    step: Message | None = None,
) -> Preview:
    """What the agent's context function builds now: for a new prompt, for an earlier one, or for the model call that `step` came of."""
    agent = trial.of(thread)
    context = _context(tester, thread, agent, text, prompt, step)
    told = told_by(agent, context)
    request = redacted(body_of(request_of(agent, told, sources(told.messages))))
    return Preview(_rows(context, told), context.notes, request, told.size, agent.window)


def _context(tester: User, thread: Thread, agent: Agent, text: str, prompt: Message | None, step: Message | None) -> Context:
    options = agent.context_options
    if step is not None and step.run is not None:
        return _as_of(step.run, tester, options, step.step_order)
    if prompt is not None and not text and (first := _first_given(prompt)):
        return _as_of(first, tester, options, prompt.step_order + 1)
    if prompt is not None:
        person = prompt.author or thread.owner
        context = fetch_context(target=prompt, user=person, payer=tester, text=text, options=options)
        context.existing = []
        context.prompt = [_unsaved(thread, text, person, prompt.file_parts)] if text else context.prompt
        return context
    context = fetch_context(thread=thread, user=thread.owner, payer=tester, text=text, options=options)
    context.prompt = [_unsaved(thread, text, thread.owner)] if text else []
    return context


def _as_of(run: Run, tester: User, options: ContextOptions, until: int) -> Context:
    run.on_behalf_of, run.requested_by = run.person, tester  # never saved: who looks pays for the search
    return context_of(run, options, until=until)


def _unsaved(thread: Thread, text: str, author: User | None, files: Sequence[Json] = ()) -> Message:
    content = services.said(text, files)
    return Message(thread=thread, order=thread.last_order + 1, step_order=0, role="user", author=author, content=content)


def _rows(context: Context, told: Fitted) -> list[Json]:
    """Each row with where it comes from, what found it, and whether it had no room."""
    left_out = {id(row) for turn in told.left_out for row in turn.rows}
    for row in context.all:
        if row._state.adding:  # what is only asked, or was brought along
            row.created_at = None  # type: ignore[assignment]
    return [
        {"row": row, "source": source, "why": context.why.get(row.pk), "left_out": id(row) in left_out}
        for source in ("search", "recent", "input", "prompt", "existing")
        for row in getattr(context, source)
    ]
