"""What counts money agrees, and what does not is found."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.invoicing import invoice
from billing.models import Account, Billed, Credit, Plan, Price, Spending, UsageRecord
from billing.periods import Month
from billing.reconciling import drift, recount
from billing.usage import ModelCall, record, reverse
from tests.fake_openai import FakeOpenAI
from tests.fake_openai import Plan as Answer
from threads.models import Message, Run, User

Ask = Callable[..., tuple[Message, Run]]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAID = """
INSERT INTO billing_payment (id, invoice_id, attempt, amount, status, customer, payment_method, reference, error, tries, due_at)
SELECT gen_random_uuid(), id, 1, 1, 'succeeded', '', '', 'pi_1', '', 1, now() FROM billing_invoice
"""


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for provider, model in (("p", "m"), ("p", "n"), ("127.0.0.1", "fake")):
        for unit, amount in (("fresh_input", "0.15"), ("output_text", "0.60"), ("seconds", "7")):
            facts = {"provider": provider, "model": model, "valid": (LONG_AGO, None)}
            Price.objects.create(unit=unit, amount=Decimal(amount), **facts)


def now() -> Month:
    return Month.of(datetime.now(UTC), "UTC")


def use(user: User | None, model: str = "m", agent: str = "a", **amounts: int) -> UsageRecord:
    """A call in the ledger."""
    run = uuid4()
    units = {"seconds": amounts.pop("seconds", 0)}
    record(ModelCall(user.pk if user else None, None, run, 1, 0, "answer", agent, "p", model, usage=amounts, units=units))
    return UsageRecord.objects.get(run_id=run)


def meddle(sql: str, *values: Any) -> None:
    """Past the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET session_replication_role = origin")


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


@given(
    calls=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["a", "b"]), st.sampled_from(["m", "n"]), st.integers(0, 10**7), st.booleans()),
        max_size=12,
    ),
    markup=st.decimals(0, 1000, places=2),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counters_are_what_the_ledger_says(
    alice: User, bob: User, calls: list[tuple[int, str, str, int, bool]], markup: Decimal
) -> None:
    plan, _ = Plan.objects.update_or_create(name="p", defaults={"markup": markup})
    for user, zone in ((alice, "Pacific/Kiritimati"), (bob, "UTC")):
        Account.objects.update_or_create(pk=user.pk, defaults={"zone": zone, "plan": plan})
    for who, agent, model, tokens, is_taken_back in calls:
        row = use([alice, bob, None][who], model, agent, output_text=tokens, fresh_input=tokens // 3, seconds=tokens % 7)
        if is_taken_back:
            reverse(row, "a mistake")
    months = {now(), Month.of(datetime.now(UTC), "Pacific/Kiritimati")}
    assert [drift(month) for month in months] == [[] for _ in months]
    meddle("DELETE FROM billing_usagerecord")
    Spending.objects.all().delete()


def test_answers_counters_and_invoices_agree(ask: Ask, alice: User, fake: FakeOpenAI) -> None:
    fake.script(Answer(text="Yes", tokens=0), Answer(fault="cut", after=5, tokens=50), Answer(text="No"))
    ask("Is it?")
    ask("And now?")
    assert UsageRecord.objects.count() == 3
    assert "Everything agrees." in run("reconcile")


def test_a_counter_that_is_wrong_is_found_and_set_right(alice: User) -> None:
    use(alice, output_text=1_000_000)
    Spending.objects.filter(scope="user").update(amount=5)
    (sentence,) = drift(now())
    assert sentence == f"The counter of user {alice.pk} says 5 USD, the ledger 0.6."
    with pytest.raises(CommandError, match="1 things do not agree"):
        run("reconcile")
    assert "1 counters corrected" in run("reconcile", "--recount", "--period", str(now()))
    assert drift(now()) == []


def test_prices_that_come_later_are_counted_when_told_to(alice: User) -> None:
    use(alice, "unheard-of", output_text=1_000_000)
    assert (drift(now()), Spending.objects.count()) == ([], 0)
    Price.objects.create(provider="p", model="unheard-of", unit="output_text", amount=3, valid=(LONG_AGO, None))
    assert len(drift(now())) == 3
    assert (recount(now()), drift(now())) == (3, [])


def test_a_call_that_is_not_in_the_ledger_is_found(ask: Ask, alice: User) -> None:
    _, answered = ask("Hi")
    meddle("DELETE FROM billing_usagerecord")
    assert any(sentence.startswith(f"Run {answered.pk} used") for sentence in drift(now()))


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE billing_invoiceline SET amount = amount + 1", "its lines do not come to 0.600"),
        ("UPDATE billing_invoiceline SET quantity = 5", "bills 5.000000 of p m output_text, the ledger has 1,000,000"),
        ("DELETE FROM billing_billed", "bills 1,000,000.000000 of p m output_text, the ledger has 0"),
        ("UPDATE billing_billed SET invoice_id = gen_random_uuid()", "is on an invoice that is not there"),
        (PAID, "is not paid, though payment pi_1 succeeded"),
        ("UPDATE billing_usagerecord SET output_text = 7", "the ledger has 7"),
        ("UPDATE billing_series SET last = 2", "no invoice or credit note INV-000002"),
        ("UPDATE billing_credituse SET amount = 0.1", "what credit paid of it is not 0.200"),
        ("UPDATE billing_credit SET amount = 0.1", "paid more than it has"),
    ],
)
def test_a_planted_error_in_an_invoice_is_found(alice: User, sql: str, finding: str) -> None:
    with transaction.atomic():
        row = use(alice, output_text=1_000_000)
    last = now().previous
    meddle("UPDATE billing_usagerecord SET created_at = %s", last.begins("UTC"))
    Spending.objects.update(month=last.first)
    Credit.objects.create(account_id=alice.pk, kind="granted", amount=Decimal("0.2"))
    assert invoice(alice.pk, last).invoice is not None
    assert (Billed.objects.get().usage_id, drift(last)) == (row.pk, [])
    meddle(sql)
    found = drift(last)
    assert any(finding in sentence for sentence in found), found
    with pytest.raises(CommandError):
        run("reconcile", "--period", str(last))
