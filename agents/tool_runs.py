"""Running the tool calls of one step: all at once, each in a daemon thread of its own, with a time limit.

`running` is committed before a call starts and its outcome is written once. A stuck tool is left behind as `unknown`.
"""

import asyncio
import inspect
import json
import logging
import threading
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from pydantic_core import to_jsonable_python

from agents.accounting import charge_tool, declare_fee, fee
from agents.agent import Agent
from agents.errors import InvalidArguments, ToolError
from agents.handoffs import HAND_OVER
from agents.persist import persist
from agents.tools import Tool, ToolContext
from agents.unsaved import AnyRun
from agents.worker import Active
from billing.models import BookedValue
from threads.files import with_files_stored
from threads.models import ToolCall
from threads.models.run import add_usage
from threads.parts import Call, Part
from threads.storable import storable

logger = logging.getLogger(__name__)
MAX_RESULT_BYTES = 1_000_000


@dataclass
class ToolRun:
    """One call while it runs."""

    call: ToolCall
    tool: Tool
    context: ToolContext
    tell: Callable[[], None]
    heard: Callable[[Part], None]
    done: bool = False
    thread: threading.Thread = field(init=False)
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
        # With the context of the run's own thread: what it logs is told apart by it.
        work = partial(copy_context().run, self._work)
        self.thread = threading.Thread(target=work, name=f"tool-{self.tool.name}", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        """An unexpected error is the tool author's: they find it in the log, the model learns only that the call failed."""
        outcome: dict[str, Any] = {"status": ToolCall.Status.FAILED, "error": ToolError("The tool failed.").as_json()}
        try:
            outcome = call_tool(self.tool, self.call, self.context)
        except Exception:
            logger.exception("the tool %s failed", self.tool.name)
        finally:
            try:
                persist(partial(self._settle, outcome))
                self.heard(outcome_part(self.call.pk, outcome))
            finally:
                self.done = True
                self.tell()

    def _settle(self, outcome: dict[str, Any]) -> None:
        """Write the outcome, and with that of a success what it booked and its fee."""
        with transaction.atomic():
            succeeded = outcome["status"] == ToolCall.Status.SUCCEEDED
            usage = add_usage(self.context.spent, fee(self.context.run, self.tool) if succeeded else {})
            is_first = self.context.run.settle_call(self.call.pk, **outcome, usage=usage)
            if is_first and succeeded:
                BookedValue.objects.bulk_create(self.context.bookings)
                if self.tool.fee:
                    charge_tool(self.context.run, self.context.agent, self.call)

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


def call_tool(tool: Tool, call: ToolCall, context: ToolContext) -> dict[str, Any]:
    """Call the tool's function; returns the columns of the outcome. Errors other than ToolError are for its author: they raise."""
    try:
        result = _outcome(tool.call(context, call.arguments), context)
    except ToolError as error:
        return {"status": ToolCall.Status.FAILED, "error": storable(error.as_json())}
    return {"status": ToolCall.Status.SUCCEEDED, "result": result, "files": context.files}


def _outcome(returned: Any, context: ToolContext) -> Any:
    """The result as JSON, whatever kind of function returned it."""
    if inspect.isawaitable(returned):
        return asyncio.run(_await(returned, context))
    if inspect.isasyncgen(returned):
        return asyncio.run(_last(returned, context))
    if inspect.isgenerator(returned):
        return _outcome(_exhaust(returned, context), context)
    return _as_json(returned, context)


def _as_json(result: Any, context: ToolContext) -> Any:
    plain = storable(to_jsonable_python(with_files_stored(result, context.files)))
    if len(json.dumps(plain)) > MAX_RESULT_BYTES:
        raise ToolError(f"The result is larger than {MAX_RESULT_BYTES:,} bytes.")
    return plain


async def _await(awaitable: Awaitable[Any], context: ToolContext) -> Any:
    returned = await awaitable
    return await _last(returned, context) if inspect.isasyncgen(returned) else _as_json(returned, context)


async def _last(values: AsyncIterable[Any], context: ToolContext) -> Any:
    last = None
    async for value in values:
        last = _as_json(value, context)
        context.preliminary(last)
    return last


def _exhaust(values: Iterator[Any], context: ToolContext) -> Any:
    last = None
    while True:
        try:
            last = _as_json(next(values), context)
        except StopIteration as end:
            return last if end.value is None else end.value
        context.preliminary(last)


def verdicts_for(agent: Agent, run: AnyRun, calls: list[Call]) -> dict[str, dict[str, Any]]:
    """Columns of the calls that the model asked for, by id: running, waiting for a person, or why not."""
    handoffs = [call.id for call in calls if call.tool == HAND_OVER]
    one_only = dict.fromkeys(handoffs[1:], refused(ToolError("The conversation can be passed to one agent only.")))
    return {call.id: _verdict(agent, run, call) for call in calls} | one_only


def _verdict(agent: Agent, run: AnyRun, call: Call) -> dict[str, Any]:
    try:
        tool = _known(agent, call)
        asks = _asks(tool, agent, run, call)
    except ToolError as error:
        return refused(error)
    columns = {"untrusted": tool.untrusted}
    if asks or tool.by_person:
        status = ToolCall.Status.AWAITING_APPROVAL if asks else ToolCall.Status.REQUESTED
        return columns | {"status": status, "expires_at": timezone.now() + tool.expires}
    return columns | {"status": ToolCall.Status.RUNNING, "started_at": timezone.now()}


def refused(error: ToolError) -> dict[str, Any]:
    """Columns of a call that is not run."""
    return {"status": ToolCall.Status.FAILED, "error": error.as_json(), "ended_at": timezone.now()}


def _known(agent: Agent, call: Call) -> Tool:
    if call.tool not in agent.toolbox:
        raise ToolError(f"There is no tool named {call.tool!r}. There are: {', '.join(agent.toolbox) or 'none'}.")
    return agent.toolbox[call.tool]


def _asks(tool: Tool, agent: Agent, run: AnyRun, call: Call) -> bool:
    """Whether a person has to decide first. Raises InvalidArguments, unless it is time for the tool's fallback."""
    try:
        if call.error:
            raise InvalidArguments(call.error)
        asks = tool.asks(ToolContext(UUID(call.id), run, agent), call.arguments)
    except InvalidArguments as error:
        tries = len({earlier.step for earlier in run.said()[1] if earlier.tool == tool.name and _was_invalid(earlier)})
        if tries < tool.retries:
            raise
        if tool.fallback is None or call.error:
            raise InvalidArguments(f"{error} Do not call {tool.name} again.") from error
        asks = tool.needs_approval is True
    return asks or (tool.effects == "outward" and run.has_untrusted_results())


def _was_invalid(call: ToolCall) -> bool:
    return call.error is not None and call.error["kind"] == InvalidArguments.kind


def run_calls(active: Active, agent: Agent, begun: Collection[UUID], *, recovering: bool) -> set[UUID]:
    """Run the calls of the run's present step but those that have `begun`, wait for their outcomes, and return their ids. Raises what
    interrupts the run.

    `recovering`: a dead worker may have begun them; only idempotent tools are called again.
    """
    run = active.run
    calls = persist(partial(run.running_calls, begun))
    if recovering:
        calls = [call for call in calls if _may_run_again(agent, run, call)]
    runs = [_tool_run(active, agent, call) for call in calls if _still_offered(agent, run, call)]
    # Before any of them has an effect: a fee that cannot be charged should prevent it.
    for tool in {one.tool.name: one.tool for one in runs if one.tool.fee}.values():
        persist(partial(declare_fee, tool))
    # The tools' own threads want connections, and this one waits for them.
    connection.close()
    for one in runs:
        one.start()
    try:
        _wait(active, runs)
    finally:
        for one in runs:
            one.context.cancelled.set()
            if one.thread.is_alive():
                active.worker.leave(one.thread)
    return {call.pk for call in calls}


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
