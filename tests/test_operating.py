"""What operators and their machines see: health, readiness, figures, logs, and a doctor that says what is wrong."""

import io
import json
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from agents import tasks
from agentsite import health, operating
from tests.site import Site, until
from threads import logs, migrations
from threads.models import Delta, Message, Process, Run, Thread

Ask = Callable[..., tuple[Message, Run]]
LAST_MIGRATION = max(Path(migrations.__path__[0]).glob("0*.py")).stem


def doctor() -> tuple[int, str]:
    """Its exit code and words."""
    out = io.StringIO()
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def beating(**columns: Any) -> Process:
    """A worker that is well."""
    now = timezone.now()
    facts = {"kind": "worker", "started_at": now, "seen_at": now, "swept_at": now, "beat_at": now} | columns
    return Process.objects.update_or_create(name="host:1", defaults=facts)[0]


@pytest.fixture
def well(database: None, settings: Any) -> Process:
    operating._said.clear()  # what other tests found a moment ago
    settings.MODEL = "gpt-4o"
    return beating()


def test_a_site_that_is_well_is_ready_and_the_doctor_says_so(well: Process) -> None:
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()["ready"], set(ready.json()["checks"].values())) == (200, True, {"ok"})
    code, words = doctor()
    assert (code, words.count("ok "), "BAD" in words) == (0, len(health.ALL), False), words


def minutes_ago() -> datetime:
    return timezone.now() - timedelta(minutes=5)


def _forget_a_migration() -> None:
    MigrationRecorder(connection).migration_qs.filter(app="threads", name=LAST_MIGRATION).delete()


def _hold_a_lease() -> None:
    run = Run.objects.claim(Thread.objects.get().pk, "gone")
    assert run is not None
    Run.objects.update(lease_until=minutes_ago())


def _keep_a_stream() -> None:
    run = Run.objects.get()
    Delta.objects.create(run=run, attempt=1, step=0, start=0, end=1, parts=[])
    Run.objects.update(status="succeeded", ended_at=timezone.now() - timedelta(hours=1))


SICK: dict[str, tuple[Callable[[], Any], str]] = {
    "migrations": (_forget_a_migration, f"1 migrations are missing (threads.{LAST_MIGRATION}): run `manage.py migrate`."),
    "worker": (lambda: beating(seen_at=minutes_ago()), "No worker has been heard of for 5 min"),
    "draining": (lambda: beating(draining=True), "No worker has been heard of"),
    "sweeper": (lambda: beating(swept_at=minutes_ago()), "Nobody has swept up after dead workers for 5 min"),
    "beat": (lambda: beating(beat_at=minutes_ago()), "Celery's beat has not been heard of for 5 min"),
    "queue": (lambda: Run.objects.update(queued_at=minutes_ago()), "A prompt has waited for a worker for 5 min"),
    "leases": (_hold_a_lease, "1 answers are held by workers that are gone"),
    "deltas": (_keep_a_stream, "Streams of answers that ended half an hour ago are still kept"),
}


@pytest.mark.parametrize("sickness", SICK)
def test_the_doctor_says_what_is_wrong(well: Process, ask: Ask, sickness: str) -> None:
    ask("Hello", answer=False)
    spoil, words = SICK[sickness]
    spoil()
    try:
        code, said = doctor()
        ready = Client().get("/readyz").status_code
    finally:
        MigrationRecorder(connection).migration_qs.get_or_create(app="threads", name=LAST_MIGRATION)
    assert (code, words in said, said.count("BAD")) == (1, True, 1), said
    assert ready == (503 if sickness in ("migrations", "worker", "draining", "sweeper") else 200)


