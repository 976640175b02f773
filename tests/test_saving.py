"""Saving, changing, deleting and copying messages outside of a run."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agents import services
from agents.context import messages_for
from agents.erasing import erase_user
from agents.registry import get_agent
from threads.copying import clone, fork
from threads.deleting import delete_messages, delete_range, delete_thread
from threads.errors import BadInput
from threads.models import Delta, Message, Run, Thread, ThreadMember, Tombstone, ToolCall, User
from threads.saving import save_messages, update_message
from threads.sync import snapshot
from threads.ui import ui_messages

Ask = Callable[..., tuple[Message, Run]]
ASSISTANT = {"role": "assistant", "content": "Yes"}
CALL = {"role": "assistant", "content": [{"type": "tool-call", "id": "call_0", "tool": "add", "arguments": {"a": 1}}]}
RESULT = {"role": "tool", "content": [{"type": "tool-result", "id": "call_0", "result": 2}]}


def places(rows: list[Message]) -> list[tuple[int, int]]:
    return [(row.order, row.step_order) for row in rows]


# --- Positions ---------------------------------------------------------------------------------------------------------


def test_users_open_turns_and_everything_else_goes_on(thread: Thread) -> None:
    rows = save_messages(thread.pk, ["Hi", ASSISTANT, ASSISTANT, "More", {"role": "system", "content": "Note"}])
    assert places(rows) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert places(save_messages(thread.pk, [ASSISTANT, "Again"])) == [(1, 2), (2, 0)]


def test_a_thread_may_begin_with_an_assistant(thread: Thread) -> None:
    assert places(save_messages(thread.pk, [ASSISTANT, "Hi"])) == [(0, 0), (1, 0)]


def test_next_and_numbered_orders(thread: Thread) -> None:
    save_messages(thread.pk, ["a", ASSISTANT, "b"])
    assert places(save_messages(thread.pk, [ASSISTANT, ASSISTANT, "c"], order="next")) == [(2, 0), (2, 1), (3, 0)]
    assert places(save_messages(thread.pk, [ASSISTANT, "d"], order=0)) == [(0, 2), (4, 0)]
    assert places(save_messages(thread.pk, ["e", ASSISTANT], order=9)) == [(9, 0), (9, 1)]
    assert places(save_messages(thread.pk, [ASSISTANT])) == [(9, 2)]


def test_rows_after_a_prompt_follow_its_whole_turn(thread: Thread) -> None:
    prompt, *_ = save_messages(thread.pk, ["a", ASSISTANT, "b"])
    rows = save_messages(thread.pk, [ASSISTANT, ASSISTANT, "c", ASSISTANT], prompt=prompt.pk)
    assert places(rows) == [(0, 2), (0, 3), (2, 0), (2, 1)]


def test_a_pending_row_is_replaced_in_place_and_the_rest_follows_it(thread: Thread) -> None:
    _, pending, _ = save_messages(thread.pk, ["a", {"role": "assistant", "status": "pending"}, "b"])
    rows = save_messages(thread.pk, [ASSISTANT | {"model": "m"}, ASSISTANT], pending=pending.pk)
    assert places(rows) == [(0, 1), (0, 2)]
    assert rows[0].pk == pending.pk
    pending.refresh_from_db()
    assert (pending.status, pending.text, pending.model) == ("success", "Yes", "m")


def test_failed_prompts_and_failed_pending_rows_make_failed_rows(thread: Thread) -> None:
    bad = {"kind": "x", "message": "It broke"}
    prompt, pending = save_messages(thread.pk, [{"content": "a", "status": "failed", "error": bad}, ASSISTANT | {"status": "failed"}])
    (after,) = save_messages(thread.pk, [ASSISTANT], prompt=prompt.pk)
    assert (after.status, after.error) == ("failed", bad)
    late = save_messages(thread.pk, [ASSISTANT, ASSISTANT], pending=pending.pk)
    assert [row.status for row in late] == ["failed", "failed"]
    assert str(pending.pk) in str(late[1].error)


def test_stale_pending_rows_are_failed_but_never_those_of_a_live_run(ask: Ask, thread: Thread) -> None:
    pending = {"role": "assistant", "status": "pending"}
    first, mine, _, other = save_messages(thread.pk, ["a", pending, "b", pending])
    save_messages(thread.pk, [ASSISTANT], prompt=first.pk, fail_pending=True)
    assert [Message.objects.get(pk=row.pk).status for row in (mine, other)] == ["failed", "pending"]
    _, run = ask("c", answer=False)
    save_messages(thread.pk, [ASSISTANT], fail_pending=True)
    assert Message.objects.get(pk=other.pk).error == {"kind": "restarted", "message": "Restarting", "retryable": True, "retry_after": None}
    assert Message.objects.get(pk=run.pending_message_id).status == "pending"


@pytest.mark.parametrize(
    ("messages", "options", "field"),
    [
        ([{"role": "robot", "content": "x"}], {}, "role"),
        ([{"content": [{"type": "video"}]}], {}, "content.0"),
        ([{"content": "x", "extra": 1}], {}, "extra"),
        (["x"], {"order": -1}, "order"),
        (["x"], {"order": 2**31}, "order"),
        ([RESULT], {}, "messages"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_saved(thread: Thread, messages: Any, options: Any, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        save_messages(thread.pk, ["before", *messages], **options)
    assert caught.value.field == field
    assert not Message.objects.exists()


def test_positions_cannot_be_given_twice_over(thread: Thread, alice: User) -> None:
    (row,) = save_messages(thread.pk, ["a"])
    (foreign,) = save_messages(Thread.start(alice).pk, ["a"])
    for options in ({"order": 0, "prompt": row.pk}, {"order": "next", "pending": row.pk}, {"prompt": foreign.pk}, {"pending": foreign.pk}):
        with pytest.raises(BadInput):
            save_messages(thread.pk, ["b"], **options)


def test_whoever_saves_at_the_same_time_gets_other_positions(thread: Thread) -> None:
    def save(number: int) -> list[tuple[int, int]]:
        try:
            return places(save_messages(thread.pk, ["a", ASSISTANT] if number % 2 else [ASSISTANT]))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        given = [place for places in pool.map(save, range(24)) for place in places]
    assert len(set(given)) == len(given) == 36


# --- Tool calls, changing, deleting ------------------------------------------------------------------------------------


def test_tool_calls_may_be_saved_with_their_results(thread: Thread) -> None:
    rows = save_messages(thread.pk, ["Add", CALL, RESULT, CALL, {"role": "assistant", "content": "2"}])
    first, second = ToolCall.objects.order_by("message__step_order")
    assert (first.status, first.result, second.status) == ("succeeded", 2, "requested")
    assert [row.is_tool for row in rows] == [False, True, True, True, False]
    (result,) = save_messages(thread.pk, [{"role": "tool", "content": [{"type": "tool-result", "id": str(second.pk), "error": "No"}]}])
    second.refresh_from_db()
    assert (second.status, second.error["message"], result.order) == ("failed", "No", 0)


def test_changing_a_message_is_told_to_browsers(thread: Thread) -> None:
    (row,) = save_messages(thread.pk, ["Hi"])
    version = snapshot(thread.pk)["version"]
    update_message(row, content="Hello", status="failed", error={"kind": "x"})
    (shown,) = snapshot(thread.pk, version)["messages"]
    assert (shown["content"], shown["status"]) == ([{"type": "text", "text": "Hello"}], "failed")
    with pytest.raises(BadInput, match="Input should be"):
        update_message(row, status="gone")


def test_what_a_tool_said_cannot_be_rewritten(thread: Thread) -> None:
    _, call, _ = save_messages(thread.pk, ["Add", CALL, RESULT])
    with pytest.raises(BadInput, match="record"):
        update_message(call, content="Nothing happened")


def test_deleting_by_ids_leaves_other_threads_alone(thread: Thread, alice: User) -> None:
    rows = save_messages(thread.pk, ["a", CALL, RESULT])
    (foreign,) = save_messages(Thread.start(alice).pk, ["a"])
    version = snapshot(thread.pk)["version"]
    assert set(delete_messages(thread.pk, [rows[0].pk, rows[1].pk, foreign.pk])) == {rows[0].pk, rows[1].pk}
    assert {gone["id"] for gone in snapshot(thread.pk, version)["deleted"]} == {str(rows[0].pk), str(rows[1].pk)}
    assert list(thread.messages.values_list("pk", flat=True)) == [rows[2].pk]
    assert not ToolCall.objects.exists()
    assert Message.objects.filter(pk=foreign.pk).exists()


def test_a_range_is_half_open_and_compared_like_words(thread: Thread) -> None:
    save_messages(thread.pk, [message for _ in range(4) for message in ("q", *[ASSISTANT] * 6)])
    assert delete_range(thread.pk, (1, 2), (2, 5)) == 5 + 5
    kept = places(list(thread.messages.order_by("order", "step_order")))
    assert kept == [(o, s) for o in range(4) for s in range(7) if not (1, 2) <= (o, s) < (2, 5)]


def test_deleted_positions_are_not_given_again(thread: Thread) -> None:
    save_messages(thread.pk, ["a", ASSISTANT, "b"])
    delete_range(thread.pk, (0, 1), (9, 0))
    assert places(save_messages(thread.pk, [ASSISTANT, "c"])) == [(1, 1), (2, 0)]


def test_deleting_a_prompt_ends_the_answer_to_it(ask: Ask, thread: Thread) -> None:
    message, run = ask("a", answer=False)
    delete_messages(thread.pk, [message.pk])
    run.refresh_from_db()
    assert (run.status, run.prompt_id) == ("stopped", None)
    _, later = ask("b")
    assert later.status == "succeeded"


def test_an_answer_is_deleted_whole_and_a_prompt_with_its_answers(
    ask: Ask, thread: Thread, alice: User, bob: User, client_of: Callable[[User], Client]
) -> None:
    thread.members.create(user=bob)
    save_messages(thread.pk, ["Add", CALL, RESULT, ASSISTANT], author=alice)
    save_messages(thread.pk, ["More", CALL, RESULT, ASSISTANT], author=bob)

    def delete(user: User, order: int, step: int) -> tuple[int, list[tuple[int, int]]]:
        message = thread.messages.get(order=order, step_order=step)
        answer = client_of(user).delete(f"/api/threads/{thread.pk}/messages/{message.pk}")
        return answer.status_code, places(list(thread.messages.order_by("order", "step_order")))

    assert delete(bob, 0, 3)[0] == delete(bob, 0, 0)[0] == 403
    assert delete(bob, 1, 2) == (204, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)])
    assert delete(alice, 0, 0) == (204, [(1, 0)])
    assert delete(alice, 1, 0) == (204, [])


def test_a_deleted_thread_leaves_nothing(ask: Ask, thread: Thread, alice: User) -> None:
    ask("[[tokens=3]]Hi")
    ask("And", answer=False)
    fork(thread, alice, kind="branch")
    delete_thread(thread)
    for model in (Thread, ThreadMember, Message, Run, Delta, ToolCall, Tombstone):
        assert not model.objects.exists(), model


def test_erasing_a_person_leaves_nothing_of_theirs(
    ask: Ask, thread: Thread, alice: User, bob: User, client_of: Callable[[User], Client]
) -> None:
    theirs = Thread.start(bob)
    theirs.members.create(user=alice)
    services.send(alice, theirs, "From alice", agent="plain")
    save_messages(theirs.pk, ["From bob"], author=bob)
    ask("[[tokens=3]]Hi")
    client = client_of(alice)
    session = client.session.session_key
    erase_user(alice)
    assert not User.objects.filter(username="alice").exists()
    assert [row.text for row in Message.objects.filter(role="user")] == ["From bob"]
    assert list(Thread.objects.values_list("pk", flat=True)) == [theirs.pk]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM django_session WHERE session_key = %s", [session])
        assert cursor.fetchone() is None


# --- Copies ------------------------------------------------------------------------------------------------------------


def shown(thread: Thread) -> list[Any]:
    rows = list(thread.messages.order_by("order", "step_order"))
    hidden = ("id", "key", "created_at", "metadata", "approval", "toolCallId")
    plain = [{k: v for k, v in message.items() if k not in hidden} for message in ui_messages(rows, thread.tool_calls.all())]
    for message in plain:
        message["parts"] = [{k: v for k, v in part.items() if k not in hidden} for part in message["parts"]]
    return plain


def test_a_fork_says_the_same_under_new_ids(thread: Thread, bob: User) -> None:
    save_messages(thread.pk, ["Add", CALL, RESULT, {"role": "assistant", "content": "2", "usage": {"total": 3}}, "b", ASSISTANT])
    last = thread.messages.get(order=0, step_order=3)
    copy = fork(thread, bob, through=last)
    assert shown(copy) == shown(thread)[:2]
    assert (copy.kind, copy.owner, copy.parent, copy.root, copy.fork_order) == ("fork", bob, thread, thread, 0)
    assert not set(copy.messages.values_list("pk", flat=True)) & set(thread.messages.values_list("pk", flat=True))
    assert set(copy.messages.values_list("copied_from", flat=True)) == set(thread.messages.filter(order=0).values_list("pk", flat=True))
    assert not copy.messages.exclude(usage=None).exists()
    assert copy.tool_calls.get().message.thread_id == copy.pk
    assert places(save_messages(copy.pk, ["c"])) == [(1, 0)]


def test_a_branch_keeps_owner_and_members_and_only_settled_turns(ask: Ask, thread: Thread, alice: User, bob: User) -> None:
    thread.members.create(user=bob, role="viewer")
    ask("[[tokens=3]]Hi")
    ask("Being answered", answer=False)
    branch = fork(fork(thread, alice, kind="branch"), bob, kind="branch")
    assert [row.order for row in branch.messages.order_by("order", "step_order")] == [0, 0]
    assert (branch.root, branch.owner) == (thread, alice)
    assert set(branch.members.values_list("user__username", "role")) == {("alice", "owner"), ("bob", "viewer")}
    assert branch.pk not in Thread.objects.visible_to(bob).listed().values_list("pk", flat=True)
    assert snapshot(branch.pk)["messages"][1]["content"] == [{"type": "text", "text": "w0 w1 w2 "}]


def test_clones_can_be_shifted_filtered_and_repeated(thread: Thread, alice: User) -> None:
    save_messages(thread.pk, ["Add", CALL, RESULT, ASSISTANT, "b", ASSISTANT | {"status": "failed"}, "c"])
    target = Thread.start(alice)
    save_messages(target.pk, ["first"])
    assert clone(thread, target, insert_at=1, exclude_tool_messages=True, statuses=["success"], limit=3) == 3
    assert places(list(target.messages.order_by("order", "step_order"))) == [(0, 0), (1, 0), (1, 3), (2, 0)]
    assert clone(thread, target, insert_at=1, through=thread.messages.get(order=1, step_order=0)) == 3
    assert clone(thread, target, insert_at=1) == 1
    assert target.messages.count() == 8


def test_a_copy_of_a_long_thread_can_be_answered_in(thread: Thread, alice: User) -> None:
    words = random.Random(7)
    messages = ["q" if words.random() < 0.4 else ASSISTANT for _ in range(300)]
    save_messages(thread.pk, ["q", *messages])
    copy = fork(thread, alice)
    _, run = services.send(alice, copy, "Go on", agent="plain")
    context = messages_for(run, get_agent("plain")).messages
    assert context[-1] == {"role": "user", "content": "Go on"}
    assert copy.messages.count() == 303


# --- Finding -----------------------------------------------------------------------------------------------------------


def test_titles_are_found_by_their_words_among_ones_own(alice: User, bob: User, client_of: Callable[[User], Client]) -> None:
    for owner, title in ((alice, "A trip to Oslo"), (alice, "Oslo, Oslo!"), (alice, "Bergen"), (bob, "Oslo for bob")):
        Thread.start(owner, title=title)

    def found(words: str) -> list[str]:
        return [row["title"] for row in client_of(alice).get("/api/threads", {"title": words}).json()["threads"]]

    assert set(found("oslo")) == {"Oslo, Oslo!", "A trip to Oslo"}
    assert found("oslo")[0] == "Oslo, Oslo!", "the best first"
    assert found("trip oslo") == found('"trip to"') == ["A trip to Oslo"]
    assert found("oslo -trip") == ["Oslo, Oslo!"]
    assert found("berg") == ["Bergen"]
    assert found("'; drop & | ! :* (") == found("nowhere") == []


def test_threads_carry_metadata_of_their_owners(alice: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(alice)
    made = client.post("/api/threads", {"metadata": {"order": 1042}}, content_type="application/json").json()
    assert made["metadata"] == {"order": 1042}
    changed = client.patch(f"/api/threads/{made['id']}", {"metadata": {"order": 1043, "tags": ["a"]}}, content_type="application/json")
    assert changed.json()["metadata"] == {"order": 1043, "tags": ["a"]}
    refused = client.patch(f"/api/threads/{made['id']}", {"metadata": [1]}, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "metadata")
