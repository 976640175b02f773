"""What a prompt takes of the limits, and what the pages are told of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import ceil
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from agents import services
from billing import admission, limits
from billing.limits import LimitExceeded
from billing.models import Allowance, Limit, UsageRecord
from tests.fake_openai import FakeOpenAI, Plan
from threads.models import ApiKey, Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]
DEFAULTS = ["globalSendMessage", "globalTokenUsage", "sendMessage", "tokenUsagePerUser"]


SLOW = 100_000


@pytest.fixture(autouse=True)
def limited(settings: Any) -> None:
    """The usual limits, but so slow that what a test takes does not come back while it runs."""
    settings.RATE_LIMITS = True
    settings.LIMITS = {name: facts | {"period": facts["period"] * SLOW} for name, facts in settings.LIMITS.items()}


@pytest.fixture
def only(settings: Any) -> Callable[..., None]:
    """Have one limit, "it", and no other."""

    def configured(**facts: Any) -> None:
        settings.LIMITS = {"it": {"kind": "window", "rate": 1, "period": 60, "capacity": 1, **facts}}

    return configured


def taken() -> dict[str, float]:
    """How much of the limits is gone, in all."""
    capacities = {limit.name: limit.capacity / limit.shards for limit in limits.active()}
    gone: dict[str, float] = {}
    for row in Allowance.objects.all():
        gone[row.name] = gone.get(row.name, 0) + capacities[row.name] - row.value
    return {name: round(value, 2) for name, value in sorted(gone.items())}


def refused(asked: Callable[[], object]) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as error:
        asked()
    return error.value


def test_a_prompt_takes_one_message_and_its_answer_what_it_really_took(ask: Ask, fake: FakeOpenAI) -> None:
    fake.script(Plan(tokens=300, rate=0))
    ask("Hi", answer=False)
    assert taken() == {"globalSendMessage": 1, "sendMessage": 1}
    ask("And now?")
    total = sum(row.tokens for row in UsageRecord.objects.all())
    assert total > 300
    assert taken() == {"globalSendMessage": 2, "globalTokenUsage": total, "sendMessage": 2, "tokenUsagePerUser": total}


def test_a_repeat_takes_nothing(ask: Ask, alice: User, thread: Thread) -> None:
    message, run = ask("Hi", answer=False)
    for _ in range(5):
        assert services.send(alice, thread, "Hi", message_id=message.pk) == (message, run)
    assert taken() == {"globalSendMessage": 1, "sendMessage": 1}


def test_the_third_at_once_is_refused_and_leaves_nothing_behind(ask: Ask, thread: Thread) -> None:
    ask("One", answer=False)
    ask("Two", answer=False)
    before = thread.messages.count(), Thread.objects.get(pk=thread.pk).version, taken()
    error = refused(lambda: ask("Three", answer=False))
    assert error.name == "sendMessage"
    assert 4 * SLOW < error.retry_after <= 5 * SLOW
    assert (thread.messages.count(), Thread.objects.get(pk=thread.pk).version, taken()) == before


def test_the_error_says_which_limit_when_and_by_which_clock(ask: Ask, alice: User, thread: Thread, client_of: ClientOf) -> None:
    ask("One", answer=False)
    ask("Two", answer=False)
    answer = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {"text": "Three"}, "application/json")
    error = answer.json()["error"]
    assert (answer.status_code, answer["Retry-After"]) == (429, str(ceil(error["retry_after"])))
    assert (error["kind"], error["name"]) == ("limit_exceeded", "sendMessage")
    assert error["retry_at"] - error["server_time"] == pytest.approx(error["retry_after"])
    assert 4 * SLOW < error["retry_after"] <= 5 * SLOW


def test_of_forty_at_once_two_pass(alice: User, thread: Thread) -> None:
    def one(n: int) -> bool:
        try:
            services.send(alice, thread, f"Question {n}")
        except LimitExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(40))) == 2
    assert (taken(), thread.runs.count()) == ({"globalSendMessage": 2, "sendMessage": 2}, 2)


def test_the_estimate_counts_question_answer_and_the_length_so_far(thread: Thread, alice: User) -> None:
    assert admission.estimate(thread, "x" * 400) == 100 + 300 + 1
    totals = [7000, 50, None, None]
    for order, total in enumerate(totals):
        usage = None if total is None else {"total": total}
        Message.objects.create(thread=thread, order=order, step_order=0, role="assistant", status="success", usage=usage)
        expected = {0: 7000, 1: 50, 2: 50, 3: 0}[order]
        assert admission.estimate(thread, "x" * 400) == 401 + expected, "of the last two rows only"


def test_a_long_question_needs_the_tokens_to_be_there_but_takes_none(ask: Ask) -> None:
    ask("x" * 20_000, answer=False)
    assert "tokenUsagePerUser" not in taken()
    limits.reserve("tokenUsagePerUser", str(User.objects.get().pk), 5000)
    error = refused(lambda: ask("x" * 20_000, answer=False))
    assert error.name == "tokenUsagePerUser"
    assert error.retry_after == pytest.approx(5000 / 2000 * 60 * SLOW, rel=0.01)
    ask("short", answer=False)


def test_a_debt_blocks_until_it_is_paid_off(ask: Ask, fake: FakeOpenAI, settings: Any) -> None:
    settings.LIMITS |= {"tokenUsagePerUser": settings.LIMITS["tokenUsagePerUser"] | {"rate": 60, "capacity": 100}}
    fake.script(Plan(tokens=300, rate=0))
    ask("Hi")
    error = refused(lambda: ask("Go on", answer=False))
    assert error.name == "tokenUsagePerUser"
    assert error.retry_after > 200 * SLOW, "the debt, and what the last answer took once more"
    Allowance.objects.update(at=F("at") - timedelta(seconds=error.retry_after - SLOW))
    assert refused(lambda: ask("Go on", answer=False)).retry_after == pytest.approx(SLOW, rel=0.1)
    Allowance.objects.update(at=F("at") - timedelta(seconds=SLOW))
    ask("Go on", answer=False)


def test_trying_again_takes_what_a_prompt_takes(ask: Ask, alice: User, fake: FakeOpenAI) -> None:
    fake.script(Plan(fault="401"))
    _, run = ask("Hi")
    assert run.status == "failed"
    services.retry(alice, run)
    assert taken()["sendMessage"] == 2
    services.stop(Run.objects.get(status="queued"))
    assert refused(lambda: services.retry(alice, run)).name == "sendMessage"


def test_a_message_to_a_person_needs_no_tokens(ask: Ask, thread: Thread, alice: User, bob: User) -> None:
    Thread.objects.filter(pk=thread.pk).update(assigned_to=bob)
    limits.reserve("tokenUsagePerUser", str(alice.pk), 50_000)
    ask("Is anybody there?", answer=False)
    assert taken()["sendMessage"] == 1


def test_each_key_has_its_own(only: Callable[..., None], alice: User, thread: Thread) -> None:
    only(counts="messages", per="api_key")

    def ask_by(key: str, text: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        return Client(headers=headers).post(f"/api/threads/{thread.pk}/messages", {"text": text}, "application/json").status_code

    one, other = (ApiKey.objects.issue(name, alice, ["write"]) for name in ("one", "other"))
    assert [ask_by(one, "1"), ask_by(one, "2"), ask_by(other, "3"), ask_by(other, "4")] == [202, 429, 202, 429]
    services.send(alice, thread, "a person is not a key")


def test_each_agent_has_its_own(only: Callable[..., None], ask: Ask, fake: FakeOpenAI) -> None:
    only(counts="messages", per="agent")
    ask("One", answer=False)
    ask("Two", answer=False, agent="weather")
    assert refused(lambda: ask("Three", answer=False, agent="weather")).name == "it"


def test_the_admin_adds_a_limit_and_lifts_another(ask: Ask) -> None:
    Limit.objects.create(name="sendMessage", kind="window", rate=1, period=5, capacity=2, enabled=False)
    Limit.objects.create(name="slow", kind="window", counts="messages", per="user", rate=1, period=3600, capacity=4)
    for n in range(4):
        ask(f"Question {n}", answer=False)
    assert refused(lambda: ask("One more", answer=False)).name == "slow"


def test_pages_are_told_what_is_left(ask: Ask, alice: User, bob: User) -> None:
    assert [limit["name"] for limit in admission.state(alice)["limits"]] == DEFAULTS
    ask("One", answer=False)
    ask("Two", answer=False)
    state = admission.state(alice)
    shown = {limit["name"]: limit for limit in state["limits"]}
    assert (shown["sendMessage"]["left"], shown["sendMessage"]["capacity"]) == (0, 2)
    assert 4 * SLOW < shown["sendMessage"]["retry_at"] - state["server_time"] <= 5 * SLOW
    assert shown["globalSendMessage"] == {"name": "globalSendMessage", "counts": "messages", "per": "site", "retry_at": None}
    assert all(limit["retry_at"] is None for limit in admission.state(bob)["limits"])


def test_without_limits_nothing_is_counted(ask: Ask, settings: Any, alice: User) -> None:
    settings.RATE_LIMITS = False
    for n in range(5):
        ask(f"Question {n}", answer=False)
    assert (Allowance.objects.count(), admission.state(alice)["limits"]) == (0, [])
