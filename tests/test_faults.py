"""What breaks in the middle: connections while a commit is under way, values that no database takes, workers that leave."""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.db import OperationalError, connection, connections
from django.test import Client

from agents import services, tasks
from agents.agent import Agent
from agents.errors import AnswerFailed, BadInput, Conflict
from agents.generating import generate, stream
from agents.persist import persist
from agentsite.asgi import application
from agentsite.embedded import free_port
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import until
from threads.changes import Change
from threads.consumers import ThreadSocket
from threads.layer import ChannelLayer
from threads.models import Message, Run, Thread, ToolCall, User
from threads.watch import watch

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]


@pytest.fixture
def counted(offered: dict[str, Agent]) -> list[str]:
    """An agent whose tool notes its calls."""
    calls: list[str] = []

    def note(word: str) -> str:
        """Notes a word."""
        calls.append(word)
        return word

    offered["noter"] = Agent("noter", tools=[note])
    return calls


TWO_STEPS = '[[text="Let me see."]][[tool=note {"word":"once"}]][[next]][[text="Noted."]]'


# --- The database goes away in the middle of a write -------------------------------------------------------------------


@pytest.mark.parametrize("kill_at", range(2, 7))
def test_a_connection_killed_in_any_transaction_of_a_run_costs_nothing(
    ask: Ask, thread: Thread, counted: list[str], monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    """1 is the claim; then the saved step, the tool's outcome, the look for approvals, the next step, the end."""
    _, run = ask(TWO_STEPS, agent="noter", answer=False)
    closed, close = [0], Change.close

    def killed(change: Change) -> None:
        closed[0] += 1
        close(change)
        if closed[0] == kill_at:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(Change, "close", killed)
    tasks.answer(str(thread.pk))
    monkeypatch.undo()
    run.refresh_from_db()
    assert closed[0] >= kill_at
    assert (run.status, run.step, counted) == ("succeeded", 1, ["once"]), run.error
    rows = [(row.role, row.text, len(row.tool_call_ids)) for row in run.messages.order_by("step_order")]
    assert rows == [("assistant", "Let me see.", 1), ("tool", "", 1), ("assistant", "Noted.", 0)]
    assert run.tool_calls.get().status == "succeeded"


def test_a_connection_killed_before_any_query_of_a_run_costs_nothing(
    alice: User, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads too: every query of a run's own thread loses its connection once."""
    kill_at, asked = 0, 0
    answer = tasks.runner.answer

    def killing(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal asked
        asked += 1
        if asked == kill_at:
            with psycopg.connect(**where) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", [context["connection"].connection.info.backend_pid])
        return execute(sql, params, many, context)

    def watched(active: Any) -> None:
        with connection.execute_wrapper(killing):
            answer(active)

    monkeypatch.setattr("agents.tasks.runner.answer", watched)
    parameters = connection.get_connection_params()
    where = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if key in parameters}
    while asked >= kill_at:
        kill_at, asked = kill_at + 1, 0
        counted.clear()
        thread = Thread.start(alice)
        _, run = services.send(alice, thread, TWO_STEPS, agent="noter")
        tasks.answer(str(thread.pk))
        assert run is not None
        run.refresh_from_db()
        assert (run.status, counted, run.messages.count()) == ("succeeded", ["once"], 3), (kill_at, run.error)
    assert kill_at > 30


def test_a_write_whose_commit_was_not_heard_of_recognises_itself(
    ask: Ask, thread: Thread, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit counted, but its acknowledgement was lost: every write of the run is done twice."""
    deaf = []

    def twice(write: Callable[[], Any]) -> Any:
        done = []

        def unheard() -> Any:
            if not done:
                # The objects in memory stay as they were before: that is all a worker knows after a lost acknowledgement.
                before = {id(run): dict(run.__dict__) for run in held}
                done.append(write())
                for run in held:
                    run.__dict__.clear()
                    run.__dict__.update(before[id(run)])
                deaf.append(write)
                raise OperationalError("the connection was lost")
            return write()

        return persist(unheard)

    held: list[Run] = []
    claim = Run.objects.claim

    def noted(*args: Any) -> Run | None:
        run = claim(*args)
        held.extend([run] if run else [])
        return run

    monkeypatch.setattr(Run.objects, "claim", noted)
    monkeypatch.setattr("agents.runner.persist", twice)
    _, run = ask(TWO_STEPS, agent="noter")
    assert len(deaf) >= 4
    assert (run.status, run.step, counted) == ("succeeded", 1, ["once"]), run.error
    assert [row.role for row in run.messages.order_by("step_order")] == ["assistant", "tool", "assistant"]


def test_an_approved_call_whose_start_was_not_heard_of_is_run_once(
    ask: Ask, alice: User, thread: Thread, offered: dict[str, Agent]
) -> None:
    _, run = ask('[[tool=transfer {"source":"checking","target":"savings","amount":400}]][[next]]Done.', agent="banker")
    call = run.tool_calls.get()
    services.decide(alice, thread, [services.Decision(call.pk, True, call.arguments_hash)])
    held = Run.objects.claim(thread.pk, "me")
    assert held is not None
    assert [held.after_calls(set()), held.after_calls(set()), held.after_calls({call.pk})] == ["run", "run", "next"]


# --- Values that cannot be stored --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["\\ud83d", "\\u0000", "fine"])
def test_arguments_that_are_no_text_end_nothing(ask: Ask, counted: list[str], fake: FakeOpenAI, word: str) -> None:
    fake.script(Plan(tools=(Call("note", f'{{"word": "a{word}"}}'),)), Plan(text="Done."))
    _, run = ask("Go", agent="noter")
    expected = "afine" if word == "fine" else "a\ufffd"
    assert (run.status, counted, run.tool_calls.get().result) == ("succeeded", [expected], expected), run.error


def test_numbers_that_are_none_are_told_to_the_model(ask: Ask, offered: dict[str, Agent], fake: FakeOpenAI) -> None:
    def half(number: int) -> float:
        """Halves a number."""
        return number / 2

    offered["half"] = Agent("half", tools=[half])
    fake.script(Plan(tools=(Call("half", '{"number": NaN}'),)), Plan(text="Done."))
    _, run = ask("Go", agent="half")
    call = run.tool_calls.get()
    assert (run.status, call.status, call.arguments) == ("succeeded", "failed", {"number": "nan"})


def test_results_that_are_no_text_or_number_are_kept_as_well_as_can_be(ask: Ask, offered: dict[str, Agent], fake: FakeOpenAI) -> None:
    def odd() -> dict[str, Any]:
        """Returns what cannot be stored."""
        return {"text": "a\0b\ud83d", "number": float("nan"), "far": [float("inf")]}

    offered["odd"] = Agent("odd", tools=[odd])
    fake.script(Plan(tools=(Call("odd"),)), Plan(text="Done."))
    began = time.monotonic()
    _, run = ask("Go", agent="odd")
    assert (run.status, run.tool_calls.get().result) == ("succeeded", {"text": "a\ufffdb\ufffd", "number": "nan", "far": ["inf"]})
    assert time.monotonic() - began < 20, "it did not wait for the tool's time limit"


def test_parts_that_cannot_be_encoded_end_only_their_own_run(ask: Ask, alice: User) -> None:
    lost: dict[str, list[Any]] = {"bad": [], "good": []}
    worker = tasks.process()
    streams = {}
    for name in lost:
        thread = Thread.start(alice)
        services.send(alice, thread, "Hi", agent="plain")
        run = Run.objects.claim(thread.pk, "me")
        streams[name] = worker.writer.open(run, lost[name].append)
    with worker.writer.wake:
        streams["bad"].put(1, {"type": "text-start", "id": "\ud83d"})
        streams["good"].put(1, {"type": "text-start", "id": "t"})
    until(lambda: Run.objects.get(pk=streams["good"].run_id).deltas.exists(), 5)
    assert (len(lost["bad"]), lost["good"], worker.writer.alive) == (1, [], True)


# --- Workers -----------------------------------------------------------------------------------------------------------


def test_a_run_that_waits_for_its_tools_holds_no_connection(ask: Ask, offered: dict[str, Agent], fake: FakeOpenAI) -> None:
    the_runs = connections["default"]
    held: list[bool] = []

    def look() -> str:
        """Looks at the connection of the run's own thread."""
        held.append(the_runs.connection is not None)
        return "seen"

    offered["looker"] = Agent("looker", tools=[look])
    fake.script(Plan(tools=(Call("look"), Call("look"))), Plan(text="Done."))
    _, run = ask("Go", agent="looker")
    assert (run.status, held) == ("succeeded", [False, False])


def test_the_end_of_an_old_attempt_does_not_forget_the_new_one(ask: Ask, thread: Thread) -> None:
    ask("Hi", answer=False)
    run = Run.objects.claim(thread.pk, "me")
    assert run is not None
    worker = tasks.process()
    with worker.active(run) as old:
        with worker.active(run) as new:
            assert {old, new} <= set(worker.runs())
        assert old in worker.runs()


def test_an_answer_without_rows_is_not_cut_in_slices(database: None, counted: list[str], offered: dict[str, Agent], settings: Any) -> None:
    settings.TIME_SLICE_SECONDS = 0
    answer = generate(offered["noter"], TWO_STEPS)
    assert (answer.status, answer.text, len(answer.steps)) == ("succeeded", "Noted.", 2)


def test_an_answer_without_rows_says_so_when_it_is_stopped_or_its_worker_leaves(database: None, offered: dict[str, Agent]) -> None:
    with stream(offered["plain"], "[[tokens=1000 rate=50]]Go") as parts:
        next(parts.texts())
        parts.stop()
    stopped = parts.wait()
    assert (stopped.status, stopped.finish_reason) == ("stopped", "stopped")
    assert stopped.text.startswith("w0 ")
    with stream(offered["plain"], "[[tokens=1000 rate=50]]Go") as parts:
        next(parts.texts())
        tasks.process().drain()
    with pytest.raises(AnswerFailed) as failed:
        parts.wait()
    assert (failed.value.error["kind"], failed.value.answer.status) == ("drained", "failed")


def test_an_answer_that_another_worker_goes_on_with_is_waited_for(thread: Thread, alice: User, offered: dict[str, Agent]) -> None:
    with stream("plain", "[[tokens=40 rate=50]]Go", thread=thread, user=alice, settings={"temperature": 0.5}) as parts:
        next(parts.texts())
        tasks.process().drain()
    until(lambda: Run.objects.get().status == "queued", 5)
    assert Run.objects.get().options == {"settings": {"temperature": 0.5}}
    tasks.process().draining = False
    tasks.answer(str(thread.pk))
    answer = parts.wait()
    assert (answer.status, answer.text.split()[-1]) == ("succeeded", "w39")


# --- Sockets -----------------------------------------------------------------------------------------------------------


async def test_a_socket_whose_database_is_away_is_closed_and_forgotten(
    thread: Thread, alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await opened_by(alice, thread, client_of)
    assert json.loads(await socket.receive_from())["type"] == "sync"
    assert watch._sockets

    def away(*_: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr("threads.consumers.snapshot", away)
    await socket.send_to(json.dumps({"type": "sync"}))
    closed = await socket.receive_output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    await socket.disconnect()
    assert not watch._sockets


async def test_a_socket_that_comes_while_redis_is_away_is_told_to_come_again(
    thread: Thread, alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = ChannelLayer(hosts=[f"redis://127.0.0.1:{free_port()}"])
    monkeypatch.setattr("channels.consumer.get_channel_layer", lambda _alias: nobody)
    socket = await opened_by(alice, thread, client_of)
    closed = await socket.receive_output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    await socket.disconnect()


async def test_one_broken_socket_does_not_keep_the_others_from_being_looked_after(
    thread: Thread, alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = [await opened_by(alice, thread, client_of) for _ in range(2)]
    for socket in (broken, whole):
        assert json.loads(await socket.receive_from())["type"] == "sync"
    (victim, _) = watch._sockets
    usual = ThreadSocket.observe

    async def observe(self: ThreadSocket, *args: Any, **options: Any) -> None:
        if self is victim:
            raise RuntimeError("a bug")
        await usual(self, *args, **options)

    monkeypatch.setattr(ThreadSocket, "observe", observe)
    said = [await socket.receive_output(timeout=8) for socket in (broken, whole)]
    assert {each.get("code") for each in said} == {1011, None}
    assert any(json.loads(each["text"])["type"] == "ping" for each in said if "text" in each)
    for socket in (broken, whole):
        await socket.disconnect()


async def test_nothing_is_kept_for_who_leaves_while_something_is_pushed(thread: Thread, alice: User, client_of: ClientOf) -> None:
    socket = await opened_by(alice, thread, client_of)
    assert json.loads(await socket.receive_from())["type"] == "sync"
    (consumer,) = watch._sockets
    layer = get_channel_layer()
    queues, name = layer._get_layer().channels, consumer.channel_name  # type: ignore[attr-defined]
    # What is pushed and the goodbye are there at the same turn of the loop: the frame is taken out, and never read.
    queues[name].put_nowait(layer.serialize({"type": "frame", "text": "{}", "version": 1}))
    await socket.disconnect()
    assert name not in queues
    await layer._get_layer().tidy()
    assert not any(name in members for members in layer._get_layer().groups.values())


async def opened_by(user: User, thread: Thread, client_of: ClientOf) -> WebsocketCommunicator:
    """A socket of the user's browser."""
    client = await sync_to_async(client_of)(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    headers = [(b"cookie", cookie), (b"origin", b"http://testserver"), (b"host", b"testserver")]
    socket = WebsocketCommunicator(application, f"/ws/threads/{thread.pk}/", headers=headers)
    await socket.connect()
    return socket


# --- Requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("post", "/api/threads", '{"title": "a\\u0000"}', "title"),
        ("post", "/api/threads", '{"agent": "a\\ud800"}', "agent"),
        ("post", "/api/threads", '{"agent": "nobody"}', "agent"),
        ("patch", "/api/threads/{thread}", '{"title": "a\\u0000"}', "title"),
        ("patch", "/api/threads/{thread}", '{"agent": "nobody"}', "agent"),
        ("get", "/api/threads?title=%00", "", "title"),
        ("post", "/api/threads/{thread}/members", '{"username": "\\ud800"}', "username"),
        ("post", "/api/threads/{thread}/decisions", '{"decisions": [{"reason": "a\\u0000"}]}', "decisions.0.reason"),
        ("post", "/api/threads/{thread}/tool-calls/{thread}/result", '{"result": {"a": [NaN]}}', "result.a.0"),
        ("post", "/api/threads/{thread}/messages", '{"text": "\\ud83d"}', "text"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_name(
    alice: User, thread: Thread, client_of: ClientOf, method: str, path: str, body: str, field: str
) -> None:
    version = Thread.objects.get().version
    answer = client_of(alice).generic(method.upper(), path.format(thread=thread.pk), body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field), answer.content
    assert Thread.objects.get().version == version


def test_whatever_the_api_does_not_know_has_its_one_error_shape(alice: User, thread: Thread, client_of: ClientOf) -> None:
    client = client_of(alice)
    answers = {
        404: [client.get("/api/nope"), client.get("/api/threads/zzz"), client.get("/api/threads/5/messages")],
        405: [client.delete(f"/api/threads/{thread.pk}"), client.put(f"/api/threads/{thread.pk}/messages")],
        415: [client.post(f"/api/threads/{thread.pk}/messages", {"text": "a form"})],
    }
    for status, found in answers.items():
        for answer in found:
            assert (answer.status_code, set(answer.json())) == (status, {"error"})
            assert {"kind", "message"} <= set(answer.json()["error"])


def test_two_decisions_about_one_call_are_refused(ask: Ask, alice: User, thread: Thread) -> None:
    _, run = ask('[[tool=transfer {"source":"checking","target":"savings","amount":400}]][[next]]Done.', agent="banker")
    call = run.tool_calls.get()
    both = [services.Decision(call.pk, approved, call.arguments_hash) for approved in (False, True)]
    with pytest.raises(BadInput):
        services.decide(alice, thread, both)
    assert ToolCall.objects.get().status == "awaiting_approval"


def test_one_id_sent_to_two_threads_at_once_is_taken_once(alice: User) -> None:
    for _ in range(5):
        pk, threads = uuid.uuid4(), [Thread.start(alice) for _ in range(6)]

        def send(thread: Thread, pk: uuid.UUID = pk) -> bool:
            try:
                services.send(alice, thread, "Hello", agent="plain", message_id=pk)
            except Conflict:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(send, threads)) == 1
