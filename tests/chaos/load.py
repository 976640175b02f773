"""People who ask all the time while things break, and the count afterwards: nothing lost, nothing stuck, nothing twice."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.people import Crowd, Person
from tests.chaos.table import Row

# The halves of an effect.
ONCE = ("begun", "done")
# Promised are 15; a machine that does other things besides starts processes slowly.
TAKEN_OVER_WITHIN = 25.0


@dataclass
class Asked:
    """A prompt, and what its answer has to be."""

    thread: str
    run: str
    tokens: int
    calls: int

    @property
    def text(self) -> str:
        return "".join(f"w{n} " for n in range(self.tokens))


@dataclass
class Load:
    """What was asked so far, and who watches."""

    crowd: Crowd
    row: Row
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    asked: list[Asked] = field(default_factory=list)
    tabs: dict[str, tuple[Person, str]] = field(default_factory=dict)
    over: bool = False
    # How many of a run's workers were killed, and what may fail for it: three in one step are the most a run survives.
    killed: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    prober: Person | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def keep_asking(self, person: Person) -> None:
        """One conversation: a tool, then some seconds of text, then the next prompt."""
        thread = await person.thread("tools")
        self.tabs[thread] = (person, await person.open(thread))
        while not self.over:
            tokens, calls = self.dice.randrange(40, 200), self.dice.choice([0, 1, 1, 3])
            tools = [f'[[tool=count {{"before":{self.dice.uniform(0, 0.5):.2f},"after":{self.dice.uniform(0, 0.5):.2f}}}]]'] * calls
            text = f"[[tokens={tokens} rate=60]]{uuid.uuid4().hex}"
            run = await person.ask(thread, "".join(tools) + ("[[next]]" if calls else "") + text, patience=60)
            self.asked.append(Asked(thread, run, tokens, calls))
            await person.browsers.saw_end(run, self.tabs[thread][1], 90)

    async def taken_over(self, held: list[dict[str, Any]], since: float) -> None:
        """Wait until nobody waits for a dead worker any more; notes how long that took."""
        waiting = {run["id"]: run["attempt"] for run in held}
        self.killed.update(waiting.keys())
        while waiting:
            assert time.monotonic() - since < TAKEN_OVER_WITHIN, f"{len(waiting)} runs are stuck"
            await asyncio.sleep(0.1)
            for run in await self.crowd.runs(list({run["thread"] for run in held})):
                if run["id"] in waiting and (run["status"] != "running" or run["attempt"] != waiting[run["id"]]):
                    del waiting[run["id"]]
        if held:
            self.row.recoveries.append(time.monotonic() - since)

    async def held_by(self, pid: int) -> list[dict[str, Any]]:
        """The runs of a worker."""
        runs = await self.crowd.runs([*self.tabs])
        return [run for run in runs if run["status"] == "running" and run["worker"].endswith(f":{pid}")]

    async def probe(self, since: float, seconds: float = 60) -> None:
        """Ask something short in a new thread, and note how long after the fault it was answered in a browser."""
        assert self.prober
        thread = await self.prober.thread("plain")
        tab = await self.prober.open(thread)
        run = await self.prober.ask(thread, f"[[text=Here]]{uuid.uuid4().hex}", patience=seconds)
        assert (await self.prober.browsers.saw_end(run, tab, seconds))["status"] == "succeeded"
        self.row.recoveries.append(time.monotonic() - since)

    async def finish(self) -> None:
        """Let the last answers come to their ends, then count."""
        self.over = True
        await asyncio.gather(*self._tasks)
        runs = {run["id"]: run for run in await self.crowd.all_ended([*self.tabs])}
        wrong = [problem for asked in self.asked for problem in await self._wrong(asked, runs[asked.run])]
        wrong += [f"{run} was never asked for" for run in runs.keys() - {asked.run for asked in self.asked}]
        wrong += [f"{call}: {word} {times} times" for (word, call), times in self._effects().items() if times > 1 and word in ONCE]
        for thread, (person, tab) in self.tabs.items():
            wrong += await differs(person, thread, tab)
        self.row.runs, self.row.lost = len(self.asked), len(wrong)
        assert not wrong, "\n".join([*wrong, *self.crowd.rig.traces()])[:6000]

    async def _wrong(self, asked: Asked, run: dict[str, Any]) -> list[str]:
        if self.killed[asked.run] >= 3 and run["status"] == "failed" and run["error"]["kind"] == "crashed":
            self.given_up += 1
            return []
        said = "SELECT content FROM threads_message WHERE run_id = %s AND role = 'assistant' ORDER BY step_order"
        rows = await asyncio.to_thread(self.crowd.rig.query, said, asked.run)
        text = "".join(part["text"] for (content,) in rows for part in content if part["type"] == "text")
        calls = await asyncio.to_thread(self.crowd.rig.query, "SELECT id::text, status FROM threads_toolcall WHERE run_id = %s", asked.run)
        if run["status"] != "succeeded" or text != asked.text or len(calls) != asked.calls:
            return [f"{asked} ended {run} with {len(text)} characters and {len(calls)} calls"]
        # Once an answer changed hands, it may be that nobody knows what became of a call.
        known = {"succeeded"} if run["attempt"] == 1 else {"succeeded", "unknown"}
        effects = self._effects()
        return [
            f"{pk} of {run} is {status}"
            for pk, status in calls
            if status not in known or (status == "succeeded" and [effects[word, pk] for word in ONCE] != [1, 1])
        ]

    def _effects(self) -> Counter[tuple[str, str]]:
        return Counter(self.crowd.rig.effects())


async def differs(person: Person, thread: str, tab: str) -> list[str]:
    """What is wrong if the page in this browser is not the one that opens now."""
    page = await person.fresh(thread)
    # The last push may have been lost: the watch loop finds that within two of its rounds.
    for _ in range(200):
        view = await person.browsers.view(tab, page["before"] or 0)
        if view["shown"] == page["shown"] and not view["live"]:
            break
        await asyncio.sleep(0.05)
    return [] if view["shown"] == page["shown"] else [f"{tab} shows {view['shown']}\ninstead of {page['shown']}"]


@asynccontextmanager
async def load(crowd: Crowd, row: Row, people: int = 8) -> AsyncIterator[Load]:
    """So many people who ask all the time; counts when the block is over."""
    under = Load(crowd, row)
    *askers, under.prober = await crowd.come(people + 1)
    for person in askers:
        under._tasks.append(asyncio.create_task(under.keep_asking(person)))
    await asyncio.sleep(2)
    yield under
    await under.finish()
