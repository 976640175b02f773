"""The load generator: N people who each watch a thread, ask once, and time every token that arrives.

Reads a Job as JSON from stdin, writes a list of Stream as JSON to stdout. It runs as its own process, so that its cost is told apart.
"""

import asyncio
import re
import sys
import time
import uuid

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

STAMP = re.compile(r"t(\d+):(\d{19}) ")
ENDED = {"succeeded", "failed", "stopped"}
PATIENCE = 0.15  # seconds from a gap to asking for a sync


class Job(msgspec.Struct):
    """What to do. `headers` sign in; `prompt` is said by everybody, with a word of their own before it."""

    url: str
    streams: int
    prompt: str
    tokens: int
    headers: dict[str, str] = {}
    stored: bool = True  # compare what was received with the message that the server keeps
    stagger: float = 0.02
    timeout: float = 90.0


class Stream(msgspec.Struct):
    """What one person saw. Times are `time.monotonic()`, latencies milliseconds from the model's send to this socket."""

    thread: str
    word: str
    posted_at: float = 0.0
    answered_at: float = 0.0
    first_at: float = 0.0
    ended_at: float = 0.0
    latencies: list[float] = []
    stamps: list[int] = []
    frames: int = 0
    syncs: int = 0
    status: str = ""
    error: str = ""


class RunRow(msgspec.Struct):
    id: str
    status: str = ""
    base: int = 0


class Frame(msgspec.Struct):
    """The few fields of a frame that a client needs in order to follow."""

    type: str
    version: int | None = None
    run: str = ""
    start: int = 0
    end: int = 0
    runs: list[RunRow] = []
    cursors: dict[str, int] = {}


_decode = msgspec.json.Decoder(Frame).decode