@pytest.mark.parametrize(
    ("name", "value", "probe", "words"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1/0", "redis", "REDIS_URL leads to no Redis"),
        ("MODEL", "gpt-9", "model", "The server does not offer AGENTSITE_MODEL=gpt-9. It has: gpt-4o-mini"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1", "model", "The model's server does not work"),
        ("MEDIA_ROOT", __file__, "files", "No file can be stored"),
        ("ALLOWED_HOSTS", ["example.org"], "configuration", "DEBUG is on while ALLOWED_HOSTS names foreign hosts"),
    ],
)
def test_the_doctor_names_bad_settings(well: Process, settings: Any, name: str, value: Any, probe: str, words: str) -> None:
    settings.DEBUG = True
    setattr(settings, name, value)
    (finding,) = health.findings({probe: health.ALL[probe]})
    assert not finding.well
    assert words in finding.words


def test_without_its_database_nothing_else_is_asked(well: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"host": "127.0.0.1", "port": 1, "dbname": "site"}
    with monkeypatch.context() as patched:
        patched.setattr(connection, "get_connection_params", lambda: nowhere)
        ready = Client().get("/readyz")
        assert Client().get("/healthz").content == b"ok\n"
        code, words = doctor()
    assert (ready.status_code, ready.json()["checks"]["database"], ready.json()["checks"]["worker"]) == (503, "failed", "unknown")
    assert (code, words.count("\n")) == (1, 3)
    assert "The database of DATABASE_URL does not answer: connection" in words


# --- Figures -----------------------------------------------------------------------------------------------------------


def figures(client: Client) -> dict[str, float]:
    """Every sample of /metrics by its name and labels."""
    answer = client.get("/metrics", headers={"Authorization": "Bearer let-me-see"})
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {
        sample.name + "".join(f" {value}" for key, value in sample.labels.items() if key != "process"): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_are_for_who_has_the_token(database: None, settings: Any) -> None:
    assert Client().get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "let-me-see"
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer guess"}).status_code == 401
    assert "agentsite_runs queued" in figures(Client())


def test_metrics_tell_of_runs_queue_tools_and_processes(ask: Ask, settings: Any) -> None:
    settings.METRICS_TOKEN = "let-me-see"
    ask("[[tokens=20]]Go")
    ask("Wait", answer=False)
    Run.objects.filter(status="queued").update(queued_at=timezone.now() - timedelta(seconds=40))
    tasks.process()._renew()
    tasks.process()._sweep()
    found = figures(Client())
    assert (found["agentsite_runs succeeded"], found["agentsite_runs queued"], found["agentsite_runs failed"]) == (1, 1, 0)
    assert 40 <= found["agentsite_queue_age_seconds"] < 60
    assert found["agentsite_first_token_seconds_count"] >= 1
    assert found["agentsite_window_seconds_count"] >= 1
    assert found["agentsite_delta_wait_seconds_bucket +Inf"] >= 1
    assert (found["agentsite_up command"], found["agentsite_active_runs"]) == (1, 0)
    assert found["agentsite_sweep_age_seconds"] < 10


# --- Logs --------------------------------------------------------------------------------------------------------------


def lines(formatter: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    """A logger of this format, and what it wrote."""
    out, logger = io.StringIO(), logging.getLogger("agents.tried")
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger.handlers, logger.propagate = [handler], False
    return logger, out


def test_json_lines_carry_ids_and_neither_keys_nor_rows(settings: Any) -> None:
    settings.OPENAI_API_KEY = "a-key-of-another-form"
    logs._about.set({})  # what requests of other tests were about
    logger, out = lines(logs.Json())
    quoted = "violates\nDETAIL:  Failing row contains (my secret prompt).\nits secret second line"
    with logs.about(run="r1", thread="t1", user=None):
        logger.warning("asked with %s, Bearer abc.def-123456 and sk-test-1234567890", "a-key-of-another-form")
        logger.warning("agentsite_production agentsite_" + "0123456789abcdef" * 3)
        try:
            raise ValueError(quoted)
        except ValueError:
            logger.exception("broken")
    logger.info("later", extra={"request": "GET /?q=my secret prompt"})
    first, key, second, third = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (first["run"], first["thread"], first["level"], "user" in first) == ("r1", "t1", "WARNING", False)
    assert first["message"] == "asked with ***, *** and ***"
    assert "ValueError: violates" in second["trace"]
    assert key["message"] == "agentsite_production ***"
    assert not any(word in out.getvalue() for word in ("secret prompt", "secret second", "another-form"))
    assert set(third) == {"time", "level", "logger", "message"}


def test_a_whole_site_logs_its_ids_and_nothing_that_was_said(site: Site) -> None:
    """All the processes have been through the other tests by now; these add a failure, a tool and a refused key."""
    alice = site.person("alice")
    thread = alice.new_thread("support")
    run = alice.ask(thread, '[[tool=lookup_order {"order_id":"XyzzyPlugh"}]][[next]][[fault=400]]XyzzyPlugh')
    until(lambda: alice.get(f"/threads/{thread}/messages")["runs"][-1]["status"] == "failed")
    alice.http.get("/api/threads?title=XyzzyPlugh", headers={"Authorization": "Bearer agentsite_XyzzyPlugh"})
    alice.post(f"/threads/{thread}/messages", text="XyzzyPlugh", agent="nobody")
    until(lambda: f"run={run}" in (site.place / "worker.log").read_text(errors="replace"))  # written after the row
    said = {log.name: log.read_text(errors="replace") for log in site.place.glob("*.log")}
    assert said["worker.log"] and "XyzzyPlugh" not in "".join(said.values())
    assert "sk-test-secret" not in "".join(said.values())
    assert f"thread={thread}" in said["worker.log"]


def test_a_site_whose_worker_is_gone_is_not_ready_until_it_is_back(site: Site) -> None:
    http = site.person("alice").http

    def failing(seconds: float, expected: set[str]) -> set[str]:
        """What is not well, as soon as that is what was expected."""
        deadline = time.monotonic() + seconds
        while True:
            found = {name for name, state in http.get("/readyz").json()["checks"].items() if state != "ok"}
            if found == expected or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    assert failing(15, set()) == set()
    site.kill("worker")
    assert failing(25, {"worker"}) == {"worker"}
    site.start_worker()
    assert failing(25, set()) == set()
