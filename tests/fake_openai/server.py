"""The HTTP server: aiohttp for requests and headers, our own clock for the tokens."""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from aiohttp import web

from .plan import Body, Plan, choose, read_prompt, turn
from .strict import Refused, check
from .wire import Frame, Stream, encode, whole_answer

MODELS = ("gpt-4o-mini", "gpt-4o", "fake-model")
ENDINGS = {"cut": "close", "reset": "abort"}  # a fault, and what it does to the transport


@dataclass
class Seen:
    """One request, as it came. Times are `time.monotonic()`, which all processes of a machine share."""

    path: str
    headers: dict[str, str]
    body: Body
    at: float = field(default_factory=time.monotonic)
    first_at: float | None = None  # when the first frame was sent
    ended_at: float | None = None  # when the answer was complete
    closed_at: float | None = None  # when the client went away before that

    @property
    def prompt(self) -> str:
        return turn(self.body.get("messages") or [])[0]


class Player:
    """Writes frames at their times straight to the transport: no task, no sleep and no copy per token."""

    def __init__(self, transport: asyncio.Transport, frames: Iterable[Frame], seen: Seen) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport, self.frames, self.seen = transport, iter(frames), seen
        self.start = self.loop.time()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.waiting: Frame | None = None

    def play(self) -> None:
        """Sends all that is due, and comes back for the rest."""
        while not self.transport.is_closing() and not self.done.cancelled():
            frame = self.waiting or next(self.frames, None)
            if frame is None:
                self.done.set_result(None)
                return
            at, data = frame
            if self.start + at > self.loop.time():
                self.waiting = frame
                self.loop.call_at(self.start + at, self.play)
                return
            self.waiting = None
            self.transport.write(data() if callable(data) else data)
            self.seen.first_at = self.seen.first_at or time.monotonic()


