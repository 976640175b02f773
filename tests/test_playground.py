"""The playground: what happened and why, other answers on copies that their maker pays for, and prompts in somebody's name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from agents import generating, playground, tasks
from agents.agent import Agent
from agents.context_options import ContextOptions, SearchOptions
from agents.delegation import agent_tool
from agents.indexing import embed_in_background
from agents.memory import remember
from agents.playground import Trial
from agentsite.samples.helpdesk import ask_human
from billing.models import UsageRecord
from threads.copying import fork
from threads.deleting import delete_thread, discard, forget_passing
from threads.finding import find
from threads.inbox import waiting_rows
from threads.models import ApiKey, Memory, Message, Run, Thread, User
from threads.saving import save_messages

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]
JSON = "application/json"


@pytest.fixture
def tester(database: None) -> User:
    person = User.objects.create_user("tess", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="use_playground"))
    return User.objects.get(pk=person.pk)


class Playground:
    """Its API, as somebody uses it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/api/playground{path}", query)
        assert answer.status_code == status, answer.content
        return answer.json()

    def post(self, path: str, status: int = 202, **body: Any) -> Any:
        answer = self.client.post(f"/api/playground{path}", body, content_type=JSON)
        assert answer.status_code == status, answer.content
        return answer.json()


@pytest.fixture
def desk(tester: User, client_of: ClientOf) -> Playground:
    return Playground(client_of(tester))


def answered(asked: Any) -> Run:
    """The run that was begun, answered."""
    tasks.answer(asked["thread"]["id"])
    return Run.objects.get(pk=asked["run"]["id"])


def words(thread: Any) -> list[str]:
    return [row.text for row in Thread.objects.get(pk=thread).messages.order_by("order", "step_order")]


# --- Trials ------------------------------------------------------------------------------------------------------------


def test_a_prompt_is_tried_on_a_copy(ask: Ask, desk: Playground, tester: User, alice: User, thread: Thread) -> None:
    ask("one [[tokens=1]]")
    version = Thread.objects.get(pk=thread.pk).version
    asked = desk.post(f"/threads/{thread.pk}/generate", text="two [[tokens=2]]")
    run = answered(asked)
    assert words(run.thread_id) == ["one [[tokens=1]]", "w0 ", "two [[tokens=2]]", "w0 w1 "]
    assert words(thread.pk) == ["one [[tokens=1]]", "w0 "] and Thread.objects.get(pk=thread.pk).version == version
    trial = run.thread
    assert (trial.kind, trial.parent, trial.owner) == ("trial", thread, None)
    assert [(member.user, member.role) for member in trial.members.all()] == [(tester, "writer")]
    assert run.prompt and (run.prompt.author, run.prompt.sent_by) == (alice, tester)
    assert (run.requested_by, run.on_behalf_of) == (tester, alice)
    assert set(UsageRecord.objects.filter(run_id=run.pk).values_list("user_id", flat=True)) == {tester.pk}


def test_an_answer_is_replayed_with_other_options(ask: Ask, desk: Playground, fake: Any, thread: Thread) -> None:
    prompt, _ = ask("one [[tokens=1]]")
    ask("two [[tokens=1]]")
    how = {"instructions": "Be brief.", "model": "other", "tools": [], "settings": {"temperature": 0}}
    run = answered(desk.post(f"/threads/{thread.pk}/generate", message=str(prompt.pk), options=how))
    assert words(run.thread_id) == ["one [[tokens=1]]", "w0 "]
    asked = fake.requests[-1].body
    assert (asked["model"], asked["temperature"], asked["messages"][0]) == ("other", 0, {"role": "system", "content": "Be brief."})
    assert asked["messages"][1:] == [{"role": "user", "content": "one [[tokens=1]]"}]
    (kept,) = desk.get(f"/runs/{run.pk}")["requests"]
    assert kept["request"]["messages"] == asked["messages"]


def test_a_changed_prompt_is_tried_in_its_place(ask: Ask, desk: Playground, thread: Thread) -> None:
    ask("one [[tokens=1]]")
    prompt, _ = ask("two [[tokens=1]]")
    run = answered(desk.post(f"/threads/{thread.pk}/generate", message=str(prompt.pk), text="zwei [[tokens=2]]"))
    assert words(run.thread_id) == ["one [[tokens=1]]", "w0 ", "zwei [[tokens=2]]", "w0 w1 "]


