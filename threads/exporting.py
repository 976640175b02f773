"""Taking a conversation out, as JSON that can be brought in again or as Markdown to be read, and bringing one in, over HTTP."""

import json
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from ninja import Router, Status
from ninja.errors import HttpError

from threads.access import SignedRequest, require_scope, thread_for
from threads.convert import as_written, to_part
from threads.errors import BadInput
from threads.files import read
from threads.models import File, Message, Thread, User
from threads.rows import Json, thread_rows
from threads.saving import parsed, save_messages
from threads.schemas import NewMessage
from threads.storable import unstorable

router = Router()
FORMAT = 1
LARGEST = 32_000_000
MOST_MESSAGES = 100_000
# So that what is taken out, a third larger as text, can be brought in again.
MOST_FILE_BYTES = 20_000_000
TYPES = {"json": "application/json", "markdown": "text/markdown; charset=utf-8"}
ENDINGS = {"json": "json", "markdown": "md"}
FENCE = "```"
# What of a message is part of a file; how it stands (pending, failed) and what it cost is not.
FIELDS = {"role", "content", "agent_name", "provider", "model", "finish_reason", "sources", "author", "at"}


class Exported(msgspec.Struct, forbid_unknown_fields=True):
    """A conversation in one file. `agentsite` is the number of the format; `messages` are as `NewMessage` with `author` and `at`."""

    agentsite: Literal[1]
    messages: list[dict[str, Any]]
    title: str = ""
    agent: str = ""
    metadata: dict[str, Any] = {}
    exported_at: str = ""


@router.get("/threads/{uuid:thread_id}/export")
def export(request: SignedRequest, thread_id: UUID, form: Literal["json", "markdown"] = "json") -> HttpResponse:
    """The version of the conversation that is asked for, as a file: `json` can be brought in again, `markdown` is to be read."""
    thread = thread_for(request.user, thread_id)
    text = json.dumps(exported(thread), ensure_ascii=False, indent=1) if form == "json" else as_markdown(thread)
    name = f"{slugify(thread.title) or 'thread'}.{ENDINGS[form]}"
    return HttpResponse(text, content_type=TYPES[form], headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post("/threads/import", response={201: Any})
def bring_in(request: SignedRequest) -> Status[Json]:
    """Make a thread of one's own from a file that was exported; all of it or nothing. Up to 32 MB."""
    require_scope(request.user, "write")
    return Status(201, thread_rows([imported(request.user, _read(request)).pk])[0])


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


def imported(owner: User, data: Exported) -> Thread:
    """A new thread of this owner. What somebody else had said stands under their name, which is a name only. Raises BadInput."""
    if len(data.messages) > MOST_MESSAGES:
        raise BadInput("messages", f"A thread can be brought in with up to {MOST_MESSAGES:,} messages.")
    if len(data.title) > 200 or len(data.agent) > 100:
        raise BadInput("title" if len(data.title) > 200 else "agent", "This is too long.")
    said = [_read_message(message, owner) for message in data.messages]
    with transaction.atomic():
        thread = Thread.start(owner, title=data.title, default_agent=data.agent, metadata=data.metadata)
        for own, batch in _runs_of(said):
            save_messages(thread.pk, batch, author=owner if own else None)
    return thread


def _read_message(message: Json, owner: User) -> tuple[bool, NewMessage]:
    """Whether the owner said it, and what was said."""
    if unknown := sorted(set(message) - FIELDS):
        raise BadInput("messages", f"{unknown[0][:100]!r} is no part of an exported message.")
    author = str(message.get("author", ""))[:100]
    own = author in ("", owner.name)
    fields = {name: value for name, value in message.items() if name not in ("author", "at")}
    (new,) = parsed([fields if own else {"agent_name": author} | fields])
    # Whoever wrote it could name the files of others.
    if any(part.type == "file" and (part.file or not part.url.startswith(("data:", "http:", "https:"))) for part in new.content):
        raise BadInput("messages", "A file must be brought along as a data URL, or be an http or https address.")
    return own, new


def _runs_of(said: list[tuple[bool, NewMessage]]) -> list[tuple[bool, list[NewMessage]]]:
    """In one batch as much as has one author: calls and their results find each other within it."""
    batches: list[tuple[bool, list[NewMessage]]] = []
    for own, new in said:
        if batches and (new.role != "user" or batches[-1][0] == own):
            batches[-1][1].append(new)
        else:
            batches.append((own, [new]))
    return batches


def _read(request: HttpRequest) -> Exported:
    if request.content_type != "application/json":
        raise HttpError(415, "Send JSON, with the content type application/json.")
    # Not as a parameter of the route: those are parsed from bodies of up to a megabyte.
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise HttpError(413, f"The file is larger than {LARGEST // 1_000_000} MB.")
    try:
        data = msgspec.json.decode(body, type=Exported)
    except msgspec.MsgspecError as error:
        raise BadInput("body", f"This is no exported thread: {error}") from error
    place = unstorable(msgspec.to_builtins(data))
    if place is not None:
        raise BadInput(place, "This contains characters that are no text (NUL or half of a surrogate pair), or no number.")
    return data


def as_markdown(thread: Thread) -> str:
    """The conversation to be read: who said what and when; what tools were asked and answered as code."""
    rows = list(thread.messages.settled().select_related("author").order_by("order", "step_order"))
    blocks = [f"# {_line(str(thread))}"]
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
