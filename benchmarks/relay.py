"""The yardstick: a server that passes each chunk of the model on to a WebSocket and stores nothing.

It answers at the addresses the site has, so that the same load generator measures both.
`python -m benchmarks.relay --model-url http://127.0.0.1:1234/v1` prints its port first.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientSession, TCPConnector, web


class Relay:
    """One socket per thread, and the requests that feed it."""

    def __init__(self, model_url: str, session: ClientSession) -> None:
        self.url = f"{model_url}/chat/completions"
        self.session = session
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def watch(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.sockets[request.match_info["thread"]] = socket
        await socket.send_json({"type": "sync", "version": 0})
        async for _ in socket:
            pass
        return socket

    async def make_thread(self, request: web.Request) -> web.Response:
        return web.json_response({"id": (await request.json())["id"]}, status=201)

    async def post(self, request: web.Request) -> web.Response:
        thread = request.match_info["thread"]
        task = asyncio.create_task(self.answer(thread, (await request.json())["text"]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.json_response({"run": {"id": thread}}, status=202)

    async def answer(self, thread: str, text: str) -> None:
        body: dict[str, Any] = {"model": "fake-model", "stream": True, "messages": [{"role": "user", "content": text}]}
        socket = self.sockets[thread]
        async with self.session.post(self.url, json=body, headers={"Authorization": "Bearer bench"}) as response:
            async for data in events(response.content.iter_any()):
                await socket.send_str('{"type":"delta","data":' + data.decode() + "}")
        await socket.send_json({"type": "changed", "runs": [{"id": thread, "status": "succeeded"}]})


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each server-sent event but the closing one."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n\n")
        for line in lines:
            if line != b"data: [DONE]":
                yield line.removeprefix(b"data: ")


async def main(model_url: str) -> None:
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        relay = Relay(model_url, session)
        app = web.Application()
        app.router.add_get("/ws/threads/{thread}/", relay.watch)
        app.router.add_post("/api/threads", relay.make_thread)
        app.router.add_post("/api/threads/{thread}/messages", relay.post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-url", required=True)
    asyncio.run(main(parser.parse_args().model_url))
