"""1,000 idle sockets have to sit on at most 20 database connections: counts them, with the memory and CPU of the processes."""

import argparse
import asyncio
import time
import uuid
from collections import Counter

import psycopg
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from .cost import Meter, difference
from .stack import Stack, stack

MAX_CONNECTIONS = 20
PARTS = ("web", "worker", "postgres", "redis")


class Idlers:
    """Sockets that only answer pings."""

    def __init__(self, running: Stack, headers: dict[str, str]) -> None:
        self.stack = running
        self.session = ClientSession(running.url, headers=headers, connector=TCPConnector(limit=0))
        self.gate = asyncio.Semaphore(20)
        self.sockets: list[ClientWebSocketResponse] = []
        self.following: list[asyncio.Task[None]] = []
        self.pings = 0

    async def open(self) -> None:
        """One more socket, on a thread of its own."""
        async with self.gate:
            thread = str(uuid.uuid4())
            async with self.session.post("/api/threads", json={"id": thread}) as response:
                response.raise_for_status()
            socket = await self.session.ws_connect(f"/ws/threads/{thread}/", headers={"Origin": self.stack.url}, compress=0)
            await socket.receive()
        self.sockets.append(socket)
        self.following.append(asyncio.create_task(self._follow(socket)))

    async def _follow(self, socket: ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.pings += 1
                await socket.send_str('{"type":"ping"}')

    async def close(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self.sockets))
        await self.session.close()


def connections(running: Stack) -> Counter[str]:
    """The site's database connections now, by application name."""
    with psycopg.connect(running.env["DATABASE_URL"]) as database:
        sql = "SELECT application_name FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        return Counter(name for (name,) in database.execute(sql))


async def sit(running: Stack, number: int, seconds: float) -> None:
    """Opens the sockets, waits, and prints what that cost."""
    meter: Meter = running.meter(*PARTS)
    alone = meter.memory()
    idlers = Idlers(running, running.people(1)[0])
    start = time.monotonic()
    await asyncio.gather(*(idlers.open() for _ in range(number)))
    opened = time.monotonic() - start
    await asyncio.sleep(5)
    pings, before, most = idlers.pings, meter.cpu(), Counter[str]()
    for _ in range(int(seconds)):
        await asyncio.sleep(1)
        most |= connections(running)
    cpu = {name: f"{100 * value / seconds:.1f}" for name, value in difference(before, meter.cpu()).items()}
    memory = {name: f"{alone[name]:.0f} -> {value:.0f}" for name, value in meter.memory().items()}
    alive = sum(not socket.closed for socket in idlers.sockets)
    print(f"{alive} of {number} sockets open, in {opened:.1f} s; {(idlers.pings - pings) / seconds:.0f} pings a second")
    print(f"database connections, at most: {most.total()} {dict(most)} (allowed: {MAX_CONNECTIONS})")
    print(f"PSS MB {memory}\nCPU % of a core {cpu}", flush=True)
    await idlers.close()
    if most.total() > MAX_CONNECTIONS or alive < number:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with stack() as running:
        asyncio.run(sit(running, options.sockets, options.seconds))


if __name__ == "__main__":
    main()
