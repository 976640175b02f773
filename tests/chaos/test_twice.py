"""No double: whatever is sent, delivered or claimed twice counts once, and a tool's effect happens at most once."""

import asyncio
import time
import uuid
from collections import Counter

from celery import Celery

from tests.chaos.people import Crowd
from tests.chaos.rig import Rig
from tests.chaos.table import Row
from tests.chaos.test_crashes import alive


async def test_one_message_posted_ten_times(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """the same message posted 10 times in parallel"""
    (person,) = await crowd.come(1)
    for _ in range(100 if full else 10):
        thread, message = await person.thread(), str(uuid.uuid4())
        text = f"[[text=Once]]{message}"
        answers = await asyncio.gather(*(person.post(f"/threads/{thread}/messages", id=message, text=text) for _ in range(10)))
        row.times += 1
        row.lost += len({answer["run"]["id"] for answer in answers}) != 1
        await crowd.all_ended([thread])
        rows = (await person.rows(thread))["messages"]
        row.lost += len(rows) != 2
        row.lost += sum(seen.prompt.endswith(message) for seen in rig.fake.requests) != 1
    assert not row.lost


async def test_a_task_delivered_many_times(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """each task delivered 20 times, to two workers"""
    (person,) = await crowd.come(1)
    broker = Celery(broker=rig.env["REDIS_URL"])
    for _ in range(50 if full else 5):
        thread, word = await person.thread("tools"), uuid.uuid4().hex
        run = await person.ask(thread, f"[[tool=count {{}}]][[next]][[tokens=30 rate=50]]{word}")
        for _ in range(20):
            await asyncio.to_thread(broker.send_task, "agents.tasks.answer", [thread])
        row.times += 20
        (found,) = await crowd.all_ended([thread])
        row.lost += (found["id"], found["status"], found["attempt"]) != (run, "succeeded", 1)
        row.lost += sum(seen.prompt.endswith(word) for seen in rig.fake.requests) != 2  # one a step
    assert not row.lost


async def test_tools_whose_worker_dies(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """a tool crashing before, inside or after its effect"""
    people = await crowd.come(10)
    for _ in range(4):
        for name in ("worker0", "worker1"):
            await alive(crowd, rig, name)
        threads = [await person.thread("tools") for person in people]
        # 13 calls in each of 10 threads: a third is killed before its effect, a third inside of it, a third after.
        places = ["before", "inside", "after"] * 4 + ["before"]
        calls = "".join(f'[[tool=count {{"{place}":30}}]]' for place in places)
        for person, thread in zip(people, threads, strict=True):
            await person.ask(thread, f"{calls}[[next]][[text=Well]]{uuid.uuid4().hex}")
        await crowd.until(lambda threads=threads: begun(rig, threads, 8 * len(threads)), 30)  # type: ignore[misc]
        since = time.monotonic()
        for name in ("worker0", "worker1"):
            rig.kill(name)
        row.times += len(places) * len(threads)
        runs = await crowd.all_ended(threads, 60)
        row.recoveries.append(time.monotonic() - since)
        row.runs += len(runs)
        row.lost += sum(run["status"] != "succeeded" for run in runs)
        sql = "SELECT id::text, status FROM threads_toolcall WHERE thread_id = ANY(%s::uuid[])"
        found = dict(await asyncio.to_thread(rig.query, sql, threads))
        row.lost += sum(status != "unknown" for status in found.values()) + (len(found) != len(places) * len(threads))
    times = Counter(rig.effects())
    row.lost += sum(count > 1 for (word, _), count in times.items() if word != "again")
    assert not row.lost


async def begun(rig: Rig, threads: list[str], number: int) -> bool:
    """Whether so many calls of these threads have begun their effect."""
    sql = "SELECT id::text FROM threads_toolcall WHERE thread_id = ANY(%s::uuid[])"
    calls = {pk for (pk,) in await asyncio.to_thread(rig.query, sql, threads)}
    return sum(word == "begun" and call in calls for word, call in rig.effects()) >= number


async def test_idempotent_tools_are_called_again(rig: Rig, crowd: Crowd, row: Row) -> None:
    """a tool that may be called again, and whose worker dies"""
    (person,) = await crowd.come(1)
    for name in ("worker0", "worker1"):
        await alive(crowd, rig, name)
    thread = await person.thread("tools")
    run = await person.ask(thread, f'[[tool=recount {{"after":1}}]][[next]][[text=Well]]{uuid.uuid4().hex}')

    async def called() -> bool:
        return bool(await asyncio.to_thread(rig.query, "SELECT 1 FROM threads_toolcall WHERE run_id = %s AND status = 'running'", run))

    await crowd.until(called)
    await asyncio.sleep(0.3)
    for name in ("worker0", "worker1"):
        rig.kill(name)
    row.times, row.runs = 1, 1
    (found,) = await crowd.all_ended([thread])
    assert found["status"] == "succeeded"
    (call,) = (await person.rows(thread))["tool_calls"]
    assert (call["status"], call["result"]) == ("succeeded", "counted")
    assert rig.effects().count(("again", call["id"])) == 2
