"""A TCP proxy that cuts, delays and drops. All of them run in one thread with a loop of its own."""

import asyncio
import random
import threading
from collections.abc import Coroutine
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Address = tuple[str, int] | Path
Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Loop:
    """The thread of the proxies."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def stop(self) -> None:
        """End the thread, and what is still open."""
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """Listens at `listen` (a port of 127.0.0.1, or a Unix socket) and leads to the targets in turn.

    `delay`: seconds added to what the server sends. `drop`: the share of Redis' published messages that never arrive.
    """

    def __init__(self, loop: Loop, targets: list[Address], listen: Path | None = None, seed: int = 0) -> None:
        self._loop, self._targets, self._dice = loop, cycle(targets), random.Random(seed)
        self.delay, self.drop = 0.0, 0.0
        self.cuts = self.dropped = 0
        self._open: set[Pair] = set()
        self.port = loop.run(self._listen(listen))

    def cut(self, share: float = 1.0) -> int:
        """Cut this share of the open connections, at random; says how many."""
        return self._loop.run(self._cut(share))

    async def _cut(self, share: float) -> int:
        chosen = [pair for pair in self._open if self._dice.random() < share]
        for pair in chosen:
            for writer in pair:
                writer.transport.abort()
        self.cuts += len(chosen)
        return len(chosen)

    async def _listen(self, path: Path | None) -> int:
        if path:
            self._server: asyncio.Server = await asyncio.start_unix_server(self._serve, path)
            return 0
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = next(self._targets)
        try:
            there = await (asyncio.open_unix_connection(target) if isinstance(target, Path) else asyncio.open_connection(*target))
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there[1])
        self._open.add(pair)
        back = self._published(there[0], writer) if self.drop else self._pipe(there[0], writer, slow=True)
        await asyncio.gather(self._pipe(reader, there[1], slow=False), back)
        self._open.discard(pair)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if slow and self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _published(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As `_pipe`, but reply by reply, so that published messages can be left out."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                reply = await self._reply(reader)
                if b"\r\nmessage\r\n" in reply[:40] and self._dice.random() < self.drop:
                    self.dropped += 1
                    continue
                writer.write(reply)
                await writer.drain()
        writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> bytes:
        """One whole reply in Redis' protocol, nested or not."""
        head = await reader.readuntil(b"\r\n")
        kind, rest = head[:1], head[1:-2]
        if kind in (b"$", b"="):
            return head + (await reader.readexactly(int(rest) + 2) if int(rest) >= 0 else b"")
        if kind in (b"*", b">", b"~"):
            return head + b"".join([await self._reply(reader) for _ in range(max(0, int(rest)))])
        if kind == b"%":
            return head + b"".join([await self._reply(reader) for _ in range(2 * int(rest))])
        return head
