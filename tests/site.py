"""A whole site as real processes (daphne, Celery workers) on a database of its own, and people who use it from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import psycopg
from psycopg.conninfo import make_conninfo
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from agentsite.embedded import free_port, redis_answers, redis_program
from agentsite.local import WORKER, web_command

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "agentsite-demo"
# Seconds that a process may take to start, beside others on a slow machine.
STARTING = 120
LIMITS = ("sendMessage", "globalSendMessage", "tokenUsagePerUser", "globalTokenUsage")
LIMIT_OFF = """
INSERT INTO billing_limit (name, kind, counts, per, rate, period, capacity, shards, enabled)
VALUES (%s, 'window', 'messages', 'user', 1, 5, 2, 1, false)
"""


def until(what: Callable[[], Any], seconds: float = 15, pause: float = 0.02) -> Any:
    """Wait until it is true and return it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(pause)
    return found


@dataclass
class Site:
    """Where it runs, and the processes that may be killed."""

    url: str
    env: dict[str, str]
    place: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *argv: str) -> None:
        """Start a process; its output goes to a log of its name."""
        with (self.place / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(argv, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    def start_redis(self) -> None:
        """Start the site's own Redis and wait until it answers."""
        self.start("redis", redis_program(), "--bind", "127.0.0.1", "--port", str(urlsplit(self.env["REDIS_URL"]).port), "--save", "")
        until(lambda: redis_answers(self.env["REDIS_URL"]))

    def start_web(self) -> None:
        """Start the web process and wait until it answers."""
        self.start(
            "web",
            sys.executable,
            "-m",
            *web_command(str(urlsplit(self.url).port)),
        )
        until(self._answers, STARTING)

    def start_worker(self, name: str = "worker") -> None:
        """Start a worker and wait until it has taken up its work."""
        log = self.place / f"{name}.log"
        before = log.stat().st_size if log.exists() else 0
        self.start(name, sys.executable, "-m", "celery", "-A", "agentsite", *WORKER)
        until(lambda: b"ready." in log.read_bytes()[before:], STARTING)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End a process by a signal."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def command(self, *argv: str) -> str:
        """Run a management command of the site; what it printed."""
        command = [sys.executable, "manage.py", *argv]
        return subprocess.run(command, cwd=ROOT, env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the site's database."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(sql, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def person(self, name: str) -> "Person":
        """Sign in over the form, as a browser would; who doesn't exist yet signs up."""
        return Person(self, name)

    def operator(self, name: str) -> "Person":
        """Somebody who may answer in every thread."""
        return self._permitted(name, "operate_thread")

    def tester(self, name: str) -> "Person":
        """Somebody of the staff who may use the playground."""
        found = self._permitted(name, "use_playground")
        self.query("UPDATE threads_user SET is_staff = true WHERE username = %s", name)
        return found

    def _permitted(self, name: str, permission: str) -> "Person":
        found = self.person(name)
        self.query(
            """INSERT INTO threads_user_user_permissions (user_id, permission_id)
               SELECT u.id, p.id FROM threads_user u, auth_permission p WHERE u.username = %s AND p.codename = %s
               ON CONFLICT DO NOTHING""",
            name,
            permission,
        )
        return found

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/accounts/sign-in/", timeout=2).is_success
        except httpx2.HTTPError:
            return False


class Person:
    """Somebody with a browser."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name, self.http = site, name, httpx2.Client(base_url=site.url, timeout=20)
        self.http.get("/accounts/sign-in/")
        answer = self._form("/accounts/sign-in/", username=name, password=PASSWORD)
        if answer.status_code != 302:
            answer = self._form("/accounts/sign-up/", username=name, password1=PASSWORD, password2=PASSWORD)
        assert answer.status_code == 302, answer.text

    def post(self, path: str, **body: Any) -> httpx2.Response:
        """A command to the API."""
        return self.http.post(f"/api{path}", json=body, headers=self._headers())

    def patch(self, path: str, **body: Any) -> httpx2.Response:
        """A change over the API."""
        return self.http.patch(f"/api{path}", json=body, headers=self._headers())

    def delete(self, path: str) -> httpx2.Response:
        """A deletion over the API."""
        return self.http.delete(f"/api{path}", headers=self._headers())

    def get(self, path: str) -> Any:
        """Read from the API."""
        answer = self.http.get(f"/api{path}")
        assert answer.is_success, answer.text
        return answer.json()

    def new_thread(self, agent: str = "weather") -> str:
        """Make a thread; returns its id."""
        return str(self.post("/threads", agent=agent).json()["id"])

    def ask(self, thread: str, text: str, **more: Any) -> str:
        """Ask; returns the run's id."""
        answer = self.post(f"/threads/{thread}/messages", text=text, id=str(uuid4()), **more)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run"]["id"])

    def tab(self, thread: str, **how: Any) -> "Tab":
        """Open a browser tab on a thread."""
        return Tab(self, f"/ws/threads/{thread}/", **how)

    def cookie(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def _headers(self) -> dict[str, str]:
        return {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": self.site.url}

    def _form(self, path: str, **fields: str) -> httpx2.Response:
        fields["csrfmiddlewaretoken"] = self.http.cookies["csrftoken"]
        return self.http.post(path, data=fields, headers={"Referer": self.site.url})


def closed(socket: ClientConnection, within: float) -> int:
    """Read until the server closes it; the code."""
    deadline = time.monotonic() + within
    try:
        while True:
            socket.recv(timeout=max(0.01, deadline - time.monotonic()))
    except ConnectionClosed as error:
        assert error.rcvd is not None
        return error.rcvd.code


class Tab:
    """A socket and what a page would hold of it: rows by id, and the live parts of runs.

    A gap in the pushes fails, unless `repairs`: then it asks for what it missed, as the page does.
    """

    def __init__(self, person: Person, path: str, origin: str | None = None, repairs: bool = False) -> None:
        self.repairs = repairs
        url = person.site.url.replace("http", "ws", 1) + path
        origin = person.site.url if origin is None else origin
        self.socket: ClientConnection = connect(
            url, additional_headers={"Cookie": person.cookie(), "Origin": origin}, max_size=None, compression=None
        )
        self.rows: dict[str, dict[str, Any]] = {}
        self.live: dict[str, list[dict[str, Any]]] = {}
        self.cursors: dict[str, int] = {}
        self.version = -1
        self.frames: list[dict[str, Any]] = []
        self.asked = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def receive(self, seconds: float = 15) -> dict[str, Any]:
        """The next frame, applied."""
        frame: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
        self.frames.append(frame)
        self._apply(frame)
        return frame

    def until(self, true: Callable[[], Any], seconds: float = 20) -> Any:
        """Receive until it is true."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            self.receive(max(0.01, deadline - time.monotonic()))
        return found

    def ended(self, run: str) -> str | None:
        """The run's status once it has ended."""
        status = self.rows.get(run, {}).get("status")
        return status if status in ("succeeded", "failed", "stopped") else None

    def text(self, run: str) -> str:
        """What the page shows of an answer: rows, then live parts."""
        rows = sorted(
            (r for r in self.rows.values() if r.get("run") == run and r.get("role") == "assistant"), key=lambda r: r["step_order"]
        )
        said = [part["text"] for row in rows for part in row["content"] if part["type"] == "text"]
        live = "".join(part["delta"] for part in self.live.get(run, []) if part["type"] == "text-delta")
        return "".join(said) + live

    def closed(self, seconds: float = 15) -> int:
        """Receive until the server closes; returns its code."""
        return closed(self.socket, seconds)

    def _apply(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "delta":
            self._delta(frame)
        elif frame["type"] == "changed" and self.repairs and frame["version"] > self.version + 1:
            self._ask_again()
        elif frame["type"] in ("sync", "changed"):
            assert not frame.get("ids_only"), "ask for a sync here"
            for row in [*frame["messages"], *frame["runs"], *frame["tool_calls"]]:
                self.rows[row["id"]] = row
                if "attempt" in row:
                    self._run(row)
            for delta in frame.get("deltas", []):
                self._delta(delta)
            self.version = frame["version"]

    def _run(self, run: dict[str, Any]) -> None:
        key = f"{run['attempt']}.{run['base']}"
        if self.rows.setdefault(f"live {run['id']}", {"key": ""})["key"] != key:
            self.rows[f"live {run['id']}"]["key"] = key
            self.live[run["id"]], self.cursors[run["id"]] = [], run["base"]

    def _delta(self, delta: dict[str, Any]) -> None:
        run = self.rows[delta["run"]]
        if run["status"] != "running" or delta["attempt"] != run["attempt"] or delta["end"] <= self.cursors[run["id"]]:
            return
        if self.repairs and delta["start"] != self.cursors[run["id"]]:
            self._ask_again()
            return
        assert delta["start"] == self.cursors[run["id"]], "a hole in the stream"
        self.live[run["id"]] += delta["parts"]
        self.cursors[run["id"]] = delta["end"]

    def _ask_again(self) -> None:
        if time.monotonic() - self.asked < 0.15:  # as seldom as the page does
            return
        self.asked = time.monotonic()
        self.socket.send(json.dumps({"type": "sync", "version": self.version, "cursors": self.cursors}))


def surroundings() -> dict[str, str]:
    """The environment for processes of a site. Without what a test said by importing the web process's module: that it is one."""
    return {name: value for name, value in os.environ.items() if name != "AGENTSITE_PROCESS"}


@contextmanager
def running_site(place: Path, model_url: str) -> Iterator[Site]:
    """Create the database, migrate, seed, start web and one worker; everything ends with the block."""
    server = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    server.execute("DROP DATABASE IF EXISTS site_under_test WITH (FORCE)")
    server.execute("CREATE DATABASE site_under_test")
    server.close()
    env = surroundings() | {
        "DATABASE_URL": make_conninfo(os.environ["DATABASE_URL"], dbname="site_under_test"),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "AGENTSITE_DATA_DIR": str(place), "DEBUG": "1", "OPENAI_API_KEY": "sk-test-secret", "OPENAI_BASE_URL": model_url,
        "AGENTSITE_MODEL": "fake", "AGENTSITE_STALL_SECONDS": "5",
    }  # fmt: skip
    for command in ("migrate", "seed_demo"):
        subprocess.run([sys.executable, "manage.py", command], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    site = Site(f"http://127.0.0.1:{free_port()}", env, place)
    for name in LIMITS:  # tests ask faster than people; one may switch a limit on for a while
        site.query(LIMIT_OFF, name)
    try:
        site.start_redis()
        site.start_web()
        site.start_worker()
        yield site
    finally:
        for name in list(site.processes):
            site.kill(name)
