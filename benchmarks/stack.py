"""The site as in production, beside the fake model and the relay; everything ends with the block."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from agentsite.embedded import claim, free_port, start, throw_away_directory
from agentsite.local import ROOT, site_processes, web_answers, worker_listens
from agentsite.processes import Child, Supervisor

from .cost import Meter


@dataclass
class Stack:
    """Addresses and process ids of what runs."""

    url: str
    relay_url: str
    env: dict[str, str]
    pids: dict[str, int]

    def meter(self, *names: str) -> Meter:
        """Reads the cost of the processes of these names."""
        return Meter({name: self.pids[name] for name in names})

    def people(self, number: int) -> list[dict[str, str]]:
        """That many signed-in people, as headers of requests."""
        return [person["headers"] for person in json.loads(_module(self.env, "benchmarks.people", str(number)))]


@contextmanager
def stack(worker: bool = True, settings: dict[str, str] | None = None) -> Iterator[Stack]:
    """Starts databases (flushing to disk as in production), the fake model, the relay, web and worker."""
    with Supervisor() as supervisor:
        place = throw_away_directory(supervisor)
        env = os.environ | {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "AGENTSITE_DATA_DIR": str(place),
            "ALLOWED_HOSTS": "127.0.0.1",
            "AGENTSITE_SSL_REDIRECT": "0",
            "OPENAI_API_KEY": "bench",
            "LOG_LEVEL": "WARNING",
            "AGENTSITE_RATE_LIMITS": "0",
            **(settings or {}),
        }
        env |= start(supervisor, place, claim(supervisor, place), durable=True)
        fake = _serve(supervisor, "fake", ["tests.fake_openai"], place)
        env["OPENAI_BASE_URL"] = f"http://127.0.0.1:{fake}/v1"
        relay = _serve(supervisor, "relay", ["benchmarks.relay", "--model-url", env["OPENAI_BASE_URL"]], place)
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True)
        port = _start_site(supervisor, env, place, worker)
        try:
            yield Stack(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{relay}", env, _pids())
        finally:
            _keep_logs(place)


def _serve(supervisor: Supervisor, name: str, module: list[str], place: Path) -> int:
    """Starts a module that prints its port first; returns the port."""
    child = Child(name, (sys.executable, "-m", *module), os.environ, log=place / "logs" / f"{name}.log", cwd=ROOT)
    supervisor.start(child)
    supervisor.wait(child, lambda: child.log.read_text().endswith("\n"), f"{name} is still starting.")
    return int(child.log.read_text().split()[0])


def _start_site(supervisor: Supervisor, env: dict[str, str], place: Path, with_worker: bool) -> int:
    port = free_port()
    web, worker, _beat = site_processes(env, port, place)
    supervisor.start(web)
    supervisor.wait(web, lambda: web_answers(port), "the web process is still starting.")
    if with_worker:
        supervisor.start(worker)
        supervisor.wait(worker, lambda: worker_listens(env["REDIS_URL"]), "the worker is still starting.")
    return port


def _pids() -> dict[str, int]:
    words = {"web": "daphne", "worker": "celery", "fake": "tests.fake_openai", "relay": "benchmarks.relay"}
    found = {}
    for process in psutil.Process().children():
        line = " ".join(process.cmdline())
        part = next((name for name, word in words.items() if word in line), process.name().removesuffix("-server"))
        found[part] = process.pid
    return found


def _keep_logs(place: Path) -> None:
    kept = os.environ.get("BENCH_LOGS")
    if kept:
        shutil.copytree(place / "logs", kept, dirs_exist_ok=True)


def _module(env: dict[str, str], module: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
