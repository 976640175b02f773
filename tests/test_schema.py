"""The API's document is true: whatever is sent to any of its operations is answered as it says there, and never with a 5xx.

schemathesis makes the requests from the document alone: some fit it, some just do not. Most of their ids are replaced by ones that exist,
so that they come past "There is no such thing here."
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pytest
import schemathesis
from django.contrib.auth.models import Permission
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance
from typing_extensions import is_typeddict

import agents.shapes
import billing.shapes
import threads.shapes
from agents import branching, people, playground, services, tasks
from agents.agent import Agent
from agents.playground import Trial
from billing.invoicing import invoice
from billing.models import Price, UsageRecord
from billing.periods import Month
from tests.conftest import EMPTY
from threads.deleting import discard
from threads.exporting import exported
from threads.files import store
from threads.models import ApiKey, Feedback, Memory, Message, Thread, User

Place = dict[str, list[str]]
# More by hand, with AGENTSITE_EXAMPLES; what is at the bounds of the document is tried besides.
EXAMPLES = int(os.environ.get("AGENTSITE_EXAMPLES", "20"))
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TRANSFER = '[[tool=transfer {"source":"savings","target":"checking","amount":500}]][[next]][[text="Done."]]'
QUESTION = '[[tool=ask_human {"question":"Shells?"}]][[next]][[text="Done."]]'
FAILED = {"status": "failed", "error": {"kind": "internal", "message": "Broken.", "retryable": True, "retry_after": None}}
STATES = {
    "Talk": "plain",
    "Failed": "plain",
    "Approving": "banker",
    "Asking": "helpdesk",
    "Unknown": "banker",
    "Queued": "plain",
    "Gone": "plain",
    "Taken": "plain",
    "Shared": "plain",
}
READING = ("GET", "HEAD", "OPTIONS", "TRACE")

schema = schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler())
# What else an answer says ought to be in the document, too.
for name in {
    name for module in (agents.shapes, billing.shapes, threads.shapes) for name, each in vars(module).items() if is_typeddict(each)
}:
    schema.raw_schema["components"]["schemas"].get(name, {}).setdefault("additionalProperties", False)
# NUL, which is refused wherever it is, would leave few texts; who is asking is said by the test.
schema.config.generation.update(allow_x00=False, with_security_parameters=False, deterministic=True)
# Too large is a way to be refused.
schema.config.checks.negative_data_rejection.expected_statuses += ["402", "413"]
# What earlier answers said is another thing each time.
schema.config.phases.fuzzing.extra_data_sources.responses = False
schema.config.phases.fuzzing.error_feedback.is_enabled = False
schema.config.phases.coverage.extra_data_sources.responses = False

# What is in the tables is kept beside them, so that each request finds the same.
KEEP = """
DO $$ DECLARE name text; used boolean; BEGIN
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA kept;
FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema
    AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO used;
    IF used THEN EXECUTE format('CREATE TABLE kept.%I AS TABLE %I', name, name); END IF;
END LOOP;
END $$
"""
BRING_BACK = """
DO $$ DECLARE name text; columns text; BEGIN
SET LOCAL session_replication_role = replica;
FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept'
LOOP
    SELECT string_agg(format('%I', attname), ',') INTO columns FROM pg_attribute
        WHERE attrelid = name::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
    EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM kept.%I', name, columns, columns, name);