def test_a_replay_is_told_what_the_first_answer_was_told(desk: Playground, fake: Any, alice: User, thread: Thread) -> None:
    generating.generate("plain", "one [[tokens=1]]", thread=thread, user=alice, messages=["Mind the gap."])
    prompt = thread.messages.get(role="user")
    answered(desk.post(f"/threads/{thread.pk}/generate", message=str(prompt.pk)))
    assert fake.requests[-1].body["messages"] == fake.requests[-2].body["messages"]


def test_the_same_id_tries_once(desk: Playground, thread: Thread, client_of: ClientOf) -> None:
    pk = str(uuid4())
    first, again = (desk.post(f"/threads/{thread.pk}/generate", text="one [[tokens=1]]", id=pk) for _ in range(2))
    assert first["run"]["id"] == again["run"]["id"] and Thread.objects.filter(kind="trial").count() == 1
    elsewhere = fork(thread, User.objects.get(username="tess"))
    assert desk.post(f"/threads/{thread.pk}/generate", 409, text="one", id=str(elsewhere.pk))["error"]["kind"] == "conflict"
    assert desk.post(f"/threads/{elsewhere.pk}/generate", 409, text="one", id=pk)["error"]["kind"] == "conflict"


def test_memories_and_tools_are_those_of_the_person(
    desk: Playground, tester: User, alice: User, thread: Thread, fake: Any, offered: dict[str, Agent]
) -> None:
    offered["plain"] = Agent("plain", tools=[remember], context_options=ContextOptions(memories=True))
    Memory.objects.create(user=alice, text="Likes figs")
    Memory.objects.create(user=tester, text="Likes dates")
    asked = desk.post(f"/threads/{thread.pk}/generate", text='[[tool=remember {"fact":"Sleeps"}]] [[next]] [[tokens=1]]')
    answered(asked)
    told = fake.requests[-1].body["messages"][0]["content"]
    assert "figs" in told and "dates" not in told
    assert set(Memory.objects.filter(text="Sleeps").values_list("user", flat=True)) == {alice.pk}


def test_agents_that_are_asked_are_paid_for_by_the_tester_too(
    desk: Playground, tester: User, alice: User, thread: Thread, offered: dict[str, Agent]
) -> None:
    offered["plain"] = Agent("plain", tools=[agent_tool("weather")])
    offered["weather"] = Agent("weather")
    answered(desk.post(f"/threads/{thread.pk}/generate", text='[[tool=ask_weather {"question":"Rain?"}]] [[next]] [[tokens=1]]'))
    child = Run.objects.get(agent="weather")
    assert (child.requested_by, child.on_behalf_of, child.status) == (tester, alice, "succeeded")
    assert set(UsageRecord.objects.values_list("user_id", flat=True)) == {tester.pk}


def test_nobody_else_finds_a_trial(ask: Ask, desk: Playground, tester: User, alice: User, thread: Thread, client_of: ClientOf) -> None:
    ask("A zebra [[tokens=1]]")
    run = answered(desk.post(f"/threads/{thread.pk}/generate", text="two [[tokens=1]]"))
    path = f"/api/threads/{run.thread_id}"
    assert client_of(alice).get(path).status_code == 404
    assert client_of(tester).get(path).status_code == 200
    for person in (alice, tester):
        listed = [row["id"] for row in client_of(person).get("/api/threads").json()["threads"]]
        assert str(run.thread_id) not in listed
        assert all(hit.thread == thread.pk for hit in find(person, "zebra", 10).messages)
    assert not find(tester, "zebra", 10).messages
    other = desk.get("/threads", user=str(alice.pk))["threads"]
    assert [row["id"] for row in other] == [str(thread.pk)]
    assert [row["id"] for row in desk.get("/users")["users"]] == [str(alice.pk)]


def test_a_trial_can_neither_be_shared_nor_copied(desk: Playground, thread: Thread, tester: User, bob: User, client_of: ClientOf) -> None:
    run = answered(desk.post(f"/threads/{thread.pk}/generate", text="one [[tokens=1]]"))
    client, path = client_of(tester), f"/api/threads/{run.thread_id}"
    wrong: list[tuple[str, dict[str, Any], int]] = [
        ("links", {}, 403),
        ("members", {"username": "bob"}, 403),
        ("forks", {}, 409),
        ("branches", {"message": str(run.prompt_id)}, 409),
    ]
    for what, body, status in wrong:
        assert client.post(f"{path}/{what}", body, content_type=JSON).status_code == status, what
    assert Thread.objects.count() == 2
    desk.post(f"/threads/{run.thread_id}/generate", text="two [[tokens=1]]")


