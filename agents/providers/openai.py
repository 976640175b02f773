"""OpenAI-compatible servers: OpenAI itself, and Anthropic, Groq, Ollama, vLLM, LM Studio, … through their compatible addresses.

The SDK does the connection, the key and the error classes, on its aiohttp client. The stream is split and decoded in `chunks`: the
SDK's typed objects cost 3.5 × the CPU of the few fields we need.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2
from django.conf import settings
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, NotFoundError

from agents.attachments import PDF, PICTURES, SOUNDS, attachments, noted, words
from agents.errors import AgentError, ContextOverflow, ProviderError
from agents.providers.chunks import Reader, data_lines, decode, own_words
from agents.providers.events import Event, Request, Tap

WAYS: list[dict[str, Any]] = [{"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}, {"stream": False}]
_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI]" = WeakKeyDictionary()
# How servers say it that have no code for it.
OVERFLOW = re.compile(r"context (length|window|size)|prompt is too long|too many tokens|exceeds? .{0,40}tokens", re.IGNORECASE)
# How servers say that they cannot have a file.
FILES = re.compile(r"image|vision|multi-?modal|modalit|audio|file|media|content|too large", re.IGNORECASE)
# How a server can be held to a schema, best first; where it cannot, the model is told.
FORMATS = ("json_schema", "json_object", "")
# How each server wants to be asked, as far as it has told us: indexes into WAYS and FORMATS by model.
_way: dict[str, int] = {}
_format: dict[str, int] = {}


async def stream(request: Request) -> AsyncIterator[Event]:
    """Ask for a stream; servers that refuse one, or its options, are asked again without."""
    body = body_of(request)
    has_files = any(map(attachments, request.messages))
    try:
        while True:
            way, held = _way.get(request.model, 0), _format.get(request.model, 0)
            asked = _with_schema(body, request.schema, FORMATS[held]) | WAYS[way]
            try:
                async with aclosing(_tapped(asked, request.tap) if request.tap else _ask(asked)) as events:
                    async for event in events:
                        yield event
                return
            except APIStatusError as error:
                if request.schema and _refused_format(error, held):
                    _format[request.model] = held + 1
                elif has_files and _refused_files(error):
                    has_files = False
                    body["messages"] = [_with_files(message, {}, why="The model cannot be shown it") for message in request.messages]
                elif refused := _refused_way(error, way):
                    _way[request.model] = refused
                else:
                    raise
    except APIError as error:
        raise _provider_error(error) from error
    except httpx2.HTTPError as error:
        raise ProviderError("broken_stream", "The connection to the model's server broke.", retryable=True) from error


def body_of(request: Request) -> dict[str, Any]:
    """What a server is sent, but for how it is to stream and the format of a structured answer."""
    told = [_with_files(message, request.sources) for message in request.messages]
    return {"model": request.model, "messages": told, **request.settings} | ({"tools": request.tools} if request.tools else {})


async def close() -> None:
    """Close the connections of the running loop."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()


async def models() -> list[str]:
    """The names of the models that the server offers; none if it does not list them. Raises ProviderError if it cannot be asked."""
    try:
        return [model.id async for model in _client().models.list(timeout=5)]
    except NotFoundError:
        return []
    except APIError as error:
        raise _provider_error(error) from error
    finally:
        await close()


def _client() -> AsyncOpenAI:
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = AsyncOpenAI(
            api_key=settings.OPENAI_API_KEY or "none",
            base_url=settings.OPENAI_BASE_URL or None,
            max_retries=0,  # The runner retries: it knows the lease and what was shown already.
            timeout=httpx2.Timeout(None, connect=5),
            http_client=DefaultAioHttpClient(),
        )
    return _clients[loop]


async def _tapped(body: dict[str, Any], tap: Tap) -> AsyncGenerator[Event, None]:
    """The same, and the tap is told when it is over, however it ends."""
    came: list[Any] = []
    error = "not read to its end"
    try:
        async with aclosing(_ask(body, came)) as events:
            async for event in events:
                yield event
        error = ""
    except (APIError, AgentError) as failed:
        error = own_words(getattr(failed, "body", None) or str(failed))
        raise
    finally:
        tap(body, [_parsed(line) for line in came], error)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line.decode(errors="replace")


async def _ask(body: dict[str, Any], came: list[Any] | None = None) -> AsyncGenerator[Event, None]:
    async with _client().chat.completions.with_streaming_response.create(**body) as response:
        reader = Reader(body["model"])
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            async for line in data_lines(response.iter_bytes()):
                if came is not None:
                    came.append(line)
                if line == b"[DONE]":
                    reader.done = True
                    break
                for event in reader.read(decode(line)):
                    yield event
        else:
            whole = await response.read()
            if came is not None:
                came.append(whole)
            for event in reader.read(decode(whole)):
                yield event
    yield reader.finish(provider())