END LOOP;
END $$
"""


@dataclass
class World:
    """The keys of those who ask, what is in each thread, and what there is besides: values by the names that they have in the API."""

    keys: dict[str, str]
    places: list[Place]
    besides: Place
    export: Any


# --- The world ---------------------------------------------------------------------------------------------------------


def person(name: str, scope: str, permission: str = "") -> tuple[User, str]:
    """Somebody, perhaps with a permission, and a key of theirs."""
    user = User.objects.create_user(name, is_staff=bool(permission))
    if permission:
        user.user_permissions.add(Permission.objects.get(codename=permission))
    return user, ApiKey.objects.issue(name, user, [scope])


def say(user: User, thread: Thread, text: str, answer: bool = True, **options: Any) -> Message:
    """A prompt, which is answered in this process unless it is only to be queued."""
    message, _ = services.send(user, thread, text, **options)
    if answer:
        tasks.answer(str(thread.pk))
    return message


def ids(found: Any, field: str = "pk") -> list[str]:
    return [str(value) for value in found.values_list(field, flat=True)]


def place(thread: Thread) -> Place:
    """What is in a thread."""
    messages, calls = ids(thread.messages.order_by("order", "step_order")), thread.tool_calls.order_by("step", "index")
    return {
        "thread_id": [str(thread.pk)],
        "run_id": ids(thread.runs.order_by("created_at")),
        "call_id": ids(calls),
        "call": ids(calls),
        "arguments_hash": ids(calls, "arguments_hash"),
        "note_id": ids(thread.internal_notes),
        "user_id": ids(thread.members.order_by("user__username"), "user_id"),
        "link_id": ids(thread.links),
        "threads": [str(thread.pk)] if thread.title in ("Talk", "Gone") else [],
    } | dict.fromkeys(("message_id", "message", "through", "step"), messages)


def furnish() -> World:
    """Threads of alice's in every state, and what hangs on them."""
    (alice, owner), (olga, operator) = person("alice", "manage"), person("olga", "operate", "operate_thread")
    (tess, tester), (bob, reader) = person("tess", "playground", "use_playground"), person("bob", "read")
    threads = {title: Thread.start(alice, title=title, default_agent=agent) for title, agent in STATES.items()}
    threads["Passing"] = Thread.start(alice, title="Passing", default_agent="plain", kind=Thread.Kind.TEMPORARY)
    prompts = {"Approving": TRANSFER, "Asking": QUESTION, "Unknown": TRANSFER}
    talk, file = threads["Talk"], store(b"A letter.", name="letter.txt", owner=alice)
    first = say(alice, talk, "Hello [[tokens=3]]", files=[file.part])
    for title, thread in threads.items():
        say(alice, thread, prompts.get(title, "Hello again [[tokens=3]]"), answer=title != "Queued")
    change(threads, olga, bob)
    Feedback.objects.create(message=first.answers.get().messages.order_by("step_order")[0], user=alice, value=1, comment="Good.")
    talk.internal_notes.create(author=olga, text="A note.")
    talk.links.issue(talk, alice, None)
    talk.admit(bob, "viewer")
    version, *_ = branching.branch(alice, talk, first, "Otherwise [[tokens=2]]")
    trial, *_ = playground.try_out(tess, talk, Trial("", {}), text="Try")
    memory = Memory.objects.create(user=alice, text="Likes wool.")
    besides = {
        "file_id": [str(file.pk)],
        "files": [str(file.pk)],
        "memory_id": [str(memory.pk)],
        "user": [str(alice.pk), str(tess.pk)],
        "thread": [str(talk.pk)],
        "before": [f"{talk.created_at.isoformat()},{talk.pk}"],
        "invoice_id": [billed(alice)],
        "agent": ["plain", "banker", "helpdesk", "reception"],
        "username": ["bob", "olga"],
        "month": ["2026-10", "2026-11"],
        "words": ["hello", "tok"],
        "text": ["Hello [[tokens=2]]"],
        "id": [str(talk.pk), str(version.pk), str(first.pk)],
    }
    keys = {"owner": owner, "operator": operator, "tester": tester, "reader": reader}
    return World(keys, [place(each) for each in (*threads.values(), version, trial)], besides, exported(talk))


def change(threads: dict[str, Thread], operator: User, other: User) -> None:
    """Put them into the states that they are named for, as far as they are not in them."""
    for title in ("Failed", "Passing", "Talk"):
        threads[title].runs.exclude(order=0, thread__title="Talk").update(**FAILED)
    threads["Unknown"].tool_calls.update(status="unknown")
    discard(threads["Gone"])
    people.take_over(operator, threads["Taken"])
    Thread.objects.filter(pk=threads["Shared"].pk).update(owner=other)
    threads["Shared"].members.update(role="viewer")


