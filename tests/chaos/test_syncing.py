"""Sync: whatever is cut, dropped or changed meanwhile, every page ends as one that is opened now."""

import asyncio
import json
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from agentsite.local import ROOT
from tests.chaos.load import differs
from tests.chaos.people import ENDED, Crowd, Person
from tests.chaos.rig import Rig
from tests.chaos.table import Row


@asynccontextmanager
async def dropping(rig: Rig, share: float) -> AsyncIterator[None]:
    """This share of Redis' pushes does not reach the web processes."""
    rig.pushes.drop = share
    rig.pushes.cut()  # what is open was opened without
    try:
        yield
    finally:
        rig.pushes.drop = 0.0
        rig.pushes.cut()


async def cutting(rig: Rig, dice: random.Random, row: Row) -> None:
    """Cut some of the clients' connections every 0.5 to 3 s."""
    while True:
        await asyncio.sleep(dice.uniform(0.5, 3))
        row.times += rig.front.cut(0.3)


async def test_fifty_browsers_behind_a_bad_line(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """50 browsers: connections cut every 0.5-3 s, 20 % of pushes dropped"""
    dice = random.Random(3)
    people = await crowd.come(5)
    threads = {await person.thread("tools"): person for person in people}
    tabs = [(person, thread, await person.open(thread)) for thread, person in threads.items() for _ in range(10)]
    async with dropping(rig, 0.2):
        cuts = asyncio.create_task(cutting(rig, dice, row))
        over = time.monotonic() + (300 if full else 25)

        async def talk(person: Person, thread: str) -> None:
            while time.monotonic() < over:
                tool = dice.choice(["", '[[tool=count {"after":0.3}]][[next]]'])
                await person.ask(thread, f"{tool}[[tokens={dice.randrange(20, 200)} rate=80]]{uuid.uuid4().hex}")
                row.runs += 1
                await asyncio.sleep(dice.uniform(0, 4))

        await asyncio.gather(*(talk(person, thread) for thread, person in threads.items()))
        ended = await crowd.all_ended(list(threads), 120)
        cuts.cancel()
        since = time.monotonic()
        problems = [problem for each in tabs for problem in await differs(*each)]
        problems += [f"{run}" for run in ended if run["status"] != "succeeded"]
        row.recoveries.append(time.monotonic() - since)
    assert rig.pushes.dropped > 50
    row.lost = len(problems)
    assert not problems, problems[0][:3000]


class Hands:
    """Two people who do all there is to do in a thread, at random. `odds` are what may be done now."""

    def __init__(self, crowd: Crowd, alice: Person, bob: Person, thread: str, hand: asyncio.subprocess.Process) -> None:
        self.crowd, self.alice, self.bob, self.thread, self.hand = crowd, alice, bob, thread, hand
        self.dice = random.Random(4)
        self.bob_is_in, self.bobs_tab, self.busy, self.sharing = False, "", asyncio.Lock(), asyncio.Lock()

    async def act(self) -> str:
        """Do one thing; its name."""
        acts: dict[Callable[[], Any], int] = {
            self.send: 6, self.send_gated: 2, self.decide: 4, self.rename: 2, self.edit: 2, self.delete: 2, self.stop: 2, self.share: 2
        }  # fmt: skip
        (act,) = self.dice.choices(list(acts), weights=list(acts.values()))
        await act()
        return str(act.__name__)

    @property
    def someone(self) -> Person:
        return self.dice.choice([self.alice, self.bob]) if self.bob_is_in else self.alice

    async def send(self) -> None:
        meanwhile = self.dice.choice(["queue", "queue", "interrupt"])
        said = f"[[tokens={self.dice.randrange(1, 40)} rate=100]]{uuid.uuid4().hex}"
        await self.someone.try_to("POST", f"/threads/{self.thread}/messages", text=said, meanwhile=meanwhile)

    async def send_gated(self) -> None:
        calls = "[[tool=careful]]" * self.dice.choice([1, 2])
        said = f"{calls}[[next]][[text=Fine]]{uuid.uuid4().hex}"
        await self.someone.try_to("POST", f"/threads/{self.thread}/messages", text=said, agent="tools")

    async def decide(self) -> None:
        calls = (await self.alice.get(f"/threads/{self.thread}/tool-calls"))["tool_calls"]
        waiting = [call for call in calls if call["status"] == "awaiting_approval"]
        if waiting:
            call = self.dice.choice(waiting)
            decision = {"call": call["id"], "arguments_hash": call["arguments_hash"], "approved": self.dice.random() < 0.5}
            await self.someone.try_to("POST", f"/threads/{self.thread}/decisions", decisions=[decision])

    async def rename(self) -> None:
        await self.someone.try_to("PATCH", f"/threads/{self.thread}", title=f"Title {self.dice.randrange(1000)}")

    async def edit(self) -> None:
        if row := await self._any_row():
            await self._by_hand(do="edit", message=row["id"], text=f"Edited {self.dice.randrange(1000)}")

    async def delete(self) -> None:
        if row := await self._any_row():
            await self._by_hand(do="delete", message=row["id"])

    async def stop(self) -> None:
        await self.someone.try_to("POST", f"/threads/{self.thread}/stop")

    async def share(self) -> None:
        async with self.sharing:
            if self.bob_is_in:
                members = (await self.alice.get(f"/threads/{self.thread}/members"))["members"]
                (bob,) = [member["id"] for member in members if member["name"] == self.bob.name]
                await self.alice.try_to("DELETE", f"/threads/{self.thread}/members/{bob}")
            else:
                await self.alice.try_to("POST", f"/threads/{self.thread}/members", username=self.bob.name)
                self.bobs_tab = await self.bob.open(self.thread)
            self.bob_is_in = not self.bob_is_in

    async def _any_row(self) -> dict[str, Any] | None:
        rows = (await self.alice.rows(self.thread))["messages"]
        ended = [row for row in rows if row["role"] != "tool" and row["status"] != "pending"]
        plain = [row for row in ended if all(part["type"] == "text" for part in row["content"])]
        return self.dice.choice(plain) if plain else None

    async def _by_hand(self, **asked: str) -> None:
        assert self.hand.stdin and self.hand.stdout
        async with self.busy:
            self.hand.stdin.write(json.dumps(asked).encode() + b"\n")
            assert await self.hand.stdout.readline() == b"done\n"


async def test_two_people_do_everything_at_once(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """random changes by two people: a page that saw them come is one that is opened now"""
    alice, bob = await crowd.come(2)
    thread = await alice.thread("tools")
    pipe = asyncio.subprocess.PIPE
    hand = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.chaos.hand", cwd=ROOT, env=rig.env, stdin=pipe, stdout=pipe)
    hands = Hands(crowd, alice, bob, thread, hand)
    tabs = [await alice.open(thread) for _ in range(3)]
    problems: list[str] = []
    async with dropping(rig, 0.1):
        for number in range(1000 if full else 100):
            await asyncio.gather(*(hands.act() for _ in range(5)))
            row.times += 5
            if number % 3 == 0:
                rig.front.cut(0.3)
            if number % 20 == 19:
                await settled(crowd, alice, thread)
                problems += [problem for tab in tabs for problem in await differs(alice, thread, tab)]
                if hands.bob_is_in:
                    problems += await differs(bob, thread, hands.bobs_tab)
                    row.runs += 1
    assert hand.stdin
    hand.stdin.close()
    await hand.wait()
    row.lost = len(problems)
    assert not problems, problems[0][:3000]


async def settled(crowd: Crowd, person: Person, thread: str) -> None:
    """Stop one answer after the other until nothing is left to be answered."""

    async def quiet() -> bool:
        runs = await crowd.runs([thread])
        live = [run for run in runs if run["status"] not in ENDED]
        if live:
            await person.try_to("POST", f"/threads/{thread}/stop")
        return not live

    await crowd.until(quiet, 60)