class FakeOpenAI:
    """A model server for tests: `with FakeOpenAI() as server`, then `server.url`, `server.requests`, `server.script(…)`."""

    def __init__(self, port: int = 0, strict: bool = True) -> None:
        self.port, self.strict = port, strict
        self.requests: list[Seen] = []
        self.embeddings: list[Body] = []
        self.window = 0  # tokens a request may have; 0: any number
        self._embedding_fault = 0
        self.longest_embedding = 0  # characters of a text to be embedded; 0: any number
        self.url = ""
        self._scripts: deque[Plan] = deque()
        self._failed: Counter[str] = Counter()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def script(self, *plans: Plan | str) -> None:
        """Queues answers for the next requests, before any directive in the prompt; a str holds directives."""
        for plan in plans:
            self._scripts.append(plan if isinstance(plan, Plan) else read_prompt(plan)[0][0])

    def script_nothing(self) -> None:
        """Forgets the answers that were queued."""
        self._scripts.clear()

    def reset(self) -> None:
        """Forgets requests, scripts and the counts behind `times`."""
        self.requests.clear()
        self.embeddings.clear()
        self.window = self._embedding_fault = self.longest_embedding = 0
        self._scripts.clear()
        self._failed.clear()

    def fail_embeddings(self, status: int) -> None:
        """Answers requests for embeddings with this status from now on; 0: as it should."""
        self._embedding_fault = status

    async def start(self) -> web.AppRunner:
        """Listens on 127.0.0.1; `port` and `url` are known afterwards."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/seen", self._seen)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return runner

    async def serve(self) -> None:
        """Runs until `_stop` is set."""
        self._loop = asyncio.get_running_loop()
        runner = await self.start()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="fake-openai", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise TimeoutError("The fake model server did not start.")
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    async def _models(self, request: web.Request) -> web.Response:
        rows = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "fake"} for name in MODELS]
        return _json({"object": "list", "data": rows})

    async def _seen(self, request: web.Request) -> web.Response:
        """What was asked so far, for tests and benchmarks in other processes."""
        return _json([{**asdict(seen), "prompt": seen.prompt} for seen in self.requests])

    async def _embed(self, request: web.Request) -> web.Response:
        """Vectors of eight dimensions, made of the words' letters."""
        body = await request.json()
        self.embeddings.append(body)
        if self._embedding_fault:
            return _error(self._embedding_fault, "The fake model was told to fail.")
        if not all(isinstance(text, str) and text for text in body["input"]) or len(body["input"]) > 2048:
            return _error(400, "'$.input' is invalid.")
        if any("refuse" in text or len(text) > (self.longest_embedding or len(text)) for text in body["input"]):
            return _error(400, "This model's maximum context length is 512 tokens.")
        rows = [{"object": "embedding", "index": n, "embedding": _vector(text)} for n, text in enumerate(body["input"])]
        tokens = sum(map(len, body["input"]))
        return _json({"object": "list", "model": body["model"], "data": rows, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.path, dict(request.headers), await request.json())
        self.requests.append(seen)
        if self.strict:
            if "Authorization" not in request.headers:
                return _error(401, "You didn't provide an API key.", "invalid_api_key")
            try:
                check(seen.body)
            except Refused as refused:
                return _error(400, str(refused))
        if self.window and len(json.dumps(seen.body["messages"])) / 4 > self.window:
            message = f"This model's maximum context length is {self.window} tokens. Please reduce the length of the messages."
            return _error(400, message, "context_length_exceeded")
        plan = self._plan(seen)
        try:
            response = await self._answer(request, seen, plan)
        except asyncio.CancelledError:
            seen.closed_at = time.monotonic()
            raise
        seen.ended_at = time.monotonic()
        return response

    def _plan(self, seen: Seen) -> Plan:
        plan = choose(seen.body, self._scripts.popleft() if self._scripts else None)
        if not plan.fault or not plan.times:
            return plan
        self._failed[seen.prompt] += 1
        return plan if self._failed[seen.prompt] <= plan.times else replace(plan, fault="")

    async def _answer(self, request: web.Request, seen: Seen, plan: Plan) -> web.StreamResponse:
        if plan.fault.isdigit():
            return _error(int(plan.fault), f"The fake model was told to answer {plan.fault}.", plan.code, plan.retry_after)
        if fault := FAULTS.get(plan.fault):
            return await fault(request, seen)
        if plan.fault == "no_stream" and seen.body.get("stream"):
            return _error(400, "This model does not support streaming.", "unsupported_value", param="stream")
        if plan.fault == "no_stream_options" and "stream_options" in seen.body:
            return _error(400, "Unrecognized request argument supplied: stream_options", param="stream_options")
        if plan.fault == "no_schema" and "response_format" in seen.body:
            return _error(400, "'response_format' is not supported with this model.", param="response_format")
        if plan.fault == "no_files" and any(isinstance(message.get("content"), list) for message in seen.body["messages"]):
            return _error(400, "Invalid content type. image_url is only supported by certain models.", "invalid_request_error")
        if not seen.body.get("stream") or plan.fault == "ignore_stream":
            return await _answer_whole(seen, plan)
        return await _answer_stream(request, seen, plan)


def _vector(text: str) -> list[float]:
    vector = [0.01] * 8
    for letter in text.lower():
        vector[ord(letter) % 8] += 1.0
    return vector


async def _answer_whole(seen: Seen, plan: Plan) -> web.Response:
    await asyncio.sleep(plan.delay + (plan.tokens / plan.rate if plan.rate else 0.0))
    return _json(whole_answer(seen.body, plan))


async def _answer_stream(request: web.Request, seen: Seen, plan: Plan) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    transport = request.transport
    if not isinstance(transport, asyncio.Transport):  # gone already
        return response
    player = Player(transport, Stream(seen.body, plan), seen)
    player.play()
    await player.done
    if plan.fault == "stall":
        await _hang(request, seen)
    if ending := ENDINGS.get(plan.fault):
        getattr(transport, ending)()
    return response


async def _drop(request: web.Request, seen: Seen) -> web.StreamResponse:
    if request.transport:
        request.transport.close()
    return web.Response()


async def _hang(request: web.Request, seen: Seen) -> web.StreamResponse:
    """Silence, until the client goes away (which cancels the handler)."""
    await asyncio.Event().wait()
    return web.Response()


async def _html(request: web.Request, seen: Seen) -> web.StreamResponse:
    return web.Response(text="<!doctype html><title>Sign in</title><h1>Sign in to the proxy</h1>", content_type="text/html")


Fault = Callable[[web.Request, Seen], Awaitable[web.StreamResponse]]
FAULTS: dict[str, Fault] = {"drop": _drop, "hang": _hang, "html": _html}


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json", headers=headers)


def _error(status: int, message: str, code: str = "", retry_after: float = 0.0, param: str | None = None) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param, "code": code or None}
    return _json({"error": error}, status, {"Retry-After": f"{retry_after:g}"} if retry_after else None)


def run(port: int, strict: bool) -> None:
    """Serves until interrupted; prints the port first."""

    async def main() -> None:
        server = FakeOpenAI(port, strict)
        await server.start()
        print(server.port, flush=True)
        await asyncio.Event().wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(main())
