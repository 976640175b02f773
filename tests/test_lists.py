"""A person's list of threads: pins, what is new, deleting and bringing back, finding."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from agents import branching, services
from tests.site import Site, Tab
from threads import finding
from threads.deleting import UNDO, empty_bin
from threads.finding import find
from threads.models import Message, Run, Thread, ThreadMember, User
from threads.rows import own_rows
from threads.saving import save_messages
from threads.search import Scope, by_words

ClientOf = Callable[[User], Client]
ANSWER = {"role": "assistant", "content": "Take the ferry from Kiel."}


def ids(client: Client, **query: Any) -> list[str]:
    answer = client.get("/api/threads", query)
    assert answer.status_code == 200
    return [row["id"] for row in answer.json()["threads"]]


def mine(thread: Thread, user: User) -> dict[str, Any]:
    return own_rows([thread.pk], user.pk)[0]["mine"]


def post(client: Client, path: str, *threads: Thread) -> int:
    return client.post(path, {"threads": [str(thread.pk) for thread in threads]}, "application/json").status_code


def pin(client: Client, thread: Thread, **marks: bool) -> int:
    return client.patch(f"/api/threads/{thread.pk}/mine", marks, "application/json").status_code


@pytest.fixture
def operator(database: None) -> User:
    user = User.objects.create_user("olga")
    user.user_permissions.add(Permission.objects.get(codename="operate_thread"))
    return user


@pytest.fixture
def shared(thread: Thread, bob: User) -> Thread:
    thread.admit(bob, ThreadMember.Role.WRITER)
    return thread


# --- One's own marks -----------------------------------------------------------------------------------------------------


def test_pins_and_what_is_seen_are_ones_own(shared: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    before = Thread.objects.get(pk=shared.pk).version
    assert pin(client_of(alice), shared, pinned=True, seen=True) == 200
    assert mine(shared, alice)["pinned_at"] and mine(shared, alice)["seen_at"]
    assert mine(shared, bob) == {"pinned_at": None, "seen_at": None}
    assert ids(client_of(alice), pinned=True) == [str(shared.pk)]
    assert ids(client_of(bob), pinned=True) == []
    assert pin(client_of(alice), shared, seen=False) == 200
    assert mine(shared, alice)["pinned_at"], "what is left out stays"
    assert mine(shared, alice)["seen_at"] is None
    assert pin(client_of(alice), shared, pinned=False) == 200
    assert ids(client_of(alice), pinned=True) == []
    assert Thread.objects.get(pk=shared.pk).version == before, "nobody else is told"


def test_marks_are_the_conversations_not_a_versions(thread: Thread, alice: User, client_of: ClientOf, ask: Any) -> None:
    prompt, _ = ask("one")
    made, *_ = branching.branch(alice, thread, prompt, "two")
    assert pin(client_of(alice), made, pinned=True) == 200
    assert mine(thread, alice)["pinned_at"]
    assert ids(client_of(alice), pinned=True) == [str(thread.pk)]


def test_an_operator_who_is_no_member_has_no_marks(thread: Thread, operator: User, client_of: ClientOf) -> None:
    assert pin(client_of(operator), thread, pinned=True) == 404


# --- Archiving -----------------------------------------------------------------------------------------------------------


def test_an_archived_thread_leaves_the_list_until_somebody_asks_there(thread: Thread, alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    pin(client, thread, pinned=True)
    client.patch(f"/api/threads/{thread.pk}", {"status": "archived"}, "application/json")
    assert ids(client) == ids(client, pinned=True) == []
    assert ids(client, status="archived") == [str(thread.pk)]
    services.send(alice, Thread.objects.get(pk=thread.pk), "Still there?")
    assert ids(client) == ids(client, pinned=True) == [str(thread.pk)]


# --- Deleting ------------------------------------------------------------------------------------------------------------


def test_deleted_and_brought_back(shared: Thread, alice: User, bob: User, operator: User, client_of: ClientOf, ask: Any) -> None:
    prompt, _ = ask("one")
    branch, _, run = branching.branch(alice, shared, prompt, "two")
    assert run
    before = Message.objects.count()
    assert post(client_of(bob), "/api/threads/delete", shared) == 403, "not his"
    assert post(client_of(alice), "/api/threads/delete", branch) == 204
    for thread in (shared, branch):
        for user in (alice, bob, operator):
            assert client_of(user).get(f"/api/threads/{thread.pk}").status_code == 404
            assert client_of(user).get(f"/api/threads/{thread.pk}/messages").status_code == 404
            assert client_of(user).get(f"/threads/{thread.pk}/").status_code == 404
    assert ids(client_of(alice)) == ids(client_of(bob)) == ids(client_of(alice), title=shared.title or "x") == []
    assert not Run.objects.live().exists(), "nobody waits for these answers"
    assert post(client_of(bob), "/api/threads/restore", shared) == 404, "not his"
    assert post(client_of(alice), "/api/threads/restore", shared) == 204
    assert ids(client_of(alice)) == ids(client_of(bob)) == [str(shared.pk)]
    assert client_of(bob).get(f"/api/threads/{branch.pk}").status_code == 200
    assert Message.objects.count() == before
    run.refresh_from_db()
    assert run.status == Run.Status.STOPPED


def test_all_or_none(thread: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    theirs = Thread.start(bob)
    assert post(client_of(alice), "/api/threads/delete", thread, theirs) == 404
    assert ids(client_of(alice)) == [str(thread.pk)]
    post(client_of(alice), "/api/threads/delete", thread)
    assert post(client_of(alice), "/api/threads/restore", thread, theirs) == 404
    assert ids(client_of(alice)) == []


def test_after_an_hour_it_is_gone_for_good(thread: Thread, alice: User, client_of: ClientOf, ask: Any) -> None:
    prompt, _ = ask("one")
    branch, *_ = branching.branch(alice, thread, prompt, "two")
    kept = Thread.start(alice)
    post(client_of(alice), "/api/threads/delete", thread)
    assert empty_bin() == 0
    Thread.objects.exclude(deleted_at=None).update(deleted_at=timezone.now() - UNDO - timedelta(seconds=1))
    assert empty_bin() == 1
    assert list(Thread.objects.values_list("pk", flat=True)) == [kept.pk]
    assert post(client_of(alice), "/api/threads/restore", thread) == 404
    assert not Message.objects.filter(thread__in=[thread.pk, branch.pk]).exists()


def test_agents_recall_nothing_of_what_was_deleted(thread: Thread, alice: User, client_of: ClientOf) -> None:
    save_messages(thread.pk, ["How do I get to Oslo?", ANSWER])
    assert by_words(Scope(owner=alice.pk), "ferry", 5)
    post(client_of(alice), "/api/threads/delete", thread)
    assert not by_words(Scope(owner=alice.pk), "ferry", 5)
    post(client_of(alice), "/api/threads/restore", thread)
    assert by_words(Scope(owner=alice.pk), "ferry", 5)


# --- Finding -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["by the index", "by threads"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However frequent the words are."""
    if request.param == "by threads":
        monkeypatch.setattr(finding, "RARE", -1)


