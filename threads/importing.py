"""Bringing conversations in over HTTP: one that was exported here, or those of ChatGPT's export."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec
from django.db import transaction
from django.http import HttpRequest
from ninja import Router, Status
from ninja.errors import HttpError

from threads.access import SignedRequest, require_scope
from threads.chatgpt import Conversation, FileNamed, translated
from threads.errors import BadInput
from threads.models import Thread, User
from threads.rows import Json
from threads.saving import parsed, save_messages
from threads.schemas import NewMessage
from threads.storable import unstorable

router = Router()
LARGEST = 32_000_000
MOST_MESSAGES = 100_000
# As deep as the other routes take JSON; what is stored deeper could not be written out again.
DEEPEST = 200
# What of a message is part of a file; how it stands (pending, failed) and what it cost is not.
FIELDS = {"role", "content", "agent_name", "provider", "model", "finish_reason", "sources", "author", "at"}
ZIP = ("application/zip", "application/x-zip-compressed")


class Exported(msgspec.Struct, forbid_unknown_fields=True):
    """A conversation in one file. `agentsite` is the number of the format; `messages` are as `NewMessage` with `author`."""

    agentsite: Literal[1]
    messages: list[dict[str, Any]]
    title: str = ""
    agent: str = ""
    metadata: dict[str, Any] = {}
    exported_at: str = ""


# For the API's document, which cannot see what is neither a parameter nor a model.
IMPORTED = {
    "required": True,
    "content": {
        "application/json": {"schema": {"anyOf": [msgspec.json.schema(Exported)["$defs"]["Exported"], {"type": "array"}]}},
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post("/threads/import", response={201: Any}, openapi_extra={"requestBody": IMPORTED})
def bring_in(request: SignedRequest) -> Status[Json]:
    """Make threads of one's own: of a file that was exported here, or of what ChatGPT exports (`conversations.json`, or the whole archive
    as application/zip). Up to 32 MB; of each thread all or nothing. What was brought in from there before is left as it is, and counted
    as `known`."""
    require_scope(request.user, "write")
    conversations, file_named = _read(request)
    if isinstance(conversations, Exported):
        return Status(201, {"threads": [_told(imported(request.user, conversations))], "known": 0})
    new = list(_unknown(request.user, conversations))
    threads = [imported(request.user, _checked(translated(each, file_named))) for each in new]
    return Status(201, {"threads": [_told(thread) for thread in threads], "known": len(conversations) - len(new)})


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
        if times := [new.at for _, new in said if new.at]:
            Thread.objects.filter(pk=thread.pk).update(last_activity=max(times))
    return thread


def _told(thread: Thread) -> Json:
    return {"id": str(thread.pk), "title": thread.title}


def _unknown(owner: User, conversations: list[Conversation]) -> Iterator[Conversation]:
    """Those that are not there yet, each once."""
    keys = [each.key for each in conversations if each.key]
    known = set(Thread.objects.kept().filter(owner=owner, metadata__chatgpt__in=keys).values_list("metadata__chatgpt", flat=True))
    for each in conversations:
        if each.key not in known:
            known |= {each.key} - {""}
            yield each


def _read_message(message: Json, owner: User) -> tuple[bool, NewMessage]:
    """Whether the owner said it, and what was said."""
    if unknown := sorted(set(message) - FIELDS):
        raise BadInput("messages", f"{unknown[0][:100]!r} is no part of an exported message.")
    author = str(message.get("author", ""))[:100]
    own = author in ("", owner.name)
    fields = {name: value for name, value in message.items() if name != "author" and (name != "at" or value)}
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


def _read(request: HttpRequest) -> tuple[Exported | list[Conversation], FileNamed]:
    """What the body holds, and the files that came with it."""
    if request.content_type not in ("application/json", *ZIP):
        raise HttpError(415, "Send JSON as application/json, or an archive as application/zip.")
    # Not as a parameter of the route: those are parsed from bodies of up to a megabyte.
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise HttpError(413, f"The file is larger than {LARGEST // 1_000_000} MB.")
    if request.content_type in ZIP:
        return _unpacked(body)
    data = _decoded(body, Exported | list[Conversation])
    return _checked(msgspec.to_builtins(data)) if isinstance(data, Exported) else data, lambda _: None


def _unpacked(body: bytes) -> tuple[list[Conversation], FileNamed]:
    """Only `conversations.json`, or its numbered parts, and what their messages name are read."""
    try:
        archive = zipfile.ZipFile(BytesIO(body))
        members = {PurePosixPath(name).name: name for name in archive.namelist()}
        named = sorted(name for name in members if name.startswith("conversations") and name.endswith(".json"))
        found = [each for name in named for each in _decoded(_member(archive, members[name]), list[Conversation])]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # broken, of an unknown kind, locked by a password
        raise BadInput("body", f"This archive cannot be read: {error}") from error
    if not named:
        raise BadInput("body", "There is no conversations.json in this archive.")

    def file_named(begin: str) -> tuple[str, bytes] | None:
        name = next((name for name in members if begin and name.startswith(begin)), None)
        return (name, _member(archive, members[name])) if name else None

    return found, file_named


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Its bytes, however little it says that they are."""
    with archive.open(name) as member:
        data = member.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise HttpError(413, f"{PurePosixPath(name).name} is larger than {LARGEST // 1_000_000} MB.")
    return data


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput("body", f"This is no exported thread, and not what ChatGPT exports: {error}") from error


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _checked(data: Json) -> Exported:
    if _is_deeper(data, DEEPEST):
        raise BadInput("body", f"This is nested more than {DEEPEST} levels deep.")
    place = unstorable(data)
    if place is not None:
        raise BadInput(place, "This contains characters that are no text (NUL or half of a surrogate pair), or no number.")
    return msgspec.convert(data, Exported)