def provider() -> str:
    """Who is paid: `openai`, or the host of the server that speaks its language."""
    host = urlsplit(settings.OPENAI_BASE_URL).hostname or "api.openai.com"
    return "openai" if host == "api.openai.com" else host


def _with_files(message: dict[str, Any], sources: Mapping[str, str], why: str = "") -> dict[str, Any]:
    """A message as servers want it. One of words only has them as a string: not every server reads lists."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    message = {name: value for name, value in message.items() if name != "of"}
    parts = [_file(part["part"], sources, why) if part["type"] == "attachment" else part for part in content]
    return message | {"content": parts if any(part["type"] != "text" for part in parts) else words(parts)}


def _file(part: dict[str, Any], sources: Mapping[str, str], why: str) -> dict[str, Any]:
    media_type, url = part["mediaType"], part["url"]
    own = url if url.startswith(("data:", "http:", "https:")) and "file" not in part else ""
    source = "" if why else sources.get(url) or own
    if media_type in PICTURES and source:
        return {"type": "image_url", "image_url": {"url": source}}
    if source.startswith("data:") and media_type == PDF:
        return {"type": "file", "file": {"filename": part.get("filename") or "document.pdf", "file_data": source}}
    if source.startswith("data:") and media_type in SOUNDS:
        return {"type": "input_audio", "input_audio": {"data": source.partition(",")[2], "format": SOUNDS[media_type]}}
    return {"type": "text", "text": noted(part, why)}


def _refused_files(error: APIStatusError) -> bool:
    """Whether the server may have said that it does not take files, or not these. Not remembered: it may have been about one of them."""
    return error.status_code in (400, 404, 413, 415, 422, 501) and bool(FILES.search(own_words(error.body)))


def _refused_way(error: APIStatusError, way: int) -> int:
    """The next way to ask, if the server refused this one; else 0."""
    message = str(error.message).lower()
    if error.status_code not in (400, 404, 405, 415, 422, 501) or "stream" not in message:
        return 0
    wanted = 1 if "stream_options" in message else 2
    return wanted if wanted > way else 0


def _with_schema(body: dict[str, Any], schema: dict[str, Any] | None, held: str) -> dict[str, Any]:
    if schema is None:
        return body
    if held == "json_schema":
        wanted = {"name": "answer", "schema": schema, "strict": True}
        return body | {"response_format": {"type": "json_schema", "json_schema": wanted}}
    told = {"role": "system", "content": f"Answer with one JSON object that fits this JSON schema, and nothing else:\n{json.dumps(schema)}"}
    asked = body | {"messages": [told, *body["messages"]]}
    return asked | {"response_format": {"type": held}} if held else asked


def _refused_format(error: APIStatusError, held: int) -> bool:
    message = str(error.message).lower()
    return held + 1 < len(FORMATS) and error.status_code in (400, 404, 415, 422, 501) and ("format" in message or "json" in message)


def _provider_error(error: APIError) -> AgentError:
    if isinstance(error, APIConnectionError):
        return ProviderError("connection", "The model's server could not be reached.", retryable=True)
    if not isinstance(error, APIStatusError):
        return ProviderError("broken_stream", "The connection to the model's server broke.", retryable=True)
    status, code = error.status_code, str(error.code or "")
    if code == "context_length_exceeded" or (status in (400, 413, 422) and OVERFLOW.search(own_words(error.body))):
        return ContextOverflow("The conversation is longer than the model can read.")
    if status == 429:
        retryable = code != "insufficient_quota"
        message = "The model's server is busy." if retryable else "The account at the model's server has no quota left."
        return ProviderError("rate_limit", message, retryable=retryable, retry_after=_retry_after(error) if retryable else None)
    if status in (401, 403):
        return ProviderError("auth", "The model's server refused the API key.", retryable=False)
    if status >= 500 or status == 408:
        return ProviderError("server", f"The model's server failed ({status}).", retryable=True, retry_after=_retry_after(error))
    kind = "not_found" if status == 404 else "bad_request"
    return ProviderError(kind, f"The model's server refused the request ({status}): {own_words(error.body)}", retryable=False)


def _retry_after(error: APIStatusError) -> float | None:
    value = error.response.headers.get("retry-after", "")
    return float(value) if value.replace(".", "", 1).isdigit() else None