@pytest.mark.usefixtures("either_way")
def test_found_by_all_words_the_last_unfinished(thread: Thread, alice: User, client_of: ClientOf) -> None:
    _, answer = save_messages(thread.pk, ["How do I get to Oslo?", ANSWER])
    for words in ("ferry", "kiel ferry", "FERRY ki", "the fer"):
        (found,) = client_of(alice).get("/api/search", {"words": words}).json()["messages"]
        assert (found["thread"], found["message"]) == (str(thread.pk), str(answer.pk))
        assert "".join(part["text"] for part in found["snippet"]) == "Take the ferry from Kiel"
    assert [part["text"] for part in found["snippet"] if part["hit"]] == ["the", "ferry"]
    for words in ("ferry oslo", "erry", "", "   ", "&", "'", "\\", "!:*"):
        assert client_of(alice).get("/api/search", {"words": words}).json()["messages"] == []


def test_words_are_split_as_the_texts_were(thread: Thread, alice: User) -> None:
    save_messages(thread.pk, ["Version 4.5 of foo-bar, says o'neill@example.org; C:\\temp <b>bold</b>"])
    for words in ("4.5", "foo-bar", "foo-b", "bar", "o'neill@example.org", "C:\\te", "<b>bo"):
        assert len(find(alice, words, 5).messages) == 1, words


def test_titles_are_found_too(thread: Thread, alice: User) -> None:
    thread.change_lines(title="Ferries in the north")
    (found,) = find(alice, "north ferr", 5).titles
    assert found.snippet == [("Ferries", True), (" in the ", False), ("north", True)]
    assert found.message is None


