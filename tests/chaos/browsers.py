"""Simulated browsers: the page's own JavaScript in one Node process, see `browsers.mjs`."""

import asyncio
import itertools
import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import playwright
import psutil

HERE = Path(__file__).parent
# The one that playwright brings: it has WebSockets that can be given headers.
BUNDLED = Path(playwright.__file__).parent / "driver" / "node"
NODE = str(BUNDLED) if BUNDLED.exists() else shutil.which("node")


class Browsers:
    """Any number of pages that follow threads. Use it as an async context."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.ended: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)  # by run, by browser
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()

    async def __aenter__(self) -> Self:
        assert NODE, "no node on this machine"
        pipe = asyncio.subprocess.PIPE
        self._node = await asyncio.create_subprocess_exec(NODE, str(HERE / "browsers.mjs"), stdin=pipe, stdout=pipe, limit=2**28)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._node.stdin
        self._node.stdin.close()
        await self._node.wait()
        await self._reader

    async def open(self, name: str, thread: str, headers: dict[str, str]) -> None:
        """Open a thread's page in a browser of this name."""
        cookie = {"Cookie": headers["Cookie"], "Origin": self.site}
        await self._do("open", id=name, site=self.site, thread=thread, headers=cookie)

    async def view(self, name: str, start: int = 0) -> dict[str, Any]:
        """What it shows, from a turn on."""
        return dict(await self._do("view", id=name, **{"from": start}))

    async def close(self, name: str) -> None:
        """Close the page."""
        await self._do("close", id=name)

    async def saw_end(self, run: str, browser: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until a browser shows a run as ended: `status`, `at` (ms of the epoch), and the longest text `shown` while it ran."""
        async with asyncio.timeout(seconds):
            while browser not in self.ended[run]:
                await asyncio.sleep(0.01)
        return self.ended[run][browser]

    def memory(self) -> int:
        """MB that their process takes."""
        return round(psutil.Process(self._node.pid).memory_info().rss / 1e6)

    async def _do(self, what: str, **command: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._node.stdin
        self._node.stdin.write(json.dumps({"do": what, "asked": number, **command}).encode() + b"\n")
        async with asyncio.timeout(30):
            return await self._answers[number]

    async def _read(self) -> None:
        assert self._node.stdout
        while line := await self._node.stdout.readline():
            said = json.loads(line)
            if "seen" in said:
                self.ended[said["run"]][said["seen"]] = said
            else:
                self._answers.pop(said["asked"]).set_result(said["answer"])
