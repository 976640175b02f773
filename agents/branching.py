"""Other versions of a conversation: a prompt is changed, or answered again, in a branch; what was said stays."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext, gettext_noop

from agents import services
from agents.errors import BadInput, Busy, Conflict
from agents.registry import all_agents, get_agent
from agents.services import Json
from threads.copying import fork
from threads.models import Message, Run, Thread, User

TAKEN = gettext_noop("This id is taken.")


def branch(
    user: User,
    thread: Thread,
    prompt: Message,
    text: str | None = None,
    *,
    files: Sequence[Json] | None = None,
    agent: str = "",
    branch_id: UUID | None = None,
) -> tuple[Thread, Message, Run | None]:
    """Another version of the conversation from this prompt on: with `text` in its place, or without with another answer to it.
    With a `text`, `files` (parts) take the place of the prompt's; None keeps these.

    The branch and its answer are begun together or not at all. The same `branch_id` again returns the same rows and changes nothing.
    It takes of limits and budgets what a prompt takes, and raises what `services.send` raises; Busy while the prompt is being answered.
    """
    if prompt.role != Message.Role.USER:
        raise BadInput("message", gettext("Only a prompt can be changed or answered anew."))
    try:
        with transaction.atomic():
            thread.locked(thread.lines)
            if branch_id and (existing := Thread.objects.filter(pk=branch_id).first()):
                return _branched(thread, existing)
            end = {"through": prompt} if text is None else {"before": prompt}
            made = fork(thread, user, kind="branch", pk=branch_id, **end)
            agent = agent or _agent_of(prompt)
            kept = prompt.file_parts if files is None else files
            asked = _answer_anew(user, made, prompt, agent) if text is None else services.send(user, made, text, files=kept, agent=agent)
            thread.change_lines()
    except IntegrityError as error:
        raise Conflict(gettext(TAKEN)) from error  # by a thread that was made at the same moment, of another conversation
    return made, *asked


def _branched(thread: Thread, branch: Thread) -> tuple[Thread, Message, Run | None]:
    """What a branch began with, if it is one of this thread's."""
    if branch.kind != Thread.Kind.BRANCH or branch.parent_id != thread.pk:
        raise Conflict(gettext(TAKEN))
    run = branch.runs.select_related("prompt__author").order_by("created_at").first()
    prompts = branch.messages.filter(role=Message.Role.USER).select_related("author").order_by("-order", "-step_order")
    first = run.prompt if run and run.prompt else prompts.first()
    if first is None:
        raise Conflict(gettext("This branch was emptied."))
    return branch, first, run


def _agent_of(prompt: Message) -> str:
    """Who answered it last."""
    answers = prompt.thread.messages.filter(order=prompt.order, role=Message.Role.ASSISTANT).exclude(provider="human")
    names = answers.order_by("-step_order").values_list("agent_name", flat=True)
    known = {agent.name for agent in all_agents()}
    return next((name for name in names if name in known), prompt.thread.default_agent)


def _answer_anew(user: User, branch: Thread, prompt: Message, agent: str) -> tuple[Message, Run]:
    chosen = get_agent(agent or all_agents()[0].name)
    with Thread.changing(branch.pk) as change:
        if change.thread.awaits_human:
            raise Conflict(gettext("A person answers here now."))
        copy = change.thread.messages.select_related("author").filter(copied_from=prompt.pk).first()
        if copy is None:  # What is being answered is not copied.
            raise Busy(gettext("An answer is being written."))
        tokens = services.expected(change.thread, copy.text, copy.file_parts)
        run = services.queue_run(change, user, copy, chosen.name)
        change.touch()
        services.admit_run(user, chosen, tokens, run)
    return copy, run
