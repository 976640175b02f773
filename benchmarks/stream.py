"""`make bench`: what the site adds to the model, in time and in CPU, beside a relay that stores nothing.

N people each watch a thread of their own and ask for 200 tokens at 50 a second, starting 20 ms apart. Reported is the best of
the rounds (by p95):

- added ms per token: from the model's send to the arrival at the socket; a merged delta counts for each of its tokens
- added ms to the first token: from the start of the POST to the first token at the socket, less the model's own waiting
- CPU seconds per 1,000 tokens; the load generator and the fake model are told apart
- others: cores that programs outside the benchmark kept busy meanwhile; above 0.1, measure again on a quieter machine
- lost: tokens that never came, came out of order, or differ from the stored answer
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass

import msgspec
import psutil
import psycopg

from agentsite.local import ROOT

from .cost import difference
from .load import Job, Stream
from .stack import Stack, stack

TOKENS, RATE = 200, 50
SITE = ("worker", "web", "postgres", "redis")
PROMPT = "[[tokens={tokens} rate={rate} stamp]]"


@dataclass
class Round:
    """What one round measured."""

    streams: list[Stream]
    first: list[float]
    cpu: dict[str, float]
    memory: dict[str, float]
    stored: dict[str, float]
    others: float

    @property
    def latencies(self) -> list[float]:
        return [value for stream in self.streams for value in stream.latencies]

    @property
    def tokens(self) -> int:
        return sum(len(stream.stamps) for stream in self.streams)

    def per_thousand(self, *names: str) -> float:
        """CPU seconds of these processes per 1,000 tokens."""
        return sum(self.cpu[name] for name in names) / max(1, self.tokens) * 1000


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed; infinity when there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("inf")


class Bench:
    """Rounds against a running stack."""

    def __init__(self, running: Stack) -> None:
        self.stack = running
        self.database = psycopg.connect(running.env["DATABASE_URL"], autocommit=True)

    def round(self, kind: str, streams: int, tokens: int = TOKENS) -> Round:
        """One round against "site" or "relay"."""
        site = kind == "site"
        job = Job(
            url=self.stack.url if site else self.stack.relay_url,
            streams=streams,
            prompt=PROMPT.format(tokens=tokens, rate=RATE),
            tokens=tokens,
            headers=self.stack.people(1)[0] if site else {},
            stored=site,
        )
        meter = self.stack.meter(*(SITE if site else ("relay",)), "fake")
        with subprocess.Popen([sys.executable, "-m", "benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
            meter.roots["load"] = load.pid
            assert load.stdin and load.stdout
            _say(load.stdin, msgspec.json.encode(job))
            _expect(load.stdout, b"ready\n")
            before, wal, start, busy = meter.cpu(), self._wal(), time.monotonic(), _busy()
            _say(load.stdin, b"go")
            _expect(load.stdout, b"done\n")
            cpu, memory, wal = difference(before, meter.cpu()), meter.memory(), self._wal() - wal
            others = (_busy() - busy - sum(cpu.values())) / (time.monotonic() - start)
            _say(load.stdin, b"go")
            seen = msgspec.json.decode(load.stdout.readline(), type=list[Stream])
        stored = self._stored(seen) | {"wal": wal / streams} if site else {}
        return Round(seen, self._first(seen), cpu, memory, stored, others)

    def _first(self, streams: list[Stream]) -> list[float]:
        """Added milliseconds to the first token."""
        with urllib.request.urlopen(self.stack.env["OPENAI_BASE_URL"].removesuffix("/v1") + "/seen") as answer:
            asked = {seen["prompt"].split()[0]: seen["first_at"] - seen["at"] for seen in json.load(answer) if seen["first_at"]}
        return [(s.first_at - s.posted_at - asked[s.word]) * 1000 for s in streams if s.first_at]

    def _wal(self) -> float:
        row = self.database.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
        return float(row[0]) if row else 0.0

    def _stored(self, streams: list[Stream]) -> dict[str, float]:
        """Delta rows and their bytes for each reply."""
        sql = """SELECT count(*), coalesce(sum(pg_column_size(d.*)), 0)
                 FROM threads_delta d JOIN threads_run r ON r.id = d.run_id WHERE r.thread_id = ANY(%s::uuid[])"""
        row = self.database.execute(sql, [[stream.thread for stream in streams]]).fetchone()
        rows, size = row or (0, 0)
        return {"rows": rows / len(streams), "bytes": float(size) / len(streams)}


def _busy() -> float:
    """CPU seconds that all programs of the machine have used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _say(stream: object, line: bytes) -> None:
    stream.write(line + b"\n")  # type: ignore[attr-defined]
    stream.flush()  # type: ignore[attr-defined]


