"""Stop: the connection to the model's server closes at once, whatever it is doing, and nothing more is said."""

import asyncio
import time
import uuid

import pytest

from tests.chaos.people import Crowd, Person
from tests.chaos.rig import Rig
from tests.chaos.table import Row
from tests.chaos.test_tokens import shown_otherwise
from tests.fake_openai.server import Seen

# What is promised, and what is asked of a machine that does other things besides.
PROMISED, BUSY = 0.5, 3.0


def limit(full: bool) -> float:
    """Seconds that a stop may take."""
    return PROMISED if full else BUSY


def request(rig: Rig, word: str) -> Seen | None:
    """The newest request whose prompt ends so."""
    return next((seen for seen in reversed(rig.fake.requests) if seen.prompt.endswith(word)), None)


async def asked(crowd: Crowd, rig: Rig, person: Person, directives: str, agent: str = "plain") -> tuple[str, str, str, Seen]:
    """A prompt whose request has reached the model's server: thread, browser, run, request."""
    thread, word = await person.thread(agent), uuid.uuid4().hex
    tab = await person.open(thread)
    run = await person.ask(thread, f"{directives}{word}")

    async def there() -> Seen | None:
        return request(rig, word)

    return thread, tab, run, await crowd.until(there)


WAYS: dict[str, str] = {
    "while it streams": "[[tokens=2000 rate=100]]",
    "while the model is silent before its first word": "[[delay=60 tokens=5]]",
    "while the model's server does not even answer": "[[fault=hang]]",
    "while the model is silent in the middle": "[[tokens=100 rate=100 fault=stall after=20]]",
}


@pytest.mark.parametrize("way", WAYS)
async def test_stop_closes_the_providers_connection(rig: Rig, crowd: Crowd, row: Row, full: bool, way: str) -> None:
    """stop"""
    row.fault = f"stop {way}"
    people = await crowd.come(2)
    for number in range(50 if full else 8):
        person = people[number % 2]
        thread, tab, run, seen = await asked(crowd, rig, person, WAYS[way])
        second = await person.open(thread)
        await asyncio.sleep(0.1 * (number % 5))
        since = time.monotonic()
        await person.post(f"/threads/{thread}/stop" if number % 2 else f"/runs/{run}/stop")
        await crowd.until(lambda seen=seen: _closed(seen), 5, pause=0.005)  # type: ignore[misc]
        assert seen.closed_at
        row.recoveries.append(seen.closed_at - since)
        ended = [await person.browsers.saw_end(run, each) for each in (tab, second)]
        assert [each["status"] for each in ended] == ["stopped", "stopped"]
        await asyncio.sleep(0.3)
        row.lost += len(await shown_otherwise(person, thread, [tab, second]))
        row.times, row.runs = row.times + 1, row.runs + 1
    row.lost += sum(taken > limit(full) for taken in row.recoveries)
    assert not row.lost, row.recoveries


async def _closed(seen: Seen) -> bool:
    return seen.closed_at is not None


async def test_stop_while_a_tool_hangs(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """stop while a tool hangs"""
    (person,) = await crowd.come(1)
    for _ in range(5):
        thread, tab, run, _seen = await asked(crowd, rig, person, "[[tool=hang]]", "tools")

        async def hangs(thread: str = thread) -> bool:
            return any(call["status"] == "running" for call in (await person.rows(thread))["tool_calls"])

        await crowd.until(hangs)
        since = time.monotonic()
        await person.post(f"/runs/{run}/stop")
        ended = await person.browsers.saw_end(run, tab, 5)
        row.recoveries.append(time.monotonic() - since)
        row.times, row.runs = row.times + 1, row.runs + 1
        (call,) = (await person.rows(thread))["tool_calls"]
        row.lost += (ended["status"], call["status"]) != ("stopped", "unknown")
    row.lost += sum(taken > limit(full) for taken in row.recoveries)
    assert not row.lost, row.recoveries


async def test_stop_after_a_take_over(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """stop just after another worker took the answer over"""
    (person,) = await crowd.come(1)
    thread, tab, run, _ = await asked(crowd, rig, person, "[[tokens=4000 rate=100]]")
    ((worker,),) = await asyncio.to_thread(rig.query, "SELECT worker FROM threads_run WHERE id = %s", run)
    name = next(name for name in ("worker0", "worker1") if worker.endswith(f":{rig.pid(name)}"))
    before = len(rig.fake.requests)
    rig.kill(name)

    async def again() -> Seen | None:
        return next((seen for seen in rig.fake.requests[before:] if seen.prompt.startswith("[[tokens=4000")), None)

    seen: Seen = await crowd.until(again)
    since = time.monotonic()
    await person.post(f"/runs/{run}/stop")
    assert (await person.browsers.saw_end(run, tab, 5))["status"] == "stopped"
    await crowd.until(lambda: _closed(seen), 5, pause=0.005)
    assert seen.closed_at
    row.times, row.runs, row.recoveries = 1, 1, [seen.closed_at - since]
    row.lost = len(await shown_otherwise(person, thread, [tab])) + (row.recoveries[0] > limit(full))
    assert not row.lost, row.recoveries
