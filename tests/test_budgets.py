"""Budgets: as much as there is, never more, whoever comes at once and whoever dies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client

from agents import services
from billing import admission, tasks
from billing.budgets import BudgetExceeded, PriceUnknown, applying, state_of
from billing.models import SITE, Account, Alert, Budget, Plan, Price, Reservation, Spending, UsageRecord
from billing.periods import Month
from billing.signals import budget_used
from billing.usage import ModelCall, record, reverse
from tests.fake_openai import Call, FakeOpenAI
from tests.fake_openai import Plan as Answer
from threads.models import Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# A question of no length to speak of, and the answer that is set aside for it, at a dollar for a thousand tokens.
ONE = Decimal("1.00")


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    """Tokens that are read cost nothing, those that are written a dollar a thousand."""
    for unit, amount in (("fresh_input", 0), ("output_text", 1)):
        facts = {"provider": "127.0.0.1", "model": "fake", "unit": unit, "per": 1000, "valid": (LONG_AGO, None)}
        Price.objects.create(amount=amount, **facts)


def spend(user: User | None, amount: str, **more: Any) -> UsageRecord:
    """A call that cost so much."""
    facts: dict[str, Any] = {"agent": "plain", "provider": "127.0.0.1", "model": "fake", **more}
    call = ModelCall(user.pk if user else None, None, uuid4(), 1, 0, "answer", usage={"output_text": int(Decimal(amount) * 1000)}, **facts)
    record(call)
    return UsageRecord.objects.get(run_id=call.run_id)


def spent(scope: str, key: str = "") -> Decimal:
    """What the counters say."""
    return sum((row.amount for row in Spending.objects.filter(scope=scope, key=key)), Decimal(0))


def test_each_call_is_counted_for_its_user_its_agent_and_the_site(alice: User, bob: User) -> None:
    spend(alice, "1.5")
    spend(bob, "0.25", agent="other")
    spend(None, "2")
    assert [spent("user", str(key)) for key in (alice.pk, bob.pk, SITE)] == [Decimal("1.5"), Decimal("0.25"), 2]
    assert [spent("agent", key) for key in ("plain", "other")] == [Decimal("3.5"), Decimal("0.25")]
    assert spent("site") == Decimal("3.75")


def test_a_repeat_is_counted_once_and_a_correction_taken_back(alice: User) -> None:
    call = ModelCall(alice.pk, None, uuid4(), 1, 0, "answer", "plain", "127.0.0.1", "fake", usage={"output_text": 500})
    for _ in range(20):
        record(call)
    assert (UsageRecord.objects.count(), spent("user", str(alice.pk))) == (1, Decimal("0.5"))
    reverse(UsageRecord.objects.get(), "twice")
    assert (spent("user", str(alice.pk)), spent("site")) == (0, 0)


def test_users_are_counted_by_what_they_pay_the_site_by_what_it_pays(alice: User) -> None:
    Account.objects.create(pk=alice.pk, plan=Plan.objects.create(name="pro", markup=50))
    spend(alice, "2")
    assert (spent("user", str(alice.pk)), spent("agent", "plain"), spent("site")) == (3, 2, 2)


def test_what_is_used_up_is_refused_and_says_so(ask: Ask, alice: User, thread: Thread, client_of: Callable[[User], Client]) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=5)
    spend(alice, "4.5")
    answer = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {"text": "Hi"}, "application/json")
    error = answer.json()["error"]
    assert (answer.status_code, error["kind"], error["scope"]) == (402, "budget_exceeded", "user")
    assert (error["spent"], error["amount"], error["currency"]) == ("4.500000", "5.0000", "USD")
    assert "4.50 of 5.00 USD" in error["message"]
    assert (thread.messages.count(), Reservation.objects.count()) == (0, 0)


@pytest.mark.parametrize(("kind", "key"), [("agent", "plain"), ("site", "")])
def test_others_hear_nothing_of_what_the_site_spends(ask: Ask, bob: User, kind: str, key: str) -> None:
    Budget.objects.create(kind=kind, key=key, amount=5)
    spend(bob, "7.77")
    with pytest.raises(BudgetExceeded) as refused:
        ask("Hi", answer=False)
    assert "7.77" not in str(refused.value) + str(refused.value.details())


def test_of_a_hundred_at_once_as_many_are_let_in_as_there_is_money_for(alice: User) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=10)
    threads = [Thread.start(alice, default_agent="plain") for _ in range(100)]

    def one(thread: Thread) -> bool:
        try:
            services.send(alice, thread, "Hi")
        except BudgetExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(16) as pool:
        admitted = sum(pool.map(one, threads))
    assert (admitted, Run.objects.count(), Reservation.objects.count()) == (10, 10, 10)


def test_the_real_cost_takes_the_place_of_what_was_set_aside(ask: Ask, alice: User, fake: FakeOpenAI) -> None:
    budget = Budget.objects.create(kind="user", key=str(alice.pk), amount=5)
    account = Account.objects.of(alice.pk)
    fake.script(Answer(tokens=300, rate=0))
    ask("Hi", answer=False)
    state = state_of(budget, account)
    assert (state.spent, state.reserved) == (0, ONE)
    ask("And?")
    state = state_of(budget, account)
    assert state.spent == Decimal(UsageRecord.objects.get().output_text) / 1000 == Decimal("0.3")
    assert state.reserved == ONE, "the second question's"
    assert state.left == 5 - ONE - Decimal("0.3")


def test_a_run_that_ends_without_a_call_frees_what_was_set_aside(ask: Ask, alice: User) -> None:
    budget = Budget.objects.create(kind="user", key=str(alice.pk), amount=1)
    _, run = ask("Hi", answer=False)
    with pytest.raises(BudgetExceeded):
        ask("Hi again", answer=False)
    services.stop(run)
    assert state_of(budget, Account.objects.of(alice.pk)).left == 1
    ask("Hi again", answer=False)


def test_a_rolled_back_send_sets_nothing_aside(alice: User, thread: Thread) -> None:
    Budget.objects.create(kind="site", amount=5)
    with transaction.atomic():
        services.send(alice, thread, "Hi")
        transaction.set_rollback(True)
    assert Reservation.objects.count() == 0


def test_a_run_in_the_middle_is_ended_when_there_is_no_more(ask: Ask, alice: User, fake: FakeOpenAI) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=1)
    fake.script(Answer(tokens=400, rate=0, tools=(Call("get_weather", '{"city": "Oslo"}'),)), Answer(text="Done"))
    _, run = ask("Hi", agent="weather")
    assert (run.status, run.error["kind"]) == ("failed", "budget_exceeded")
    assert UsageRecord.objects.count() == 1
    assert run.thread.tool_calls.get().status == "succeeded", "what was done is kept"


def test_a_plans_budget_is_each_users_unless_they_have_their_own(alice: User, bob: User) -> None:
    plan = Plan.objects.create(name="free")
    accounts = [Account.objects.create(pk=user.pk, plan=plan) for user in (alice, bob)]
    of_plan = Budget.objects.create(kind="plan", key="free", amount=1)
    own = Budget.objects.create(kind="user", key=str(bob.pk), amount=100)
    assert [list(applying(account)) for account in accounts] == [[of_plan], [own]]
    spend(bob, "3")
    assert state_of(of_plan, accounts[0]).left == 1
    own.enabled = False
    own.save()
    assert list(applying(accounts[1])) == [of_plan]


def test_without_a_price_a_budget_cannot_be_kept(ask: Ask, alice: User) -> None:
    Price.objects.all().delete()
    ask("Hi", answer=False)
    Budget.objects.create(kind="site", amount=100)
    with pytest.raises(PriceUnknown, match="fake"):
        ask("Hi again", answer=False)


def test_what_is_free_passes_when_nothing_is_left(ask: Ask, alice: User) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=1)
    spend(alice, "2")
    Price.objects.update(amount=0)
    ask("Hi", answer=False)


def test_pages_show_a_persons_own_budget_only(alice: User, bob: User) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=5)
    Budget.objects.create(kind="site", amount=50)
    spend(alice, "1.25")
    (shown,) = admission.state(alice)["budgets"]
    resets = Month.of(datetime.now(UTC), "UTC").ends("UTC").isoformat()
    assert shown == {
        "scope": "user",
        "amount": "5.0000",
        "spent": "1.250000",
        "reserved": "0.000000",
        "currency": "USD",
        "resets_at": resets,
    }
    assert admission.state(bob)["budgets"] == []


@pytest.mark.parametrize(
    ("moment", "zone", "month"),
    [
        ("2026-10-31T23:30:00+00:00", "UTC", "2026-10"),
        ("2026-10-31T23:30:00+00:00", "Pacific/Kiritimati", "2026-11"),
        ("2026-11-01T10:59:59+00:00", "Pacific/Pago_Pago", "2026-10"),
        ("2026-11-01T11:00:00+00:00", "Pacific/Pago_Pago", "2026-11"),
        ("2026-12-31T23:59:59+00:00", "Europe/Oslo", "2027-01"),
        ("2027-03-01T04:59:59+00:00", "America/New_York", "2027-02"),
    ],
)
def test_months_begin_where_the_account_is(moment: str, zone: str, month: str) -> None:
    found = Month.of(datetime.fromisoformat(moment), zone)
    assert str(found) == month
    assert found.begins(zone) <= datetime.fromisoformat(moment) < found.ends(zone) == found.next.begins(zone)
    assert found.next.previous == found == Month.named(month)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-10", "2026-10-01", "October", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Month.named(text)


@pytest.mark.parametrize(
    "wrong", [{"amount": -1}, {"amount": 10**10}, {"kind": "site", "key": "x"}, {"key": ""}, {"kind": "user", "key": "taken"}]
)
def test_an_absurd_budget_is_refused_by_form_and_database(wrong: dict[str, Any]) -> None:
    Budget.objects.create(kind="user", key="taken", amount=1)
    facts = {"kind": "agent", "key": "plain", "amount": Decimal(1)} | wrong
    with pytest.raises(ValidationError):
        Budget(**facts).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Budget.objects.create(**facts)


def test_an_account_and_its_plan_are_in_one_currency(alice: User) -> None:
    plan = Plan.objects.create(name="euro", currency="EUR")
    with pytest.raises(ValidationError, match="in EUR"):
        Account(pk=alice.pk, plan=plan, currency="USD").full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(pk=alice.pk, plan=plan, currency="USD")
    with pytest.raises(ValidationError, match="time zone"):
        Account(pk=alice.pk, zone="Europe/Atlantis").full_clean()


@pytest.fixture
def heard() -> Iterator[list[tuple[Any, int]]]:
    """The alerts that code of the site gets."""
    found: list[tuple[Any, int]] = []

    def listen(sender: Any, user_id: Any, percent: int, **_: Any) -> None:
        found.append((user_id, percent))

    budget_used.connect(listen)
    yield found
    budget_used.disconnect(listen)


def test_each_level_of_a_budget_is_told_once(alice: User, bob: User, heard: list[tuple[Any, int]]) -> None:
    plan = Plan.objects.create(name="free")
    for user in (alice, bob):
        Account.objects.create(pk=user.pk, plan=plan)
    Budget.objects.create(kind="plan", key="free", amount=10)
    Budget.objects.create(kind="site", amount=100)
    spend(bob, "1")
    for amount in ("4.99", "0.01", "2", "1", "2", "50"):
        spend(alice, amount)
        for _ in range(2):
            tasks.alert()
    assert heard == [(alice.pk, 50), (alice.pk, 80), (alice.pk, 100), (None, 50)]
    assert list(Alert.objects.order_by("id").values_list("key", "percent")) == [
        (str(alice.pk), 50),
        (str(alice.pk), 80),
        (str(alice.pk), 100),
        ("", 50),
    ]


def test_what_was_set_aside_for_ended_runs_is_pruned(ask: Ask, alice: User) -> None:
    Budget.objects.create(kind="user", key=str(alice.pk), amount=100)
    _, ended = ask("Hi", answer=False)
    services.stop(ended)
    _, lives = ask("Hi again", answer=False)
    tasks.prune()
    assert Reservation.objects.count() == 2, "not yet"
    Reservation.objects.update(created_at=LONG_AGO)
    tasks.prune()
    assert [each.run_id for each in Reservation.objects.all()] == [lives.pk]
