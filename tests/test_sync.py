"""What a browser is missing, read from rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import services
from threads import broadcast, sync
from threads.models import Delta, Message, Run, Thread, Tombstone, User
from threads.sync import Wanted, snapshot

Ask = Callable[..., tuple[Message, Run]]


def stream(run: Run, *texts: str, attempt: int = 1, start: int = 0) -> None:
    """Commit deltas, as the group commit does."""
    for number, text in enumerate(texts, start=start):
        part = {"type": "text-delta", "id": "text-1", "delta": text} if number else {"type": "text-start", "id": "text-1"}
        Delta.objects.create(run=run, attempt=attempt, step=0, start=number, end=number + 1, parts=[part])


def test_a_fresh_page_gets_the_newest_turns_and_the_live_answer(ask: Ask, thread: Thread) -> None:
    ask("First")
    _, run = ask("Second", answer=False)
    Run.objects.claim(thread.pk, "me")
    stream(run, "", "Hel", "lo")
    frame = snapshot(thread.pk)
    assert (frame["reset"], frame["before"]) == (True, None)
    assert [(m["role"], m["order"], m["status"]) for m in frame["messages"]] == [
        ("user", 0, "success"), ("assistant", 0, "success"), ("user", 1, "success"), ("assistant", 1, "pending"),
    ]  # fmt: skip
    (delta,) = frame["deltas"]
    assert (delta["start"], delta["end"]) == (0, 3)
    assert delta["parts"] == [{"type": "text-start", "id": "text-1"}, {"type": "text-delta", "id": "text-1", "delta": "Hello"}]
    assert {r["status"] for r in frame["runs"]} == {"succeeded", "running"}


def test_a_returning_browser_gets_only_what_is_newer(ask: Ask, thread: Thread) -> None:
    ask("First")
    version = snapshot(thread.pk)["version"]
    assert [snapshot(thread.pk, version)[key] for key in ("messages", "runs", "tool_calls", "deltas")] == [[], [], [], []]
    _, run = ask("Second", answer=False)
    Run.objects.claim(thread.pk, "me")
    known = snapshot(thread.pk, version)
    assert (known["reset"], [m["order"] for m in known["messages"]]) == (False, [1, 1])
    stream(run, "", "Hel", "lo")
    frame = snapshot(thread.pk, known["version"], {str(run.pk): 2})
    assert [(d["start"], d["end"]) for d in frame["deltas"]] == [(2, 3)]


def test_a_new_attempt_is_sent_from_its_base(ask: Ask, thread: Thread) -> None:
    _, run = ask("First", answer=False)
    claimed = Run.objects.claim(thread.pk, "me")
    assert claimed is not None
    stream(run, "", "old")
    version = snapshot(thread.pk)["version"]
    claimed.next_attempt()
    stream(run, "", "new", attempt=2)
    (delta,) = snapshot(thread.pk, version, {str(run.pk): 2})["deltas"]
    assert (delta["attempt"], delta["start"], delta["parts"][-1]["delta"]) == (2, 0, "new")


def test_readers_stop_at_a_hole(ask: Ask, thread: Thread) -> None:
    _, run = ask("First", answer=False)
    Run.objects.claim(thread.pk, "me")
    stream(run, "", "a")
    stream(run, "c", start=3)
    (delta,) = snapshot(thread.pk)["deltas"]
    assert delta["end"] == 2


def test_long_threads_are_read_by_pages_of_whole_turns(alice: User, thread: Thread) -> None:
    for number in range(40):
        services.send(alice, thread, f"Question {number}")
    frame = snapshot(thread.pk)
    assert len(frame["messages"]) == sync.PAGE_ROWS
    assert frame["before"] == frame["messages"][0]["order"] == 15
    older, _, _, before, after = sync.page(thread, before=frame["before"])
    assert after == frame["before"]
    assert (older[0].order, older[-1].order, before) == (0, 14, None)


def orders(found: sync.Page) -> tuple[int, int, int | None, int | None]:
    """The first and last turn of a page, and where others continue."""
    return found.messages[0].order, found.messages[-1].order, found.before, found.after


def test_pages_lead_from_anywhere_to_both_ends(alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    for number in range(40):
        services.send(alice, thread, f"Question {number}")
    assert orders(sync.page(thread, 20)) == (30, 39, 30, None)
    assert orders(sync.page(thread, 20, before=30)) == (20, 29, 20, 30)
    assert orders(sync.page(thread, 20, before=5)) == (0, 4, None, 5)
    assert orders(sync.page(thread, 20, after=5)) == (5, 14, 5, 15)
    assert orders(sync.page(thread, 20, after=35)) == (35, 39, 35, None)
    asked = thread.messages.filter(role="user").order_by("order")
    assert orders(sync.page(thread, 20, around=asked[20])) == (15, 24, 15, 25)
    assert orders(sync.page(thread, 20, around=asked[0])) == (0, 4, None, 5)
    assert orders(sync.page(thread, 20, around=asked[39])) == (34, 39, 34, None)
    for nothing in (sync.page(thread, before=0), sync.page(thread, after=40), sync.page(Thread.start(alice))):
        assert nothing.messages == []
    client, path = client_of(alice), f"/api/threads/{thread.pk}/messages"
    told = client.get(path, {"view": "rows", "around": str(asked[20].pk), "limit": 20}).json()
    assert (told["before"], told["after"], len(told["messages"])) == (15, 25, 20)
    assert client.get(path, {"around": str(Thread.start(alice).pk)}).status_code == 404
    for query in ({"before": -1}, {"after": 2**31}, {"after": 1, "before": 2}, {"around": "x"}, {"limit": 201}):
        assert client.get(path, query).status_code == 400, query


def test_who_is_far_behind_starts_again(ask: Ask, thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MAX_ROWS", 3)
    ask("First")
    ask("Second")
    assert snapshot(thread.pk, 0)["reset"]
    monkeypatch.setattr(sync, "MAX_ROWS", 200)
    assert not snapshot(thread.pk, 0)["reset"]
    monkeypatch.setattr(sync, "MAX_BYTES", 10)
    assert snapshot(thread.pk, 0)["reset"]


def test_deletions_are_told_until_their_tombstones_go(ask: Ask, thread: Thread) -> None:
    message, run = ask("First")
    version = snapshot(thread.pk)["version"]
    answer = run.messages.get()
    pk = str(answer.pk)
    with Thread.changing(thread.pk) as change:
        change.delete("message", Message.objects.filter(pk=answer.pk))
    assert snapshot(thread.pk, version)["deleted"] == [{"kind": "message", "id": pk}]
    Tombstone.objects.update(created_at=timezone.now() - timedelta(days=2))
    Tombstone.objects.prune()
    assert snapshot(thread.pk, version)["reset"]
    assert message.order == 0


def test_people_have_one_name_in_all_rows(ask: Ask, thread: Thread, alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(first_name="Alice", last_name="Adams")
    thread.members.create(user=bob)
    ask("Hello", answer=False)
    frame = snapshot(thread.pk)
    assert frame["thread"]["owner"] == frame["messages"][0]["author"] == {"id": str(alice.pk), "name": "Alice Adams"}
    assert [(m["name"], m["role"]) for m in frame["thread"]["members"]] == [("Alice Adams", "owner"), ("bob", "writer")]
    assert (frame["thread"]["running"], frame["thread"]["assigned_to"]) == (True, None)


def test_a_change_without_content_is_no_version(thread: Thread) -> None:
    before = Thread.objects.get(pk=thread.pk).version
    with Thread.changing(thread.pk):
        pass
    assert Thread.objects.get(pk=thread.pk).version == before


def test_opening_costs_the_same_number_of_queries_however_long_the_thread(ask: Ask, thread: Thread, alice: User) -> None:
    ask("First")
    with CaptureQueriesContext(connection) as short:
        snapshot(thread.pk)
    for number in range(60):
        services.send(alice, thread, f"Question {number}")
    with CaptureQueriesContext(connection) as long:
        snapshot(thread.pk)
    assert len(long) <= len(short) + 1


def test_frames_too_large_to_push_carry_no_rows() -> None:
    row = {"id": "x", "text": "x" * 70_000}
    message = broadcast.frame_message({"type": "changed", "version": 7, "messages": [row]})
    assert message["text"] == '{"type":"changed","version":7,"ids_only":true}'


async def test_the_wire_format_is_the_channel_layers(settings: Any) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("thread.pinned", channel)
    broadcast.publish([("thread.pinned", {"type": "frame", "text": "ä", "version": 3})])
    assert await layer.receive(channel) == {"type": "frame", "text": "ä", "version": 3}


def test_redis_being_away_costs_only_a_log_line(settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broadcast._redis.cache_clear()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    broadcast.publish([("thread.x", {"type": "frame"})])
    broadcast._redis.cache_clear()
    assert "push not sent" in caplog.text


# --- What a sync may bring besides -------------------------------------------------------------------------------------


def test_a_sync_can_include_ended_runs_start_at_a_turn_and_skip_runs(ask: Ask, thread: Thread) -> None:
    _, first = ask('[[text="Let me see."]][[tool=nobody]][[next]][[text="There is none."]]')
    _, second = ask("Second", answer=False)
    Run.objects.claim(thread.pk, "me")
    stream(second, "", "Hel")
    assert [delta["run"] for delta in snapshot(thread.pk)["deltas"]] == [str(second.pk)]
    everything = snapshot(thread.pk, wanted=Wanted(ended=True))["deltas"]
    assert {delta["run"] for delta in everything} == {str(first.pk), str(second.pk)}
    ended = next(delta for delta in everything if delta["run"] == str(first.pk))
    said = "".join(part["delta"] for part in ended["parts"] if part["type"] == "text-delta")
    assert (said, ended["start"], ended["end"]) == ("Let me see.There is none.", 0, Run.objects.get(pk=first.pk).base)
    later = snapshot(thread.pk, wanted=Wanted(ended=True, start=1))
    assert {message["order"] for message in later["messages"]} == {1}
    assert [delta["run"] for delta in later["deltas"]] == [str(second.pk)]
    assert snapshot(thread.pk, wanted=Wanted(skip=frozenset([str(second.pk)])))["deltas"] == []
    newer = snapshot(thread.pk, 0, {}, Wanted(ended=True))
    assert {delta["run"] for delta in newer["deltas"]} == {str(first.pk), str(second.pk)}
