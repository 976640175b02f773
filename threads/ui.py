"""UI messages: rows as an AI SDK `UIMessage` shows them. An answer's rows are one message, grouped by (order, run)."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from threads.models import Message, ToolCall
from threads.parts import Part, fold, is_source
from threads.rows import Json
from threads.shapes import UiMessage

NO_OUTPUT = {"unknown": "The outcome is unknown.", "expired": "Nobody decided in time.", "failed": "The tool failed."}


def ui_messages(messages: Iterable[Message], calls: Iterable[ToolCall], live: Mapping[Any, list[Part]] | None = None) -> list[UiMessage]:
    """UI messages of these rows, ascending. `live` has the parts that runs are streaming now, by run id."""
    by_id = {str(call.pk): call for call in calls}
    rows = sorted(messages, key=lambda m: (m.order, m.step_order))
    return [_ui_message(list(group), by_id, live or {}) for _, group in groupby(rows, key=_group)]


def _group(message: Message) -> tuple[Any, ...]:
    answer = message.role in (Message.Role.ASSISTANT, Message.Role.TOOL)
    return (message.order, message.run_id, "answer") if answer else (message.order, message.step_order, message.role)


def _ui_message(rows: list[Message], calls: Mapping[str, ToolCall], live: Mapping[Any, list[Part]]) -> UiMessage:
    first, last = rows[0], rows[-1]
    parts = [part for row in rows for part in _row_parts(row, calls, live)]
    streaming = last.status == Message.Status.PENDING and last.run_id in live
    return {
        "id": str(first.pk),
        "key": f"{first.thread_id}-{first.order}-{first.step_order}",
        "role": "assistant" if first.role == Message.Role.TOOL else first.role,
        "parts": parts,
        "text": " ".join(part["text"] for part in parts if part["type"] == "text"),
        "order": first.order,
        "step_order": first.step_order,
        "status": "streaming" if streaming else last.status,
        "agent_name": first.agent_name,
        "created_at": first.created_at.isoformat(),
        "metadata": {"error": last.error, "finish_reason": last.finish_reason, "run": str(last.run_id) if last.run_id else None},
    }


def _row_parts(row: Message, calls: Mapping[str, ToolCall], live: Mapping[Any, list[Part]]) -> list[Json]:
    pending = row.status == Message.Status.PENDING
    told = fold(live.get(row.run_id, [])) if pending else row
    if row.role == Message.Role.TOOL or not told.content:
        return []
    start = [{"type": "step-start"}] if row.role == Message.Role.ASSISTANT else []
    shown = [_part(part, calls, "streaming" if pending else "done") for part in told.content]
    return start + shown + list(filter(is_source, told.sources))


def _part(part: Json, calls: Mapping[str, ToolCall], state: str) -> Json:
    if part["type"] == "data":
        return {"type": f"data-{part['name']}", "id": part.get("id", ""), "data": part["data"]}
    if part["type"] == "file":
        return part
    if part["type"] != "tool-call":
        return {"type": part["type"], "text": part["text"], "state": state}
    call = calls.get(part["tool_call"])
    shown = {"type": f"tool-{part['tool']}", "toolCallId": part["tool_call"]}
    return shown | (_outcome(call) if call else {"state": "input-available", "input": {}})


def _outcome(call: ToolCall) -> Json:
    match call.status:
        case "succeeded":
            return {"state": "output-available", "input": call.arguments, "output": call.result}
        case "running" if call.result is not None:
            return {"state": "output-available", "input": call.arguments, "output": call.result, "preliminary": True}
        case "awaiting_approval":
            return {"state": "approval-requested", "input": call.arguments, "approval": {"id": str(call.pk)}}
        case "denied":
            return {
                "state": "output-denied",
                "input": call.arguments,
                "approval": {"id": str(call.pk), "approved": False, "reason": call.reason},
            }
        case "failed" | "unknown" | "expired":
            text = call.error["message"] if call.error else NO_OUTPUT[call.status]
            return {"state": "output-error", "input": call.arguments, "errorText": text}
        case _:
            return {"state": "input-available", "input": call.arguments}
