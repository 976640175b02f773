"""People beside the agents: saying without asking, taking over, handing back, and the ways to decide who answers."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Permission
from django.test import Client

from agents import people, services, tasks
from agents.agent import Agent
from agents.errors import BadInput, Conflict
from agents.generating import resume
from agents.models import RoutingSample
from agents.routing import HUMAN, WAITING, by_model, by_samples
from agents.tools import Tool, tool
from agentsite.asgi import application
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.models import Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
Offered = dict[str, Agent]


@pytest.fixture
def olga(database: None) -> User:
    olga = User.objects.create_user("olga", first_name="Olga", last_name="Operator")
    olga.user_permissions.add(Permission.objects.get(codename="operate_thread"))
    return olga


def fresh(thread: Thread) -> Thread:
    return Thread.objects.get(pk=thread.pk)


# --- Saying without asking ---------------------------------------------------------------------------------------------


def test_something_can_be_said_without_an_answer(alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    pk = str(uuid4())
    body = {"text": "Just so you know.", "answer": False, "id": pk}
    for _ in range(2):
        answer = client_of(alice).post(f"/api/threads/{thread.pk}/messages", body, content_type="application/json")
        assert (answer.status_code, answer.json()["run"], answer.json()["message"]["id"]) == (202, None, pk)
    assert (Message.objects.count(), Run.objects.count()) == (1, 0)


def test_what_was_said_without_asking_is_context_later(ask: Ask, alice: User, thread: Thread, fake: FakeOpenAI) -> None:
    services.send(alice, thread, "My name is Alice.", answer=False)
    ask("What is my name?")
    told = [message["content"] for message in fake.requests[-1].body["messages"]]
    assert told == ["My name is Alice.", "What is my name?"]


# --- Taking over -------------------------------------------------------------------------------------------------------


def test_an_operator_takes_over_answers_and_hands_back(
    ask: Ask, alice: User, olga: User, thread: Thread, fake: FakeOpenAI, client_of: Callable[[User], Client]
) -> None:
    _, running = ask("First", answer=False)
    Run.objects.claim(thread.pk, "somebody")
    _, queued = ask("Second", answer=False)
    client = client_of(olga)
    taken = client.post(f"/api/threads/{thread.pk}/take-over", {}, content_type="application/json")
    assert (taken.status_code, taken.json()["assigned_to"]["name"]) == (200, "Olga Operator")
    assert set(Run.objects.values_list("status", flat=True)) == {"stopped"}

    _, none = services.send(alice, thread, "Is anybody there?")
    assert none is None
    body = {"text": "I am.", "id": str(uuid4()), "metadata": {"desk": 3}}
    rows = [client.post(f"/api/threads/{thread.pk}/replies", body, content_type="application/json").json() for _ in range(2)]
    assert rows[0] == rows[1]
    said = Message.objects.get(pk=body["id"])
    assert (said.role, said.provider, said.agent_name, said.author, said.provider_metadata) == (
        "assistant", "human", "Olga Operator", olga, {"desk": 3},
    )  # fmt: skip
    assert (said.order, said.step_order) == (2, 1)
    assert client.post(f"/api/threads/{thread.pk}/hand-back", {}, content_type="application/json").json()["assigned_to"] is None
    fake.script(Plan(text="Back again."))
    _, run = ask("Thanks")
    assert run.status == "succeeded"
    assert [message["content"] for message in fake.requests[-1].body["messages"]] == [
        "First",
        "Second",
        "Is anybody there?",
        "I am.",
        "Thanks",
    ]
    del running, queued


def test_a_draft_is_written_beside_the_conversation_by_tools_that_only_look(
    alice: User, olga: User, thread: Thread, fake: FakeOpenAI, offered: Offered
) -> None:
    @tool(effects="none")
    def look() -> str:
        """Looks."""
        return "seen"

    @tool(effects="none", needs_approval=True)
    def peek() -> str:
        """Asks somebody."""
        return "seen"

    offered["clerk"] = Agent("clerk", tools=[look, peek, Tool(lambda: "done", name="act", description="Acts.")])
    thread.default_agent = "clerk"
    thread.save()
    with pytest.raises(BadInput, match="Nothing was asked"):
        people.draft(olga, thread)
    people.take_over(olga, thread)
    services.send(alice, thread, "Where is it?")
    people.reply(olga, thread, "I have a look.")
    before = Message.objects.filter(thread=thread).count(), Thread.objects.get(pk=thread.pk).version
    pk = uuid4()
    copy, prompt, run = people.draft(olga, thread, pk=pk)
    assert people.draft(olga, thread, pk=pk)[0] == copy
    fake.script(Plan(text="In Kiel."))
    tasks.answer(str(copy.pk))
    assert run is not None
    assert (run.messages.get().text, run.requested_by, run.person) == ("In Kiel.", olga, alice)
    assert prompt.text == "Where is it?"
    assert [each["function"]["name"] for each in fake.requests[-1].body["tools"]] == ["look"]
    assert (Message.objects.filter(thread=thread).count(), Thread.objects.get(pk=thread.pk).version) == before
    assert (copy.pk, copy.kind) == (pk, "trial")
    assert not Thread.objects.visible_to(alice).filter(pk=copy.pk).exists()
    Thread.objects.filter(pk=thread.pk).update(options={"tools": ["act"]})
    assert people.draft(olga, fresh(thread))[0].options["tools"] == [], "none that the thread does without"


def test_handed_back_with_an_open_question_the_agent_answers_it(
    ask: Ask, alice: User, olga: User, thread: Thread, fake: FakeOpenAI
) -> None:
    ask("First")
    people.take_over(olga, thread)
    services.send(alice, thread, "And now?")
    run = people.hand_back(olga, thread, answer=True)
    assert run is not None
    fake.script(Plan(text="Now I do."))
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    assert (run.status, run.messages.get().text, run.messages.get().order) == ("succeeded", "Now I do.", 1)
    people.take_over(olga, thread)
    assert people.hand_back(olga, thread, answer=True) is None, "the last word was an answer"


def test_of_two_operators_the_first_has_it(olga: User, thread: Thread) -> None:
    otto = User.objects.create_user("otto")
    people.take_over(olga, thread)
    people.take_over(olga, thread)
    for attempt in (
        lambda: people.take_over(otto, thread),
        lambda: people.hand_back(otto, thread),
        lambda: people.reply(otto, thread, "Hi"),
    ):
        with pytest.raises(Conflict, match="Olga Operator has this conversation"):
            attempt()
    assert fresh(thread).assigned_to == olga


def test_an_open_approval_ends_with_the_take_over_and_a_question_stays(ask: Ask, olga: User, thread: Thread, offered: Offered) -> None:
    _, paying = ask('[[tool=transfer {"source":"checking","target":"savings","amount":400}]][[next]]Done.', agent="banker")
    people.take_over(olga, thread)
    assert paying.tool_calls.get().status == "denied"
    people.hand_back(olga, thread)
    _, asking = ask('[[tool=ask_human {"question":"Well?"}]][[next]]Done.', agent="helpdesk")
    people.take_over(olga, thread)
    assert asking.tool_calls.get().status == "requested"
    services.answer_call(olga, thread, asking.tool_calls.get().pk, "Well enough.")
    assert not Run.objects.live().exists(), "while a person has the conversation no agent answers"


def test_operators_find_every_thread_and_strangers_none(ask: Ask, olga: User, mallory: User, thread: Thread, client_of: Any) -> None:
    ask("Question")
    for who, status in ((olga, 200), (mallory, 404)):
        assert client_of(who).get(f"/threads/{thread.pk}/").status_code == status
        assert client_of(who).get(f"/api/threads/{thread.pk}/messages").status_code == status
    assert client_of(olga).get("/api/threads").json()["threads"] == [], "they are not in the operator's own list"


async def test_an_operator_watches_as_long_as_they_are_one(thread: Thread, olga: User, client_of: Callable[[User], Client]) -> None:
    client = await sync_to_async(client_of)(olga)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    socket = WebsocketCommunicator(application, f"/ws/threads/{thread.pk}/", headers=[(b"cookie", cookie)])
    await socket.connect()
    assert json.loads(await socket.receive_from())["type"] == "sync"
    while json.loads(await socket.receive_from(8))["type"] != "ping":
        pass
    await olga.user_permissions.aclear()
    while (output := await socket.receive_output(8))["type"] != "websocket.close":
        pass
    assert output["code"] == 4404


def test_operators_find_what_waits_for_them(ask: Ask, alice: User, olga: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    def waiting() -> list[str]:
        return [row["id"] for row in client_of(olga).get("/api/inbox").json()["threads"]]

    ask("Hello")
    assert waiting() == []
    ask('[[tool=ask_human {"question":"Well?"}]][[next]]Done.', agent="helpdesk")
    other = Thread.start(alice)
    people.want_human(other.pk)
    assert waiting() == [str(thread.pk), str(other.pk)]
    people.take_over(olga, other)
    assert str(other.pk) in waiting()
    people.hand_back(olga, other)
    services.answer_call(olga, thread, thread.tool_calls.get().pk, "Well.")
    assert waiting() == []


# --- Who answers -------------------------------------------------------------------------------------------------------


def test_1_the_thread_says_who_answers(ask: Ask, olga: User, alice: User, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    offered["other"] = Agent("other")
    Thread.objects.filter(pk=thread.pk).update(default_agent="other")
    _, run = services.send(alice, fresh(thread), "Who?")
    assert run is not None
    assert run.agent == "other"
    people.take_over(olga, thread)
    assert services.send(alice, fresh(thread), "Who?")[1] is None


@pytest.mark.parametrize(("choice", "expected"), [("other", "other"), ("desk", "desk"), (HUMAN, None)])
def test_2_a_cheap_model_decides(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI, choice: str, expected: str | None) -> None:
    choices = {"desk": "small things", "other": "parcels", HUMAN: "complaints"}
    offered["desk"] = Agent("desk", route=by_model(choices, model="cheap"))
    offered["other"] = Agent("other", instructions="I am the other.")
    fake.script(Plan(text=json.dumps({"value": choice})), Plan(text="Here I am."))
    _, run = ask("Where is it?", agent="desk")
    deciding = fake.requests[0].body
    assert (deciding["model"], "parcels" in deciding["messages"][0]["content"]) == ("cheap", True)
    assert "Where is it?" in deciding["messages"][-1]["content"]
    assert run.status == "succeeded"
    if expected:
        assert (run.agent, run.messages.get().text, run.messages.get().agent_name) == (expected, "Here I am.", expected)
        assert fresh(thread).human_wanted_at is None
    else:
        assert (run.messages.get().text, len(fake.requests)) == (WAITING, 1)
        assert fresh(thread).human_wanted_at is not None
        assert ask("Hello?", answer=False)[1] is None, "until a person comes, no agent answers"


def test_a_route_is_asked_once_in_an_answer(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    asked: list[str] = []

    def route(run: Any) -> str:
        asked.append(run.prompt.text)
        return ""

    offered["desk"] = Agent("desk", route=route, tools=[lookup])
    fake.script(Plan(tools=(Call("lookup"),)), Plan(text="Done."))
    _, run = ask("Question", agent="desk")
    assert (run.status, run.step, asked) == ("succeeded", 1, ["Question"])


def lookup() -> str:
    """Looks something up."""
    return "found"


def test_3_sample_questions_decide_and_are_edited_in_the_admin(
    ask: Ask, thread: Thread, offered: Offered, client_of: Callable[[User], Client]
) -> None:
    offered["other"] = Agent("other")
    admin = client_of(User.objects.create_superuser("admin"))
    samples = {
        "I want my money back": HUMAN, "This is a scandal, I will call a lawyer": HUMAN, "Where is my parcel?": "other", "When will my order arrive?": "other",
    }  # fmt: skip
    for question, answered_by in samples.items():
        added = admin.post("/admin/agents/routingsample/add/", {"question": question, "answered_by": answered_by})
        assert added.status_code == 302, added.content
    offered["desk"] = Agent("desk", route=by_samples(neighbours=2))
    _, parcel = ask("Where might my parcel be?", agent="desk")
    assert parcel.agent == "other"
    _, unlike = ask("Zzz qqq?", agent="desk")
    assert unlike.agent == "desk", "nothing is like it: the agent that was asked answers"
    _, money = ask("Give me my money back!", agent="desk")
    assert (money.messages.get().text, fresh(thread).human_wanted_at is None) == (WAITING, False)


def test_a_sample_that_was_changed_is_embedded_anew(database: None, settings: Any) -> None:
    sample = RoutingSample.objects.create(question="Parcels", answered_by="support")
    assert RoutingSample.objects.nearest("parcels", 1)[0][1] > 0.9
    RoutingSample.objects.filter(pk=sample.pk).update(question="Weather", embedded_as="")
    assert RoutingSample.objects.nearest("weather", 1)[0][1] > 0.9
    settings.EMBEDDING_MODEL = "hashed-64"
    assert len(RoutingSample.objects.nearest("weather", 1)[0][0].vector) == 64


@pytest.mark.parametrize("needs_human", [True, False])
def test_4_a_structured_answer_says_so(ask: Ask, thread: Thread, fake: FakeOpenAI, needs_human: bool) -> None:
    fake.script(Plan(text=json.dumps({"text": "Somebody will look.", "needs_human": needs_human})))
    _, run = ask("My tent burns!", agent="careful")
    assert run.status == "succeeded"
    assert (fresh(thread).human_wanted_at is not None) == needs_human


def test_5_a_tool_has_a_persons_reply_as_its_result(
    ask: Ask, olga: User, thread: Thread, client_of: Callable[[User], Client], fake: FakeOpenAI
) -> None:
    fake.script(Plan(tools=(Call("ask_human", '{"question": "Shells?"}'),)), Plan(text="Only beautiful ones."))
    _, run = ask("Can I pay with shells?", agent="helpdesk")
    path = f"/api/threads/{thread.pk}/tool-calls/{run.tool_calls.get().pk}/result"
    assert client_of(olga).post(path, {"result": "Only beautiful ones."}, content_type="application/json").status_code == 200
    answer = resume(thread)
    assert answer is not None
    assert answer.wait().text == "Only beautiful ones."
    assert run.tool_calls.get().decided_by == olga


@pytest.mark.parametrize(
    ("prompt", "agent", "answered_by"),
    [
        ("I want to complain!", "reception", None),
        ("Is it raining in Bergen?", "reception", "weather"),
        ("Where is order 1042?", "reception", "support"),
    ],
)
def test_the_samples_work_offline(ask: Ask, settings: Any, prompt: str, agent: str, answered_by: str | None) -> None:
    settings.MODEL = "demo"
    _, run = ask(prompt, agent=agent)
    assert run.status == "succeeded", run.error
    assert run.agent == (answered_by or agent)
    assert (run.messages.last().text == WAITING) == (answered_by is None)
