"""An agent as a tool: it is asked in a thread of its own, linked to the call, and its answer is the result.

    Agent("editor", tools=[agent_tool("researcher")])

Whoever may see the conversation may see that thread too. After a crash the same conversation is gone on with, not begun again.
"""

from typing import TYPE_CHECKING, Any

from django.utils.translation import override

from agents import generating
from agents.errors import AnswerFailed, ToolError
from agents.registry import get_agent
from agents.tools import Tool, ToolContext
from agents.unsaved import UnsavedRun
from threads.models import Run, Thread, ToolCall
from threads.saving import parsed

if TYPE_CHECKING:
    from agents.agent import Agent

TIMEOUT = 600.0
POLL_SECONDS = 0.25
# Agents that ask one another in a circle would never come to an end.
MAX_DEPTH = 4


def agent_tool(agent: "Agent | str", *, name: str = "", description: str = "", timeout: float = TIMEOUT) -> Tool:
    """A tool that asks this agent one question. Named `ask_<agent>` unless `name` is given."""
    asked = agent if isinstance(agent, str) else agent.name

    def ask(context: ToolContext, question: str) -> Any:
        return _ask(context, get_agent(agent) if isinstance(agent, str) else agent, question)

    with override(None):  # models are told the same, whoever's request made this
        told = description or (f"Ask the agent {asked}. {'' if isinstance(agent, str) else agent.description}".strip())
    return Tool(ask, name=name or f"ask_{asked}".replace("-", "_"), description=told, idempotent=True, timeout=timeout)


def _ask(context: ToolContext, agent: "Agent", question: str) -> Any:
    answer = _begin(context, agent, question)
    while not answer.ended(POLL_SECONDS):
        if context.cancelled.is_set():
            answer.stop()
            raise ToolError("The run was ended.")
    _taint(context, answer)
    try:
        whole = answer.wait()
    except AnswerFailed as error:
        raise ToolError(f"{agent.name} failed: {error}") from error
    finally:
        context.spent = answer.run.usage
    if whole.status == Run.Status.WAITING:
        raise ToolError(f"{agent.name} has to wait for a person's decision in its own thread.")
    if whole.status == Run.Status.STOPPED:
        raise ToolError(f"{agent.name} was stopped. It had said: {whole.text}")
    return whole.text if agent.output is None else whole.object


def _taint(context: ToolContext, answer: "generating.AnswerStream") -> None:
    """Words of strangers that the other agent has read count here too; between saved threads they are looked up."""
    if isinstance(context.run, UnsavedRun) and answer.run.has_untrusted_results():
        for call in context.run.tool_calls:
            call.untrusted = call.untrusted or call.pk == context.call_id


def _depth(thread: Thread | None) -> int:
    """How many agents have asked one another until here."""
    depth = 0
    while thread is not None and thread.kind == Thread.Kind.CHILD:
        thread, depth = thread.parent, depth + 1
    return depth


def _require_depth(agent: "Agent", depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ToolError(f"{agent.name} was not asked: {MAX_DEPTH} agents have asked one another already. Answer by yourself.")


def _begin(context: ToolContext, agent: "Agent", question: str) -> "generating.AnswerStream":
    if not isinstance(context.run, Run):
        _require_depth(agent, context.run.depth)
        run = context.run
        asked = UnsavedRun(agent.name, run.requested_by, parsed([question]), asked_by=run, on_behalf_of=run.on_behalf_of)
        return generating.AnswerStream(asked, agent)
    call = ToolCall.objects.select_related("child", "thread").get(pk=context.call_id)
    _require_depth(agent, _depth(call.thread))
    child = call.child or call.begin_child(agent.name, f"{agent.label}: {question}")
    begun = child.runs.order_by("created_at").last()
    if begun is not None:
        return generating.follow(begun, agent, take_up=True)
    return generating.stream(agent, question, thread=child, user=context.run.requested_by, on_behalf_of=context.run.on_behalf_of)
