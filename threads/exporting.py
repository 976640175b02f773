"""Taking a conversation out over HTTP: as JSON that can be brought in again, or as Markdown to be read."""

import json
from typing import Any, Literal
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from ninja import Router

from threads.access import SignedRequest, thread_for
from threads.convert import as_written, to_part
from threads.files import read
from threads.models import File, Message, Thread
from threads.rows import Json
from threads.schemas import NewMessage

router = Router()
FORMAT = 1
# So that what is taken out, a third larger as text, can be brought in again.
MOST_FILE_BYTES = 20_000_000
# For the API's document.
EXPORTED = {"content": {"application/json": {"schema": {"type": "object"}}, "text/markdown": {"schema": {"type": "string"}}}}
TYPES = {"json": "application/json", "markdown": "text/markdown; charset=utf-8"}
ENDINGS = {"json": "json", "markdown": "md"}
FENCE = "```"


@router.get("/threads/{uuid:thread_id}/export", openapi_extra={"responses": {200: EXPORTED}})
def export(request: SignedRequest, thread_id: UUID, form: Literal["json", "markdown"] = "json") -> HttpResponse:
    """The version of the conversation that is asked for, as a file: `json` can be brought in again, `markdown` is to be read."""
    thread = thread_for(request.user, thread_id)
    text = json.dumps(exported(thread), ensure_ascii=False, indent=1) if form == "json" else as_markdown(thread)
    name = f"{slugify(thread.title) or 'thread'}.{ENDINGS[form]}"
    return HttpResponse(text, content_type=TYPES[form], headers={"Content-Disposition": f'attachment; filename="{name}"'})


def exported(thread: Thread) -> Json:
    """All that was said in a thread, without what belongs to this site only (ids, runs, costs)."""
    rows = list(thread.messages.settled().select_related("author").order_by("order", "step_order"))
    room = [MOST_FILE_BYTES]
    return {
        "agentsite": FORMAT,
        "title": thread.title,
        "agent": thread.default_agent,
        "metadata": thread.metadata,
        "exported_at": timezone.now().isoformat(),
        "messages": [_written(row, new, room) for row, new in _with_rows(thread, rows)],
    }


def _with_rows(thread: Thread, rows: list[Message]) -> list[tuple[Message, NewMessage]]:
    calls = list(thread.tool_calls.all())
    return [(row, new) for row in rows for new in as_written([row], calls)]


def _with_bytes(part: Json, room: list[int]) -> Json:
    """A stored file as a data URL, as long as there is `room`: [bytes left]."""
    file = File.objects.select_related("blob").filter(pk=part["file"]).first()
    about = {"media_type": part["mediaType"], "filename": part["filename"]}
    if file is None or file.blob.size > room[0]:
        return {"type": "text", "text": f"[The file {part['filename']} was too large to be taken along.]"}
    room[0] -= file.blob.size
    return to_part(read(file), **about)


def _written(row: Message, new: NewMessage, room: list[int]) -> Json:
    facts = {"provider": row.provider, "model": row.model, "finish_reason": row.finish_reason, "sources": row.sources}
    about = {"author": row.author.name if row.author else "", "at": row.created_at.isoformat()}
    content = [part.model_dump(by_alias=True) for part in new.content]
    content = [_with_bytes(part, room) if "file" in part else part for part in content]
    return {"role": new.role, "content": content} | {
        name: value for name, value in {"agent_name": new.agent_name, **facts, **about}.items() if value
    }


def as_markdown(thread: Thread) -> str:
    """The conversation to be read: who said what and when; what tools were asked and answered as code."""
    rows = list(thread.messages.settled().select_related("author").order_by("order", "step_order"))
    blocks = [f"# {_line(thread.title or 'New thread')}"]
    for row, new in _with_rows(thread, rows):
        said = [text for part in new.content if (text := _as_text(part.model_dump(by_alias=True)))]
        if said:
            name = row.author.name if row.author else row.agent_name or row.role
            blocks += [f"## {_line(name)} · {row.created_at:%Y-%m-%d %H:%M} UTC", *said]
    return "\n\n".join(blocks) + "\n"


def _as_text(part: Json) -> str:
    match part["type"]:
        case "text":
            return str(part["text"])
        case "tool-call":
            return f"*{_line(part['tool'])}*\n\n{_code(part['arguments'])}"
        case "tool-result":
            return _code(part["error"] or part["result"])
        case "data":
            return _code(part["data"])
        case "file" if part["url"].startswith(("http:", "https:")):
            return f"[{_line(part['filename'] or part['mediaType'])}](<{part['url']}>)"
        case "file":
            return _line(part["filename"] or part["mediaType"])
    return ""


def _code(value: Any) -> str:
    """A fence longer than any in it: what a tool said cannot end it."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    fence = FENCE
    while fence in text:
        fence += "`"
    return f"{fence}json\n{text}\n{fence}"


def _line(text: str) -> str:
    return " ".join(text.split())