def test_a_question_in_a_trial_is_answered_by_its_maker(
    desk: Playground, tester: User, alice: User, thread: Thread, client_of: ClientOf, offered: dict[str, Agent]
) -> None:
    offered["plain"] = Agent("plain", tools=[ask_human])
    run = answered(desk.post(f"/threads/{thread.pk}/generate", text='[[tool=ask_human {"question":"Which?"}]] [[next]] [[tokens=1]]'))
    call = run.tool_calls.get()
    path = f"/api/threads/{run.thread_id}/tool-calls/{call.pk}/result"
    assert client_of(alice).post(path, {"result": "This"}, content_type=JSON).status_code == 404
    assert client_of(tester).post(path, {"result": "This"}, content_type=JSON).status_code == 200
    tasks.answer(str(run.thread_id))
    run.refresh_from_db()
    assert run.status == "succeeded"


def test_a_trial_does_not_find_the_answer_it_is_compared_with(
    ask: Ask, desk: Playground, alice: User, thread: Thread, fake: Any, offered: dict[str, Agent]
) -> None:
    search = SearchOptions(limit=5, text_search=True, message_range=(2, 2))
    offered["plain"] = Agent("plain", context_options=ContextOptions(search_other_threads=True, search_options=search))
    save_messages(Thread.start(alice).pk, ["Another zebra"], author=alice)
    prompt, _ = ask("A zebra [[tokens=3]]")
    answered(desk.post(f"/threads/{thread.pk}/generate", message=str(prompt.pk)))
    told = [message["content"] for message in fake.requests[-1].body["messages"]]
    assert told == ["Another zebra", "A zebra [[tokens=3]]"]


def test_tools_that_are_taken_away_stay_away_when_the_conversation_is_passed_on(
    desk: Playground, thread: Thread, fake: Any, offered: dict[str, Agent]
) -> None:
    offered["first"] = Agent("first", tools=[remember], handoffs=["weather"])
    path = f"/threads/{thread.pk}/generate"
    answered(desk.post(path, text="one [[tokens=1]]", agent="first", options={"tools": []}))
    assert "tools" not in fake.requests[-1].body
    passed = '[[tool=hand_over {"to":"weather","reason":"x"}]] [[next]] [[tokens=1]]'
    run = answered(desk.post(path, text=passed, agent="first", options={"tools": ["hand_over"]}))
    assert run.agent == "weather" and "tools" not in fake.requests[-1].body
    assert [tool["function"]["name"] for tool in fake.requests[-2].body["tools"]] == ["hand_over"]


def test_what_fails_in_a_trial_waits_for_no_operator(desk: Playground, thread: Thread) -> None:
    run = answered(desk.post(f"/threads/{thread.pk}/generate", text="[[fault=401]]"))
    assert run.status == "failed" and waiting_rows() == []


@pytest.mark.parametrize("remove", [discard, delete_thread])
def test_trials_go_with_their_conversation(desk: Playground, thread: Thread, remove: Callable[[Thread], None]) -> None:
    desk.post(f"/threads/{thread.pk}/generate", text="one")
    other = Thread.start(User.objects.create_user("carol"))
    desk.post(f"/threads/{other.pk}/generate", text="one")
    remove(thread)
    assert [trial.parent for trial in Thread.objects.filter(kind="trial")] == [other]


def test_trials_are_kept_for_a_week(desk: Playground, thread: Thread) -> None:
    old, new = (desk.post(f"/threads/{thread.pk}/generate", text="one")["thread"]["id"] for _ in range(2))
    Thread.objects.filter(pk=old).update(last_activity=timezone.now() - timedelta(days=7, minutes=1))
    assert forget_passing() == 0, "it is still to be answered"
    Run.objects.update(status="stopped")
    assert forget_passing() == 1
    assert [str(pk) for pk in Thread.objects.filter(kind="trial").values_list("pk", flat=True)] == [new]


# --- In somebody's name ------------------------------------------------------------------------------------------------


