"""What waits for operators: why, since when, live, and until somebody has dealt with it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Permission
from django.test import Client

from agents import people, services
from agentsite.asgi import application
from tests.fake_openai import FakeOpenAI
from threads.deleting import discard
from threads.models import Message, Run, Thread, ToolCall, User

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]


@pytest.fixture
def olga(database: None) -> User:
    olga = User.objects.create_user("olga")
    olga.user_permissions.add(Permission.objects.get(codename="operate_thread"))
    return olga


def why(client: Client) -> dict[str, list[str]]:
    answer = client.get("/api/inbox")
    assert answer.status_code == 200
    return {row["id"]: [each["reason"] for each in row["waits"]] for row in answer.json()["threads"]}


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/threads/{path}", body, "application/json")


def test_a_failed_answer_waits_until_it_is_tried_again(ask: Ask, alice: User, olga: User, thread: Thread, client_of: ClientOf) -> None:
    _, run = ask("[[fault=400]]Hello")
    assert run.status == Run.Status.FAILED
    (row,) = client_of(olga).get("/api/inbox").json()["threads"]
    assert row["waits"] == [{"reason": "failed", "since": row["waits"][0]["since"], "detail": run.error["message"]}]  # type: ignore[index]
    services.retry(alice, run)
    assert why(client_of(olga)) == {}


def test_a_failure_of_long_ago_waits_no_more(ask: Ask, olga: User, client_of: ClientOf) -> None:
    _, run = ask("[[fault=400]]Hello")
    Run.objects.filter(pk=run.pk).update(ended_at=run.ended_at - timedelta(days=8))  # type: ignore[operator]
    assert why(client_of(olga)) == {}


def test_approvals_and_unknown_outcomes(ask: Ask, olga: User, thread: Thread, client_of: ClientOf) -> None:
    ask('[[tool=transfer {"source":"checking","target":"savings","amount":400}]][[next]]Done.', agent="banker")
    call = ToolCall.objects.get()
    assert call.status == "awaiting_approval"
    assert why(client_of(olga)) == {str(thread.pk): ["approval"]}
    ToolCall.objects.update(status="unknown")
    assert why(client_of(olga)) == {str(thread.pk): ["unknown"]}


def test_resolved_until_something_new_happens(ask: Ask, olga: User, bob: User, thread: Thread, client_of: ClientOf) -> None:
    client, path = client_of(olga), f"{thread.pk}"
    ask("[[fault=400]]Hello")
    people.take_over(olga, thread)
    assert why(client) == {path: ["assigned", "failed"]} or why(client) == {path: ["failed", "assigned"]}
    bob.user_permissions.add(Permission.objects.get(codename="operate_thread"))
    assert post(client_of(bob), f"{path}/resolve").status_code == 409, "olga has it"
    answer = post(client, f"{path}/resolve")
    assert (answer.status_code, answer.json()["assigned_to"]) == (200, None)
    assert why(client) == {}
    ask("[[fault=400]]Again")
    assert why(client) == {path: ["failed"]}


def test_who_waits_longest_comes_first_and_what_is_deleted_does_not_wait(alice: User, olga: User, client_of: ClientOf) -> None:
    threads = [Thread.start(alice) for _ in range(3)]
    for thread in reversed(threads):
        people.want_human(thread.pk)
    assert list(why(client_of(olga))) == [str(thread.pk) for thread in reversed(threads)]
    discard(threads[1])
    assert list(why(client_of(olga))) == [str(threads[2].pk), str(threads[0].pk)]


def test_notes_are_for_operators_only(
    ask: Ask, alice: User, olga: User, bob: User, thread: Thread, client_of: ClientOf, fake: FakeOpenAI
) -> None:
    client = client_of(olga)
    made = post(client, f"{thread.pk}/notes", text="Calls every week").json()
    assert (made["text"], made["author"]["name"]) == ("Calls every week", "olga")
    assert client.get(f"/api/threads/{thread.pk}/notes").json() == {"notes": [made]}
    for user in (alice, bob):
        assert client_of(user).get(f"/api/threads/{thread.pk}/notes").status_code in (403, 404)
    ask("Hello")
    people.take_over(olga, thread)
    for text in (json.dumps(fake.requests[-1].body), client_of(alice).get(f"/threads/{thread.pk}/").content.decode()):
        assert "every week" not in text
    assert "every week" not in client_of(alice).get(f"/api/threads/{thread.pk}/export").content.decode()
    bob.user_permissions.add(Permission.objects.get(codename="operate_thread"))
    assert client_of(bob).delete(f"/api/threads/{thread.pk}/notes/{made['id']}").status_code == 404, "not his"
    assert client.delete(f"/api/threads/{thread.pk}/notes/{made['id']}").status_code == 204
    assert post(client, f"{thread.pk}/notes", text="").json()["error"]["field"] == "text"
    assert post(client, f"{thread.pk}/notes", text="x" * 5001).json()["error"]["field"] == "text"


async def test_operators_are_told_how_much_waits(olga: User, alice: User, thread: Thread, client_of: ClientOf) -> None:
    def cookie(user: User) -> list[tuple[bytes, bytes]]:
        return [(b"cookie", f"sessionid={client_of(user).cookies['sessionid'].value}".encode())]

    async def told(socket: WebsocketCommunicator, kind: str) -> dict[str, Any]:
        while (frame := json.loads(await socket.receive_from(8)))["type"] != kind:
            pass
        return dict(frame)

    hers = WebsocketCommunicator(application, "/ws/me/", headers=await sync_to_async(cookie)(olga))
    his = WebsocketCommunicator(application, "/ws/me/", headers=await sync_to_async(cookie)(alice))
    for socket in (hers, his):
        await socket.connect()
    assert await told(hers, "inbox") == {"type": "inbox", "count": 0}
    await sync_to_async(people.want_human)(thread.pk)
    assert await told(hers, "inbox") == {"type": "inbox", "count": 1}
    await sync_to_async(olga.user_permissions.clear)()
    await sync_to_async(people.hand_back)(olga, thread)
    frames = [json.loads(await hers.receive_from(8))["type"] for _ in range(2)]
    assert "inbox" not in frames, "who is no operator any more is told nothing"
    frames = [json.loads(await his.receive_from(8))["type"] for _ in range(6)]
    assert "inbox" not in frames
    for socket in (hers, his):
        await socket.disconnect()
