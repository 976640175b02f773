"""Bringing conversations in over HTTP: one that was exported here, or those of ChatGPT's export."""

import zipfile
import zlib
from bisect import bisect_left
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from ninja import Router, Status
from ninja.errors import HttpError

from threads.access import SignedRequest, require_scope
from threads.chatgpt import Conversation, FileNamed, translated
from threads.errors import BadInput
from threads.models import Thread, User
from threads.rows import Json
from threads.saving import parsed, save_messages
from threads.schemas import NewMessage
from threads.shapes import Imported, ImportedThread
from threads.storable import unstorable
from threads.words import grouped

router = Router()
LARGEST = 32_000_000
MOST_MESSAGES = 100_000
MOST_CONVERSATIONS = 1000
# Broken, of an unknown kind, or locked by a password.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
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
def bring_in(request: SignedRequest) -> Status[Imported]:
    """Make threads of one's own: of a file that was exported here, or of what ChatGPT exports (`conversations.json`, or the whole archive
    as application/zip). Up to 32 MB, unpacked too, and 1,000 conversations; of each all or nothing. `known` counts those that were brought
    in from there before, which are left as they are; `failed` says what is wrong with others."""
    require_scope(request.user, "write")
    data, file_named = _read(request)
    if isinstance(data, Exported):
        return Status(201, {"threads": [_told(imported(request.user, data))], "known": 0, "failed": []})
    if len(data) > MOST_CONVERSATIONS:
        raise BadInput("body", gettext("Bring in up to %(most)s conversations at a time.") % {"most": grouped(MOST_CONVERSATIONS)})
    return Status(201, _all_imported(request.user, data, file_named))


def _all_imported(owner: User, conversations: list[msgspec.Raw], file_named: FileNamed) -> Imported:
    """One after the other: what is wrong with one keeps no other out."""
    found: Imported = {"threads": [], "known": 0, "failed": []}
    for number, raw in enumerate(conversations, start=1):
        try:
            conversation = _decoded(raw, Conversation)
            if conversation.key and Thread.objects.kept().filter(owner=owner, metadata__chatgpt=conversation.key).exists():
                found["known"] += 1
            else:
                found["threads"].append(_told(imported(owner, _checked(translated(conversation, file_named)))))
        except BadInput as error:
            found["failed"].append(gettext("Conversation %(number)s: %(error)s") % {"number": number, "error": error})
    return found


def imported(owner: User, data: Exported) -> Thread:
    """A new thread of this owner. What somebody else had said stands under their name, which is a name only. Raises BadInput."""
    if len(data.messages) > MOST_MESSAGES:
        raise BadInput("messages", gettext("A thread can be brought in with up to %(most)s messages.") % {"most": grouped(MOST_MESSAGES)})
    if len(data.title) > 200 or len(data.agent) > 100:
        raise BadInput("title" if len(data.title) > 200 else "agent", gettext("This is too long."))
    said = [_read_message(message, owner) for message in data.messages]
    with transaction.atomic():
        thread = Thread.start(owner, title=data.title, default_agent=data.agent, metadata=data.metadata)
        for own, batch in _runs_of(said):
            save_messages(thread.pk, batch, author=owner if own else None)
        now = timezone.now()
        Thread.objects.filter(pk=thread.pk).update(last_activity=max((new.at or now for _, new in said), default=now))
        thread.members.update(seen_at=now)
    return thread


def _told(thread: Thread) -> ImportedThread:
    return {"id": str(thread.pk), "title": thread.title}


def _read_message(message: Json, owner: User) -> tuple[bool, NewMessage]:
    """Whether the owner said it, and what was said."""
    if unknown := sorted(set(message) - FIELDS):
        raise BadInput("messages", gettext("%(name)r is no part of an exported message.") % {"name": unknown[0][:100]})
    author = str(message.get("author", ""))[:100]
    own = author in ("", owner.name)
    fields = {name: value for name, value in message.items() if name != "author" and (name != "at" or value)}
    (new,) = parsed([fields if own else {"agent_name": author} | fields])
    # Whoever wrote it could name the files of others.
    if any(part.type == "file" and (part.file or not part.url.startswith(("data:", "http:", "https:"))) for part in new.content):
        raise BadInput("messages", gettext("A file must be brought along as a data URL, or be an http or https address."))
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


def _read(request: HttpRequest) -> tuple[Exported | list[msgspec.Raw], FileNamed]:
    """What the body holds, and the files that came with it."""
    if request.content_type not in ("application/json", *ZIP):
        raise HttpError(415, gettext("Send JSON as application/json, or an archive as application/zip."))
    # Not as a parameter of the route: those are parsed from bodies of up to a megabyte.
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise HttpError(413, gettext("The file is larger than %(size)s MB.") % {"size": LARGEST // 1_000_000})
    if request.content_type in ZIP:
        return _unpacked(body)
    data = _decoded(body, Exported | list[msgspec.Raw])
    return _checked(msgspec.to_builtins(data)) if isinstance(data, Exported) else data, lambda _: None


def _unpacked(body: bytes) -> tuple[list[msgspec.Raw], FileNamed]:
    """Only `conversations.json`, or its numbered parts, and what their messages name are read."""
    try:
        archive = _Archive(zipfile.ZipFile(BytesIO(body)))
        named = [name for name in archive.names if name.startswith("conversations") and name.endswith(".json")]
        found = [each for name in named for each in _decoded(archive.read(name), list[msgspec.Raw])]
    except BROKEN as error:
        raise BadInput("body", gettext("This archive cannot be read: %(why)s") % {"why": error}) from error
    if not named:
        raise BadInput("body", gettext("There is no conversations.json in this archive."))
    return found, archive.find


class _Archive:
    """An archive of which no more is read than it may hold, however often a file is asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive, self._room = archive, LARGEST
        self._members = {PurePosixPath(name).name: name for name in archive.namelist()}
        self.names = sorted(self._members)

    def read(self, name: str) -> bytes:
        """Its bytes, however little it says that they are."""
        with self._archive.open(self._members[name]) as member:
            data = member.read(self._room + 1)
        self._room -= len(data)
        if self._room < 0:
            said = gettext("The archive holds more than %(size)s MB. Take conversations.json out of it, and bring in that.")
            raise HttpError(413, said % {"size": LARGEST // 1_000_000})
        return data

    def find(self, begin: str) -> tuple[str, bytes] | None:
        """The file whose name begins like this."""
        at = bisect_left(self.names, begin)
        if not begin or at == len(self.names) or not self.names[at].startswith(begin):
            return None
        try:
            return self.names[at], self.read(self.names[at])
        except BROKEN:
            return None


def _decoded(body: bytes | msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        said = gettext("This is no exported thread, and not what ChatGPT exports: %(why)s") % {"why": error}
        raise BadInput("body", said) from error


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _checked(data: Json) -> Exported:
    if _is_deeper(data, DEEPEST):
        raise BadInput("body", gettext("This is nested more than %(levels)s levels deep.") % {"levels": DEEPEST})
    place = unstorable(data)
    if place is not None:
        raise BadInput(place, gettext("This contains characters that are no text (NUL or half of a surrogate pair), or no number."))
    return msgspec.convert(data, Exported)
