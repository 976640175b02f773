"""What the model sees: the thread's settled rows as chat messages, always in a form that every server accepts.

Whatever happened before (a stop, a crash, a deletion), the next prompt gets an answer: each tool call has exactly one result right
after it, results without a call and empty messages are left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from threads.convert import as_written, unsaved_rows
from threads.models import Message, Run, ToolCall
from threads.schemas import NewMessage

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.unsaved import AnyRun

RECENT_MESSAGES = 100
UNSETTLED = {
    ToolCall.Status.UNKNOWN: "The outcome of this call is unknown: it was started, and may or may not have taken effect.",
    ToolCall.Status.REQUESTED: "A person was asked and has not answered yet.",
    ToolCall.Status.EXPIRED: "Nobody approved this call in time.",
}


def messages_for(run: "AnyRun", agent: "Agent") -> list[dict[str, Any]]:
    """Instructions and the newest settled rows up to and including the run's own turn, in OpenAI's chat format."""
    rows, named = _rows(run)
    calls = {str(call.pk): call for call in named}
    instructions = [{"role": "system", "content": agent.instructions}] if agent.instructions else []
    return instructions + [message for row in rows for message in _messages(row, calls)]


def told(run: "AnyRun") -> list[NewMessage]:
    """The conversation up to the run's last model call, without what this one said and asked for; as callers write messages."""
    rows, calls = _rows(run)
    last = {call.message_id for call in run.said()[1] if call.step == run.step}
    return as_written([row for row in rows if row.pk not in last], calls)


def _rows(run: "AnyRun") -> tuple[list[Message], list[ToolCall]]:
    rows, calls = run.history(RECENT_MESSAGES)
    if isinstance(run, Run) and run.given:
        return _with_given(rows, calls, run)
    return rows, calls


def _with_given(rows: list[Message], calls: list[ToolCall], run: Run) -> tuple[list[Message], list[ToolCall]]:
    """The rows with what the call brought along: messages before its prompt, and another prompt than the saved one."""
    before = run.given.get("before", str(run.prompt_id))
    place = next((n for n, row in enumerate(rows) if str(row.pk) == before or row.run_id == run.pk), len(rows))
    brought, brought_calls = unsaved_rows([NewMessage.of(given) for given in run.given.get("messages", [])])
    if "prompt" in run.given:
        brought.append(Message(role="user", content=[{"type": "text", "text": run.given["prompt"]}]))
    rest = rows[place:]
    if "prompt" in run.given and rest and rest[0].pk == run.prompt_id:
        rest = rest[1:]
    return [*rows[:place], *brought, *rest], [*calls, *brought_calls]


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
