"""People beside the agents: what is said without asking anybody, an operator who takes a conversation over, answers and hands it back.

Each function is one transaction.
"""

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext

from agents import playground, services
from agents.errors import BadInput, Conflict
from agents.handoffs import HAND_OVER
from agents.registry import all_agents, get_agent
from agents.services import Json
from threads.changes import Change
from threads.ids import uuid7
from threads.models import Message, Run, Thread, User

PROVIDER = "human"
# A route's word for "a person" (`agents.routing`), and what the answer says then.
HUMAN = "human"
WAITING = "A colleague will answer you here."


def take_over(operator: User, thread: Thread) -> None:
    """From now on the operator answers, not the agents; what is being answered or queued ends as stopped. Conflict if somebody else
    has the conversation."""
    with Thread.changing(thread.pk) as change:
        _require_free(change, operator)
        if change.thread.assigned_to_id != operator.pk:
            services.stop_in(change, change.thread.runs.live())
            change.update_thread(assigned_to=operator, human_wanted_at=None)


def hand_back(operator: User, thread: Thread, *, answer: bool = False) -> Run | None:
    """The agents answer again. With `answer` the thread's agent goes on at once, if the last word is a user's. Conflict if somebody
    else has the conversation."""
    with Thread.changing(thread.pk) as change:
        _require_free(change, operator)
        change.update_thread(assigned_to=None, human_wanted_at=None)
        last = change.thread.messages.settled().order_by("order", "step_order").last()
        if not answer or last is None or last.role != Message.Role.USER or change.thread.runs.live().exists():
            return None
        return services.queue_answer(change, last, get_agent(change.thread.default_agent or all_agents()[0].name).name)


def resolve(operator: User, thread: Thread) -> None:
    """The operator has dealt with it: the agents answer again, and what failed or became unknown until now waits no more. Conflict if
    somebody else has the conversation."""
    with Thread.changing(thread.pk) as change:
        _require_free(change, operator)
        change.update_thread(assigned_to=None, human_wanted_at=None, attended_at=timezone.now())


def draft(operator: User, thread: Thread, *, pk: UUID | None = None) -> playground.Asked:
    """What the thread's agent would answer to what was asked last, written in a hidden copy of the conversation: (copy, prompt, run). It
    has the tools that only look. The operator pays. BadInput if nothing was asked; raises what `services.send` does."""
    prompt = thread.messages.settled().select_related("author").filter(role=Message.Role.USER).order_by("order", "step_order").last()
    if prompt is None:
        raise BadInput("thread", gettext("Nothing was asked here yet."))
    agent = playground.chosen(thread, "").in_thread(thread.options)
    looking = [name for name, tool in agent.toolbox.items() if tool.only_looks and name != HAND_OVER]
    return playground.try_out(operator, thread, playground.Trial(agent.name, {"tools": looking}), prompt=prompt, pk=pk)


def reply(
    operator: User,
    thread: Thread,
    text: str,
    *,
    files: Sequence[Json] = (),
    message_id: UUID | None = None,
    metadata: Json | None = None,
) -> Message:
    """Answer as a person: a row of provider `human` under the operator's own name, with any JSON as `metadata` and `files` as in
    `services.send`. The same id and content again change nothing. Conflict if somebody else has the conversation."""
    content = services.said(text, files)
    if not isinstance(metadata or {}, dict):
        raise BadInput("metadata", gettext("metadata is an object."))
    with Thread.changing(thread.pk) as change:
        if existing := services.repeated(message_id, thread, operator, content):
            return existing
        _require_free(change, operator)
        order, step_order = change.thread.next_step(max(change.thread.last_order, 0))
        message = Message(
            id=message_id or uuid7(),
            thread=change.thread,
            order=order,
            step_order=step_order,
            role=Message.Role.ASSISTANT,
            author=operator,
            agent_name=operator.name[:100],
            provider=PROVIDER,
            provider_metadata=metadata or {},
            content=content,
            finish_reason="stop",
        )
        change.add(message)
        change.touch()
    return message


def want_human(thread_id: UUID | None) -> None:
    """The conversation waits for a person; until one takes it, or hands it back, no agent answers."""
    if thread_id is None:
        return
    with Thread.changing(thread_id) as change:
        if change.thread.assigned_to_id is None and change.thread.human_wanted_at is None:
            services.stop_in(change, change.thread.runs.live())
            change.update_thread(human_wanted_at=timezone.now())


def _require_free(change: Change, operator: User) -> None:
    assigned = change.thread.assigned_to
    if assigned is not None and assigned.pk != operator.pk:
        raise Conflict(gettext("%(name)s has this conversation.") % {"name": assigned.name})
