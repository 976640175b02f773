"""Bounded: sockets that come and go and answers without a pause, for minutes here and hours with `make soak`, leave nothing behind."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field

import psutil
import pytest

from tests.chaos.people import Crowd, Person
from tests.chaos.rig import Rig
from tests.chaos.table import Row

PROCESSES = ("web0", "web1", "worker0", "worker1", "redis")
MOST_GROWTH = 1.10
SPARE_MB = 15.0


@dataclass
class Gauge:
    """What the site takes, sampled."""

    rig: Rig
    memory: dict[str, list[float]] = field(default_factory=dict)
    connections: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Once more: MB of each process that no other shares, and database connections."""
        for name in PROCESSES:
            used = psutil.Process(self.rig.pid(name)).memory_full_info().uss / 1e6
            self.memory.setdefault(name, []).append(used)
        ((count,),) = self.rig.query("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'agentsite-%'")
        self.connections.append(count)

    def now(self) -> dict[str, int]:
        """The last sample."""
        return {name: round(samples[-1]) for name, samples in self.memory.items()}

    def grown(self) -> list[str]:
        """The processes that take more at the end than after the first third, when everything was warm."""
        found = []
        for name, samples in self.memory.items():
            third = len(samples) // 3
            before, after = sum(samples[third : 2 * third]) / third, sum(samples[-third:]) / third
            if after > before * MOST_GROWTH + SPARE_MB:
                found.append(f"{name}: {before:.0f} -> {after:.0f} MB")
        return found


async def come_and_go(person: Person, threads: list[str], dice: random.Random, over: float) -> None:
    """A page that is opened, watched for some seconds, and closed, again and again."""
    while time.monotonic() < over:
        tab = await person.open(dice.choice(threads))
        await asyncio.sleep(dice.uniform(5, 40))
        await person.browsers.close(tab)


async def talk(crowd: Crowd, person: Person, threads: list[str], dice: random.Random, over: float, row: Row) -> None:
    """One answer after the other, in one thread or another."""
    while time.monotonic() < over:
        thread = dice.choice(threads)
        tool = dice.choice(["", "[[tool=count {}]][[next]]"])
        await person.ask(thread, f"{tool}[[tokens={dice.randrange(20, 200)} rate=60]]{uuid.uuid4().hex}")
        row.runs += 1
        await crowd.all_ended([thread], 120)


@pytest.mark.soak
async def test_soak(rig: Rig, crowd: Crowd, row: Row, request: pytest.FixtureRequest) -> None:
    """500 sockets that come and go, and answers without a pause"""
    seconds, dice = float(request.config.getoption("--soak")), random.Random(5)
    people = await crowd.come(20)
    threads = {person.name: [await person.thread("tools") for _ in range(5)] for person in people}
    gauge, over, pids = Gauge(rig), time.monotonic() + seconds, {name: rig.pid(name) for name in PROCESSES}
    async with asyncio.TaskGroup() as tasks:  # one that fails ends the others: nobody waits hours for a site that is idle
        for person in people:
            for _ in range(25):
                tasks.create_task(come_and_go(person, threads[person.name], dice, over))
                row.times += 1
        for person in people[:8]:
            tasks.create_task(talk(crowd, person, threads[person.name], dice, over, row))
        while time.monotonic() < over:
            await asyncio.sleep(max(2.0, seconds / 60))
            await asyncio.to_thread(gauge.sample)
            print(f"{row.runs} answers, MB: {gauge.now()}, simulated browsers: {crowd.browsers.memory()}", flush=True)
    ended = await crowd.all_ended([thread for own in threads.values() for thread in own])
    problems = gauge.grown() + [f"a run {run['status']}" for run in ended if run["status"] != "succeeded"]
    problems += [f"{name} has died" for name, pid in pids.items() if rig.pid(name) != pid]
    if max(gauge.connections) > 40:
        problems.append(f"{max(gauge.connections)} database connections")
    problems += await asyncio.to_thread(left_behind, rig)
    row.lost = len(problems)
    assert not problems, "\n".join(problems)


def left_behind(rig: Rig) -> list[str]:
    """What is still there once the streams' five minutes are over and Postgres has cleaned up."""
    rig.query("UPDATE threads_run SET ended_at = ended_at - interval '1 hour' WHERE ended_at IS NOT NULL")
    rig.wait(lambda: not rig.query("SELECT 1 FROM threads_delta LIMIT 1"), 90, pause=1)
    rig.query("VACUUM threads_delta")
    ((size,),) = rig.query("SELECT pg_relation_size('threads_delta')")
    found = [f"the table of deltas keeps {size} bytes"] if size > 100_000 else []
    for name in ("web0", "web1"):
        # The last pages were closed a moment ago; what is leaked stays open for longer than a busy machine takes to say goodbye.
        deadline = time.monotonic() + 30
        while (count := clients_of(rig, name)) and time.monotonic() < deadline:
            time.sleep(0.5)
        found += [f"{name} has {count} connections open"] if count else []
    return found


def clients_of(rig: Rig, name: str) -> int:
    """How many connections a web process holds to clients."""
    connections = psutil.Process(rig.pid(name)).net_connections("tcp")
    (port,) = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in connections)
