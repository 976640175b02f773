"""One command on a bare machine: `run` starts the whole site, `test` runs pytest and `with` any command beside throw-away databases.

    python -m agentsite.local run
    python -m agentsite.local test -- -k sync
    python -m agentsite.local with -- python manage.py shell

embedded.py starts Postgres and Redis, processes.py watches over everybody.
"""

import hashlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import FrameType

import redis
from django.core.exceptions import ImproperlyConfigured

from agentsite.embedded import ROOT_STATE, claim, database_user, start, throw_away_directory, write_private
from agentsite.env import flag, text
from agentsite.processes import Child, StartError, Supervisor, dying_with_me, say

ROOT = Path(__file__).resolve().parent.parent
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USAGE = "usage: python -m agentsite.local run | test -- [pytest arguments] | with -- command [arguments]"
LONGEST_FRAME = 65_536
WORKER = (
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "256",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "-l",
    "INFO",
)


def main(argv: list[str]) -> int:
    """The exit code of the command line `argv`."""
    for number in END_SIGNALS:
        signal.signal(number, leave)
    try:
        match argv:
            case ["run"]:
                return run_site()
            case ["test", "--", *arguments]:
                return run_beside_databases([sys.executable, "-m", "pytest", *arguments])
            case ["with", "--", *command] if command:
                return run_beside_databases(command)
    except (StartError, ImproperlyConfigured, OSError) as error:
        print(f"agentsite: {error}", file=sys.stderr)
        return 1
    print(USAGE, file=sys.stderr)
    return 2


def leave(number: int, _frame: FrameType | None) -> None:
    """Signal handler: unwinds, which ends the children; a second Ctrl-C doesn't disturb that."""
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


# --- The site ------------------------------------------------------------------------------------------------------------


def run_site() -> int:
    """Starts databases, web, worker and beat, and watches over them until a signal ends it."""
    port, data_dir = wanted_port(), default_data_dir()
    with Supervisor() as supervisor:
        lock = claim(supervisor, data_dir)
        ensure_free(port)
        debug = flag("DEBUG", True)
        if not debug and not text("ALLOWED_HOSTS"):
            raise StartError("ALLOWED_HOSTS must name the site's hosts when DEBUG is off; for this machine alone: ALLOWED_HOSTS=127.0.0.1")
        say(f"starting the databases in {data_dir}")
        env = os.environ | {
            **start(supervisor, data_dir, lock),
            "AGENTSITE_DATA_DIR": str(data_dir),
            "DEBUG": str(int(debug)),
            "SECRET_KEY": text("SECRET_KEY") or kept_secret(data_dir / "secret-key"),
        }
        ensure_redis(env["REDIS_URL"])
        prepare(supervisor, env, debug)
        web, worker, beat = site_processes(env, port, data_dir)
        for child in (web, worker, beat):
            supervisor.start(child)
        supervisor.wait(web, lambda: web_answers(port), "the web process is still starting.")
        supervisor.wait(worker, lambda: worker_listens(env["REDIS_URL"]), "the worker is still starting.")
        say(f"running at http://127.0.0.1:{port}/ (Ctrl-C ends it; logs: {data_dir / 'logs'})")
        supervisor.watch()
    return 0


def wanted_port() -> int:
    """PORT, default 8000."""
    raw = text("PORT", "8000")
    if not raw.isdecimal() or not 0 < int(raw) < 65536:
        raise StartError(f"PORT must be a number from 1 to 65535, not {raw!r}.")
    return int(raw)


