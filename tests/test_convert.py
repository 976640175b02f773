"""The forms of a message, and the way from one to the other."""

import base64
from typing import Any

import pytest
from django.core.files.base import ContentFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from threads.convert import (
    drop_orphaned_tool_messages,
    extract_text,
    from_ui_messages,
    guess_media_type,
    to_part,
    to_ui_messages,
)
from threads.errors import BadInput
from threads.models import Thread, ToolCall
from threads.saving import save_messages
from threads.schemas import NewMessage

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 30


def test_the_words_of_any_form() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "reasoning", "text": "hidden"}, {"type": "text", "text": "b"}]
    for message in ("a b", {"content": "a b"}, {"content": parts}, {"parts": parts}, NewMessage.of({"content": parts})):
        assert extract_text(message) == "a b"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1" + b"\0" * 20, "image/jpeg"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\3\4" + b"\0" * 30, "application/zip"),
        (b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="http://www.w3.org/2000/svg"></svg>', "image/svg+xml"),
        (b"<svg width='1'></svg>", "image/svg+xml"),
        (b"<p>An svg", "text/plain"),
        (b"Plain words", "text/plain"),
        ("ä".encode() * 4096 + b"x", "text/plain"),
        (b"x" + "ä".encode() * 5000, "text/plain"),
        (b"text\0with a zero", "application/octet-stream"),
        (b"\xff\xfe\xfd" * 20, "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_what_bytes_are(data: bytes, media_type: str) -> None:
    assert guess_media_type(data) == media_type


def test_parts_of_bytes_files_and_addresses() -> None:
    encoded = base64.b64encode(PNG).decode()
    expected = {"type": "file", "mediaType": "image/png", "url": f"data:image/png;base64,{encoded}"}
    assert to_part(PNG) == to_part(f"data:image/png;base64,{encoded}") == to_part(f"data:;base64,{encoded}") == expected
    assert to_part(ContentFile(PNG, name="a/b/pixel.png")) == expected | {"filename": "pixel.png"}
    assert (
        to_part("data:text/plain;charset=utf-8,Hello%20you")["url"] == f"data:text/plain;base64,{base64.b64encode(b'Hello you').decode()}"
    )
    address = to_part("https://example.com/a.png", media_type="image/png")
    assert address == {"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"}
    for bad in ("javascript:alert(1)", "file:///etc/passwd", "data:image/png;base64,!!", "data:nothing", "https://", "words"):
        with pytest.raises(BadInput):
            to_part(bad)


def test_file_parts_can_be_saved(thread: Thread) -> None:
    (row,) = save_messages(thread.pk, [{"content": [{"type": "text", "text": "See"}, to_part(PNG, filename="p.png")]}])
    row.refresh_from_db()
    assert row.content[1] == to_part(PNG, filename="p.png")


def test_orphans_are_dropped_and_open_questions_kept(thread: Thread) -> None:
    def asks(*names: str) -> dict[str, Any]:
        return {"role": "assistant", "content": [{"type": "tool-call", "id": name, "tool": "add"} for name in names]}

    def results(*names: str) -> dict[str, Any]:
        return {"role": "tool", "content": [{"type": "tool-result", "id": name, "result": 1} for name in names]}

    said = {"role": "assistant", "content": "Done"}
    rows = save_messages(thread.pk, ["q", asks("a", "lost"), results("a"), asks("gone"), said, asks("open")])
    thread.tool_calls.filter(provider_call_id="open").update(status=ToolCall.Status.AWAITING_APPROVAL)
    kept = drop_orphaned_tool_messages(rows, thread.tool_calls.all())
    assert [(row.step_order, len(row.content)) for row in kept] == [(0, 1), (1, 1), (2, 1), (4, 1), (5, 1)]
    assert [row.step_order for row in drop_orphaned_tool_messages(rows[2:], thread.tool_calls.all())] == [4, 5]
    assert len(rows[1].content) == 2, "the given rows stay as they are"


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
outcomes = st.one_of(st.none(), st.fixed_dictionaries({"result": st.one_of(st.integers(), words)}), st.fixed_dictionaries({"error": words}))


@st.composite
def turns(draw: Any) -> list[dict[str, Any]]:
    """A user's words, then assistant rows with texts, thoughts and calls, some with results."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(words)}]
    for number in range(draw(st.integers(0, 3))):
        content = [{"type": kind, "text": draw(words)} for kind in draw(st.lists(st.sampled_from(["text", "reasoning"]), max_size=3))]
        found = {f"{number}-{n}": draw(outcomes) for n in range(draw(st.integers(0, 2)))}
        content += [{"type": "tool-call", "id": name, "tool": "add", "arguments": {"n": 1}} for name in found]
        if content:
            messages.append({"role": "assistant", "content": content})
        if results := [{"type": "tool-result", "id": name, **outcome} for name, outcome in found.items() if outcome]:
            messages.append({"role": "tool", "content": results})
    return messages


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns())
def test_there_and_back_again(database: None, messages: list[dict[str, Any]]) -> None:
    def shown(thread: Thread) -> list[Any]:
        plain = to_ui_messages(thread.messages.all(), thread.tool_calls.all())
        return [[{k: v for k, v in part.items() if k not in ("toolCallId", "approval")} for part in message["parts"]] for message in plain]

    first, second = Thread.objects.create(), Thread.objects.create()
    save_messages(first.pk, messages)
    save_messages(second.pk, from_ui_messages(to_ui_messages(first.messages.all(), first.tool_calls.all())))
    assert shown(first) == shown(second)
