"""No zombie: whoever dies while people are being answered, every answer goes on or ends within seconds, and pages follow without a
reload."""

import asyncio
import os
import random
import signal
import time

import redis

from tests.chaos.load import load
from tests.chaos.people import Crowd
from tests.chaos.rig import Rig
from tests.chaos.table import Row

PROMISED = 15.0


async def alive(crowd: Crowd, rig: Rig, name: str) -> None:
    """Wait until a worker that was started again is heard of."""

    async def heard() -> bool:
        sql = "SELECT 1 FROM threads_process WHERE name LIKE %s AND seen_at > now() - interval '5 seconds'"
        return rig.is_up(name) and bool(await asyncio.to_thread(rig.query, sql, f"%:{rig.pid(name)}"))

    await crowd.until(heard, 40, pause=0.1)


async def another(crowd: Crowd, rig: Rig, name: str, pid: int) -> None:
    """Wait until a process has ended and its successor was started."""

    async def started() -> bool:
        return rig.is_up(name) and rig.pid(name) != pid

    await crowd.until(started, 25, pause=0.1)


async def test_workers_killed(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """kill -9 of a worker at random moments"""
    dice, overs = random.Random(1), []
    async with load(crowd, row) as under:
        for number in range(200 if full else 20):
            name = f"worker{number % 2}"
            # Both: while all are gone nothing is taken over.
            for each in ("worker0", "worker1"):
                await alive(crowd, rig, each)
            await asyncio.sleep(dice.uniform(0, 4))
            pid, since = rig.pid(name), time.monotonic()
            rig.kill(name)
            row.times += 1
            # Asked after the kill, when the dead cannot claim any more.
            overs.append(asyncio.create_task(under.taken_over(await under.held_by(pid), since)))
            await asyncio.sleep(0.5)
        await asyncio.gather(*overs)
    assert under.given_up < len(under.asked) / 2
    assert not full or max(row.recoveries) < PROMISED, row.recoveries


async def test_webs_killed(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """kill -9 of a web process"""
    dice = random.Random(2)
    async with load(crowd, row) as under:
        for number in range(20 if full else 3):
            await asyncio.sleep(dice.uniform(1, 3))
            rig.kill(f"web{number % 2}")
            row.times += 1
            await under.probe(time.monotonic())


async def test_redis_killed(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """kill -9 of Redis, which forgets everything"""
    async with load(crowd, row) as under:
        for _ in range(10 if full else 2):
            rig.kill("redis")
            row.times += 1
            await under.probe(time.monotonic())
            await asyncio.sleep(2)


async def test_redis_flushed(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """Redis flushed"""
    client = redis.Redis.from_url(rig.env["REDIS_URL"])
    async with load(crowd, row) as under:
        for _ in range(10 if full else 2):
            client.flushall()
            row.times += 1
            await under.probe(time.monotonic())


async def test_postgres_restarted(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """Postgres restarted"""
    async with load(crowd, row) as under:
        for _ in range(10 if full else 2):
            rig.kill("postgres", signal.SIGINT)
            row.times += 1
            await under.probe(time.monotonic())
            await asyncio.sleep(3)


async def test_backends_killed(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """kill -9 of the Postgres backend that writes deltas: all of Postgres recovers from a crash"""
    sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'agentsite-deltas' ORDER BY random() LIMIT 1"
    async with load(crowd, row) as under:
        for _ in range(10 if full else 2):
            ((pid,),) = await asyncio.to_thread(rig.query, sql)
            os.kill(pid, signal.SIGKILL)
            row.times += 1
            await under.probe(time.monotonic())
            await asyncio.sleep(3)


async def test_beats(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """no beat for a minute (10 s in the short run); before and after, two"""
    async with load(crowd, row) as under:
        for name in ("beat0", "beat1"):
            rig.kill(name, signal.SIGSTOP)
        row.times += 1
        try:
            await asyncio.sleep(60 if full else 10)
            await under.probe(time.monotonic())
        finally:
            for name in ("beat0", "beat1"):
                rig.kill(name, signal.SIGCONT)


async def test_lines_of_the_workers_cut(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """the workers' lines to Redis and Postgres slow (20 ms), and cut"""
    for line in (rig.broker, rig.database):
        line.delay = 0.02
    try:
        async with load(crowd, row) as under:
            for _ in range(20 if full else 4):
                row.times += rig.broker.cut() + rig.database.cut()
                await under.probe(time.monotonic())
                await asyncio.sleep(1)
    finally:
        for line in (rig.broker, rig.database):
            line.delay = 0.0


async def test_deploys(rig: Rig, crowd: Crowd, row: Row, full: bool) -> None:
    """SIGTERM to one process after the other, as in a deploy"""
    async with load(crowd, row) as under:
        for _ in range(10 if full else 2):
            for name in ("worker0", "web0", "worker1", "web1"):
                pid, since = rig.pid(name), time.monotonic()
                held = await under.held_by(pid) if name.startswith("worker") else []
                rig.kill(name, signal.SIGTERM)
                row.times += 1
                await under.taken_over(held, since)
                await another(crowd, rig, name, pid)
                await asyncio.sleep(2)
                if name.startswith("worker"):
                    await alive(crowd, rig, name)