def billed(user: User) -> str:
    """An invoice of a month."""
    long_ago, then = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 10, 15, tzinfo=UTC)
    Price.objects.create(provider="p", model="m", unit="output_text", amount=Decimal(5), valid=(long_ago, None))
    facts: dict[str, Any] = {"run_id": uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": "a", "provider": "p", "model": "m"}
    UsageRecord.objects.create(user_id=user.pk, created_at=then, priced_at=then, output_text=1_000_000, labels={}, **facts)
    made = invoice(user.pk, Month.named("2026-10")).invoice
    assert made is not None
    return str(made.pk)


def run_sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


@pytest.fixture(scope="module")
def made() -> Iterator[list[World]]:
    """The world, after the first test."""
    yield []


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture
def world(database: None, settings: Any, fake: Any, offered: dict[str, Agent], made: list[World], files: Path) -> Iterator[World]:
    """Made once, then brought back. As in Django's test client, requests leave the connection open."""
    settings.MEDIA_ROOT = str(files)
    if made:
        run_sql(BRING_BACK)
    else:
        made.append(furnish())
        run_sql(KEEP)
    for each in (request_started, request_finished):
        each.disconnect(close_old_connections)
    yield made[0]
    for each in (request_started, request_finished):
        each.connect(close_old_connections)


# --- The requests ------------------------------------------------------------------------------------------------------


class Draw:
    """Puts what exists into a case, chosen by what was generated for it: always the same."""

    def __init__(self, world: World, case: Case) -> None:
        self.world, self.case = world, case
        self.is_meant = case.meta is None or case.meta.generation.mode.is_positive
        body = case.body if isinstance(case.body, dict | list | str) else None
        self.seed = crc32(repr((case.method, case.path, case.path_parameters, case.query, body)).encode())
        names = set(re.findall(r"{(\w+)}", case.path)) | _names(case.body)
        fitting = [each for each in world.places if all(each.get(name, True) for name in names)] or world.places
        self.place = fitting[self.seed % len(fitting)]

    def fill(self) -> None:
        """Change the case."""
        case = self.case
        case.path_parameters = self.real(dict(case.path_parameters or {}))
        case.query = self.real(dict(case.query or {}))
        case.body = self.real(case.body)
        if self.is_meant and case.path == "/api/threads/import" and isinstance(case.body, dict) and self.seed % 2:
            case.body = self.world.export

    def real(self, value: Any, name: str = "") -> Any:
        """The same, with ids, names and texts that exist in place of those that could; what is wrong on purpose stays."""
        if isinstance(value, dict):
            return {key: self.real(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self.real(each, name) for each in value]
        known = self.place.get(name) or self.world.besides.get(name, [])
        if not known or isinstance(value, bool):
            return value
        if isinstance(value, int) and known[0].isdecimal():
            return int(self.among(known, str(value)))
        if isinstance(value, str) and (self.is_meant or UUID_TEXT.fullmatch(value)):
            return self.among(known, value)
        return value

    def among(self, known: list[str], value: str) -> str:
        """One of those that are known, or the value itself, one time in five."""
        n = crc32(value.encode("utf-8", "surrogatepass"), self.seed)
        return value if n % 5 == 0 else known[n // 5 % len(known)]


def _names(body: Any) -> set[str]:
    """All keys in it."""
    if isinstance(body, dict):
        return set(body).union(*map(_names, body.values()))
    return set().union(*map(_names, body)) if isinstance(body, list) else set()


def key_for(world: World, case: Case) -> str:
    """Of whoever may do it; now and then of somebody who may only read."""
    if crc32(repr(case.path_parameters).encode()) % 12 == 0:
        return world.keys["reader"]
    made_by = str(case.operation.definition.raw["operationId"])
    if "playground_api" in made_by:
        return world.keys["tester"]
    return world.keys["operator" if "operator_api" in made_by or "answer_call" in made_by else "owner"]


def sent(world: World, case: Case) -> tuple[Response, dict[str, str]]:
    """The answer to a case about what exists, after which all is as it was; and the headers that were sent."""
    headers = {"Authorization": f"Bearer {key_for(world, case)}"}
    Draw(world, case).fill()
    answer = case.call(headers=headers)
    if case.method not in READING and answer.status_code < 300:
        run_sql(EMPTY, BRING_BACK)
    return answer, headers


@schema.parametrize()
@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_document_is_true(world: World, case: Case) -> None:
    """Any check of schemathesis, but that what fits the document is never refused: a 400 is documented, for what no schema can say."""
    answer, headers = sent(world, case)
    case.validate_response(answer, headers=headers, excluded_checks=[positive_data_acceptance])


# --- What no generator thinks of ---------------------------------------------------------------------------------------


def test_every_answer_has_a_shape() -> None:
    for path, methods in schema.raw_schema["paths"].items():
        for method, operation in methods.items():
            told = {int(status): answer for status, answer in operation["responses"].items() if int(status) < 300}
            assert told and all(status == 204 or answer.get("content") for status, answer in told.items()), (method, path)


@pytest.mark.parametrize(
    "path",
    [
        f"/api/threads?before=0001-01-01T00:00:00%2B23:00,{uuid4()}",
        f"/api/threads?before=9999-12-31T23:59:59-23:00,{uuid4()}",
        "/api/threads?" + "&".join(f"a{n}=1" for n in range(1001)),
        "/api/usage?" + "by=day&" * 1001,
        "/api/threads?limit=0",
    ],
)
def test_odd_queries_are_bad_input(alice: User, client_of: Callable[[User], Client], path: str) -> None:
    answer = client_of(alice).get(path)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or path.startswith("/api/threads?before")


@pytest.mark.parametrize("body", ['"x"', "[]", "null", "0", "true", '{"temporary": 0}'])
def test_what_is_no_object_or_no_truth_value_is_refused(alice: User, client_of: Callable[[User], Client], body: str) -> None:
    answer = client_of(alice).post("/api/threads", body, content_type="application/json")
    assert answer.status_code == 400
    assert not Thread.objects.exists()