class Watcher:
    """One person's socket: counts tokens in order, keeps cursor and version, asks for a sync when behind."""

    def __init__(self, socket: ClientWebSocketResponse, stream: Stream) -> None:
        self.socket, self.stream = socket, stream
        self.version: int | None = None
        self.run, self.cursor = "", 0
        self.over: set[str] = set()
        self.ready, self.done = asyncio.Event(), asyncio.Event()

    async def follow(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                await self.take(message.data, time.time_ns())
        self.stream.error = self.stream.error or ("" if self.done.is_set() else f"socket closed {self.socket.close_code}")
        self.done.set()

    async def take(self, text: str, now: int) -> None:
        frame = _decode(text)
        if frame.type == "ping":
            await self.socket.send_str('{"type":"ping"}')
            self._check_later(frame)
            return
        self.stream.frames += 1
        self._count(text, now)
        if frame.type == "delta":
            self._check_later(frame) if frame.start > self.cursor else self._advance(frame.end)
        else:
            self._follow_rows(frame)

    def _count(self, text: str, now: int) -> None:
        stamps = self.stream.stamps
        for seq, sent in STAMP.findall(text):
            if int(seq) == len(stamps):
                stamps.append(int(sent))
                self.stream.latencies.append(round((now - int(sent)) / 1e6, 3))
        if stamps and not self.stream.first_at:
            self.stream.first_at = time.monotonic()

    def _advance(self, end: int) -> None:
        self.cursor = max(self.cursor, end)

    def _follow_rows(self, frame: Frame) -> None:
        if frame.version is not None:
            self.version = frame.version
        self.ready.set()
        for row in frame.runs:
            if row.id == self.run:
                self._advance(row.base)
            if row.status in ENDED:
                self.over.add(row.id)
                self.stream.status = row.status
        if self.run in self.over:
            self.stream.ended_at = self.stream.ended_at or time.monotonic()
            self.done.set()

    def asked(self, run: str) -> None:
        """The POST told the run's id, perhaps after the run was over."""
        self.run = run
        self._follow_rows(Frame("changed"))

    def _check_later(self, frame: Frame) -> None:
        asyncio.get_running_loop().call_later(PATIENCE, lambda: asyncio.ensure_future(self._sync_if_behind(frame)))

    async def _sync_if_behind(self, frame: Frame) -> None:
        ahead = frame.start if frame.type == "delta" else frame.cursors.get(self.run, 0)
        if self.done.is_set() or self.socket.closed or (ahead <= self.cursor and (frame.version or 0) <= (self.version or 0)):
            return
        self.stream.syncs += 1
        await self.socket.send_json({"type": "sync", "version": self.version, "cursors": {self.run: self.cursor}})


class Load:
    """A round of a job."""

    def __init__(self, job: Job, session: ClientSession) -> None:
        self.job, self.session = job, session
        self.gate = asyncio.Semaphore(10)
        self.following: list[asyncio.Task[None]] = []

    async def open(self, number: int) -> Watcher:
        """A new thread and a socket on it that has had its first sync."""
        stream = Stream(str(uuid.uuid4()), f"w{number}x{uuid.uuid4().hex[:8]}")
        async with self.gate:
            async with self.session.post("/api/threads", json={"id": stream.thread, "title": stream.word}) as response:
                response.raise_for_status()
            socket = await self.session.ws_connect(
                f"/ws/threads/{stream.thread}/", headers={"Origin": self.job.url}, compress=0, autoping=True
            )
            watcher = Watcher(socket, stream)
            self.following.append(asyncio.create_task(watcher.follow()))
            await asyncio.wait_for(watcher.ready.wait(), 20)
        return watcher

    async def ask(self, watcher: Watcher, delay: float) -> None:
        await asyncio.sleep(delay)
        stream = watcher.stream
        stream.posted_at = time.monotonic()
        body = {"text": f"{stream.word} {self.job.prompt}"}
        async with self.session.post(f"/api/threads/{stream.thread}/messages", json=body) as response:
            answer = await response.json(content_type=None)
            stream.answered_at = time.monotonic()
        if response.status != 202:
            stream.error = f"{response.status} {answer}"
            return
        watcher.asked(answer["run"]["id"])
        try:
            await asyncio.wait_for(watcher.done.wait(), self.job.timeout)
        except TimeoutError:
            stream.error = "not over in time"

    async def compare(self, stream: Stream) -> None:
        """The stored answer has to be the tokens that came over the socket, all of them."""
        async with self.gate, self.session.get(f"/api/threads/{stream.thread}/messages", params={"view": "rows"}) as response:
            rows = (await response.json())["messages"]
        parts = (part for row in rows if row["role"] == "assistant" for part in row["content"] if part["type"] == "text")
        stored = [int(sent) for part in parts for _, sent in STAMP.findall(part["text"])]
        if not stream.error and (len(stored) != self.job.tokens or stored != stream.stamps):
            stream.error = f"stored {len(stored)} tokens, received {len(stream.stamps)}"

    async def round(self) -> list[Stream]:
        """All sockets, then all prompts. The parent is told of each border, and gives its leave, to measure just the middle."""
        watchers = await asyncio.gather(*(self.open(number) for number in range(self.job.streams)))
        await asyncio.sleep(1)  # let the opening of so many sockets settle
        await border("ready")
        await asyncio.gather(*(self.ask(watcher, number * self.job.stagger) for number, watcher in enumerate(watchers)))
        await border("done")
        if self.job.stored:
            await asyncio.gather(*(self.compare(watcher.stream) for watcher in watchers))
        await asyncio.gather(*(watcher.socket.close() for watcher in watchers), return_exceptions=True)
        return [watcher.stream for watcher in watchers]


async def border(word: str) -> None:
    """Tells the parent process, and waits for a line from it."""
    print(word, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def main() -> list[Stream]:
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    async with ClientSession(job.url, headers=job.headers, connector=TCPConnector(limit=0)) as session:
        return await Load(job, session).round()


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(main())).decode(), flush=True)
