"""People who ask, over HTTP, and whose programs try again as a page's composer would."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, TCPConnector

from tests.chaos.browsers import Browsers
from tests.chaos.rig import Rig

ENDED = ("succeeded", "failed", "stopped")


class Person:
    """Somebody who is signed in."""

    def __init__(self, rig: Rig, browsers: Browsers, name: str, headers: dict[str, str]) -> None:
        self.rig, self.browsers, self.name, self.headers = rig, browsers, name, headers
        self.http = ClientSession(rig.url, headers=headers, connector=TCPConnector(limit=0, force_close=True), timeout=ClientTimeout(20))

    async def post(self, path: str, patience: float = 30, **body: Any) -> dict[str, Any]:
        """A command, again until it was heard: the same ids make it safe to repeat."""
        return await self._insist("POST", path, patience, body)

    async def get(self, path: str, patience: float = 30) -> dict[str, Any]:
        """What the API says."""
        return await self._insist("GET", path, patience, None)

    async def try_to(self, method: str, path: str, **body: Any) -> int:
        """A command that may come too late for what somebody else did; the status, which is no server error."""
        while True:
            try:
                async with self.http.request(method, f"/api{path}", json=body) as answer:
                    assert answer.status < 500, await answer.text()
                    return answer.status
            except (ClientConnectionError, TimeoutError):
                await asyncio.sleep(0.2)

    async def _insist(self, method: str, path: str, patience: float, body: Any) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while True:
            try:
                async with self.http.request(method, f"/api{path}", json=body) as answer:
                    if answer.status < 500:
                        assert answer.status < 400, await answer.text()
                        return dict(await answer.json())
                    problem: object = await answer.text()
            except (ClientConnectionError, TimeoutError) as error:
                problem = error
            assert time.monotonic() < deadline, problem
            await asyncio.sleep(0.2)

    async def thread(self, agent: str = "plain") -> str:
        """A new thread of theirs."""
        pk = str(uuid.uuid4())
        await self.post("/threads", id=pk, agent=agent)
        return pk

    async def ask(self, thread: str, text: str, **more: Any) -> str:
        """Ask; the run's id."""
        answer = await self.post(f"/threads/{thread}/messages", id=str(uuid.uuid4()), text=text, **more)
        return str(answer["run"]["id"])

    async def open(self, thread: str) -> str:
        """Open the thread's page in another browser; its name."""
        name = f"{self.name}-{uuid.uuid4().hex[:6]}"
        await self.browsers.open(name, thread, self.headers)
        return name

    async def fresh(self, thread: str) -> dict[str, Any]:
        """What a page shows that is opened now."""
        tab = await self.open(thread)
        async with asyncio.timeout(30):
            while (page := await self.browsers.view(tab))["version"] is None:
                await asyncio.sleep(0.01)
        await self.browsers.close(tab)
        return page

    async def rows(self, thread: str) -> dict[str, Any]:
        """The thread's newest rows."""
        return await self.get(f"/threads/{thread}/messages?view=rows&limit=200")


class Crowd:
    """As many people as an experiment wants."""

    def __init__(self, rig: Rig, browsers: Browsers) -> None:
        self.rig, self.browsers = rig, browsers
        self.people: list[Person] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for person in self.people:
            await person.http.close()

    async def come(self, number: int) -> list[Person]:
        """So many new people."""
        found = await asyncio.to_thread(self.rig.people, number)
        people = [Person(self.rig, self.browsers, each["name"], each["headers"]) for each in found]
        self.people += people
        return people

    async def until(self, what: Callable[[], Awaitable[Any]], seconds: float = 30, pause: float = 0.05) -> Any:
        """Wait until it is true; what it was."""
        deadline = time.monotonic() + seconds
        while not (found := await what()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            await asyncio.sleep(pause)
        return found

    async def runs(self, threads: list[str]) -> list[dict[str, Any]]:
        """The runs of these threads, straight from the rows."""
        sql = """SELECT id::text, thread_id::text, status, attempt, step, crashes, worker, error FROM threads_run
                 WHERE thread_id = ANY(%s::uuid[]) ORDER BY created_at"""
        names = ("id", "thread", "status", "attempt", "step", "crashes", "worker", "error")
        return [dict(zip(names, row, strict=True)) for row in await asyncio.to_thread(self.rig.query, sql, threads)]

    async def all_ended(self, threads: list[str], seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until all runs of these threads have ended; the runs."""

        async def ended() -> list[dict[str, Any]]:
            found = await self.runs(threads)
            return found if found and all(run["status"] in ENDED for run in found) else []

        return list(await self.until(ended, seconds, pause=0.2))
