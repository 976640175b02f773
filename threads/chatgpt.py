"""ChatGPT's export as conversations in our own format. OpenAI documents no format; this goes by what `conversations.json` holds.

A conversation is a tree of messages; brought in is the version that was shown last.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from threads.convert import to_part
from threads.parts import is_address, source_part
from threads.storable import storable

Json = dict[str, Any]
# The bytes of a file that is named in a message, if the export has them.
FileNamed = Callable[[str], tuple[str, bytes] | None]
AGENT = "ChatGPT"
# Marks in the text where the page shows citations and other things by itself.
MARKS = re.compile("\ue200[^\ue201]*\ue201")
FENCE = "```"


class Author(msgspec.Struct):
    """Who: user, assistant, system, or a tool by its name."""

    role: str
    name: str | None = None


class Said(msgspec.Struct):
    """A message; a tool is called by one that is for it as `recipient`."""

    author: Author
    id: str = ""
    said: Json | None = msgspec.field(default=None, name="content")
    recipient: str | None = None
    create_time: float | None = None
    noted: Json | None = msgspec.field(default=None, name="metadata")

    @property
    def content(self) -> Json:
        """What was said; of some messages there is nothing."""
        return self.said or {}

    @property
    def metadata(self) -> Json:
        """What is known besides."""
        return self.noted or {}


class Node(msgspec.Struct):
    """A place in the tree."""

    message: Said | None = None
    parent: str | None = None


class Conversation(msgspec.Struct):
    """What of a conversation is read."""

    mapping: dict[str, Node]
    title: str | None = None
    current_node: str | None = None
    conversation_id: str | None = None
    id: str | None = None

    @property
    def key(self) -> str:
        """What it is known by."""
        return storable((self.conversation_id or self.id or "")[:100])  # type: ignore[no-any-return]


def translated(conversation: Conversation, file_named: FileNamed) -> Json:
    """As an exported thread of our own."""
    messages = list(_messages(_shown(conversation), file_named))
    metadata = {"chatgpt": conversation.key} if conversation.key else {}
    title = " ".join((conversation.title or "").split())[:200]
    return storable({"agentsite": 1, "title": title, "metadata": metadata, "messages": messages})  # type: ignore[no-any-return]


def _shown(conversation: Conversation) -> list[Said]:
    """From the root to the message that was shown last."""
    at, path, seen = conversation.current_node or next(reversed(conversation.mapping), None), [], set[str]()
    while at is not None and at not in seen and (node := conversation.mapping.get(at)):
        seen.add(at)
        if node.message and not node.message.metadata.get("is_visually_hidden_from_conversation"):
            path.append(node.message)
        at = node.parent
    return path[::-1]


def _messages(path: list[Said], file_named: FileNamed) -> Iterator[Json]:
    """Each call has its outcome right behind it; thoughts belong to what is said after them."""
    thoughts: list[Json] = []
    at = 0
    while at < len(path):
        said = path[at]
        at += 1
        if said.author.role == "assistant" and said.recipient not in (None, "all"):
            outcomes = _outcomes_at(path, at)
            at += len(outcomes)
            yield from _called(said, thoughts, outcomes, file_named, str(at))
            thoughts = []
        elif said.content.get("content_type") == "thoughts":
            thoughts += _thoughts(said.content)
        elif parts := _parts(said.content, file_named):
            yield _message(said, thoughts + parts if said.author.role == "assistant" else parts)
            thoughts = [] if said.author.role == "assistant" else thoughts


def _outcomes_at(path: list[Said], at: int) -> list[Said]:
    end = at
    while end < len(path) and path[end].author.role == "tool":
        end += 1
    return path[at:end]


def _message(said: Said, content: list[Json]) -> Json:
    """What a tool said by itself is the agent's."""
    role = said.author.role if said.author.role in ("user", "system") else "assistant"
    message: Json = {"role": role, "content": content, "at": _time(said.create_time)}
    about = said.metadata
    if role == "assistant":
        message |= {"agent_name": AGENT, "model": str(about.get("model_slug") or "")[:200], "sources": _sources(about)}
    return message