@pytest.mark.usefixtures("either_way")
def test_only_in_threads_one_may_see(shared: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    shared.change_lines(title="ferry")
    save_messages(shared.pk, [ANSWER])
    stranger = User.objects.create_user("stranger")
    for user, number in ((alice, 1), (bob, 1), (stranger, 0)):
        found = find(user, "ferry", 5)
        assert (len(found.titles), len(found.messages)) == (number, number)
    post(client_of(alice), "/api/threads/delete", shared)
    assert find(alice, "ferry", 5) == find(stranger, "ferry", 5)


@pytest.mark.usefixtures("either_way")
def test_what_versions_have_in_common_is_found_once(thread: Thread, alice: User, ask: Any) -> None:
    save_messages(thread.pk, ["Which way?", ANSWER])
    prompt, _ = ask("one")
    branch, *_ = branching.branch(alice, thread, prompt, "two zebras")
    (found,) = find(alice, "ferry", 5).messages
    assert found.thread == thread.pk
    assert [each.thread for each in find(alice, "zebra", 5).messages] == [branch.pk]


def test_nothing_can_be_smuggled_into_a_snippet(thread: Thread, alice: User) -> None:
    save_messages(thread.pk, ["ferry StartSel=evil, + ferry-"])
    (found,) = find(alice, "ferry", 5).messages
    assert found.snippet == [("ferry", True), (" StartSel=evil, + ", False), ("ferry", True)]


# --- Told at once ---------------------------------------------------------------------------------------------------------


def test_every_list_is_told_at_once(site: Site) -> None:
    henry, gwen = site.person("henry"), site.person("gwen")
    thread = henry.new_thread("story")
    henry.post(f"/threads/{thread}/members", username="gwen", role="writer")
    path = f"/threads/{thread}"
    with Tab(henry, "/ws/me/") as his, Tab(gwen, "/ws/me/") as gwens, gwen.tab(thread) as page:
        page.receive()
        told = lambda tab: [frame for frame in tab.frames if frame["type"] in ("thread", "thread_gone")]  # noqa: E731
        assert henry.patch(f"{path}/mine", pinned=True).status_code == 200
        his.until(lambda: told(his) and told(his)[-1]["thread"]["mine"]["pinned_at"], 4)
        assert henry.post("/threads/delete", threads=[thread]).status_code == 204
        for tab in (his, gwens):
            tab.until(lambda tab=tab: told(tab) and told(tab)[-1] == {"type": "thread_gone", "id": thread}, 4)
        assert page.closed(4) == 4404
        assert henry.post("/threads/restore", threads=[thread]).status_code == 204
        gwens.until(lambda: told(gwens)[-1].get("thread", {}).get("id") == thread, 4)
        assert told(gwens)[-1]["thread"]["mine"] == {"pinned_at": None, "seen_at": None}, "what henry pins is his"


# --- What one thinks of answers --------------------------------------------------------------------------------------------


def test_feedback_is_ones_own_and_counts_once(shared: Thread, alice: User, bob: User, client_of: ClientOf, ask: Any) -> None:
    prompt, run = ask("Hello")
    answer = shared.messages.get(run=run)
    path = f"/api/threads/{shared.pk}/messages/{answer.pk}/feedback"
    put = lambda user, **body: client_of(user).put(path, body, "application/json")  # noqa: E731
    for value, comment in ((1, ""), (-1, "Wrong train")):
        assert put(alice, value=value, comment=comment).json() == {"message": str(answer.pk), "value": value, "comment": comment}
    assert put(bob, value=1).status_code == 200
    own = lambda user: client_of(user).get(f"/api/threads/{shared.pk}/feedback").json()["feedback"]  # noqa: E731
    assert own(alice) == [{"message": str(answer.pk), "value": -1, "comment": "Wrong train"}]
    assert own(bob) == [{"message": str(answer.pk), "value": 1, "comment": ""}]
    assert client_of(alice).delete(path).status_code == 204
    assert own(alice) == []
    assert put(alice, value=2).json()["error"]["field"] == "value"
    assert put(alice, value=1, comment="x" * 2001).json()["error"]["field"] == "comment"
    refused = client_of(alice).put(path.replace(str(answer.pk), str(prompt.pk)), {"value": 1}, "application/json")
    assert refused.json()["error"]["message"] == "Only answers can be rated."


def test_feedback_stands_in_the_admin_with_its_answer(thread: Thread, alice: User, client_of: ClientOf, ask: Any) -> None:
    admin = client_of(User.objects.create_superuser("root"))
    _, run = ask("Hello")
    answer = thread.messages.get(run=run)
    path = f"/api/threads/{thread.pk}/messages/{answer.pk}/feedback"
    client_of(alice).put(path, {"value": -1, "comment": "Wrong train"}, "application/json")
    page = admin.get("/admin/threads/feedback/?value__exact=-1").content.decode()
    assert "Wrong train" in page
    assert f"/threads/{thread.pk}/#message-{answer.pk}" in page
    assert "Wrong train" not in admin.get("/admin/threads/feedback/?value__exact=1").content.decode()
