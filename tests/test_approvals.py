"""A call that needs approval is made only after a person has said so, once, about exactly these arguments."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import services, sweeping, tasks
from agents.agent import Agent
from agents.errors import BadInput, Conflict
from agents.services import Decision
from agents.tools import ToolContext, tool
from tests.fake_openai import FakeOpenAI
from threads.models import Message, Run, Thread, ToolCall, User
from threads.sync import snapshot

Ask = Callable[..., tuple[Message, Run]]
PAY = '[[tool=pay {"amount":500}]]'
DONE = '[[next]][[text="Done."]]'


@pytest.fixture
def paid(offered: dict[str, Agent]) -> list[int]:
    """What the banker has paid; amounts above 100 need approval, questions go to a person."""
    done: list[int] = []

    def large(context: ToolContext, amount: int) -> bool:
        return amount > 100

    @tool(needs_approval=large)
    def pay(context: ToolContext, amount: int) -> str:
        """Pay an amount."""
        done.append(amount)
        return f"paid {amount}"

    @tool(by_person=True)
    def ask_boss(question: str) -> str:
        """Ask the boss."""
        raise AssertionError("never called")

    offered["banker"] = Agent("banker", tools=[pay, ask_boss])
    return done


def decision(call: ToolCall, approved: bool = True, **more: Any) -> Decision:
    return Decision(call.pk, approved, more.pop("arguments_hash", call.arguments_hash), **more)


def go_on(thread: Thread, run: Run) -> Run:
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    return run


def told(fake: FakeOpenAI) -> list[Any]:
    """What the model was told of its calls in its last request."""
    return [message["content"] for message in fake.requests[-1].body["messages"] if message["role"] == "tool"]


def test_approving_continues_by_itself(ask: Ask, thread: Thread, alice: User, paid: list[int], fake: FakeOpenAI) -> None:
    _, run = ask(f'{PAY}[[tool=pay {{"amount":5}}]]{DONE}', agent="banker")
    gated, free = run.tool_calls.order_by("index")
    assert (run.status, gated.status, free.status, paid) == ("waiting", "awaiting_approval", "succeeded", [5])
    assert snapshot(thread.pk)["runs"][0]["status"] == "waiting"
    services.decide(alice, thread, [decision(gated)])
    run.refresh_from_db()
    assert (run.status, paid) == ("queued", [5])
    assert go_on(thread, run).status == "succeeded"
    assert paid == [5, 500]
    gated.refresh_from_db()
    assert (gated.status, gated.result, gated.decided_by) == ("succeeded", "paid 500", alice)
    assert told(fake) == ["paid 500", "paid 5"]
    assert run.messages.order_by("step_order").last().text == "Done."  # type: ignore[union-attr]


def test_a_denial_is_told_with_its_reason(ask: Ask, thread: Thread, alice: User, paid: list[int], fake: FakeOpenAI) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    call = run.tool_calls.get()
    services.decide(alice, thread, [decision(call, False, reason="Too much.")])
    assert go_on(thread, run).status == "succeeded"
    assert told(fake) == ["A person denied this call. Too much."]
    assert paid == []
    assert run.messages.filter(role="tool").count() == 1


def test_the_run_waits_until_all_are_decided(ask: Ask, thread: Thread, alice: User, paid: list[int]) -> None:
    _, run = ask(f'{PAY}[[tool=pay {{"amount":600}}]]{DONE}', agent="banker")
    first, second = run.tool_calls.order_by("index")
    services.decide(alice, thread, [decision(first)])
    assert go_on(thread, run).status == "waiting"
    assert paid == []
    services.decide(alice, thread, [decision(second, False)])
    assert go_on(thread, run).status == "succeeded"
    assert paid == [500]


def test_a_decision_while_other_calls_still_run_is_not_lost(
    ask: Ask, thread: Thread, alice: User, paid: list[int], offered: dict[str, Agent]
) -> None:
    def meanwhile(context: ToolContext) -> str:
        """Decides about the other call while it runs itself."""
        gated = ToolCall.objects.get(run=context.run, tool="pay")
        services.decide(alice, thread, [decision(gated)])
        return "decided"

    offered["banker"] = Agent("banker", tools=[offered["banker"].toolbox["pay"], meanwhile])
    _, run = ask(f"{PAY}[[tool=meanwhile {{}}]]{DONE}", agent="banker")
    assert (run.status, paid) == ("succeeded", [500])


def test_forged_altered_and_foreign_decisions_change_nothing(
    ask: Ask, thread: Thread, alice: User, bob: User, paid: list[int], client_of: Callable[[User], Client]
) -> None:
    _, run = ask(f'{PAY}[[tool=pay {{"amount":5}}]]{DONE}', agent="banker")
    gated, free = run.tool_calls.order_by("index")
    elsewhere = Thread.start(alice)
    wrong: list[tuple[Thread, list[Decision], type[Exception]]] = [
        (thread, [decision(gated, arguments_hash="0" * 64)], Conflict),
        (thread, [decision(gated), Decision(uuid.uuid4(), True, gated.arguments_hash)], BadInput),
        (thread, [decision(gated), decision(free)], BadInput),
        (elsewhere, [decision(gated)], BadInput),
    ]
    for where, decisions, error in wrong:
        with pytest.raises(error):
            services.decide(alice, where, decisions)
    body = {"decisions": [{"call": str(gated.pk), "approved": True, "arguments_hash": gated.arguments_hash}]}
    for path, expected in ((thread.pk, 404), (Thread.start(bob).pk, 400)):
        assert client_of(bob).post(f"/api/threads/{path}/decisions", body, content_type="application/json").status_code == expected
    gated.refresh_from_db()
    assert (gated.status, gated.decided_by) == ("awaiting_approval", None)
    answer = client_of(alice).post(f"/api/threads/{thread.pk}/decisions", body, content_type="application/json")
    assert (answer.status_code, answer.json()["tool_calls"][0]["status"]) == (200, "approved")


def test_of_racing_decisions_one_wins_and_a_replay_is_refused(ask: Ask, thread: Thread, alice: User, paid: list[int]) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    call = run.tool_calls.get()

    def race(approved: bool) -> bool:
        try:
            return bool(services.decide(alice, thread, [decision(call, approved)]))
        except Conflict:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, [True, False] * 8)) == 1
    call.refresh_from_db()
    winner = call.status
    with pytest.raises(Conflict):
        services.decide(alice, thread, [decision(call)])
    assert go_on(thread, run).status == "succeeded"
    assert paid == ([500] if winner == "approved" else [])


def test_a_hundred_in_one_request_cost_a_constant_number_of_queries(ask: Ask, thread: Thread, alice: User, paid: list[int]) -> None:
    counts = []
    for number in (2, 100):
        _, run = ask("".join(f'[[tool=pay {{"amount":{200 + n}}}]]' for n in range(number)) + DONE, agent="banker")
        calls = list(run.tool_calls.all())
        assert len(calls) == number
        with CaptureQueriesContext(connection) as queries:
            services.decide(alice, thread, [decision(call) for call in calls])
        counts.append(len(queries))
        assert go_on(thread, run).status == "succeeded"
    assert counts[0] == counts[1]
    assert len(paid) == 102


def test_nobody_decides_in_time(ask: Ask, thread: Thread, alice: User, paid: list[int], fake: FakeOpenAI) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    call = run.tool_calls.get()
    ToolCall.objects.filter(pk=call.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="time is over"):
        services.decide(alice, thread, [decision(call)])
    sweeping.sweep()
    assert go_on(thread, run).status == "succeeded"
    assert told(fake) == ["Nobody approved this call in time."]
    assert paid == []


def test_the_next_prompt_denies_what_was_left_open(ask: Ask, thread: Thread, alice: User, paid: list[int], fake: FakeOpenAI) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    call = run.tool_calls.get()
    _, after = ask("Never mind", agent="plain")
    run.refresh_from_db()
    call.refresh_from_db()
    assert (run.status, call.status, after.status, paid) == ("stopped", "denied", "succeeded", [])
    assert told(fake) == [f"A person denied this call. {call.reason}"]
    with pytest.raises(Conflict):
        services.decide(alice, thread, [decision(call)])


def test_a_tool_that_went_away_before_the_approval_fails_its_call_only(
    ask: Ask, thread: Thread, alice: User, paid: list[int], offered: dict[str, Agent], fake: FakeOpenAI
) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    services.decide(alice, thread, [decision(run.tool_calls.get())])
    offered["banker"] = Agent("banker")
    assert go_on(thread, run).status == "succeeded"
    assert told(fake) == ["Error: There is no tool named 'pay' any more."]


def test_a_stopped_run_can_no_longer_be_approved(ask: Ask, thread: Thread, alice: User, paid: list[int]) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    services.stop(run)
    with pytest.raises(Conflict):
        services.decide(alice, thread, [decision(run.tool_calls.get())])
    assert paid == []


def test_a_crash_after_the_approval_does_not_pay_twice(ask: Ask, thread: Thread, alice: User, paid: list[int]) -> None:
    _, run = ask(PAY + DONE, agent="banker")
    services.decide(alice, thread, [decision(run.tool_calls.get())])
    dead = Run.objects.claim(thread.pk, "dead")
    assert dead is not None
    assert dead.after_calls(set()) == "run"  # the worker dies right after it has committed `running`
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeping.sweep()
    assert go_on(thread, run).status == "succeeded"
    assert (run.tool_calls.get().status, paid) == ("unknown", [])


# --- Questions to a person ---------------------------------------------------------------------------------------------

QUESTION = '[[tool=ask_boss {"question":"May I?"}]]'


def test_a_persons_answer_continues_the_run(ask: Ask, thread: Thread, alice: User, paid: list[int], fake: FakeOpenAI) -> None:
    _, run = ask(QUESTION + DONE, agent="banker")
    call = run.tool_calls.get()
    assert (run.status, call.status) == ("waiting", "requested")
    services.answer_call(alice, thread, call.pk, "Yes, you may.")
    with pytest.raises(Conflict):
        services.answer_call(alice, thread, call.pk, "No!")
    assert go_on(thread, run).status == "succeeded"
    assert told(fake) == ["Yes, you may."]


def test_a_question_outlives_its_run_and_its_answer_opens_a_turn(ask: Ask, thread: Thread, alice: User, bob: User, paid: list[int]) -> None:
    _, run = ask(QUESTION + DONE, agent="banker")
    ask("Meanwhile", agent="plain")
    call = run.tool_calls.get()
    run.refresh_from_db()
    assert (run.status, call.status) == ("stopped", "requested")
    services.answer_call(bob, thread, call.pk, "Yes, you may.")
    tasks.answer(str(thread.pk))
    last = Run.objects.order_by("created_at").last()
    assert last is not None
    assert (last.prompt.text, last.prompt.author, last.agent, last.status) == ("Yes, you may.", bob, "banker", "succeeded")  # type: ignore[union-attr]


# --- Outcomes that nobody knows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("happened", [True, False])
def test_a_person_settles_a_call_of_unknown_outcome_once_and_the_model_is_told(
    ask: Ask, alice: User, thread: Thread, fake: FakeOpenAI, happened: bool
) -> None:
    _, run = ask('[[tool=transfer {"source":"checking","target":"savings","amount":4}]][[next]]Done.', agent="banker")
    ToolCall.objects.update(status="unknown", result=None)
    call = run.tool_calls.get()
    services.settle_call(alice, thread, call.pk, happened=happened, note="I looked at the bank's page")
    call.refresh_from_db()
    assert (call.status, call.decided_by, call.reason) == ("succeeded" if happened else "failed", alice, "I looked at the bank's page")
    with pytest.raises(Conflict):
        services.settle_call(alice, thread, call.pk, happened=not happened)
    assert not ToolCall.settle(call.pk, thread.pk, "succeeded", result="a late one of the tool"), "the first word counts"
    fake.script_nothing()
    ask("And now?", agent="banker")
    told = next(message for message in fake.requests[-1].body["messages"] if message["role"] == "tool")
    assert "I looked at the bank's page" in told["content"]


def test_what_is_known_cannot_be_settled(ask: Ask, alice: User, thread: Thread) -> None:
    _, run = ask('[[tool=transfer {"source":"checking","target":"savings","amount":4}]][[next]]Done.', agent="banker")
    with pytest.raises(Conflict):
        services.settle_call(alice, thread, run.tool_calls.get().pk, happened=False)
    with pytest.raises(BadInput):
        services.settle_call(alice, thread, run.pk, happened=False)