def ensure_free(port: int) -> None:
    """Says in time that somebody else listens there; Daphne would say it in its log."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise StartError(
            f"Port {port} cannot be used ({os.strerror(error.errno or 0)}); choose another one: PORT={max(port, 1023) % 65535 + 1} make run"
        ) from error


def ensure_redis(url: str) -> None:
    """Says in time that REDIS_URL leads nowhere; the worker would go on trying in its log."""
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StartError(f"REDIS_URL leads to no Redis: {error}") from error


def default_data_dir() -> Path:
    """AGENTSITE_DATA_DIR, else .data/ in the checkout; for root a place that the database user can enter."""
    named = text("AGENTSITE_DATA_DIR")
    if named:
        return Path(named).absolute()
    if database_user():
        return ROOT_STATE / hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    return ROOT / ".data"


def kept_secret(path: Path) -> str:
    """The SECRET_KEY of this data directory, made at the first start."""
    if not path.exists() or not path.read_text():
        write_private(path, secrets.token_urlsafe(50))
    return path.read_text()


def prepare(supervisor: Supervisor, env: dict[str, str], debug: bool) -> None:
    """Brings tables and prices up to date, and adds the demo people (DEBUG) or the files that ServeStatic serves."""
    say("bringing the tables up to date")
    last = ["seed_demo"] if debug else ["collectstatic", "--noinput", "--verbosity", "0"]
    for command in (["migrate", "--verbosity", "0"], ["refresh_prices", "--verbosity", "0"], last):
        if run_command(supervisor, [sys.executable, str(ROOT / "manage.py"), *command], env):
            raise StartError(f"`manage.py {' '.join(command)}` failed, see above.")


def web_command(port: str) -> tuple[str, ...]:
    """Daphne on a port of this machine. Browsers send small frames only, so larger ones end their socket unread."""
    longest = str(LONGEST_FRAME)
    limits = ("--websocket-max-message-size", longest, "--websocket-max-frame-size", longest)
    return ("daphne", "-v", "0", "-b", "127.0.0.1", "-p", port, *limits, "agentsite.asgi:application")


def site_processes(env: dict[str, str], port: int, data_dir: Path) -> list[Child]:
    """Web, worker and beat."""
    celery = ("celery", "-A", "agentsite")
    commands = {
        "web": web_command(str(port)),
        "worker": (*celery, *WORKER),
        "beat": (*celery, "beat", "-s", str(data_dir / "celerybeat-schedule")),
    }
    return [
        Child(name, (sys.executable, "-m", *command), env, log=data_dir / "logs" / f"{name}.log", cwd=ROOT)
        for name, command in commands.items()
    ]


def web_answers(port: int) -> bool:
    """Whether there is any HTTP answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def worker_listens(redis_url: str) -> bool:
    """Whether a worker waits on the queue: its blocking read is among Redis' clients."""
    try:
        with redis.Redis.from_url(redis_url, socket_timeout=2) as client:
            return any(each["cmd"] == "brpop" for each in client.client_list())
    except redis.ConnectionError:
        return False
    except redis.ResponseError:  # somebody else's Redis may not let us look
        return True


# --- Commands ------------------------------------------------------------------------------------------------------------


def run_beside_databases(command: list[str]) -> int:
    """Runs the command with throw-away databases (or those of the environment); returns its exit code."""
    with Supervisor() as supervisor:
        place = throw_away_directory(supervisor)
        servers = start(supervisor, place, claim(supervisor, place), durable=False)
        env = {"DEBUG": "1", "SECRET_KEY": secrets.token_urlsafe(50)} | os.environ | servers | {"AGENTSITE_DATA_DIR": str(place)}
        # Ctrl-C reaches the command directly, and what it does with it is its business. Not SIG_IGN: the command would inherit it.
        signal.signal(signal.SIGINT, lambda *_: None)
        return run_command(supervisor, command, env)


def run_command(supervisor: Supervisor, command: list[str], env: dict[str, str]) -> int:
    """Runs a command in the terminal's foreground; a signal to us ends it too. Returns its exit code."""
    process = subprocess.Popen(command, env=env, preexec_fn=dying_with_me(signal.SIGKILL))
    try:
        supervisor.watch(until=lambda: process.poll() is not None)
    finally:
        end(process)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def end(process: subprocess.Popen[bytes]) -> None:
    """Does nothing to a process that has ended."""
    process.terminate()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
