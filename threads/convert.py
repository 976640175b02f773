"""Small helpers between the forms a message can have: what callers write (`threads.schemas`), rows, and UI messages.

extract_text                  the words of a message, in whatever form
to_part                       bytes, a file, a data URL or an address → a part that can be saved
guess_media_type              what bytes are, by what they begin with
read_data_url                 a data URL → its type and bytes
drop_orphaned_tool_messages   rows without calls that have no result, and results that have no call
to_ui_messages                rows → AI SDK UI messages
from_ui_messages              AI SDK UI messages → messages to be saved
as_written                    rows → messages as callers write them
unsaved_rows                  messages as callers write them → rows that are not saved
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import filetype
from django.core.files import File
from django.utils.translation import gettext

from threads.errors import BadInput
from threads.models import Message, ToolCall
from threads.parts import is_source, source_part
from threads.schemas import NewMessage, ToolCallPart, ToolResultPart
from threads.ui import ui_messages as to_ui_messages

__all__ = [
    "as_written",
    "drop_orphaned_tool_messages",
    "extract_text",
    "from_ui_messages",
    "guess_media_type",
    "read_data_url",
    "to_part",
    "to_ui_messages",
    "unsaved_rows",
]
Json = dict[str, Any]
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?(;base64)?,(.*)", re.DOTALL | re.IGNORECASE)
SVG = re.compile(rb"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL | re.IGNORECASE)


def extract_text(message: Message | NewMessage | Mapping[str, Any] | str) -> str:
    """The text parts joined by a space."""
    if isinstance(message, str):
        return message
    if isinstance(message, NewMessage):
        return " ".join(part.text for part in message.content if part.type == "text")
    if isinstance(message, Message):
        return message.text
    content = message.get("content", message.get("parts", ""))
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if part.get("type") == "text")


def guess_media_type(data: bytes) -> str:
    """By the first bytes, not by a name; text/plain for text, application/octet-stream for what is unknown."""
    if known := filetype.guess_mime(data[:8192]):
        return str(known)
    if SVG.match(data[:2048]):
        return "image/svg+xml"
    try:
        text = data[:8192].decode()
    except UnicodeDecodeError as error:
        # A character may be cut in two where the sample ends.
        text = "" if error.start < len(data[:8192]) - 3 else data[: error.start].decode()
    return "text/plain" if text and "\0" not in text else "application/octet-stream"


def to_part(source: "bytes | str | File[Any]", *, media_type: str = "", filename: str = "") -> Json:
    """A file part for `NewMessage.content`: plain JSON, the bytes as a data URL. An address stays an address and is not fetched.

    The media type is guessed from the bytes unless it is given. Raises BadInput for a data URL that is broken, or another scheme.
    """
    if isinstance(source, File):
        return to_part(source.read(), media_type=media_type, filename=filename or (source.name or "").rpartition("/")[2])
    if isinstance(source, str) and source[:5].lower() == "data:":
        declared, source = read_data_url(source)
        media_type = media_type or declared
    if isinstance(source, str):
        parts = urlsplit(source)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadInput("source", gettext("Only http and https addresses, data URLs, bytes and files can be a part."))
        url, guessed = source, "application/octet-stream"
    else:
        guessed = guess_media_type(source)
        url = f"data:{media_type or guessed};base64,{base64.b64encode(source).decode()}"
    part: Json = {"type": "file", "mediaType": media_type or guessed, "url": url}
    return part | ({"filename": filename} if filename else {})


def drop_orphaned_tool_messages(rows: Iterable[Message], calls: Iterable[ToolCall]) -> list[Message]:
    """The rows without tool calls that nothing came of, and without results whose call is not among them.

    Calls that still wait for a decision or an answer stay. Rows that are left empty go; the given ones are not changed.
    """
    rows = list(rows)
    open_or_done = {str(call.pk) for call in calls if call.status not in (ToolCall.Status.REQUESTED, ToolCall.Status.RUNNING)}
    asked = {part["tool_call"] for row in rows for part in row.content if part["type"] == "tool-call"}
    kept = []
    for row in rows:
        content = [part for part in row.content if "tool_call" not in part or part["tool_call"] in open_or_done & asked]
        if content or not row.content:
            kept.append(row if content == row.content else _with_content(row, content))
    return kept


def from_ui_messages(messages: Iterable[Mapping[str, Any]]) -> list[NewMessage]:
    """Messages to be saved. A tool part becomes a call and, if it has an outcome, a tool message right after it."""
    return [new for message in messages for new in _from_ui_message(message)]


def _from_ui_message(message: Mapping[str, Any]) -> list[NewMessage]:
    role, status = message["role"], message.get("status", "success")
    status = status if status in ("pending", "failed") else "success"
    found: list[NewMessage] = []
    content: list[Json] = []
    results: list[Json] = []
    sources: list[Json] = []

    def close() -> None:
        about = {"role": role, "agent_name": message.get("agent_name", "") or "", "status": status}
        if content:
            found.append(NewMessage.of(about | {"content": list(content), "sources": list(sources)}))
        if results:
            found.append(NewMessage.of(about | {"role": "tool", "content": list(results)}))
        content.clear()
        results.clear()
        sources.clear()

    for part in message["parts"]:
        kind = part["type"]
        if kind == "step-start":
            close()
        elif kind in ("text", "reasoning"):
            content.append({"type": kind, "text": part["text"]})
        elif kind == "file":
            content.append({name: part[name] for name in ("type", "mediaType", "url", "filename") if name in part})
        elif is_source(part):
            sources.append(source_part(part["url"], str(part.get("title") or "")))
        elif kind == "dynamic-tool" or kind.startswith("tool-"):
            content.append(_call(part))
            results += _result(part)
    close()
    return found


def _call(part: Mapping[str, Any]) -> Json:
    tool = part["toolName"] if part["type"] == "dynamic-tool" else part["type"].removeprefix("tool-")
    return {"type": "tool-call", "id": part["toolCallId"], "tool": tool, "arguments": part.get("input") or {}}


def _result(part: Mapping[str, Any]) -> list[Json]:
    result: Json = {"type": "tool-result", "id": part["toolCallId"]}
    match part.get("state"):
        case "output-available":
            return [result | {"result": part.get("output")}]
        case "output-error":
            return [result | {"error": part.get("errorText") or "Unknown error"}]
        case "output-denied":
            return [result | {"error": (part.get("approval") or {}).get("reason") or "Denied"}]
    return []


def read_data_url(url: str) -> tuple[str, bytes]:
    """Its media type and its bytes; BadInput if it is broken."""
    matched = DATA_URL.fullmatch(url)
    if matched is None:
        raise BadInput("source", gettext("This data URL is broken."))
    try:
        data = base64.b64decode(unquote_to_bytes(matched[3]), validate=True) if matched[2] else unquote_to_bytes(matched[3])
    except (binascii.Error, ValueError) as error:
        raise BadInput("source", gettext("This data URL is broken.")) from error
    return (matched[1] or "").lower(), data


def _with_content(row: Message, content: list[Json]) -> Message:
    return Message(
        id=row.pk, thread_id=row.thread_id, order=row.order, step_order=row.step_order, role=row.role, status=row.status,
        run_id=row.run_id, agent_name=row.agent_name, content=content, is_tool=any("tool_call" in part for part in content),
    )  # fmt: skip


def as_written(rows: Iterable[Message], calls: Iterable[ToolCall]) -> list[NewMessage]:
    """Rows in the form that callers write; calls without an outcome have no result."""
    by_id = {str(call.pk): call for call in calls}
    written = []
    for row in rows:
        content = [each for part in row.content for each in _written_part(part, row.role, by_id)]
        if content:
            written.append(NewMessage.of({"role": row.role, "agent_name": row.agent_name, "content": content}))
    return written


def _written_part(part: Json, role: str, calls: Mapping[str, ToolCall]) -> list[Json]:
    if "tool_call" not in part:
        return [part]
    call = calls.get(part["tool_call"])
    if call is None:
        return []
    if role != Message.Role.TOOL:
        return [{"type": "tool-call", "id": str(call.pk), "tool": call.tool, "arguments": call.arguments}]
    if call.status == ToolCall.Status.SUCCEEDED:
        return [{"type": "tool-result", "id": str(call.pk), "result": call.result}]
    return [{"type": "tool-result", "id": str(call.pk), "error": call.error["message"]}] if call.error else []


def unsaved_rows(messages: Iterable[NewMessage]) -> tuple[list[Message], list[ToolCall]]:
    """What callers wrote as rows that are not saved. A result belongs to the last call before it that has its id."""
    rows: list[Message] = []
    calls: dict[str, ToolCall] = {}
    found: list[ToolCall] = []
    for new in messages:
        row = Message(role=new.role, agent_name=new.agent_name, content=[])
        for part in new.content:
            if isinstance(part, ToolCallPart):
                call = calls[part.id] = ToolCall(message=row, tool=part.tool, arguments=part.arguments, status=ToolCall.Status.UNKNOWN)
                found.append(call)
                row.content.append({"type": "tool-call", "tool_call": str(call.pk), "tool": part.tool})
            elif isinstance(part, ToolResultPart) and part.id in calls:
                _settle(calls[part.id], part)
                row.content.append({"type": "tool-result", "tool_call": str(calls[part.id].pk)})
            elif not isinstance(part, ToolResultPart):
                row.content.append(part.model_dump(by_alias=True))
        rows.append(row)
    return rows, found


def _settle(call: ToolCall, part: ToolResultPart) -> None:
    call.status = ToolCall.Status.FAILED if part.error else ToolCall.Status.SUCCEEDED
    call.result = part.result
    call.error = {"kind": "tool_error", "message": part.error} if part.error else None
