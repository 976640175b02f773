"""Stream parts (AI SDK UI message chunks) and what they fold into: the content of one assistant row.

Everything a step said is in its parts, so whoever ends a run can fold them, and gets the same row as the worker would.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Part = dict[str, Any]
# Parts from `start` to `end`, counted before they were merged.
Rest = tuple[int, int, list[Part]]
MOST_SOURCES = 100


@dataclass
class Call:
    """A tool call whose input is complete. `error` says why it cannot be run as it is."""

    id: str
    tool: str
    arguments: dict[str, Any]
    provider_call_id: str = ""
    error: str = ""

    @property
    def arguments_hash(self) -> str:
        """What an approval is bound to."""
        return hashlib.sha256(json.dumps(self.arguments, sort_keys=True).encode()).hexdigest()

    @property
    def columns(self) -> dict[str, Any]:
        """As columns of a ToolCall."""
        return {
            "id": UUID(self.id),
            "tool": self.tool,
            "arguments": self.arguments,
            "arguments_hash": self.arguments_hash,
            "provider_call_id": self.provider_call_id,
        }


@dataclass
class Folded:
    """One assistant row: its content and the calls it asks for."""

    content: list[Part] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sources: list[Part] = field(default_factory=list)


def fold(parts: Iterable[Part]) -> Folded:
    """Fold the parts of one step. Texts keep their order of opening; tool inputs that never became complete are left out."""
    folded = Folded()
    texts: dict[str, list[str]] = {}
    for part in parts:
        kind = part["type"]
        if kind in ("text-start", "reasoning-start"):
            texts[part["id"]] = []
            folded.content.append({"type": kind.removesuffix("-start"), "text": part["id"]})
        elif kind in ("text-delta", "reasoning-delta"):
            texts[part["id"]].append(part["delta"])
        elif kind.startswith("data-") and not part.get("transient"):
            _upsert(folded.content, part)
        elif kind in ("tool-input-available", "tool-input-error"):
            folded.calls.append(_call(part))
            folded.content.append({"type": "tool-call", "tool_call": part["toolCallId"], "tool": part["toolName"]})
        elif is_source(part):
            _add_source(folded.sources, part)
    for part in folded.content:
        if part["type"] in ("text", "reasoning"):
            part["text"] = "".join(texts[part["text"]])
    folded.content = [part for part in folded.content if part.get("text") != ""]
    return folded


def _add_source(sources: list[Part], part: Part) -> None:
    if len(sources) < MOST_SOURCES and part["url"] not in {each["url"] for each in sources}:
        sources.append(part)


def _upsert(content: list[Part], part: Part) -> None:
    """A piece of data takes the place of an earlier one of its kind and id."""
    data = {"type": "data", "name": part["type"].removeprefix("data-"), "id": part.get("id", ""), "data": part.get("data")}
    for place, earlier in enumerate(content):
        if earlier["type"] == "data" and (earlier["name"], earlier.get("id", "")) == (data["name"], data["id"]):
            content[place] = data
            return
    content.append(data)


def _call(part: Part) -> Call:
    metadata = part.get("providerMetadata", {}).get("agentsite", {})
    return Call(part["toolCallId"], part["toolName"], part["input"], metadata.get("callId", ""), part.get("errorText", ""))


DELTAS = {"text-delta": ("id", "delta"), "reasoning-delta": ("id", "delta"), "tool-input-delta": ("toolCallId", "inputTextDelta")}


def is_address(url: Any) -> bool:
    """Whether it leads to a page, and is no script."""
    return isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= 2000


def is_source(part: Any) -> bool:
    """Whether some JSON is what `source_part` makes."""
    return isinstance(part, dict) and part.get("type") == "source-url" and is_address(part.get("url"))


def source_part(url: str, title: str = "") -> Part:
    """A page that an answer rests on. Tools put them into their results, anywhere; ValueError for what is no address of a page."""
    if not is_address(url):
        raise ValueError("A source is an address of up to 2,000 characters that begins with https:// or http://.")
    return {"type": "source-url", "sourceId": url, "url": url, "title": title[:300]}


def text_parts(text: str) -> list[Part]:
    """A text that is complete, as parts."""
    return [
        {"type": "text-start", "id": "text-1"},
        {"type": "text-delta", "id": "text-1", "delta": text},
        {"type": "text-end", "id": "text-1"},
    ]


def merge(parts: Iterable[Part]) -> list[Part]:
    """Join neighbouring deltas of one text or tool input. Linear in the text."""
    merged: list[Part] = []
    pieces: list[str] = []
    for part in parts:
        names = DELTAS.get(part["type"])
        if names and merged and merged[-1]["type"] == part["type"] and merged[-1][names[0]] == part[names[0]]:
            pieces.append(part[names[1]])
            continue
        _close(merged, pieces)
        merged.append(part)
        pieces = [part[names[1]]] if names else []
    _close(merged, pieces)
    return merged


def _close(merged: list[Part], pieces: list[str]) -> None:
    if len(pieces) > 1:
        merged[-1] = merged[-1] | {DELTAS[merged[-1]["type"]][1]: "".join(pieces)}