def test_a_prompt_in_somebodys_name_is_marked_and_noted(
    desk: Playground, tester: User, alice: User, thread: Thread, client_of: ClientOf
) -> None:
    pk = str(uuid4())
    for _ in range(2):
        asked = desk.post(f"/threads/{thread.pk}/generate", text="one [[tokens=1]]", save=True, id=pk)
    assert asked["thread"]["id"] == str(thread.pk)
    run = answered(asked)
    assert (run.requested_by, run.on_behalf_of) == (tester, alice)
    row = client_of(alice).get(f"/api/threads/{thread.pk}/messages?view=rows").json()["messages"][0]
    assert (row["author"]["name"], row["sent_by"]["name"]) == ("alice", "tess")
    (entry,) = LogEntry.objects.all()
    assert entry.user == tester and entry.object_id == str(thread.pk) and pk in entry.change_message and "alice" in entry.change_message


def test_a_thread_in_somebodys_name_is_theirs_and_noted(desk: Playground, tester: User, alice: User) -> None:
    made = desk.post("/threads", 201, user=str(alice.pk), title="For you", agent="plain")
    assert made["owner"]["name"] == "alice" and made["title"] == "For you"
    assert [(entry.user, entry.object_id) for entry in LogEntry.objects.all()] == [(tester, made["id"])]


def test_bad_input_names_the_field_and_changes_nothing(ask: Ask, desk: Playground, thread: Thread) -> None:
    prompt, run = ask("one [[tokens=1]]")
    answer = run.messages.get()
    path = f"/threads/{thread.pk}/generate"
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("text", {"text": " "}),
        ("agent", {"text": "two", "agent": "nobody"}),
        ("options.tools", {"text": "two", "options": {"tools": ["nothing"]}}),
        ("options.colour", {"text": "two", "options": {"colour": "red"}}),
        ("options.context_options.recent_messages", {"text": "two", "options": {"context_options": {"recent_messages": -1}}}),
        ("message", {"message": str(uuid4())}),
        ("message", {"message": str(answer.pk)}),
        ("save", {"message": str(prompt.pk), "save": True}),
    ]
    for field, body in wrong:
        assert desk.post(path, 400, **body)["error"]["field"] == field
    assert Thread.objects.count() == 1 and thread.messages.count() == 2 and not LogEntry.objects.exists()
    assert desk.get("/threads", 400, user="x")["error"]["field"] == "user"
    assert desk.get("/threads", 400, user=str(uuid4()))["error"]["field"] == "user"
    assert desk.post("/threads", 400, user=str(uuid4()))["error"]["field"] == "user"


