"""What a provider is asked, and the plain events it answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from billing.usage import Usage

if TYPE_CHECKING:
    from agents.providers.demo import Script


Tap = Callable[[dict[str, Any], list[Any], str], None]


@dataclass(frozen=True)
class Request:
    """One model call. Messages and tools are plain JSON in the format of OpenAI's chat completions, the common tongue of servers."""

    model: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    script: "Script | None" = None
    # The JSON schema the answer must fit; servers that cannot be held to it are only told.
    schema: dict[str, Any] | None = None
    # What is sent of the messages' attachments, by their addresses here; of those that are missing the model is told that they exist.
    sources: Mapping[str, str] = field(default_factory=dict)
    # Called once with the request as it went out, what came back (one JSON value per event of the stream) and the error, if any.
    tap: "Tap | None" = None


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of the model's thinking aloud."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolInput:
    """More of a tool call's JSON arguments. Calls are told apart by `index`; name and id come with the first piece."""

    index: int
    arguments: str
    name: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A page that the answer refers to."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer: why (`stop`, `length`, `tool_calls`, `content_filter`, `refusal`), by which model, and what it took."""

    reason: str
    model: str
    usage: Usage | None = None
    provider: str = ""


Event = Text | Reasoning | ToolInput | Source | Finish
