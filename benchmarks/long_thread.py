"""A thread of 100,000 messages has to open and take a message with the same queries and buffers (± 20 %) as a short one.

Runs pages and API in this process with Django's test client, on throw-away databases of our own Postgres (18 or newer tells
what each connection read). Buffers are the blocks that the statements of one request touched.
"""

import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agentsite.embedded import databases

LONG, SHORT = 100_000, 60
TRIES = 5
LEEWAY = 1.2

FILL = """
INSERT INTO threads_message (id, thread_id, "order", step_order, role, status, agent_name, content, is_tool, provider, model,
                             finish_reason, reasoning, sources, warnings, provider_metadata, version)
SELECT gen_random_uuid(), %(thread)s, n / 2, n %% 2, CASE n %% 2 WHEN 0 THEN 'user' ELSE 'assistant' END, 'success', '',
       jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'Message ' || n || repeat(' and so on', 20))),
       false, '', '', '', '[]', '[]', '[]', '{}', n
FROM generate_series(0, %(number)s - 1) n
"""
ADVANCE = "UPDATE threads_thread SET last_order = %(number)s / 2 - 1, last_step = 1, version = %(number)s WHERE id = %(thread)s"
BUFFERS = "SELECT coalesce(sum(hits + reads), 0) FROM pg_stat_get_backend_io(pg_backend_pid())"


@dataclass
class Cost:
    """The middle of a few tries of one request."""

    queries: float
    buffers: float
    milliseconds: float


def make_thread(owner: Any, messages: int) -> uuid.UUID:
    """A thread of settled turns, two rows each."""
    thread = apps.get_model("threads", "Thread").objects.create(owner=owner, title=f"{messages} messages")
    apps.get_model("threads", "ThreadMember").objects.create(thread=thread, user=owner, role="owner")
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"thread": thread.pk, "number": messages})
        cursor.execute(ADVANCE, {"thread": thread.pk, "number": messages})
    made: uuid.UUID = thread.pk
    return made


def buffers() -> int:
    """Blocks touched by this connection so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(BUFFERS)
        return int(cursor.fetchone()[0])


def measure(act: Callable[[], None]) -> Cost:
    """Does it a few times; the first one warms caches and is not counted."""
    act()
    tries = []
    for _ in range(TRIES):
        blocks = buffers()
        # The reading itself touches a few blocks, the same number in a short thread and in a long one.
        with CaptureQueriesContext(connection) as captured:
            start = time.perf_counter()
            act()
            spent = time.perf_counter() - start
        tries.append((len(captured), buffers() - blocks, spent * 1000))
    return Cost(*map(statistics.median, zip(*tries, strict=True)))


def acts(client: Client, thread: uuid.UUID) -> dict[str, Callable[[], None]]:
    """What somebody does with a thread."""

    def get(path: str) -> Callable[[], None]:
        return lambda: _check(client.get(path))

    def post() -> None:
        _check(client.post(f"/api/threads/{thread}/messages", {"text": "And now?"}, content_type="application/json"))

    return {
        "page": get(f"/threads/{thread}/"),
        "newest messages (API)": get(f"/api/threads/{thread}/messages"),
        "older messages (API)": get(f"/api/threads/{thread}/messages?before=20"),
        "list of threads (API)": get("/api/threads"),
        "send (API)": post,
    }


def _check(response: Any) -> None:
    if response.status_code >= 400:
        raise SystemExit(f"{response.status_code}: {response.content[:500]!r}")


def main() -> None:
    """Prints the table; exit code 1 when the long thread costs more."""
    with databases() as urls:
        os.environ.update(urls, DEBUG="1", SECRET_KEY="bench", LOG_LEVEL="ERROR", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
        os.environ["DJANGO_SETTINGS_MODULE"] = "agentsite.settings"
        django.setup()
        call_command("migrate", verbosity=0)
        owner = apps.get_model("threads", "User").objects.create_user("bench")
        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(owner)
        threads = {number: make_thread(owner, number) for number in (SHORT, LONG)}
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        short, long = ({name: measure(act) for name, act in acts(client, threads[number]).items()} for number in (SHORT, LONG))
        connection.close()
    sys.exit(report(short, long))


def report(short: dict[str, Cost], long: dict[str, Cost]) -> int:
    """The number of acts that cost more in the long thread."""
    print(f"| what | queries: {SHORT} rows | {LONG:,} rows | buffers | | ms | | |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = 0
    for name, cost in long.items():
        than = short[name]
        fits = cost.queries == than.queries and cost.buffers <= than.buffers * LEEWAY
        failed += not fits
        cells = [name, than.queries, cost.queries, than.buffers, cost.buffers, than.milliseconds, cost.milliseconds]
        print(
            "|",
            " | ".join(cell if isinstance(cell, str) else f"{cell:.1f}".removesuffix(".0") for cell in cells),
            "|",
            "ok" if fits else "MORE",
            "|",
        )
    return min(failed, 1)


if __name__ == "__main__":
    main()