def _expect(stream: object, line: bytes) -> None:
    found = stream.readline()  # type: ignore[attr-defined]
    if found != line:
        raise SystemExit(f"The load generator said {found!r}, not {line!r}.")


def times(values: list[float], *shares: float) -> str:
    """Percentiles for a table's cell."""
    return " / ".join(f"{percentile(values, share):.1f}" for share in shares)


HEAD = """| N | +ms per token p50 / p95 / p99 | relay | p95 ratio | first token +ms p50 / p95 | relay \
| CPU s per 1k: worker + web + Postgres + Redis | relay | fake, load | rows, KB, WAL each | MB | frames | syncs | others | lost | errors |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def line(number: int, site: Round, relay: Round, tokens: int = TOKENS) -> str:
    """One row of the table."""
    slow, slow_relay = percentile(site.latencies, 0.95), percentile(relay.latencies, 0.95)
    shares = " + ".join(f"{site.per_thousand(name):.3f}" for name in SITE)
    cells = [
        str(number),
        times(site.latencies, 0.5, 0.95, 0.99),
        times(relay.latencies, 0.5, 0.95, 0.99),
        f"{slow / slow_relay:.1f}",
        times(site.first, 0.5, 0.95),
        times(relay.first, 0.5, 0.95),
        f"**{site.per_thousand(*SITE):.3f}** = {shares}",
        f"{relay.per_thousand('relay'):.3f}",
        f"{site.per_thousand('fake'):.3f}, {site.per_thousand('load'):.3f}",
        f"{site.stored['rows']:.0f}, {site.stored['bytes'] / 1000:.1f}, {site.stored['wal'] / 1000:.0f}",
        f"{sum(site.memory[name] for name in SITE):.0f}",
        str(sum(stream.frames for stream in site.streams)),
        str(sum(stream.syncs for stream in site.streams)),
        f"{site.others:.2f}",
        f"{number * tokens - site.tokens}",
        str(sum(bool(stream.error) or stream.status != "succeeded" for stream in site.streams)),
    ]
    return f"| {' | '.join(cells)} |"


def best(rounds: list[Round]) -> Round:
    """The round with the lowest p95 among those with the fewest errors."""
    return min(rounds, key=lambda each: (sum(bool(stream.error) for stream in each.streams), percentile(each.latencies, 0.95)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default="1,20,50,100,200", help="how many at once, one row each")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with stack() as running:
        bench = Bench(running)
        for kind in ("relay", "site"):
            bench.round(kind, 10, 50)  # warms caches, pools and plans
        print(HEAD, flush=True)
        for number in map(int, options.streams.split(",")):
            pairs = [(bench.round("relay", number), bench.round("site", number)) for _ in range(options.rounds)]
            relay, site = (best(list(kind)) for kind in zip(*pairs, strict=True))
            print(line(number, site, relay), flush=True)
            for trouble in {stream.error for _, each in pairs for stream in each.streams if stream.error}:
                print(f"error at {number}: {trouble}", file=sys.stderr)


if __name__ == "__main__":
    main()
