"""What a server answers, chunk by chunk, as plain events. Only the fields we need are read; unknown ones may be anything."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from django.conf import settings

from agents.errors import ProviderError
from agents.providers.events import Event, Finish, Reasoning, Source, Text, ToolInput
from billing.usage import Usage
from threads.parts import is_address


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function
    index: int | None = None
    id: str | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    thinking: Any = None
    tool_calls: list[_Call] | None = None
    annotations: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


MOST_TOKENS = 1_000_000_000


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class Chunk(msgspec.Struct):
    """A piece of an answer, or all of it."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(Chunk)


async def data_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of server-sent events; bytes may be cut anywhere, also inside a character."""
    buffer, searched = bytearray(), 0
    async for chunk in chunks:
        buffer += chunk
        start = 0
        while (end := buffer.find(b"\n", max(start, searched))) >= 0:
            line = bytes(buffer[start:end]).rstrip(b"\r")
            if line.startswith(b"data:"):
                yield line[5:].lstrip()
            start = searched = end + 1
        del buffer[:start]
        searched = len(buffer)


def decode(data: bytes) -> Chunk:
    """One chunk, or a whole answer; ProviderError for what is none."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError:
        return _decode_patiently(data)


def _decode_patiently(data: bytes) -> Chunk:
    """Lone surrogates are legal in JSON, but no text: a second try replaces them."""
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return _decoder.decode(text)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ProviderError("garbage", "The model's server sent something that is no answer.", retryable=True) from error


class Reader:
    """Turns chunks into events and keeps what the end of the answer needs."""

    def __init__(self, model: str) -> None:
        self.model, self.reason, self.done, self.said, self.refused = model, "", False, False, False
        self.usage: _Usage | None = None

    def read(self, chunk: Chunk) -> list[Event]:
        """The events of one chunk."""
        if chunk.error:
            raise _error_in_stream(chunk.error)
        self.usage = chunk.usage or self.usage
        self.model = chunk.model or self.model
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        self.reason = choice.finish_reason or self.reason
        delta = choice.delta or choice.message
        return self._events(delta) if delta else []

    def _events(self, delta: _Delta) -> list[Event]:
        events: list[Event] = []
        reasoning = delta.reasoning_content or delta.reasoning or delta.thinking
        if isinstance(reasoning, str) and reasoning:
            events.append(Reasoning(_clean(reasoning)))
        self.refused = self.refused or bool(delta.refusal)
        if text := delta.content or delta.refusal:
            events.append(Text(_clean(text)))
        for position, call in enumerate(delta.tool_calls or ()):
            index = position if call.index is None else call.index
            events.append(ToolInput(index, _clean(call.function.arguments or ""), call.function.name or "", call.id or ""))
        self.said = self.said or bool(events)
        return events + _sources(delta.annotations)

    def finish(self, provider: str) -> Finish:
        """The last event, with who is paid; an answer that ended without a reason is a broken one."""
        if not self.reason and not (self.done and self.said):
            raise ProviderError("broken_stream", "The model's server ended the answer in the middle.", retryable=True)
        reason = "refusal" if self.refused else self.reason or "stop"
        return Finish(reason, self.model, _usage(self.usage) if self.usage else None, provider)


def _usage(usage: _Usage) -> Usage:
    """Servers count inclusively: cached and audio tokens are part of the prompt's, reasoning and audio of the completion's."""
    prompt, completion = usage.prompt_tokens_details or _PromptDetails(), usage.completion_tokens_details or _CompletionDetails()
    read, write, reasoning = _count(prompt.cached_tokens), _count(prompt.cache_write_tokens), _count(completion.reasoning_tokens)
    heard, spoken = _count(prompt.audio_tokens), _count(completion.audio_tokens)
    fresh, text = _count(usage.prompt_tokens - read - write - heard), _count(usage.completion_tokens - reasoning - spoken)
    return Usage(fresh, read, write, heard, output_text=text, reasoning=reasoning, audio_output=spoken)


def _count(tokens: int | None) -> int:
    """What a server says may be less than nothing, or more than the ledger holds."""
    return min(max(0, tokens or 0), MOST_TOKENS)


def _sources(annotations: Any) -> list[Event]:
    """What the answer cites: OpenAI's `url_citation`, which other servers with a search of their own send too."""
    cited = [each.get("url_citation") for each in annotations if isinstance(each, dict)] if isinstance(annotations, list) else []
    pages = [each for each in cited if isinstance(each, dict) and is_address(each.get("url"))]
    return [Source(_clean(each["url"]), _clean(str(each.get("title") or ""))) for each in pages]


def _clean(text: str) -> str:
    """Postgres JSON refuses NUL; one bad run must not fail the others of its window."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _error_in_stream(error: Any) -> ProviderError:
    return ProviderError("server", f"The model's server failed in the middle of the answer: {own_words(error)}", retryable=True)


def own_words(body: Any) -> str:
    """A server's own words, short and without our key."""
    text = body.get("message", "") if isinstance(body, dict) else body
    text = str(text or "no reason given")[:200]
    return text.replace(settings.OPENAI_API_KEY, "[key]") if settings.OPENAI_API_KEY else text
