"""What the model sees: the thread's settled rows as chat messages, always in a form that every server accepts.

Whatever happened before (a stop, a crash, a deletion), the next prompt gets an answer: each tool call has exactly one result right
after it, results without a call and empty messages are left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.agent import Agent
from threads.models import Message, Run, ToolCall

RECENT_MESSAGES = 100
UNSETTLED = {
    ToolCall.Status.UNKNOWN: "The outcome of this call is unknown: it was started, and may or may not have taken effect.",
    ToolCall.Status.REQUESTED: "A person was asked and has not answered yet.",
    ToolCall.Status.EXPIRED: "Nobody approved this call in time.",
}


def messages_for(run: Run, agent: Agent) -> list[dict[str, Any]]:
    """Instructions and the newest settled rows up to and including the run's own turn, in OpenAI's chat format."""
    rows = Message.objects.settled().filter(thread_id=run.thread_id, order__lte=run.order).newest(RECENT_MESSAGES)
    calls = {str(c.pk): c for c in ToolCall.objects.filter(message__in=[row.pk for row in rows if row.is_tool])}
    instructions = [{"role": "system", "content": agent.instructions}] if agent.instructions else []
    return instructions + [message for row in rows for message in _messages(row, calls)]


def _messages(row: Message, calls: Mapping[str, ToolCall]) -> Iterator[dict[str, Any]]:
    if row.role == Message.Role.TOOL:
        return  # Results follow their calls, see below.
    asked = [calls[str(pk)] for pk in row.tool_call_ids if str(pk) in calls]
    message: dict[str, Any] = {"role": row.role}
    if text := row.text.strip():
        message["content"] = row.text
    if asked:
        message["tool_calls"] = [_call(call) for call in asked]
    if text or asked:
        yield message
        yield from _results(asked)


def _call(call: ToolCall) -> dict[str, Any]:
    """Under our own id: providers' ids may be empty or repeat."""
    return {"id": call.pk.hex, "type": "function", "function": {"name": call.tool, "arguments": json.dumps(call.arguments)}}


def _results(calls: Iterable[ToolCall]) -> Iterator[dict[str, Any]]:
    for call in calls:
        yield {"role": "tool", "tool_call_id": call.pk.hex, "content": _result(call)}


def _result(call: ToolCall) -> str:
    if call.status == ToolCall.Status.SUCCEEDED:
        return call.result if isinstance(call.result, str) and call.result else json.dumps(call.result)
    if call.status == ToolCall.Status.DENIED:
        return f"A person denied this call. {call.reason}".strip()
    if call.error:
        return f"Error: {call.error['message']}"
    return UNSETTLED.get(ToolCall.Status(call.status), "This call was not run.")
