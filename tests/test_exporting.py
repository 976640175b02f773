"""Taking conversations out and bringing them in; links for anybody."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from threads.deleting import bring_back, delete_messages, discard
from threads.exporting import exported
from threads.importing import LARGEST
from threads.models import Message, ShareLink, Thread, ThreadMember, User
from threads.saving import save_messages

ClientOf = Callable[[User], Client]
SAID: list[Any] = [
    "Where is my parcel?",
    {"role": "assistant", "agent_name": "support", "content": [{"type": "tool-call", "id": "1", "tool": "track", "arguments": {"n": 7}}]},
    {"role": "tool", "content": [{"type": "tool-result", "id": "1", "result": {"at": "Kiel ```"}}]},
    {"role": "assistant", "content": [{"type": "reasoning", "text": "Hm"}, {"type": "text", "text": "In **Kiel**."}]},
    {"role": "system", "content": "Be brief"},
    "Thanks",
    {"role": "assistant", "content": [{"type": "data", "name": "place", "id": "p", "data": {"x": 1}}]},
]


def bring_in(client: Client, data: Any) -> Any:
    body = data if isinstance(data, bytes) else json.dumps(data)
    return client.post("/api/threads/import", body, "application/json")


def without_ids(data: dict[str, Any]) -> dict[str, Any]:
    messages = [{**message} for message in data["messages"]]
    for message in messages:  # calls have new ids, in the same order
        message["content"] = [{**part, **({"id": ""} if part["type"].startswith("tool-") else {})} for part in message["content"]]
    return {**data, "exported_at": "", "messages": messages}


@pytest.fixture
def said(thread: Thread, alice: User) -> Thread:
    save_messages(thread.pk, SAID, author=alice)
    return thread


# --- Files -----------------------------------------------------------------------------------------------------------------


def test_what_is_taken_out_can_be_brought_in(said: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    answer = client_of(alice).get(f"/api/threads/{said.pk}/export")
    assert answer["Content-Disposition"] == 'attachment; filename="trip.json"'
    data = json.loads(answer.content)
    assert [message["role"] for message in data["messages"]] == ["user", "assistant", "tool", "assistant", "system", "user", "assistant"]
    (made,) = bring_in(client_of(alice), data).json()["threads"]
    again = Thread.objects.get(pk=made["id"])
    assert (made["title"], again.default_agent, again.owner) == ("Trip", "plain", alice)
    assert without_ids(exported(again)) == without_ids(data)
    places = lambda pk: list(Message.objects.filter(thread=pk).order_by("order", "step_order").values_list("order", "step_order"))  # noqa: E731
    assert places(made["id"]) == places(said.pk)


def test_what_others_said_is_not_said_by_whoever_brings_it_in(said: Thread, bob: User, client_of: ClientOf) -> None:
    (made,) = bring_in(client_of(bob), exported(said)).json()["threads"]
    rows = Message.objects.filter(thread=made["id"], role="user")
    assert [(row.author, row.agent_name) for row in rows] == [(None, "alice")] * 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "no exported thread"),
        ({"agentsite": 2, "messages": []}, "no exported thread"),
        ({"agentsite": 1}, "messages"),
        ({"agentsite": 1, "messages": [{"role": "king", "content": "x"}]}, "user"),
        ({"agentsite": 1, "messages": [{"role": "tool", "content": [{"type": "tool-result", "id": "1"}]}]}, "not in this thread"),
        ({"agentsite": 1, "messages": [{"content": "a\0b"}]}, "no text"),
        ({"agentsite": 1, "messages": [], "title": "x" * 201}, "too long"),
        ({"agentsite": 1, "messages": [{"content": "x", "at": "0001-01-01T00:00:00+14:00"}]}, "no time"),
        ({"agentsite": 1, "messages": [{"content": "x", "at": "1899-01-01T00:00:00+00:00"}]}, "before 1970"),
        ({"agentsite": 1, "messages": [{"content": "x", "sources": [1]}]}, "source_part"),
        ({"agentsite": 1, "messages": [{"content": "x", "sources": [{"type": "source-url", "url": "javascript:x"}]}]}, "source_part"),
        ({"agentsite": 1, "messages": [{"content": "x"}] * 100_001}, "100,000"),
        ({"agentsite": 1, "messages": [{"content": "x", "thread": "other"}]}, "'thread' is no part"),
        ({"agentsite": 1, "messages": [{"role": "assistant", "status": "pending"}]}, "'status' is no part"),
    ],
)
def test_what_is_no_such_file_changes_nothing(alice: User, client_of: ClientOf, data: Any, told: str) -> None:
    answer = bring_in(client_of(alice), data)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]
    assert not Thread.objects.exists()


@pytest.mark.parametrize("depth", [250, 2000])
def test_what_is_nested_too_deep_changes_nothing(alice: User, client_of: ClientOf, depth: int) -> None:
    deep = b'{"agentsite":1,"messages":[],"metadata":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    answer = bring_in(client_of(alice), deep)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "body")
    assert not Thread.objects.exists()


def test_other_bodies_and_larger_ones(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    assert client.post("/api/threads/import", {"file": "x"}).status_code == 415
    assert bring_in(client, b" " * (LARGEST + 1)).status_code == 413
    many = {"agentsite": 1, "messages": [{"content": "word " * 400}] * 2000}
    assert bring_in(client, many).status_code == 201, "larger than other requests may be"


def test_markdown_to_be_read(said: Thread, alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice).get(f"/api/threads/{said.pk}/export?form=markdown")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert answer["Content-Disposition"].endswith('"trip.md"')
    text = answer.content.decode()
    assert text.startswith("# Trip\n\n## alice · ")
    assert "In **Kiel**." in text
    assert '````json\n{\n  "at": "Kiel ```"\n}\n````' in text, "the fence is longer than what the tool said"
    assert "Hm" not in text, "thoughts are not part of it"


# --- Links -----------------------------------------------------------------------------------------------------------------


def link(client: Client, thread: Thread, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/threads/{thread.pk}/links", body, "application/json")
    assert answer.status_code == 201
    return dict(answer.json())


def test_a_link_shows_what_was_said_until_then_to_anybody(said: Thread, alice: User, client_of: ClientOf) -> None:
    made = link(client_of(alice), said)
    save_messages(said.pk, ["A secret of later"], author=alice)
    page = Client().get(made["url"])
    text = page.content.decode()
    assert page.status_code == 200
    assert [page[name] for name in ("Referrer-Policy", "X-Robots-Tag", "Cache-Control")] == [
        "no-referrer", "noindex, nofollow", "private, no-store"
    ]  # fmt: skip
    assert all(words in text for words in ("Trip", "Shared by alice", "Where is my parcel?", "In **Kiel**.", "Thanks"))
    assert not any(words in text for words in ("secret of later", "track", "```", "Hm", "Be brief", str(said.pk)))
    (answer,) = [row for row in said.messages.all() if "Kiel" in row.text]
    delete_messages(said.pk, [answer.pk])
    assert "In **Kiel**." not in Client().get(made["url"]).content.decode(), "what is deleted is gone from it too"
    assert made["url"].rsplit("/", 2)[1] not in str(ShareLink.objects.values()), "the address itself is not kept"


def test_a_link_ends(said: Thread, alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    status = lambda made: Client().get(made["url"]).status_code  # noqa: E731
    first, second, third = link(client, said, days=7), link(client, said), link(client, said, days=None)
    assert third["expires_at"] is None
    assert client.delete(f"/api/threads/{said.pk}/links/{second['id']}").status_code == 204
    ShareLink.objects.filter(pk=first["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert [status(made) for made in (first, second, third)] == [404, 404, 200]
    assert [each["id"] for each in client.get(f"/api/threads/{said.pk}/links").json()["links"]] == [third["id"]]
    discard(said)
    assert status(third) == 404
    bring_back(said)
    assert status(third) == 200
    alice.delete()
    assert status(third) == 404


@pytest.mark.parametrize("days", [0, -1, 366, 10**12])
def test_days_of_a_link(said: Thread, alice: User, client_of: ClientOf, days: int) -> None:
    answer = client_of(alice).post(f"/api/threads/{said.pk}/links", {"days": days}, "application/json")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "days")


def test_nobody_else_makes_or_takes_back_links(said: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    made = link(client_of(alice), said)
    said.admit(bob, ThreadMember.Role.WRITER)
    assert client_of(bob).post(f"/api/threads/{said.pk}/links", {}, "application/json").status_code == 403
    theirs = Thread.start(bob)
    assert client_of(bob).delete(f"/api/threads/{theirs.pk}/links/{made['id']}").status_code == 404
    assert ShareLink.objects.count() == 1
