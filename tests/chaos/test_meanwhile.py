"""Sending while something is being answered: prompts of one thread are answered one by one, those of others never wait for them."""

import asyncio
import itertools
import time
import uuid

from tests.chaos.people import Crowd
from tests.chaos.rig import Rig
from tests.chaos.table import Row


async def test_fifty_sends_into_one_thread(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """50 prompts sent into one thread at once"""
    (person,) = await crowd.come(1)
    for _ in range(5 if full else 1):
        thread = await person.thread()
        words = [uuid.uuid4().hex for _ in range(50)]
        await asyncio.gather(*(person.ask(thread, f"[[tokens=5 rate=200]]{word}") for word in words))
        runs = await crowd.all_ended([thread], 90)
        sql = """SELECT r.started_at, r.ended_at, p.order, m.order FROM threads_run r JOIN threads_message p ON p.id = r.prompt_id
                 JOIN threads_message m ON m.run_id = r.id WHERE r.thread_id = %s ORDER BY r.started_at"""
        rows = await asyncio.to_thread(rig.query, sql, thread)
        row.times, row.runs = row.times + 50, row.runs + len(runs)
        row.lost += abs(50 - len(rows)) + sum(run["status"] != "succeeded" for run in runs)
        row.lost += [prompt for _, _, prompt, _ in rows] != list(range(50))  # in the order of the thread
        row.lost += sum(prompt != answer for _, _, prompt, answer in rows)  # each in its own turn
        row.lost += sum(begun < ended for (_, ended, *_), (begun, *_) in itertools.pairwise(rows))  # never two at a time
        prompts = [seen.prompt[-32:] for seen in rig.fake.requests if seen.prompt[-32:] in words]
        row.lost += len(prompts) != 50
    assert not row.lost


async def test_no_thread_waits_for_anothers_stuck_tool(rig: Rig, crowd: Crowd, row: Row) -> None:
    """a prompt while 50 tools of other threads hang"""
    stuck, quick = await crowd.come(2)
    threads = [await stuck.thread("tools") for _ in range(50)]
    runs = [await stuck.ask(thread, f"[[tool=hang]]{uuid.uuid4().hex}") for thread in threads]
    await asyncio.sleep(2)
    thread = await quick.thread()
    tab = await quick.open(thread)
    for _ in range(5):
        since = time.monotonic()
        run = await quick.ask(thread, f"[[text=Quick]]{uuid.uuid4().hex}")
        await quick.browsers.saw_end(run, tab, 10)
        row.recoveries.append(time.monotonic() - since)
    row.times, row.runs = 50, 56
    row.lost = sum(taken > 3 for taken in row.recoveries)
    # Stopping leaves tools behind that never come back, at least 20 in one worker: it makes way for a new one, and nobody notices.
    for run in runs:
        await stuck.post(f"/runs/{run}/stop")
    run = await quick.ask(thread, f"[[text=Still]]{uuid.uuid4().hex}")
    row.lost += (await quick.browsers.saw_end(run, tab, 30))["status"] != "succeeded"
    await crowd.until(lambda: left(rig), 90, pause=0.5)
    assert not row.lost, row.recoveries


async def left(rig: Rig) -> bool:
    """Whether a worker said that it leaves because of its tools."""
    return "tools did not come back" in rig.logs()
