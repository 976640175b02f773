"""Running the tool calls of one step: all at once, each in a daemon thread of its own, with a time limit.

`running` is committed before a call starts and its outcome is written once. A stuck tool is left behind as `unknown`.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agents.agent import Agent
from agents.errors import ToolError
from agents.persist import persist
from agents.tools import Tool, ToolContext, call_tool
from agents.unsaved import AnyRun
from agents.worker import Active
from threads.models import ToolCall
from threads.parts import Call, Part


@dataclass
class ToolRun:
    """One call while it runs."""

    call: ToolCall
    tool: Tool
    context: ToolContext
    tell: Callable[[], None]
    heard: Callable[[Part], None]
    done: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def limit(self) -> float:
        """Seconds it may take."""
        return self.tool.timeout or settings.TOOL_SECONDS

    @property
    def rest(self) -> float:
        """Seconds it has left."""
        return self.started + self.limit - time.monotonic()

    def start(self) -> None:
        """Begin, in a thread that dies with the process."""
        threading.Thread(target=self._work, name=f"tool-{self.tool.name}", daemon=True).start()

    def _work(self) -> None:
        """An unexpected error is the tool author's: it is logged by the thread's hook, the model learns only that the call failed."""
        outcome: dict[str, Any] = {"status": ToolCall.Status.FAILED, "error": ToolError("The tool failed.").as_json()}
        try:
            outcome = call_tool(self.tool, self.call, self.context)
        finally:
            persist(lambda: self.context.run.settle_call(self.call.pk, **outcome))
            self.heard(outcome_part(self.call.pk, outcome))
            self.done = True
            self.tell()

    def leave(self) -> None:
        """Its time is over: whether it had an effect, nobody knows."""
        self.context.cancelled.set()
        self.done = True
        error = ToolError(f"The tool took longer than {self.limit:g} seconds. Whether it had an effect is not known.").as_json()
        persist(lambda: self.context.run.settle_call(self.call.pk, ToolCall.Status.UNKNOWN, error=error))


def outcome_part(call_id: UUID | str, outcome: dict[str, Any]) -> Part:
    """A call's outcome for who listens along."""
    part: Part = {"toolCallId": str(call_id)}
    if outcome["status"] == ToolCall.Status.SUCCEEDED:
        return part | {"type": "tool-output-available", "output": outcome["result"]}
    return part | {"type": "tool-output-error", "errorText": outcome["error"]["message"]}


def verdict(agent: Agent, run: AnyRun, call: Call) -> dict[str, Any]:
    """Columns of a call the model asked for: running, waiting for a person, or why not."""
    try:
        tool = _known(agent, call)
        asks = tool.asks(ToolContext(UUID(call.id), run, agent), call.arguments)
    except ToolError as error:
        return {"status": ToolCall.Status.FAILED, "error": error.as_json(), "ended_at": timezone.now()}
    if asks or tool.by_person:
        status = ToolCall.Status.AWAITING_APPROVAL if asks else ToolCall.Status.REQUESTED
        return {"status": status, "expires_at": timezone.now() + tool.expires}
    return {"status": ToolCall.Status.RUNNING, "started_at": timezone.now()}


def _known(agent: Agent, call: Call) -> Tool:
    if call.error:
        raise ToolError(call.error)
    if call.tool not in agent.toolbox:
        raise ToolError(f"There is no tool named {call.tool!r}. There are: {', '.join(agent.toolbox) or 'none'}.")
    return agent.toolbox[call.tool]


def run_calls(active: Active, agent: Agent, *, recovering: bool) -> None:
    """Run the calls of the run's present step and wait for their outcomes. Raises what interrupts the run.

    `recovering`: a dead worker may have begun them; only idempotent tools are called again.
    """
    run = active.run
    calls = run.running_calls()
    if recovering:
        calls = [call for call in calls if _may_run_again(agent, run, call)]
    runs = [_tool_run(active, agent, call) for call in calls if _still_offered(agent, run, call)]
    for one in runs:
        one.start()
    try:
        _wait(active, runs)
    finally:
        for one in runs:
            one.context.cancelled.set()


def _tool_run(active: Active, agent: Agent, call: ToolCall) -> ToolRun:
    heard = active.stream.heard
    return ToolRun(call, agent.toolbox[call.tool], ToolContext(call.pk, active.run, agent, heard), active.settled.set, heard)


def _still_offered(agent: Agent, run: AnyRun, call: ToolCall) -> bool:
    """Somebody may have approved it after the site was changed."""
    if call.tool in agent.toolbox:
        return True
    error = ToolError(f"There is no tool named {call.tool!r} any more.").as_json()
    persist(lambda: run.settle_call(call.pk, ToolCall.Status.FAILED, error=error))
    return False


def _wait(active: Active, runs: list[ToolRun]) -> None:
    while pending := [one for one in runs if not one.done]:
        nearest = min(pending, key=lambda one: one.rest)
        if nearest.rest <= 0:
            nearest.leave()
        else:
            active.wait(nearest.rest, patient=True)


def _may_run_again(agent: Agent, run: AnyRun, call: ToolCall) -> bool:
    tool = agent.toolbox.get(call.tool)
    if tool is not None and tool.idempotent:
        return True
    persist(lambda: run.settle_call(call.pk, ToolCall.Status.UNKNOWN))
    return False
