"""The whole site as real processes that may be killed, behind proxies that break, with a model server that fails on demand."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg

from agentsite.embedded import claim, free_port, start, throw_away_directory
from agentsite.local import ROOT, site_processes, web_answers
from agentsite.processes import Child, Running, Supervisor
from tests.chaos.proxy import Loop, Proxy
from tests.fake_openai import FakeOpenAI
from tests.site import surroundings

# Of beat there should be one; that two do no harm is part of the experiment.
WEBS, WORKERS, BEATS = 2, 2, 2


@dataclass
class Rig:
    """The running site. Killed processes are started again by the supervisor, as in `make run`: call `tick` while waiting."""

    supervisor: Supervisor
    place: Path
    env: dict[str, str]
    fake: FakeOpenAI
    front: Proxy
    broker: Proxy
    pushes: Proxy
    database: Proxy

    @property
    def url(self) -> str:
        """Where clients come in."""
        return f"http://127.0.0.1:{self.front.port}"

    def tick(self) -> None:
        """Start again who died."""
        self.supervisor.tick()

    def pid(self, name: str) -> int:
        """The process of this name now."""
        return self._running(name).process.pid

    def is_up(self, name: str) -> bool:
        """Whether the process of this name runs; a moment after a kill nobody has noticed yet."""
        running = self._running(name)
        return running.again_at is None and running.process.poll() is None

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; the supervisor sees the end."""
        os.kill(self.pid(name), number)

    def _running(self, name: str) -> Running:
        return next(running for running in self.supervisor._running if running.child.name == name)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database, past the proxy."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(sql, values or None)  # without values, % is only a %
            return cursor.fetchall() if cursor.description else []

    def people(self, number: int) -> list[dict[str, Any]]:
        """That many signed-in people: `name`, and the `headers` of their requests."""
        command = [sys.executable, "-m", "benchmarks.people", str(number)]
        found: list[dict[str, Any]] = json.loads(subprocess.check_output(command, cwd=ROOT, env=self.env, text=True))
        return found

    def effects(self) -> list[tuple[str, str]]:
        """What tools have done: (word, call)."""
        path = self.place / "effects.log"
        return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []  # type: ignore[misc]

    def logs(self) -> str:
        """All that the site's own processes wrote."""
        return "".join(path.read_text(errors="replace") for path in (self.place / "logs").glob("w*.log"))

    def traces(self) -> list[str]:
        """The last errors that the processes logged."""
        lines = [line for line in self.logs().splitlines() if '"trace"' in line]
        return [str(json.loads(line)["trace"])[-1500:] for line in lines[-3:]]

    def wait(self, what: Any, seconds: float = 30, pause: float = 0.05) -> Any:
        """Until it is true."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            self.tick()
            time.sleep(pause)
        return found


@contextmanager
def running_rig() -> Iterator[Rig]:
    """Postgres (flushing), Redis, two web processes, two workers and two beats, behind proxies; everything ends with the block."""
    # Experiments kill more often than the supervisor takes for steady.
    with mock.patch("agentsite.processes.STEADY", 1), Supervisor() as supervisor, FakeOpenAI(strict=False) as fake:
        place = throw_away_directory(supervisor)
        env = surroundings() | {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DEBUG": "0",
            "ALLOWED_HOSTS": "127.0.0.1",
            "AGENTSITE_SSL_REDIRECT": "0",
            "AGENTSITE_DATA_DIR": str(place),
            "AGENTSITE_STALL_SECONDS": "5",
            "AGENTSITE_RATE_LIMITS": "0",
            "AGENTSITE_LOG_FORMAT": "json",
            "OPENAI_API_KEY": "sk-chaos-secret",
            "OPENAI_BASE_URL": fake.url,
            "AGENTSITE_MODEL": "fake",
        }
        with mock.patch.dict(os.environ):
            for name in ("DATABASE_URL", "REDIS_URL"):  # those of the other tests
                os.environ.pop(name, None)
            env |= start(supervisor, place, claim(supervisor, place), durable=True)
        for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=env, check=True)
        loop = Loop()
        yield _started(supervisor, place, env, fake, loop)
        loop.stop()


def _started(supervisor: Supervisor, place: Path, env: dict[str, str], fake: FakeOpenAI, loop: Loop) -> Rig:
    redis = urlsplit(env["REDIS_URL"])
    there = ("127.0.0.1", redis.port or 6379)
    broker, pushes = Proxy(loop, [there]), Proxy(loop, [there], seed=1)
    database = _database_proxy(loop, env["DATABASE_URL"], place)
    ports = [free_port() for _ in range(WEBS)]
    front = Proxy(loop, [("127.0.0.1", port) for port in ports])
    rig = Rig(supervisor, place, env, fake, front, broker, pushes, database)
    through = env | {
        "REDIS_URL": env["REDIS_URL"].replace(f":{redis.port}", f":{broker.port}"),
        "DATABASE_URL": _moved(env["DATABASE_URL"], place / "proxy"),
    }
    webs = [_named(f"web{n}", site_processes(env, port, place)[0], env, redis.port, pushes.port) for n, port in enumerate(ports)]
    workers = [_child(f"worker{n}", site_processes(through, 0, place)[1]) for n in range(WORKERS)]
    beats = [_beat(f"beat{n}", site_processes(env, 0, place)[2]) for n in range(BEATS)]
    for child in (*webs, *workers, *beats):
        supervisor.start(child)
    for child, port in zip(webs, ports, strict=True):
        supervisor.wait(child, lambda port=port: web_answers(port), "a web process is still starting.")  # type: ignore[misc]
    for child in workers:
        supervisor.wait(child, lambda child=child: "ready." in child.log.read_text(), "a worker is still starting.")  # type: ignore[misc]
    return rig


def _child(name: str, child: Child) -> Child:
    return replace(child, name=name, log=child.log.with_name(f"{name}.log"))


def _beat(name: str, child: Child) -> Child:
    return replace(_child(name, child), argv=(*child.argv[:-1], f"{child.argv[-1]}-{name}"))


def _named(name: str, child: Child, env: dict[str, str], redis_port: int | None, proxy_port: int) -> Child:
    through = env | {"REDIS_URL": env["REDIS_URL"].replace(f":{redis_port}", f":{proxy_port}")}
    return replace(_child(name, child), env=through)


def _database_proxy(loop: Loop, url: str, place: Path) -> Proxy:
    """Postgres is reached over a Unix socket, and so is the proxy before it."""
    host = unquote(parse_qs(urlsplit(url).query)["host"][0])
    beside = place / "proxy"
    beside.mkdir(mode=0o700)
    return Proxy(loop, [Path(host) / ".s.PGSQL.5432"], listen=beside / ".s.PGSQL.5432")


def _moved(url: str, host: Path) -> str:
    before, _, query = url.partition("?")
    return f"{before}?{'&'.join(f'host={host}' if part.startswith('host=') else part for part in query.split('&'))}"
