"""Keeping to a model's window: what is left out, and what is shortened, when the conversation is longer than that.

First long tool results of earlier turns are shortened, then whole turns are left out, the oldest first; only then is the present turn
touched. Tokens are estimated as a third of the bytes, which is more than most texts
take; where it is less, the model's server says so.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from agents.attachments import attachment_tokens, attachments, noted
from threads.models import Message

Chat = dict[str, Any]
BYTES_PER_TOKEN = 3
PER_MESSAGE = 8
ANSWER_TOKENS = 4096
# What is left of a tool result of an earlier turn that had to be shortened, in characters.
SHORT = 1200
CUT = "\n[… {} characters left out …]\n"


@dataclass
class Turn:
    """Messages that are told together or not at all; `own` ones belong to the answer that is being written, `recent` ones were not found
    by search."""

    key: tuple[Any, ...]
    own: bool
    messages: list[Chat]
    rows: list[Message] = field(default_factory=list)
    recent: bool = False

    @property
    def size(self) -> int:
        """In tokens."""
        return sum(map(tokens, self.messages))


@dataclass(frozen=True)
class Fitted:
    """What the model is told, and the turns that had no room."""

    messages: list[Chat]
    left_out: list[Turn]
    size: int


def tokens(message: Chat) -> int:
    """An upper estimate."""
    files = attachments(message)
    if files:
        message = message | {"content": [part for part in message["content"] if part["type"] == "text"]}
    words = len(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")) // BYTES_PER_TOKEN + PER_MESSAGE
    return words + sum(map(attachment_tokens, files))


def characters(messages: list[Chat]) -> int:
    """So long are messages, their files counted as the words that would take as much."""
    return len(json.dumps(messages)) + 4 * sum(attachment_tokens(part) for message in messages for part in attachments(message))


def fit(system: list[Chat], turns: list[Turn], window: int, *, answer: int | None = None, overhead: int = 0) -> Fitted:
    """The messages within a window of so many tokens, room for the answer kept. `overhead` is in bytes (the tools' schemas)."""
    room = window - min(answer or ANSWER_TOKENS, window // 4) - overhead // BYTES_PER_TOKEN - sum(map(tokens, system))
    own, earlier = [turn for turn in turns if turn.own], [turn for turn in turns if not turn.own]
    size = sum(turn.size for turn in turns)
    if size > room:
        earlier = [_shortened(turn, SHORT) for turn in earlier]
    left_out = []
    while earlier and sum(turn.size for turn in (*earlier, *own)) > room:
        left_out.append(earlier.pop(0))
    chars = 100_000
    while sum(turn.size for turn in own) > room and chars >= 8:
        own = [_shortened(turn, chars, everything=chars < SHORT * 10) for turn in own]
        chars //= 2
    messages = [*system, *(message for turn in (*earlier, *own) for message in turn.messages)]
    return Fitted(messages, left_out, sum(map(tokens, messages)))


def _shortened(turn: Turn, chars: int, *, everything: bool = False) -> Turn:
    """Tool results, or all texts, cut to so many characters in the middle."""
    return replace(turn, messages=[_shorter(message, chars, everything) for message in turn.messages])


def _shorter(message: Chat, chars: int, everything: bool) -> Chat:
    if "content" in message and (everything or message["role"] == "tool"):
        message = message | {"content": _shorter_content(message["content"], chars)}
    if "tool_calls" in message and everything:
        message = message | {"tool_calls": [_with_short_arguments(call, chars) for call in message["tool_calls"]]}
    return message


def _shorter_content(content: str | list[Chat], chars: int) -> str | list[Chat]:
    """Files that have no room even beside short texts are only named."""
    if isinstance(content, str):
        return shorten(content, chars)
    kept = [{"type": "text", "text": noted(part["part"])} if chars < SHORT and part["type"] == "attachment" else part for part in content]
    return [part | {"text": shorten(part["text"], chars)} if part["type"] == "text" else part for part in kept]


def _with_short_arguments(call: Chat, chars: int) -> Chat:
    """Servers want arguments to be JSON, so long ones cannot be cut."""
    if len(call["function"]["arguments"]) <= chars:
        return call
    left_out = json.dumps({"left_out": f"{len(call['function']['arguments']):,} characters"})
    return call | {"function": call["function"] | {"arguments": left_out}}


def shorten(text: str, chars: int) -> str:
    """Beginning and end of a text that is longer, with a word about what is missing."""
    if len(text) <= chars or chars < 2 * len(CUT):
        return text[:chars]
    head = chars * 2 // 3
    return text[:head] + CUT.format(f"{len(text) - chars:,}") + text[len(text) - (chars - head) :]
