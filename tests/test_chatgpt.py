"""Bringing in what ChatGPT exports. There is no document of the format; this is made in the shape that exports have."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from tests.test_files import PNG
from threads.deleting import discard
from threads.models import Message, Thread, ToolCall, User

ClientOf = Callable[[User], Client]
BEGAN = 1_700_000_000


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    """A message; a string is a text."""
    content = {"content_type": "text", "parts": [content]} if isinstance(content, str) else content
    name = more.pop("name", None)
    return {"author": {"role": role, "name": name, "metadata": {}}, "content": content, "recipient": "all", "metadata": {}, **more}


def conversation(*messages: dict[str, Any], key: str = "c-1", title: str = "Trip", **more: Any) -> dict[str, Any]:
    """One after the other, below a root without a message."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["m0"]}}
    for n, message in enumerate(messages):
        told = {"id": f"m{n}", "create_time": BEGAN + n, **message}
        mapping[f"m{n}"] = {"id": f"m{n}", "message": told, "parent": f"m{n - 1}" if n else "root", "children": []}
    last = f"m{len(messages) - 1}"
    return {"title": title, "create_time": BEGAN, "mapping": mapping, "current_node": last, "conversation_id": key, "id": key, **more}


def bring_in(client: Client, *conversations: dict[str, Any]) -> Any:
    return client.post("/api/threads/import", json.dumps(conversations), "application/json")


def brought(client: Client, *messages: dict[str, Any]) -> list[Message]:
    answer = bring_in(client, conversation(*messages))
    assert answer.status_code == 201, answer.content
    return list(Message.objects.filter(thread=answer.json()["threads"][0]["id"]).order_by("order", "step_order"))


def test_a_conversation_with_who_said_what_and_when(alice: User, client_of: ClientOf) -> None:
    rows = brought(
        client_of(alice),
        said("system", "", metadata={"is_visually_hidden_from_conversation": True}),
        said("user", {"content_type": "user_editable_context", "user_profile": "I like trains"}),
        said("user", "Where to?"),
        said("assistant", "To **Oslo**.", metadata={"model_slug": "gpt-4o"}),
        said("user", "Why?\0"),
    )
    assert [(row.role, row.text, row.author, row.agent_name, row.model) for row in rows] == [
        ("user", "Where to?", alice, "", ""),
        ("assistant", "To **Oslo**.", None, "ChatGPT", "gpt-4o"),
        ("user", "Why?\ufffd", alice, "", ""),
    ]
    assert [row.created_at.timestamp() for row in rows] == [BEGAN + 2, BEGAN + 3, BEGAN + 4]
    thread = rows[0].thread
    assert (thread.title, thread.owner, thread.last_activity.timestamp()) == ("Trip", alice, BEGAN + 4)
    assert [(row.order, row.step_order) for row in rows] == [(0, 0), (0, 1), (1, 0)]


def test_only_the_version_that_was_shown_last(alice: User, client_of: ClientOf) -> None:
    told = conversation(said("user", "Where to?"), said("assistant", "To Rome."))
    told["mapping"]["other"] = {"message": said("assistant", "To Oslo."), "parent": "m0"}
    told["current_node"] = "other"
    (made,) = bring_in(client_of(alice), told).json()["threads"]
    assert [row.text for row in Message.objects.filter(thread=made["id"]).order_by("order", "step_order")] == ["Where to?", "To Oslo."]


