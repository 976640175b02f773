"""Somebody asks: what is saved, what is refused, and what a repeat does."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from agents import services
from agents.errors import BadInput, Busy, Conflict
from threads.models import Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]


def test_a_prompt_opens_a_turn_with_a_pending_row_and_a_queued_run(ask: Ask, thread: Thread) -> None:
    message, run = ask("Hello", answer=False)
    pending = run.pending_message
    assert (message.order, message.step_order, message.status) == (0, 0, "success")
    assert pending is not None
    assert (pending.order, pending.step_order, pending.status, run.status) == (0, 1, "pending", "queued")
    assert Thread.objects.get(pk=thread.pk).title == "Trip"


def test_the_first_prompt_names_an_untitled_thread(alice: User) -> None:
    thread = Thread.start(alice)
    services.send(alice, thread, "Where is my parcel? " * 10, agent="plain")
    assert Thread.objects.get().title.startswith("Where is my parcel?")
    assert len(Thread.objects.get().title) <= 61


def test_the_same_id_twice_changes_nothing(ask: Ask, thread: Thread) -> None:
    pk = uuid.uuid4()
    first = ask("Hello", answer=False, message_id=pk)
    version = Thread.objects.get(pk=thread.pk).version
    assert ask("Hello", answer=False, message_id=pk) == first
    assert Thread.objects.get(pk=thread.pk).version == version
    assert Run.objects.count() == 1


def test_ten_parallel_posts_of_one_id_make_one_message(alice: User, thread: Thread) -> None:
    pk = uuid.uuid4()

    def send(_: int) -> uuid.UUID:
        try:
            return services.send(alice, thread, "Hello", message_id=pk)[1].pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        runs = set(pool.map(send, range(10)))
    assert len(runs) == 1
    assert Message.objects.filter(role="user").count() == 1


def test_twenty_connections_get_distinct_ordered_positions(alice: User, thread: Thread) -> None:
    def send(number: int) -> tuple[int, int]:
        try:
            message = services.send(alice, thread, f"Question {number}")[0]
            return message.order, message.step_order
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        positions = sorted(pool.map(send, range(20)))
    assert positions == [(order, 0) for order in range(20)]
    by_creation = Run.objects.order_by("created_at", "id").values_list("prompt__order", flat=True)
    assert list(by_creation) == list(range(20))


def test_positions_are_not_reused_after_a_deletion(ask: Ask, thread: Thread) -> None:
    message, run = ask("Hello", answer=False)
    run.delete()
    Message.objects.all().delete()
    assert ask("Again", answer=False)[0].order == message.order + 1


def test_an_id_with_other_content_is_a_conflict(ask: Ask) -> None:
    pk = uuid.uuid4()
    ask("Hello", answer=False, message_id=pk)
    with pytest.raises(Conflict):
        ask("Something else", answer=False, message_id=pk)


def test_a_foreign_id_is_a_conflict_that_tells_nothing(ask: Ask, mallory: User) -> None:
    message, _ = ask("Secret", answer=False)
    own = Thread.start(mallory)
    with pytest.raises(Conflict) as refused:
        services.send(mallory, own, "Secret", message_id=message.pk)
    assert "Trip" not in str(refused.value)
    assert own.messages.count() == 0


@pytest.mark.parametrize(
    ("text", "words"), [("", "Write"), ("  \n", "Write"), ("x" * 101, "101"), ("a\0b", "NUL"), ("\ud800", "surrogate")]
)
def test_unusable_text_is_refused_and_nothing_saved(ask: Ask, settings: Any, text: str, words: str) -> None:
    settings.MAX_PROMPT_CHARS = 100
    with pytest.raises(BadInput, match=words) as refused:
        ask(text)
    assert refused.value.field == "text"
    assert not Message.objects.exists()


def test_an_unknown_agent_is_named(ask: Ask) -> None:
    with pytest.raises(BadInput, match="There are: plain, support") as refused:
        ask("Hello", agent="nobody")
    assert refused.value.field == "agent"


def test_reject_while_busy(ask: Ask) -> None:
    ask("First", answer=False)
    with pytest.raises(Busy):
        ask("Second", answer=False, meanwhile="reject")


def test_interrupt_ends_the_active_run_and_comes_next(ask: Ask, thread: Thread) -> None:
    _, first = ask("First", answer=False)
    Run.objects.claim(thread.pk, "somebody")
    _, second = ask("Second", answer=False, meanwhile="interrupt")
    first.refresh_from_db()
    assert first.status == "stopped"
    claimed = Run.objects.claim(thread.pk, "somebody")
    assert claimed == second


def test_a_thread_has_one_active_run(ask: Ask, thread: Thread) -> None:
    ask("First", answer=False)
    ask("Second", answer=False)
    assert Run.objects.claim(thread.pk, "a") is not None
    assert Run.objects.claim(thread.pk, "b") is None


# --- Over HTTP ---------------------------------------------------------------------------------------------------------


def post(client: Client, thread: Thread, body: Any, **options: Any) -> Any:
    return client.post(f"/api/threads/{thread.pk}/messages", body, content_type="application/json", **options)


def test_the_api_answers_202_with_both_rows(alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    pk = str(uuid.uuid4())
    answer = post(client_of(alice), thread, {"text": "Hello", "id": pk})
    assert answer.status_code == 202
    assert answer.json()["message"]["id"] == pk
    assert answer.json()["run"]["status"] == "queued"
    assert post(client_of(alice), thread, {"text": "Hello", "id": pk}).json() == answer.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{not json", None),
        ('{"text": 5}', "text"),
        ("{}", "text"),
        ('{"text": "a", "id": "no uuid"}', "id"),
        ('{"text": "a", "meanwhile": "later"}', "meanwhile"),
        ('{"text": {"file": "x"}}', "text"),
        ("[]", "body"),
    ],
)
def test_bad_bodies_get_one_clear_error(
    alice: User, thread: Thread, client_of: Callable[[User], Client], body: str, field: str | None
) -> None:
    answer = post(client_of(alice), thread, body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["kind"] == "bad_input"
    assert answer.json()["error"].get("field") == field
    assert not Message.objects.exists()


def test_a_database_that_does_not_answer_is_no_bug(alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    client = client_of(alice)
    with connection.cursor() as cursor, psycopg.connect(connection.connection.info.dsn) as other:
        other.execute("SELECT 1 FROM threads_thread FOR UPDATE")
        cursor.execute("SET statement_timeout = 100")
        answer = client.post(f"/api/threads/{thread.pk}/messages", {"text": "Hi"}, content_type="application/json")
        cursor.execute("RESET statement_timeout")
    assert (answer.status_code, answer.json()["error"]["kind"], answer["Retry-After"]) == (503, "unavailable", "2")
    assert Message.objects.count() == 0


def test_a_file_where_text_belongs_is_refused(alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    answer = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {"text": b"\x89PNG\0\0"})
    assert answer.status_code == 415
    assert answer.json()["error"]["kind"] == "bad_input"


def test_a_body_over_the_limit_is_refused(alice: User, thread: Thread, client_of: Callable[[User], Client], settings: Any) -> None:
    answer = post(client_of(alice), thread, {"text": "x" * (settings.MAX_BODY_BYTES + 1)})
    assert answer.status_code == 413
    assert answer.json()["error"]["kind"] == "too_large"


def test_nobody_signed_in_is_told_so(thread: Thread) -> None:
    answer = post(Client(), thread, {"text": "Hello"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (401, "unauthenticated")


def test_a_request_without_csrf_token_is_refused(alice: User, thread: Thread) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = post(client, thread, {"text": "Hello"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (403, "forbidden")