def _called(call: Said, thoughts: list[Json], outcomes: list[Said], file_named: FileNamed, key: str) -> Iterator[Json]:
    asked = {"type": "tool-call", "id": call.id or key, "tool": (call.recipient or "")[:100], "arguments": _arguments(call.content)}
    yield _message(call, [*thoughts, asked])
    parts = [part for said in outcomes for part in _parts(said.content, file_named)]
    text = "\n\n".join(part["text"] for part in parts if part["type"] == "text")
    files = [part for part in parts if part["type"] == "file"]
    failed = any(said.content.get("content_type") == "system_error" for said in outcomes)
    outcome: Json = {"type": "tool-result", "id": asked["id"]}
    if failed or not outcomes:
        outcome["error"] = text or "The export does not say what came of it."
    else:
        outcome["result"] = {"text": text, "files": files} if files else text
    yield {"role": "tool", "content": [outcome], "at": _time((outcomes or [call])[-1].create_time)}


def _arguments(content: Json) -> Json:
    text = _words(content)
    with suppress(ValueError, RecursionError):
        if isinstance(found := json.loads(text), dict):
            return found
    return {"code" if content.get("content_type") == "code" else "text": text}


def _thoughts(content: Json) -> list[Json]:
    found = [each for each in _list(content.get("thoughts")) if isinstance(each, dict)]
    texts = ["\n\n".join(str(each[name]) for name in ("summary", "content") if each.get(name)) for each in found]
    return [{"type": "reasoning", "text": text} for text in texts if text]


def _parts(content: Json, file_named: FileNamed) -> list[Json]:
    """What is to be seen: words and files."""
    kind = content.get("content_type")
    if kind in ("reasoning_recap", "user_editable_context", "model_editable_context", "app_pairing_content"):
        return []
    if kind == "code":
        language = str(content.get("language") or "").replace("unknown", "")
        return [_text(f"{FENCE}{language}\n{_words(content)}\n{FENCE}")] if _words(content) else []
    pieces = content.get("parts")
    if isinstance(pieces, list):
        parts = [_text(_clean(piece)) if isinstance(piece, str) else _piece(piece, file_named) for piece in pieces]
        return [part for part in parts if part and part.get("text") != ""]
    return [_text(words)] if (words := _clean(_words(content))) else []


def _piece(piece: Any, file_named: FileNamed) -> Json | None:
    if not isinstance(piece, dict):
        return None
    pointer = piece.get("asset_pointer")
    if not isinstance(pointer, str):
        return _text(_clean(_words(piece)))
    found = file_named(pointer.rpartition("://")[2])
    return to_part(found[1], filename=found[0]) if found else _text("[A file that the export does not contain.]")


def _words(content: Json) -> str:
    """The text of other kinds, wherever they have it."""
    return next((content[name] for name in ("text", "result", "content") if isinstance(content.get(name), str)), "") or "\n\n".join(
        piece for piece in _list(content.get("parts")) if isinstance(piece, str)
    )


def _sources(metadata: Json) -> list[Json]:
    """The pages that an answer refers to."""
    found: dict[str, Json] = {}
    for reference in _list(metadata.get("content_references")):
        for each in [reference, *_list(reference.get("items"))] if isinstance(reference, dict) else []:
            if isinstance(each, dict) and is_address(each.get("url")):
                found[each["url"]] = source_part(each["url"], str(each.get("title") or ""))
    return list(found.values())


def _list(value: Any) -> list[Any]:
    """Exports may hold anything anywhere."""
    return value if isinstance(value, list) else []


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _clean(text: str) -> str:
    return MARKS.sub("", text).strip()


def _time(seconds: float | None) -> str:
    """ISO, or nothing for what is no time."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
    return ""
