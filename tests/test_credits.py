"""Credit: it pays what it can, once, and never more than there is."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from agents import services
from billing import credits
from billing.budgets import BudgetExceeded
from billing.invoicing import invoice, settle
from billing.models import Account, Credit, CreditUse, Invoice, Plan, Price, TaxRate
from billing.periods import Month
from tests.test_budgets import spend
from tests.test_invoices import IN_OCTOBER, LONG_AGO, OCTOBER, run, used
from threads.models import Thread, User

NOW = Month.of(datetime.now(UTC), "UTC")


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for provider, model in (("p", "m"), ("127.0.0.1", "fake")):
        for unit, amount in (("fresh_input", 0), ("output_text", 1)):
            facts = {"provider": provider, "model": model, "per": 1000, "valid": (LONG_AGO, None)}
            Price.objects.create(unit=unit, amount=amount, **facts)


def give(user: User, amount: int, expires: date | None = None, kind: str = "granted") -> Credit:
    return Credit.objects.create(account=Account.objects.of(user.pk), amount=amount, expires_on=expires, kind=kind)


def left() -> list[Decimal]:
    """Of each credit, the oldest first."""
    return [credit.left for credit in Credit.objects.with_left().order_by("pk")]  # type: ignore[attr-defined]


def test_what_expires_first_is_used_first_and_gifts_before_what_was_paid(alice: User) -> None:
    give(alice, 10, kind="purchased")
    give(alice, 10)
    give(alice, 10, date(2026, 12, 31), "purchased")
    give(alice, 10, date(2026, 10, 31))
    give(alice, 10, date(2026, 10, 30))
    used(alice.pk, output_text=32_000)
    found = invoice(alice.pk, OCTOBER).invoice
    assert found is not None
    assert left() == [8, 0, 0, 0, 10], "the last one had expired"
    assert (found.total, found.credited, found.due, found.status) == (32, 32, 0, "paid")


def test_credit_pays_tax_too_and_leaves_the_rest_to_be_paid(alice: User) -> None:
    give(alice, 5)
    Account.objects.update(tax_region="NO")
    TaxRate.objects.create(region="NO", percent=25, valid=(LONG_AGO.date(), None))
    used(alice.pk, output_text=8_000)
    found = invoice(alice.pk, OCTOBER).invoice
    assert found is not None
    assert (found.total, found.credited, found.due, found.status) == (10, 5, 5, "pending")


def test_a_draft_uses_none_and_a_void_one_gives_it_back(alice: User) -> None:
    give(alice, 5)
    used(alice.pk, output_text=8_000)
    invoice(alice.pk, OCTOBER, draft=True)
    assert left() == [5]
    found = invoice(alice.pk, OCTOBER).invoice
    assert found is not None
    assert left() == [0]
    settle(found.number or "", Invoice.Status.VOID)
    assert left() == [5]
    assert (invoice(alice.pk, OCTOBER).invoice or Invoice()).credited == 5


def test_many_at_once_use_each_cent_once(alice: User) -> None:
    give(alice, 10)
    months = [Month.named(f"2026-{n:02d}") for n in range(1, 10)]
    for month in months:
        used(alice.pk, month.begins("UTC"), output_text=2_500)

    def one(month: Month) -> None:
        try:
            invoice(alice.pk, month)
        finally:
            connection.close()

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(one, months))
    assert sum(use.amount for use in CreditUse.objects.all()) == 10
    assert left() == [0]
    assert sum(found.credited for found in Invoice.objects.all()) == 10


def test_a_prepaid_plan_answers_no_more_than_there_is_credit_for(alice: User) -> None:
    Account.objects.create(pk=alice.pk, plan=Plan.objects.create(name="prepaid", prepaid=True))
    threads = [Thread.start(alice, default_agent="plain") for _ in range(40)]
    with pytest.raises(BudgetExceeded, match="credit is used up"):
        services.send(alice, threads[0], "Hi")
    give(alice, 7)
    spend(alice, "2")

    def one(thread: Thread) -> bool:
        try:
            services.send(alice, thread, "Hi")  # a dollar is set aside for each
        except BudgetExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, threads)) == 5


def test_what_was_billed_is_not_taken_off_twice(alice: User) -> None:
    give(alice, 10)
    account = Account.objects.of(alice.pk)
    spend(alice, "4")
    assert credits.left(account, NOW.first) == 6
    used(alice.pk, IN_OCTOBER, output_text=3_000)
    invoice(alice.pk, OCTOBER)
    assert credits.left(account, NOW.first) == 3, "October's three are paid, this month's four are used"


def test_credit_is_granted_in_the_terminal(alice: User) -> None:
    assert "Would put 20 USD" in run("grant_credit", "alice", "20", "--dry-run")
    assert not Credit.objects.exists()
    assert "Put 20.50 USD" in run("grant_credit", "alice", "20.50", "--purchased", "--expires", "2027-01-31", "--note", "by bank")
    credit = Credit.objects.get()
    assert (credit.amount, credit.kind, credit.expires_on, credit.note) == (Decimal("20.5"), "purchased", date(2027, 1, 31), "by bank")
    for wrong in (
        ["alice", "-5"],
        ["alice", "0"],
        ["alice", "much"],
        ["nobody", "5"],
        ["alice", "99999999"],
        ["alice", "5", "--expires", "x"],
    ):
        with pytest.raises((CommandError, SystemExit)):
            call_command("grant_credit", *wrong, stdout=io.StringIO())
    assert Credit.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": -1}, {"amount": 10**9}, {"kind": "stolen"}])
def test_an_absurd_credit_is_refused_by_form_and_database(alice: User, wrong: dict[str, Any]) -> None:
    facts = {"account": Account.objects.of(alice.pk), "kind": "granted", "amount": Decimal(1)} | wrong
    with pytest.raises(ValidationError):
        Credit(**facts).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Credit.objects.create(**facts)


def test_pages_show_credit(alice: User, client_of: Callable[[User], Client]) -> None:
    give(alice, 5)
    used(alice.pk, output_text=8_000)
    found = invoice(alice.pk, OCTOBER).invoice
    assert found is not None
    page = client_of(alice).get(f"/invoices/{found.pk}/").content.decode()
    assert "Paid by credit" in page
    assert "$3.00" in page
    give(alice, 7)
    assert "$7.00" in client_of(alice).get("/usage/").content.decode()
