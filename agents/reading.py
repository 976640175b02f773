"""Reading one model call: provider events become stream parts as they arrive, handed to the group commit."""

import json
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents import providers
from agents.budget import characters
from agents.errors import ProviderError
from agents.providers.events import Event, Finish, Reasoning, Request, Source, Text, ToolInput
from agents.streaming import StreamOptions
from billing.usage import estimate
from threads.ids import uuid7
from threads.parts import Part, source_part
from threads.storable import storable
from threads.writer import Stream

MAX_CALLS = 128
MAX_ARGUMENT_BYTES = 1_000_000


@dataclass
class _Input:
    """A tool call while its arguments arrive."""

    id: UUID
    tool: str
    provider_call_id: str
    pieces: list[str] = field(default_factory=list)
    size: int = 0


async def read_step(request: Request, stream: Stream, streaming: StreamOptions, heard: Callable[[], None]) -> dict[str, Any]:
    """Read one answer to its end; returns the columns of its message. `heard` is called with each event (the stall watch)."""
    parts = _Parts(stream, streaming)
    began, asked, first = timezone.now(), time.monotonic(), None
    async with aclosing(providers.stream(request)) as events:  # type: ignore[type-var]
        async for event in events:
            heard()
            if isinstance(event, Finish):
                finish = event
            else:
                first = time.monotonic() - asked if first is None else first
                parts.add(event)
    parts.close()
    timing = {"began_at": began.isoformat(), "first": first, "seconds": time.monotonic() - asked}
    usage = finish.usage or estimate(characters(request.messages), parts.chars)
    about = {"model": finish.model[:200], "provider": finish.provider, "finish_reason": finish.reason[:32]}
    return about | {"usage": usage.as_json(), "timing": timing}


class _Parts:
    """Opens, continues and closes text, reasoning and tool inputs, in the order they come."""

    def __init__(self, stream: Stream, streaming: StreamOptions) -> None:
        self.put = partial(stream.put, stream.attempt)
        self._chunks = streaming.chunker()
        self.opened, self.chars = 0, 0
        self._open: tuple[str, str] | None = None
        self._inputs: dict[int, _Input] = {}
        self._started = False

    def add(self, event: Event) -> None:
        """One event as parts."""
        if not self._started:
            self._started = True
            self.put({"type": "start-step"})
        if isinstance(event, Text):
            self._words("text", event.text)
        elif isinstance(event, Reasoning):
            self._words("reasoning", event.text)
        elif isinstance(event, ToolInput):
            self._input(event)
        elif isinstance(event, Source):
            self.put(source_part(event.url, event.title))

    def close(self) -> None:
        """The model has finished: whatever is open is complete."""
        self._end_words()
        for call in self._inputs.values():
            self.put(_complete(call))
        if self._started:
            self.put({"type": "finish-step"})

    def _words(self, kind: str, text: str) -> None:
        self.chars += len(text)
        if self._open is None or self._open[0] != kind:
            self._end_words()
            self.opened += 1
            self._open = (kind, f"{kind}-{self.opened}")
            self.put({"type": f"{kind}-start", "id": self._open[1]})
        for chunk in self._chunks.feed(text) if kind == "text" else [text]:
            self.put({"type": f"{kind}-delta", "id": self._open[1], "delta": chunk})

    def _end_words(self) -> None:
        if self._open:
            if rest := self._chunks.flush():
                self.put({"type": f"{self._open[0]}-delta", "id": self._open[1], "delta": rest})
            self.put({"type": f"{self._open[0]}-end", "id": self._open[1]})
            self._open = None

    def _input(self, event: ToolInput) -> None:
        self._end_words()
        call = self._inputs.get(event.index)
        if call is None:
            call = self._new_input(event)
        self.chars += len(event.arguments)
        call.size += len(event.arguments)
        if event.arguments and call.size <= MAX_ARGUMENT_BYTES:
            call.pieces.append(event.arguments)
            self.put({"type": "tool-input-delta", "toolCallId": str(call.id), "inputTextDelta": event.arguments})

    def _new_input(self, event: ToolInput) -> _Input:
        if len(self._inputs) >= MAX_CALLS:
            raise ProviderError("garbage", f"The model asked for more than {MAX_CALLS} tool calls at once.", retryable=False)
        call = self._inputs[event.index] = _Input(uuid7(), storable(event.name)[:100] or "unnamed", storable(event.call_id)[:200])
        self.put({"type": "tool-input-start", "toolCallId": str(call.id), "toolName": call.tool})
        return call


def _complete(call: _Input) -> Part:
    """The part that makes a call known, with an error text if its arguments are unusable."""
    about: Part = {"toolCallId": str(call.id), "toolName": call.tool}
    if call.provider_call_id:
        about["providerMetadata"] = {"agentsite": {"callId": call.provider_call_id}}
    if call.size > MAX_ARGUMENT_BYTES:
        return about | {
            "type": "tool-input-error",
            "input": {},
            "errorText": f"The arguments were larger than {MAX_ARGUMENT_BYTES:,} bytes.",
        }
    try:
        arguments = storable(json.loads("".join(call.pieces) or "{}"))
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return about | {"type": "tool-input-error", "input": {}, "errorText": "The arguments were not a JSON object."}
    return about | {"type": "tool-input-available", "input": arguments}
