"""Other versions of a conversation: a prompt is changed, or answered again, and nothing that was said is lost."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from agents import branching, tasks
from agents.errors import BadInput, Busy, Conflict
from agents.people import reply, take_over
from billing.limits import LimitExceeded
from threads.copying import fork
from threads.deleting import delete_thread
from threads.models import Message, Run, Thread, User
from threads.rows import thread_rows
from threads.saving import save_messages

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]


def said(thread: Thread) -> list[str]:
    return [row.text for row in thread.messages.order_by("order", "step_order")]


@pytest.fixture
def asked(ask: Ask, thread: Thread) -> list[Message]:
    """Three prompts with their answers."""
    return [ask(f"{word} [[tokens=1]]")[0] for word in ("one", "two", "three")]


def test_a_changed_prompt_goes_on_from_what_came_before(alice: User, thread: Thread, asked: list[Message]) -> None:
    before = said(thread)
    made, prompt, run = branching.branch(alice, thread, asked[1], "deux [[tokens=2]]")
    tasks.answer(str(made.pk))
    assert said(made) == ["one [[tokens=1]]", "w0 ", "deux [[tokens=2]]", "w0 w1 "]
    assert said(thread) == before
    assert run and run.prompt == prompt and (made.kind, made.parent, made.root) == ("branch", thread, thread)
    assert thread_rows([made.pk])[0]["branches"] == thread_rows([thread.pk])[0]["branches"] != []
    assert [(row["id"], row["parent"], row["after"]) for row in thread_rows([thread.pk])[0]["branches"]] == [
        (str(made.pk), str(thread.pk), [0, 1])
    ]


def test_another_answer_takes_the_prompt_along(alice: User, bob: User, thread: Thread, asked: list[Message]) -> None:
    thread.members.create(user=bob)
    made, prompt, run = branching.branch(bob, thread, asked[1])
    tasks.answer(str(made.pk))
    assert said(made) == ["one [[tokens=1]]", "w0 ", "two [[tokens=1]]", "w0 "]
    assert run and (prompt.author, prompt.copied_from, run.requested_by) == (alice, asked[1].pk, bob)
    assert thread_rows([made.pk])[0]["branches"][0]["after"] == [1, 0]


def test_the_agent_that_answered_answers_again_unless_another_is_named(
    ask: Ask, alice: User, thread: Thread, offered: dict[str, Any]
) -> None:
    prompt, _ = ask("Hi [[tokens=1]]", agent="weather")
    assert thread.default_agent == "plain"
    again, other = (branching.branch(alice, thread, prompt, agent=name)[2] for name in ("", "plain"))
    assert again and other and (again.agent, other.agent) == ("weather", "plain")


def test_the_first_prompt_can_be_changed(alice: User, thread: Thread, asked: list[Message]) -> None:
    made, _, _ = branching.branch(alice, thread, asked[0], "uno")
    assert said(made) == ["uno", ""]
    assert thread_rows([made.pk])[0]["branches"][0]["after"] == [-1, 0]


def test_a_branch_of_a_branch_belongs_to_the_same_conversation(alice: User, thread: Thread, asked: list[Message]) -> None:
    first, prompt, _ = branching.branch(alice, thread, asked[2], "drei")
    second, _, _ = branching.branch(alice, first, prompt, "trois")
    assert (second.root, second.parent) == (thread, first)
    assert [row["id"] for row in thread_rows([first.pk])[0]["branches"]] == [str(first.pk), str(second.pk)]


def test_what_is_being_answered_can_be_changed_but_not_answered_anew(ask: Ask, alice: User, thread: Thread) -> None:
    ask("one [[tokens=1]]")
    prompt, _ = ask("two", answer=False)
    with pytest.raises(Busy):
        branching.branch(alice, thread, prompt)
    made, _, _ = branching.branch(alice, thread, prompt, "deux")
    assert said(made)[:3] == ["one [[tokens=1]]", "w0 ", "deux"]
    assert Thread.objects.filter(root=thread).count() == 1


def test_only_prompts_of_the_thread_can_be_changed(alice: User, thread: Thread, asked: list[Message]) -> None:
    with pytest.raises(BadInput, match="Only a prompt"):
        branching.branch(alice, thread, thread.messages.get(order=0, step_order=1), "x")
    with pytest.raises(BadInput, match="Write something"):
        branching.branch(alice, thread, asked[0], " ")
    assert not Thread.objects.filter(root=thread).exists()


def test_what_a_limit_refuses_leaves_no_branch(alice: User, thread: Thread, asked: list[Message], settings: Any) -> None:
    settings.RATE_LIMITS = True
    settings.LIMITS = {"sendMessage": {"counts": "messages", "per": "user", "kind": "window", "rate": 1, "period": 600, "capacity": 1}}
    branching.branch(alice, thread, asked[0], "uno")
    for text in ("eins", None):
        with pytest.raises(LimitExceeded):
            branching.branch(alice, thread, asked[0], text)
    assert Thread.objects.filter(root=thread).count() == 1


def test_the_same_id_makes_one_branch(alice: User, thread: Thread, asked: list[Message], client_of: ClientOf) -> None:
    client, pk = client_of(alice), str(uuid4())
    path, body = f"/api/threads/{thread.pk}/branches", {"message": str(asked[1].pk), "text": "deux", "id": pk}
    first, second = (client.post(path, body, content_type="application/json") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["thread"]["id"] == second.json()["thread"]["id"] == pk
    assert first.json()["message"]["id"] == second.json()["message"]["id"]
    assert Thread.objects.filter(root=thread).count() == 1
    with pytest.raises(Conflict):
        branching.branch(alice, thread, asked[1], "deux", branch_id=thread.pk)


def test_a_person_who_has_the_conversation_has_its_new_versions_too(alice: User, bob: User, thread: Thread, asked: list[Message]) -> None:
    take_over(bob, thread)
    with pytest.raises(Conflict):
        branching.branch(alice, thread, asked[1])
    made, _, run = branching.branch(alice, thread, asked[1], "deux")
    assert (run, made.assigned_to) == (None, bob)
    reply(bob, made, "Yes")
    assert said(made)[-2:] == ["deux", "Yes"]


def test_lists_show_the_root_for_all_versions(alice: User, thread: Thread, asked: list[Message], client_of: ClientOf) -> None:
    other = Thread.start(alice, title="Newer")
    made, _, _ = branching.branch(alice, thread, asked[1], "deux")
    first, second = client_of(alice).get("/api/threads").json()["threads"]
    assert (first["id"], first["running"], second["id"]) == (str(thread.pk), True, str(other.pk))
    assert first["last_activity"] == first["branches"][0]["last_activity"]
    tasks.answer(str(made.pk))
    assert client_of(alice).get("/api/threads").json()["threads"][0]["running"] is False


def test_all_versions_have_one_title_and_are_archived_together(
    alice: User, thread: Thread, asked: list[Message], client_of: ClientOf
) -> None:
    made, _, _ = branching.branch(alice, thread, asked[1], "deux")
    for patch in ({"title": "Renamed"}, {"status": "archived"}):
        assert client_of(alice).patch(f"/api/threads/{made.pk}", patch, content_type="application/json").status_code == 200
    assert set(thread.lines.values_list("title", "status")) == {("Renamed", "archived")}


def test_whoever_comes_later_comes_into_all_versions(alice: User, bob: User, thread: Thread, asked: list[Message]) -> None:
    made, _, _ = branching.branch(alice, thread, asked[1], "deux")
    thread.admit(bob, "viewer")
    assert Thread.objects.visible_to(bob).filter(pk=made.pk).exists()
    thread.dismiss(bob.pk)
    assert not Thread.objects.visible_to(bob).filter(pk=made.pk).exists()
    delete_thread(thread)
    assert not Thread.objects.exists()


def test_a_version_of_a_fork_stays_with_the_forks_people(alice: User, bob: User, thread: Thread, asked: list[Message]) -> None:
    copy = fork(thread, bob)
    made, _, _ = branching.branch(bob, copy, copy.messages.get(order=1, step_order=0), "between us")
    assert (made.root, made.owner, [member.user for member in made.members.all()]) == (copy, bob, [bob])
    assert not Thread.objects.visible_to(alice).filter(pk=made.pk).exists()
    assert thread_rows([thread.pk])[0]["branches"] == []
    assert [row["id"] for row in thread_rows([copy.pk])[0]["branches"]] == [str(made.pk)]


def test_a_fork_belongs_to_its_maker_alone(bob: User, thread: Thread, client_of: ClientOf) -> None:
    thread.members.create(user=bob, role="viewer")
    answer = {"role": "assistant", "content": "Yes"}
    *_, last = save_messages(thread.pk, ["a", answer, "b", answer])
    client, pk = client_of(bob), str(uuid4())
    body = {"through": str(thread.messages.get(order=0, step_order=1).pk), "id": pk}
    path = f"/api/threads/{thread.pk}/forks"
    assert [client.post(path, body, content_type="application/json").status_code for _ in range(2)] == [201, 200]
    copy = Thread.objects.get(pk=pk)
    assert (said(copy), copy.owner, [m.user for m in copy.members.all()]) == (["a", "Yes"], bob, [bob])
    whole = client.post(path, {}, content_type="application/json").json()["id"]
    assert said(Thread.objects.get(pk=whole)) == said(thread)
    taken = client.post(path, {"id": str(thread.pk)}, content_type="application/json")
    assert (taken.status_code, last.thread_id) == (409, thread.pk)
    assert timezone.now() >= copy.created_at
