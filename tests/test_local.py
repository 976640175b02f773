"""The start on a bare machine: real servers, real signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from agentsite import bootstrap, embedded, local, processes
from agentsite.processes import Child, StartError, Supervisor

ROOT = Path(__file__).resolve().parent.parent
HOLD_DATABASES = """
import sys, time
from pathlib import Path
from agentsite.embedded import databases
with databases(Path(sys.argv[1])) as env:
    print(env["DATABASE_URL"], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "AGENTSITE_DATA_DIR", "PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Unlike tmp_path, a place that the database user can enter when root runs the tests."""
    with Supervisor() as supervisor:
        yield embedded.throw_away_directory(supervisor) / "data"


@pytest.fixture
def holder(data_dir):
    """A process of its own that holds the databases up, and its descendants."""
    process = subprocess.Popen([sys.executable, "-c", HOLD_DATABASES, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    process.url = process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def postgres_elsewhere(monkeypatch):
    """Spares the second that a new cluster takes, where only the rest matters."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/site")


@pytest.fixture
def before() -> set[int]:
    """Children of other tests' fixtures, which live on."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def started_since(before: set[int]) -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if process.pid not in before]


def gone(processes: list[psutil.Process], seconds: float = 5) -> bool:
    """Whether they all end in time. A zombie has ended: in a container nobody may reap it."""
    deadline = time.monotonic() + seconds
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def stand_in(tmp_path, script, name="stand-in"):
    return Child(name, ("sh", "-c", script), {"PATH": os.defpath}, log=tmp_path / "logs" / f"{name}.log")


def test_the_servers_are_what_the_site_needs_and_end_with_the_block(before):
    with embedded.databases() as env:
        mine = started_since(before)
        with psycopg.connect(env["DATABASE_URL"]) as connection:
            connection.execute("CREATE EXTENSION vector")
            locale = connection.execute("SELECT datlocale FROM pg_database WHERE datname = current_database()").fetchone()
        with redis.Redis.from_url(env["REDIS_URL"]) as client:
            assert client.ping()
            assert client.config_get("save") == {"save": ""}
    assert locale == ("C.UTF-8",)
    assert gone(mine, 0)


def test_only_the_holder_of_the_password_gets_into_redis(postgres_elsewhere):
    with embedded.databases() as env:
        port = urlsplit(env["REDIS_URL"]).port
        with redis.Redis(port=port, retry=embedded.ONCE) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_servers_named_by_the_environment_are_used(monkeypatch, data_dir, before):
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/site")
    monkeypatch.setenv("REDIS_URL", "redis://redis.example:6379/0")
    with embedded.databases(data_dir) as env:
        assert env == {"DATABASE_URL": "postgresql://db.example/site", "REDIS_URL": "redis://redis.example:6379/0"}
        assert started_since(before) == []


def test_kill_minus_nine_leaves_nothing_and_the_next_start_finds_the_rows(holder, data_dir):
    with psycopg.connect(holder.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    orphans = psutil.Process(holder.pid).children(recursive=True)
    assert len(orphans) > 2
    holder.kill()
    assert gone(orphans)
    with embedded.databases(data_dir) as env, psycopg.connect(env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_that_names_a_living_process_is_not_believed(data_dir):
    with embedded.databases(data_dir):
        pass
    with subprocess.Popen(["sleep", "60"], **({"user": embedded.DATABASE_USER} if embedded.database_user() else {})) as bystander:
        for stale in ("postgres/postmaster.pid", "socket/.s.PGSQL.5432.lock"):
            (data_dir / stale).write_text(f"{bystander.pid}\n{data_dir / 'postgres'}\n1700000000\n5432\n{data_dir / 'socket'}\n")
        with embedded.databases(data_dir) as env:
            psycopg.connect(env["DATABASE_URL"]).close()
        assert bystander.poll() is None
        bystander.kill()


def test_a_second_start_on_the_same_data_directory_is_told_so(holder, data_dir, monkeypatch):
    monkeypatch.setattr(embedded, "PREVIOUS_STOP_SECONDS", 0)
    with pytest.raises(StartError, match="Another agentsite uses the data directory"), embedded.databases(data_dir):
        pass
    psycopg.connect(holder.url).close()


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"Cannot write to the data directory .*file/data"), embedded.databases(tmp_path / "file" / "data"):
        pass


def test_a_path_too_long_for_a_socket_gets_a_short_one(data_dir):
    with embedded.databases(data_dir / ("deep" * 30)) as env:
        psycopg.connect(env["DATABASE_URL"]).close()
        sockets = Path(psycopg.conninfo.conninfo_to_dict(env["DATABASE_URL"])["host"])
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()


def test_a_child_that_dies_is_started_again(tmp_path, capsys):
    with Supervisor() as supervisor:
        supervisor.start(stand_in(tmp_path, "echo started; exit 3"))
        log, deadline = tmp_path / "logs" / "stand-in.log", time.monotonic() + 5
        supervisor.watch(until=lambda: log.read_text().count("started") == 2 or time.monotonic() > deadline)
    assert log.read_text().count("started") == 2
    assert "stand-in ended with exit code 3 (started), starting it again in 0.5 s" in capsys.readouterr().out


def test_a_child_that_dies_during_the_start_is_quoted(tmp_path):
    child = stand_in(tmp_path, "echo cannot find my hat; exit 1")
    with pytest.raises(StartError, match="stand-in ended with exit code 1: cannot find my hat"), Supervisor() as supervisor:
        supervisor.start(child)
        supervisor.wait(child, lambda: False, "slow")


def test_a_slow_start_is_waited_for_with_a_message(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(processes, "SLOW", 0.1)
    child = stand_in(tmp_path, "sleep 0.5; echo ready; sleep 60")
    with Supervisor() as supervisor:
        supervisor.start(child)
        supervisor.wait(child, lambda: child.last_line() == "ready", "it repairs its files")
    assert capsys.readouterr().out == "agentsite: it repairs its files\n"


def test_children_that_refuse_to_stop_are_gone_within_five_seconds(tmp_path, monkeypatch, before):
    assert sum(processes.PATIENCE.values()) + 2 * processes.LAST_WORDS < 4.5
    monkeypatch.setattr(processes, "PATIENCE", {False: 0.5, True: 0.2})
    with Supervisor() as supervisor:
        for name in ("deaf", "deafer"):
            supervisor.start(stand_in(tmp_path, "trap '' TERM QUIT; echo ready; sleep 60 & wait; sleep 60", name))
        logs = [tmp_path / "logs" / f"{name}.log" for name in ("deaf", "deafer")]
        supervisor.watch(until=lambda: all("ready" in log.read_text() for log in logs))
        children, started = started_since(before), time.monotonic()
    assert time.monotonic() - started < 1.5
    assert gone(children, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_command_and_servers(number):
    process = subprocess.Popen(
        [sys.executable, "-m", "agentsite.local", "with", "--", "sh", "-c", "echo up; exec sleep 60"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"up\n"
    children, started = psutil.Process(process.pid).children(recursive=True), time.monotonic()
    os.killpg(process.pid, number)
    assert process.wait(5) == 128 + number
    assert time.monotonic() - started < 5
    assert gone(children, 0.5)


def test_a_command_keeps_its_exit_code_and_gets_the_servers(postgres_elsewhere):
    script = 'test -n "$DATABASE_URL" && test -n "$REDIS_URL" && test -n "$SECRET_KEY" && exit 7'
    done = subprocess.run([sys.executable, "-m", "agentsite.local", "with", "--", "sh", "-c", script], cwd=ROOT)
    assert done.returncode == 7


def test_a_taken_port_is_one_sentence(monkeypatch, capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        monkeypatch.setenv("PORT", port)
        monkeypatch.setenv("AGENTSITE_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        assert local.main(["run"]) == 1
    assert f"Port {port} cannot be used (Address already in use); choose another one" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(StartError, match="PORT must be a number"):
        local.wanted_port()


def test_the_secret_is_made_once_and_private(tmp_path):
    secret = local.kept_secret(tmp_path / "secret-key")
    assert len(secret) >= 50
    assert local.kept_secret(tmp_path / "secret-key") == secret
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_an_old_redis_is_passed_over(monkeypatch, tmp_path):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=6.0.16 sha=0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    assert embedded.redis_program() != str(old)


def test_a_machine_without_any_redis_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(embedded.shutil, "which", lambda name: None)
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(StartError, match="install redis-server"):
        embedded.redis_program()


def test_an_old_python_is_told_what_is_needed(monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 10, 1))
    assert "Python 3.11 or newer is needed" in bootstrap.obstacle()


def test_a_python_without_venv_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    assert "apt install python3-venv" in bootstrap.obstacle()
