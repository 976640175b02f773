"""Temporary conversations: they stream and are paid for like others, and nothing of them stays."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import branching, services, tasks
from agents.indexing import embed_in_background
from billing.models import UsageRecord
from threads.deleting import forget_passing
from threads.finding import find
from threads.models import Chunk, Embedding, Message, Run, Thread, User

ClientOf = Callable[[User], Client]
JSON = "application/json"


@pytest.fixture
def passing(alice: User, client_of: ClientOf) -> Thread:
    made = client_of(alice).post("/api/threads", {"agent": "plain", "temporary": True}, content_type=JSON)
    assert made.status_code == 201, made.content
    return Thread.objects.get(pk=made.json()["id"])


@pytest.fixture
def answered(alice: User, passing: Thread) -> Message:
    message, _ = services.send(alice, passing, "A zebra [[tokens=3]]")
    tasks.answer(str(passing.pk))
    return message


def age(thread: Thread, minutes: int) -> None:
    Thread.objects.filter(pk=thread.pk).update(last_activity=timezone.now() - timedelta(minutes=minutes))


def listed(client: Client) -> list[str]:
    return [row["id"] for row in client.get("/api/threads").json()["threads"]]


def test_it_is_answered_and_paid_for(passing: Thread, answered: Message, alice: User) -> None:
    assert [row.text for row in passing.messages.order_by("order", "step_order")] == ["A zebra [[tokens=3]]", "w0 w1 w2 "]
    assert UsageRecord.objects.get().user_id == alice.pk


def test_it_is_in_no_list_and_found_by_nobody(passing: Thread, answered: Message, alice: User, client_of: ClientOf) -> None:
    embed_in_background()
    assert not Chunk.objects.exists() and not Embedding.objects.exists()
    assert listed(client_of(alice)) == [] and find(alice, "zebra", 10).messages == find(alice, "zebra", 10).titles == []
    assert client_of(alice).get(f"/api/threads/{passing.pk}").json()["kind"] == "temp"
    assert client_of(alice).get(f"/threads/{passing.pk}/").status_code == 200


def test_other_versions_of_it_are_not_found_either_but_a_copy_is(
    passing: Thread, answered: Message, alice: User, client_of: ClientOf
) -> None:
    branching.branch(alice, passing, answered, "An okapi")
    assert not Chunk.objects.exists()
    made = client_of(alice).post(f"/api/threads/{passing.pk}/forks", {}, content_type=JSON).json()
    assert listed(client_of(alice)) == [made["id"]]
    assert {str(hit.thread) for hit in find(alice, "zebra", 10).messages} == {made["id"]}


def test_after_an_hour_nothing_is_left_but_the_bill(passing: Thread, answered: Message, alice: User) -> None:
    branching.branch(alice, passing, answered, "An okapi")
    Run.objects.filter(status="queued").update(status="stopped")
    age(passing, 59)
    assert forget_passing() == 0
    Thread.objects.update(last_activity=timezone.now() - timedelta(minutes=61))
    assert forget_passing() == 1
    assert not Thread.objects.exists() and not Message.objects.exists() and not Run.objects.exists()
    assert UsageRecord.objects.count() == 1


def test_it_stays_while_something_goes_on(passing: Thread, answered: Message, alice: User, thread: Thread) -> None:
    branch, _, run = branching.branch(alice, passing, answered, "An okapi")
    age(passing, 61)
    assert forget_passing() == 0, "somebody is in another version"
    age(branch, 61)
    assert run and forget_passing() == 0, "somebody is to be answered in another version"
    services.stop(run)
    for each in (passing, branch):
        age(each, 61)
    assert forget_passing() == 1
    age(thread, 10_000)
    assert forget_passing() == 0 and Thread.objects.get() == thread


def test_a_run_that_waits_keeps_it(passing: Thread, alice: User) -> None:
    services.send(alice, passing, "One")
    age(passing, 61)
    assert forget_passing() == 0


def test_deleted_it_cannot_be_brought_back(passing: Thread, answered: Message, alice: User, client_of: ClientOf) -> None:
    several = {"threads": [str(passing.pk)]}
    assert client_of(alice).post("/api/threads/delete", several, content_type=JSON).status_code == 204
    assert not Thread.objects.exists()
    assert client_of(alice).post("/api/threads/restore", several, content_type=JSON).status_code == 404


def test_it_can_be_kept(passing: Thread, answered: Message, alice: User, bob: User, client_of: ClientOf) -> None:
    branching.branch(alice, passing, answered, "An okapi")
    passing.members.create(user=bob)
    path, keep = f"/api/threads/{passing.pk}", {"temporary": False}
    assert client_of(bob).patch(path, keep, content_type=JSON).status_code == 403
    for _ in range(2):
        kept: Any = client_of(alice).patch(path, keep, content_type=JSON).json()
        assert kept["kind"] == "main"
    assert listed(client_of(alice)) == [str(passing.pk)]
    found = find(alice, "zebra", 10).messages
    assert [hit.message for hit in found] == [answered.pk]
    assert Chunk.objects.filter(message=answered).count() == 1 and find(alice, "okapi", 10).messages
    age(passing, 61)
    assert forget_passing() == 0
    refused = client_of(alice).patch(path, {"temporary": True}, content_type=JSON)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "temporary")