def test_the_agents_may_depend_on_who_asks_and_where(
    desk: Playground, alice: User, thread: Thread, offered: dict[str, Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def choose(user: User | None, where: Thread | None) -> list[Agent]:
        asked.append((user, where))
        return [offered["weather"]] if where else list(offered.values())

    monkeypatch.setattr("agentsite.agents.offered", choose, raising=False)
    assert [agent["name"] for agent in desk.get("/agents", thread=str(thread.pk))["agents"]] == ["weather"]
    assert len(desk.get("/agents", user=str(alice.pk))["agents"]) == len(offered)
    assert asked == [(alice, thread), (alice, None)]
    assert desk.post(f"/threads/{thread.pk}/generate", 400, text="one", agent="plain")["error"]["field"] == "agent"
    trial = desk.post(f"/threads/{thread.pk}/generate", text="one", agent="weather")["thread"]["id"]
    desk.post(f"/threads/{trial}/context", 200, text="two", agent="weather")
    assert asked[-1] == (alice, thread)


# --- What happened, and why --------------------------------------------------------------------------------------------


def test_every_field_of_a_run_is_shown(ask: Ask, desk: Playground, alice: User, thread: Thread, offered: dict[str, Agent]) -> None:
    _, run = ask('[[tool=get_weather {"city":"Oslo"}]] [[next]] [[tokens=2]]', agent="weather", options={"log_requests": True})
    found = desk.get(f"/runs/{run.pk}")
    assert found["run"]["requested_by"]["name"] == "alice" and found["run"]["options"] == {"log_requests": True}
    assert [row["role"] for row in found["messages"]] == ["assistant", "tool", "assistant"]
    for row in found["messages"][::2]:
        assert 0 <= row["timing"]["first"] <= row["timing"]["seconds"] < 60 and row["timing"]["began_at"] > row["created_at"][:10]
        assert row["usage"] and row["model"]
    (call,) = found["tool_calls"]
    assert call["started_at"] <= call["ended_at"] and call["untrusted"] is False
    assert [(each["step"], each["error"]) for each in found["requests"]] == [(0, ""), (1, "")]
    page = desk.get(f"/threads/{thread.pk}/messages")
    assert page["messages"][1:] == found["messages"] and page["messages"][0] == found["prompt"]
    assert page["runs"] == [found["run"]] and page["tool_calls"] == found["tool_calls"]


def test_users_and_threads_are_found(ask: Ask, desk: Playground, alice: User, bob: User, thread: Thread) -> None:
    ask("Where is it? [[tokens=1]]")
    Thread.start(bob, title="Bob's")
    Thread.objects.create(title="Nobody's")
    found = desk.get("/users")["users"]
    assert [(row["name"], row["threads"]) for row in found] == [("bob", 1), ("alice", 1), ("No user", 1)]
    assert [row["name"] for row in desk.get("/users", search="ALI")["users"]] == ["alice"]
    (row,) = desk.get("/threads", user=str(alice.pk))["threads"]
    assert (row["last_agent"], row["last_message"]["text"], row["last_message"]["role"]) == ("plain", "w0 ", "assistant")
    (row,) = desk.get("/threads", user="none")["threads"]
    assert (row["title"], row["last_message"]) == ("Nobody's", None)


def test_threads_come_in_pages(desk: Playground, alice: User) -> None:
    for n in range(3):
        Thread.start(alice, title=str(n))
    first = desk.get("/threads", user=str(alice.pk), limit=2)
    rest = desk.get("/threads", user=str(alice.pk), limit=2, before=first["before"])
    assert [row["title"] for page in (first, rest) for row in page["threads"]] == ["2", "1", "0"]
    assert rest["before"] is None


def test_what_would_be_told_is_what_is_told(ask: Ask, desk: Playground, fake: Any, thread: Thread, offered: dict[str, Agent]) -> None:
    ask("one [[tokens=1]]", agent="weather")
    ask('two [[tool=get_weather {"city":"Oslo"}]] [[next]] [[tokens=1]]', agent="weather", options={"log_requests": True})
    run = Run.objects.latest("created_at")
    steps = run.messages.filter(role="assistant").order_by("step_order")
    kept = desk.get(f"/runs/{run.pk}")["requests"]
    for step, request in zip(steps, kept, strict=True):
        told = desk.post(f"/threads/{thread.pk}/context", 200, step=str(step.pk), agent="weather")
        assert told["request"]["messages"] == request["request"]["messages"]
        assert told["request"]["tools"] == request["request"]["tools"] and told["tokens"] > 0
    assert [each["source"] for each in told["rows"]] == ["recent", "recent", "prompt", "existing", "existing"]
    told = desk.post(f"/threads/{thread.pk}/context", 200, text="three", agent="weather")
    ask("three", agent="weather", options={"log_requests": True})
    assert told["request"]["messages"] == desk.get(f"/runs/{Run.objects.latest('created_at').pk}")["requests"][0]["request"]["messages"]
    told = desk.post(f"/threads/{thread.pk}/context", 200, message=str(run.prompt_id), agent="weather")
    assert told["request"]["messages"] == kept[0]["request"]["messages"]


def test_the_context_says_what_found_each_row(desk: Playground, alice: User, thread: Thread, offered: dict[str, Agent]) -> None:
    rows = save_messages(thread.pk, ["A zebra in the garden", "Something else", "Stripes of a zebra", *["x"] * 6], author=alice)
    embed_in_background()
    both = SearchOptions(limit=2, text_search=True, vector_search=True, message_range=(0, 1))
    how = {"context_options": {"recent_messages": 1, "search_options": both.model_dump()}}
    told = desk.post(f"/threads/{thread.pk}/context", 200, text="zebra in the garden", options=how)
    by_id = {each["row"]["id"]: each for each in told["rows"]}
    best = by_id[str(rows[0].pk)]
    assert best["source"] == "search"
    assert {(place["by"], place["rank"]) for place in best["why"]["found"]} == {("words", 1), ("hashed-256", 1)}
    assert best["why"]["score"] == pytest.approx(0.2) and all(place["score"] > 0 for place in best["why"]["found"])
    assert by_id[str(rows[1].pk)] | {"row": None} == {"row": None, "source": "search", "why": None, "left_out": False}
    assert by_id[str(rows[-1].pk)]["source"] == "recent"
    assert told["rows"][-1]["source"] == "prompt" and told["rows"][-1]["row"]["content"][0]["text"] == "zebra in the garden"


def test_the_context_says_what_had_no_room(desk: Playground, alice: User, thread: Thread) -> None:
    save_messages(thread.pk, ["word " * 400, "A short one"], author=alice)
    told = desk.post(f"/threads/{thread.pk}/context", 200, text="Hello", options={"context_options": {"max_tokens": 400}})
    assert [each["left_out"] for each in told["rows"]] == [True, False, False]
    assert told["window"] == 400 and "A short one" in [m["content"] for m in told["request"]["messages"]]


def test_other_threads_are_searched_for_the_person_not_for_the_tester(desk: Playground, tester: User, alice: User, thread: Thread) -> None:
    for owner, text in ((alice, "Alice's zebra"), (tester, "Tess's zebra")):
        save_messages(Thread.start(owner).pk, [text], author=owner)
    wanted = {"text_search": True, "message_range": [0, 0]}
    how = {"context_options": {"search_other_threads": True, "search_options": wanted}}
    told = desk.post(f"/threads/{thread.pk}/context", 200, text="zebra", options=how)
    assert [each["row"]["content"][0]["text"] for each in told["rows"]] == ["Alice's zebra", "zebra"]


def test_agents_are_shown_as_the_thread_wants_them(desk: Playground, thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).update(options={"instructions": "Speak softly."})
    (plain,) = [agent for agent in desk.get("/agents", thread=str(thread.pk))["agents"] if agent["name"] == "plain"]
    assert plain["instructions"] == "Speak softly."


def test_context_options_of_a_run_are_shown_in_full(ask: Ask, desk: Playground) -> None:
    _, run = ask("one [[tokens=1]]", options={"context_options": {"search_options": {"limit": 3}}})
    shown = desk.get(f"/runs/{run.pk}")["run"]["options"]["context_options"]
    assert shown["search_options"]["limit"] == 3 and shown["search_options"]["message_range"] == [2, 1] and shown["recent_messages"] == 100


def test_a_preview_has_what_the_prompt_brought_along(desk: Playground, alice: User, thread: Thread, fake: Any) -> None:
    generating.generate("plain", "one [[tokens=1]]", thread=thread, user=alice, messages=["Mind the gap."])
    prompt = thread.messages.get(role="user")
    told = desk.post(f"/threads/{thread.pk}/context", 200, message=str(prompt.pk))
    assert told["request"]["messages"] == fake.requests[-1].body["messages"]
    assert [(each["source"], each["row"]["thread"]) for each in told["rows"]] == [("input", None), ("prompt", str(thread.pk))]


def test_a_preview_leaves_nothing_behind(ask: Ask, desk: Playground, thread: Thread) -> None:
    _, run = ask("one [[tokens=1]]")
    before = Run.objects.values().get(pk=run.pk), Thread.objects.values().get(pk=thread.pk)
    desk.post(f"/threads/{thread.pk}/context", 200, step=str(run.messages.get().pk))
    desk.post(f"/threads/{thread.pk}/context", 200, text="two")
    assert before == (Run.objects.values().get(pk=run.pk), Thread.objects.values().get(pk=thread.pk))
    assert Message.objects.count() == 2


# --- Who may -----------------------------------------------------------------------------------------------------------


def test_a_key_says_what_it_may(tester: User, alice: User) -> None:
    def ask(key: str) -> Any:
        return Client(headers={"Authorization": f"Bearer {key}"}).get("/api/playground/key")

    key = ApiKey.objects.issue("tool", tester, ["playground"])
    answer = ask(key)
    assert answer.status_code == 200
    assert answer.json() == {"name": "tool", "scopes": ["playground"], "expires_at": None, "owner": {"id": str(tester.pk), "name": "tess"}}
    assert ask("agentsite_wrong").status_code == 401
    assert ask(ApiKey.objects.issue("other", tester, ["manage"])).status_code == 403
    assert ask(ApiKey.objects.issue("hers", alice, ["playground"])).status_code == 403


def test_staff_alone_or_the_permission_alone_is_not_enough(tester: User, thread: Thread, client_of: ClientOf) -> None:
    User.objects.filter(pk=tester.pk).update(is_staff=False)
    Playground(client_of(tester)).get("/users", 403)
    Playground(client_of(tester)).get(f"/threads/{thread.pk}/messages", 404)
    Playground(client_of(User.objects.create_user("sue", is_staff=True))).get("/users", 403)


def test_runs_of_programs_can_be_tried_without_anybodys_name(tester: User, offered: dict[str, Agent]) -> None:
    thread = Thread.objects.create(title="Nobody's")
    _, message, run = playground.try_out(tester, thread, Trial("plain", {}), text="one [[tokens=1]]")
    assert run and (message.author, message.sent_by, run.on_behalf_of) == (tester, None, None)