def test_thoughts_tools_and_their_outcomes(alice: User, client_of: ClientOf) -> None:
    rows = brought(
        client_of(alice),
        said("user", "How many?"),
        said("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "Counting", "content": "One by one."}]}),
        said("assistant", {"content_type": "code", "language": "python", "text": "print(3)"}, recipient="python"),
        said("tool", {"content_type": "execution_output", "text": "3"}, name="python"),
        said("assistant", {"content_type": "reasoning_recap", "content": "Thought for 2 s"}),
        said("assistant", '{"q": "apples"}', recipient="web.search"),
        said("assistant", "Three \ue200cite\ue202turn0\ue201apples.", metadata={"content_references": [
            {"type": "grouped_webpages", "items": [{"url": "https://example.org/a", "title": "Apples"}]}, {"url": "javascript:x"},
        ]}),
        said("assistant", {"content_type": "code", "language": "rust", "text": "fn main() {}"}),
    )  # fmt: skip
    assert [row.role for row in rows] == ["user", "assistant", "tool", "assistant", "tool", "assistant", "assistant"]
    assert rows[1].content[0] == {"type": "reasoning", "text": "Counting\n\nOne by one."}
    calls = list(ToolCall.objects.filter(thread=rows[0].thread).order_by("message__step_order"))
    assert [(call.tool, call.arguments, call.status, call.result) for call in calls] == [
        ("python", {"code": "print(3)"}, "succeeded", "3"),
        ("web.search", {"q": "apples"}, "failed", None),
    ]
    assert rows[5].text == "Three apples."
    assert [(source["url"], source["title"]) for source in rows[5].sources] == [("https://example.org/a", "Apples")]
    assert rows[6].text == "```rust\nfn main() {}\n```"


def test_an_archive_with_its_pictures(alice: User, client_of: ClientOf) -> None:
    seen = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-A1"}
    lost = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_gone"}
    look = said("user", {"content_type": "multimodal_text", "parts": [seen, lost, "What is this?"]})
    drawn = said("tool", {"content_type": "multimodal_text", "parts": [seen]}, name="dalle.text2im")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(
            "export/conversations-000.json", json.dumps([conversation(look, said("assistant", "{}", recipient="dalle"), drawn)])
        )
        packed.writestr("export/conversations-001.json", json.dumps([conversation(said("user", "Hi"), key="c-2", title="Second")]))
        packed.writestr("export/file-A1-beach.png", PNG)
        packed.writestr("chat.html", "<script>")
    answer = client_of(alice).post("/api/threads/import", archive.getvalue(), "application/zip")
    assert answer.status_code == 201, answer.content
    first, second = answer.json()["threads"]
    assert second["title"] == "Second"
    message = Message.objects.get(thread=first["id"], role="user")
    assert [part["type"] for part in message.content] == ["file", "text", "text"]
    assert "does not contain" in message.content[1]["text"]
    assert message.content[0]["filename"] == "file-A1-beach.png"
    result = ToolCall.objects.get(thread=first["id"]).result
    assert result["files"][0]["mediaType"] == "image/png"


def test_the_same_export_again_brings_in_what_is_new(alice: User, bob: User, client_of: ClientOf) -> None:
    old, new = conversation(said("user", "a")), conversation(said("user", "b"), key="c-2")
    assert bring_in(client_of(alice), old).json()["known"] == 0
    answer = bring_in(client_of(alice), old, new, new).json()
    assert (len(answer["threads"]), answer["known"]) == (1, 2)
    assert len(bring_in(client_of(bob), old).json()["threads"]) == 1, "others have theirs"
    discard(Thread.objects.get(owner=alice, metadata__chatgpt="c-1"))
    assert len(bring_in(client_of(alice), old).json()["threads"]) == 1, "what was deleted is brought in again"


def packed(name: str, data: bytes) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no archive", 400),
        (packed("other.json", b"[]"), 400),
        (packed("conversations.json", b"{}"), 400),
        (packed("conversations.json", b" " * 33_000_000), 413),
    ],
)
def test_other_archives_change_nothing(alice: User, client_of: ClientOf, body: bytes, status: int) -> None:
    answer = client_of(alice).post("/api/threads/import", body, "application/zip")
    assert answer.status_code == status
    assert not Thread.objects.exists()


def test_odd_trees_end(alice: User, client_of: ClientOf) -> None:
    ring = conversation(said("user", "a"), said("user", "b"))
    ring["mapping"]["m0"]["parent"] = "m1"
    astray = conversation(said("user", "c"), key="c-2", title="x" * 300, current_node="nowhere")
    empty = conversation(said("user", {"content_type": "unheard_of", "parts": [None, 3, {"text": "d"}]}), key="c-3")
    strange = conversation(said("critic", {"content_type": "text", "parts": None}, create_time=1e300), key="")
    made = bring_in(client_of(alice), ring, astray, empty, strange, {"mapping": {}}).json()["threads"]
    texts = [[row.text for row in Message.objects.filter(thread=each["id"])] for each in made]
    assert texts == [["a", "b"], [], ["d"], [], []]
    assert made[1]["title"] == "x" * 200


def test_one_that_cannot_be_read_keeps_no_other_out(alice: User, client_of: ClientOf) -> None:
    nested = said("assistant", {"content_type": "code", "text": "[" * 5000 + "]" * 5000}, recipient="python")
    odd = said("assistant", {"content_type": "thoughts", "thoughts": 7}, metadata={"content_references": 5})
    odder = said("assistant", {"content_type": "text", "parts": 7}, metadata={"content_references": [{"items": 3}]})
    good = conversation(said("user", "Hi"), nested, odd, odder, said("user", None), key="c-2", title="Good")
    good["mapping"]["m4"]["message"] |= {"content": None, "metadata": None}
    answer = bring_in(client_of(alice), {"mapping": {"a": {"message": {"author": 3}}}}, good).json()
    assert [each["title"] for each in answer["threads"]] == ["Good"]
    assert len(answer["failed"]) == 1 and answer["failed"][0].startswith("Conversation 1: ")
    (thread,) = Thread.objects.all()
    assert client_of(alice).get(f"/api/threads/{thread.pk}/messages").status_code == 200
    assert thread.members.get().seen_at is not None, "nothing of it is new"


def test_a_small_archive_cannot_hold_much(alice: User, client_of: ClientOf) -> None:
    seen = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-A1"}
    looks = [said("user", {"content_type": "multimodal_text", "parts": [seen] * 20})]
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("conversations.json", json.dumps([conversation(*looks)]))
        file.writestr("file-A1.bin", bytes(2_000_000))
    parts = BytesIO()
    with zipfile.ZipFile(parts, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(40):
            file.writestr(f"conversations-{number:03}.json", b"[" + b" " * 1_000_000 + b"]")
    for body in (archive.getvalue(), parts.getvalue()):
        assert len(body) < 100_000
        assert client_of(alice).post("/api/threads/import", body, "application/zip").status_code == 413
    assert bring_in(client_of(alice), *[{"mapping": {}}] * 1001).status_code == 400
    assert not Thread.objects.exists()
