"""Invoices: everything that was used, once, to the cent; and never changed afterwards."""

import io
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event, Timer
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.erasing import erase_user
from billing.invoicing import NotYet, accounts_to_bill, coin, finalise, invoice, settle
from billing.management.commands import generate_invoices
from billing.models import Account, Billed, Credit, Invoice, InvoiceLine, Plan, Price, TaxRate, UsageRecord
from billing.periods import Month
from billing.pricing import priced
from billing.usage import reverse
from threads.models import User

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OCTOBER = Month.named("2026-10")
IN_OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for unit, amount in (("fresh_input", "0.15"), ("output_text", "0.60")):
        price(unit, amount)


def price(unit: str, amount: str, model: str = "m", **more: Any) -> None:
    """A price of ours, for a million."""
    facts = {"provider": "p", "valid": (LONG_AGO, None)} | more
    Price.objects.create(model=model, unit=unit, amount=Decimal(amount), **facts)


def used(user: UUID, at: datetime = IN_OCTOBER, model: str = "m", **amounts: Any) -> UsageRecord:
    """A row of the ledger as it was written then."""
    labels = amounts.pop("labels", {})
    facts = {"run_id": uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": "a", "provider": "p", "labels": labels}
    return UsageRecord.objects.create(user_id=user, model=model, created_at=at, priced_at=at, **facts, **amounts)


def run(*argv: str) -> str:
    """What the command printed."""
    out = io.StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


def bill(user: User | UUID, month: Month = OCTOBER) -> Invoice | None:
    """The account's invoice."""
    return invoice(user if isinstance(user, UUID) else user.pk, month).invoice


def test_a_month_becomes_lines_by_model_and_class(alice: User) -> None:
    price("output_text", "5", model="dear")
    used(alice.pk, fresh_input=1_000_000, output_text=500_000)
    used(alice.pk, fresh_input=2_000_000)
    used(alice.pk, model="dear", output_text=10_000)
    found = bill(alice)
    assert found is not None
    assert [(line.description, line.quantity, line.amount) for line in found.lines.all()] == [
        ("dear, output text", 10_000, Decimal("0.05")),
        ("m, fresh input", 3_000_000, Decimal("0.45")),
        ("m, output text", 500_000, Decimal("0.30")),
    ]
    assert (found.number, found.status, found.net, found.total) == ("INV-000001", "pending", Decimal("0.80"), Decimal("0.80"))


def test_lines_add_up_to_the_sum_rounded_down(alice: User) -> None:
    for n in range(7):
        price("output_text", "1", model=f"m{n}")
        used(alice.pk, model=f"m{n}", output_text=3_999)
    found = bill(alice)
    assert found is not None
    assert (found.net, sum(line.amount for line in found.lines.all())) == (Decimal("0.02"), Decimal("0.02")), "0.027993"


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5_000_000), st.integers(0, 10**10)), min_size=1, max_size=12),
    percent=st.decimals(0, 100, places=2),
    markup=st.decimals(0, 1000, places=2),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_money_is_neither_made_nor_lost(
    alice: User, rows: list[tuple[int, int, int]], percent: Decimal, markup: Decimal, currency: str
) -> None:
    with transaction.atomic():
        plan = Plan.objects.create(name="p", currency=currency, markup=markup)
        TaxRate.objects.create(region="r", percent=percent, valid=(LONG_AGO.date(), None))
        Account.objects.create(pk=alice.pk, currency=currency, plan=plan, tax_region="r")
        for model, tokens, amount in rows:
            if not Price.objects.filter(model=f"x{model}").exists():
                price("output_text", str(Decimal(amount).scaleb(-10)), model=f"x{model}", currency=currency, per=1000)
            used(alice.pk, model=f"x{model}", output_text=tokens)
        found = bill(alice)
        assert found is not None
        exact = sum((line.charge(markup) or Decimal(0) for line in priced(UsageRecord.objects.all(), currency=currency)), Decimal(0))
        lines = list(found.lines.all())
        assert found.net == sum(line.amount for line in lines)
        assert found.net <= exact < found.net + coin(currency), "never more than was used, and less than a coin less"
        assert abs(found.tax - found.net * percent / 100) <= coin(currency) / 2
        assert found.total == found.net + found.tax
        assert all(abs(line.amount - line.exact) < coin(currency) for line in lines)
        transaction.set_rollback(True)


def test_again_changes_nothing_and_what_comes_late_is_on_the_next(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    first = bill(alice)
    assert bill(alice) == first
    used(alice.pk, output_text=2_000_000)  # of October, written when its invoice was final
    assert (bill(alice), Invoice.objects.count()) == (first, 1)
    with pytest.raises(NotYet):
        bill(alice, Month.of(datetime.now(UTC), "UTC"))
    late = bill(alice, Month.named("2026-09"))
    assert late is None, "nothing was used until then"


def test_late_usage_is_on_the_next_months_invoice(alice: User) -> None:
    august, september = datetime(2026, 8, 20, tzinfo=UTC), datetime(2026, 9, 20, tzinfo=UTC)
    used(alice.pk, august, output_text=1_000_000)
    assert (bill(alice, Month.named("2026-08")) or Invoice()).net == Decimal("0.60")
    used(alice.pk, august, output_text=2_000_000)
    used(alice.pk, september, output_text=3_000_000)
    assert (bill(alice, Month.named("2026-09")) or Invoice()).net == Decimal("3.00")
    assert Billed.objects.count() == 3


@pytest.mark.parametrize(
    ("zone", "at", "is_in"),
    [
        ("UTC", "2026-10-31T23:59:59.999999+00:00", True),
        ("UTC", "2026-11-01T00:00:00+00:00", False),
        ("Pacific/Kiritimati", "2026-10-31T09:59:59+00:00", True),
        ("Pacific/Kiritimati", "2026-10-31T10:00:00+00:00", False),
        ("Pacific/Pago_Pago", "2026-11-01T10:59:59+00:00", True),
        ("Pacific/Pago_Pago", "2026-11-01T11:00:00+00:00", False),
        ("America/New_York", "2026-11-01T03:59:59+00:00", True),
        ("America/New_York", "2026-11-01T04:00:00+00:00", False),
    ],
)
def test_a_month_ends_where_the_account_is(alice: User, zone: str, at: str, is_in: bool) -> None:
    Account.objects.create(pk=alice.pk, zone=zone)
    used(alice.pk, datetime.fromisoformat(at), output_text=1_000_000)
    assert (bill(alice) is not None) == is_in


def test_twenty_at_once_make_one_each_and_leave_no_number_out(database: None) -> None:
    zones = ["Pacific/Pago_Pago", "Pacific/Honolulu", "America/New_York", "America/Sao_Paulo", "UTC", "Europe/Oslo", "Asia/Kathmandu",
             "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati"]  # fmt: skip
    people = [uuid4() for _ in zones]
    for person, zone in zip(people, zones, strict=True):
        Account.objects.create(pk=person, zone=zone)
        # A summer time ends on the 25th in Europe; the edges of the month are at other hours everywhere.
        for at in (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)):
            used(person, at, output_text=1_000_000)

    def one(seed: int) -> None:
        order = people[:]
        random.Random(seed).shuffle(order)
        try:
            for person in order:
                invoice(person, OCTOBER)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(20)))
    found = Invoice.objects.filter(period=OCTOBER.first)
    assert sorted(found.values_list("account_id", flat=True)) == sorted(people)
    assert sorted(found.values_list("number", flat=True)) == [f"INV-{n:06d}" for n in range(1, len(people) + 1)]
    on_them = InvoiceLine.objects.filter(invoice__in=found).aggregate(sum=Sum("quantity"))["sum"]
    assert on_them == 1_000_000 * Billed.objects.count()


def test_without_a_price_a_row_waits_and_the_rest_is_billed(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    waits = used(alice.pk, model="new", output_text=1)
    used(alice.pk, fresh_input=10, seconds=1)
    with pytest.raises(CommandError, match=r"without a known price.*: p m, p new"):
        run("generate_invoices", "--period", "2026-10")
    found = Invoice.objects.get()
    assert (found.net, Billed.objects.count()) == (Decimal("0.60"), 1)
    price("output_text", "7", model="new")
    price("seconds", "1")
    settle(found.number or "", Invoice.Status.VOID, note="prices were missing")
    assert "Made 1 invoices" in run("generate_invoices", "--period", "2026-10")
    assert Billed.objects.filter(usage_id=waits.pk).exists()


def test_corrections_come_off_and_never_become_a_bill_of_less_than_nothing(alice: User) -> None:
    row = used(alice.pk, datetime(2026, 9, 5, tzinfo=UTC), output_text=1_000_000)
    september = bill(alice, Month.named("2026-09"))
    assert september is not None
    back = reverse(row, "asked twice")
    shift(back, IN_OCTOBER)
    assert bill(alice) is None
    used(alice.pk, output_text=3_000_000)
    assert (bill(alice) or Invoice()).net == Decimal("1.20")
    assert september.net == Decimal("0.60"), "a final one stays as it is"


def shift(row: UsageRecord, at: datetime) -> None:
    """As if it had been written then."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE billing_usagerecord SET created_at = %s WHERE id = %s", [at, row.pk])
        cursor.execute("SET session_replication_role = origin")


def test_customers_pay_their_plans_markup_and_tax(alice: User) -> None:
    plan = Plan.objects.create(name="pro", markup=50)
    Account.objects.create(pk=alice.pk, plan=plan, tax_region="NO", name="Alice Ltd", address="1 Road\nOslo")
    TaxRate.objects.create(region="NO", percent=20, valid=(LONG_AGO.date(), OCTOBER.first))
    TaxRate.objects.create(region="NO", percent=25, valid=(OCTOBER.first, None))
    used(alice.pk, output_text=1_000_000)
    used(alice.pk, output_text=1_000_000, labels={"free": True})
    found = bill(alice)
    assert found is not None
    assert (found.net, found.tax_percent, found.tax, found.total) == (Decimal("0.90"), 25, Decimal("0.23"), Decimal("1.13"))
    assert found.bill_to == "Alice Ltd\n1 Road\nOslo"
    assert [line.description for line in found.lines.all()] == ["m, output text", "m, output text (free)"]


@pytest.mark.parametrize(
    ("since", "trial", "days", "amount"),
    [
        ("2026-01-01", 0, 31, "31.00"),
        ("2026-10-01", 0, 31, "31.00"),
        ("2026-10-15", 0, 17, "17.00"),
        ("2026-10-31", 0, 1, "1.00"),
        ("2026-10-01", 14, 17, "17.00"),
        ("2026-09-20", 14, 28, "28.00"),
        ("2026-10-20", 14, 0, None),
        ("2026-11-01", 0, 0, None),
    ],
)
def test_a_fee_is_for_the_days_of_the_plan_after_its_trial(alice: User, since: str, trial: int, days: int, amount: str | None) -> None:
    plan = Plan.objects.create(name="pro", monthly_fee=31, trial_days=trial)
    Account.objects.create(pk=alice.pk, plan=plan, plan_since=date.fromisoformat(since))
    run("generate_invoices", "--period", "2026-10")
    found = Invoice.objects.first()
    if amount is None:
        assert found is None
        return
    assert found is not None
    (line,) = found.lines.all()
    assert (line.quantity, found.net) == (days, Decimal(amount))
    assert line.description == "pro, October 2026" + (f", {days} of 31 days" if days < 31 else "")


def test_what_the_plan_includes_comes_off_usage_and_never_off_the_fee(alice: User, bob: User) -> None:
    plan = Plan.objects.create(name="pro", monthly_fee=10, included=5)
    for user, tokens in ((alice, 20_000_000), (bob, 1_000_000)):
        Account.objects.create(pk=user.pk, plan=plan, plan_since=LONG_AGO.date())
        used(user.pk, output_text=tokens)
    run("generate_invoices", "--period", "2026-10")
    lines = {
        invoice.account_id: [(line.description, line.amount) for line in invoice.lines.all()] + [invoice.net]
        for invoice in Invoice.objects.all()
    }
    fee = ("pro, October 2026", Decimal(10))
    assert lines[alice.pk] == [("m, output text", Decimal(12)), ("Included in pro", Decimal(-5)), fee, Decimal(17)]
    assert lines[bob.pk] == [("m, output text", Decimal("0.6")), ("Included in pro", Decimal("-0.6")), fee, Decimal(10)]


@pytest.mark.parametrize("wrong", [{"monthly_fee": -1}, {"included": -1}, {"monthly_fee": 10**7}, {"markup": -1}, {"trial_days": 366}])
def test_an_absurd_plan_is_refused_by_form_and_database(database: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plan(name="x", **wrong).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.create(name="x", **wrong)


def test_an_invoice_is_in_one_currency_that_of_its_account(alice: User) -> None:
    account = Account.objects.create(pk=alice.pk, currency="EUR")
    with pytest.raises(IntegrityError), transaction.atomic():
        Invoice.objects.create(account=account, period=date(2026, 10, 1), currency="USD")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    Invoice.objects.create(account=account, period=date(2026, 10, 1), currency="EUR")
    account.currency = "USD"
    with pytest.raises(ValidationError, match="keeps its currency"):
        account.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        account.save()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_credit_stays_in_its_currency(alice: User) -> None:
    account = Account.objects.create(pk=alice.pk, currency="EUR")
    Credit.objects.create(account=account, kind="granted", amount=5)
    account.currency = "USD"
    with pytest.raises(ValidationError, match="keeps its currency"):
        account.full_clean()
    with pytest.raises(Error, match="keeps its currency"), transaction.atomic():
        account.save()


def test_a_month_that_has_not_begun_has_no_invoice_in_the_database_either(alice: User) -> None:
    coming = Month.of(datetime.now(UTC) + timedelta(days=1), "UTC").next
    with pytest.raises(Error, match="has not begun"), transaction.atomic():
        Invoice.objects.create(account=Account.objects.of(alice.pk), period=coming.first, currency="USD")


def test_nobody_earns_by_using(alice: User) -> None:
    with pytest.raises(IntegrityError, match="usage_not_negative"), transaction.atomic():
        used(alice.pk, output_text=-1)
    with pytest.raises(IntegrityError, match="usage_not_negative"), transaction.atomic():
        used(alice.pk, seconds=Decimal("-0.5"))


def test_a_final_invoice_is_frozen_by_the_database(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    found = bill(alice)
    assert found is not None
    for sql in (
        "UPDATE billing_invoice SET total = 0, net = 0",
        "UPDATE billing_invoice SET number = 'INV-000009'",
        "UPDATE billing_invoice SET status = 'draft', number = NULL, final_at = NULL",
        "DELETE FROM billing_invoice",
        "TRUNCATE billing_invoice CASCADE",
        "UPDATE billing_invoiceline SET amount = 0",
        "DELETE FROM billing_invoiceline",
        "INSERT INTO billing_invoiceline (invoice_id, position, description, provider, model, unit, quantity, rate, per, markup, exact, amount)"
        " SELECT invoice_id, 9, '', '', '', '', 1, 1, 1, 0, 1, 1 FROM billing_invoiceline",
        "UPDATE billing_invoiceevent SET note = 'x'",
    ):
        with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    settle(found.number or "", Invoice.Status.PAID)
    with pytest.raises(Error, match="cannot become"), transaction.atomic():
        Invoice.objects.update(status="pending", paid_at=None)


def test_a_draft_is_made_anew_and_adds_up_when_it_is_final(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    run("generate_invoices", "--period", "2026-10", "--draft")
    used(alice.pk, output_text=1_000_000)
    draft = invoice(alice.pk, OCTOBER, draft=True).invoice
    assert draft is not None
    assert (draft.number, draft.net, Invoice.objects.count()) == (None, Decimal("1.20"), 1)
    with pytest.raises(Error, match="do not add up"), transaction.atomic():
        Invoice.objects.filter(pk=draft.pk).update(net=1, total=1)
        finalise(Invoice.objects.get())
    finalise(draft)
    assert Invoice.objects.get().number == "INV-000001"


def test_a_draft_that_somebody_deletes_bills_nothing(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    draft = invoice(alice.pk, OCTOBER, draft=True).invoice
    assert draft is not None and Billed.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_invoiceline")
        cursor.execute("DELETE FROM billing_invoice")
    assert not Billed.objects.exists()
    assert (bill(alice) or Invoice()).net == Decimal("0.60")


def test_a_draft_that_was_made_anew_meanwhile_is_not_made_final(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    old = invoice(alice.pk, OCTOBER, draft=True).invoice
    new = invoice(alice.pk, OCTOBER, draft=True).invoice
    assert old is not None
    assert new is not None
    with pytest.raises(ValueError, match="by somebody else meanwhile"):
        finalise(old)
    finalise(new)
    with pytest.raises(ValueError, match="by somebody else meanwhile"):
        finalise(new)
    assert Invoice.objects.get().number == "INV-000001"


def test_who_is_erased_leaves_numbers_and_final_invoices_only(alice: User) -> None:
    Account.objects.create(pk=alice.pk, name="Alice Ltd", address="1 Road", customer="cus_1", payment_method="pm_1")
    used(alice.pk, output_text=1_000_000)
    bill(alice)
    pk = alice.pk
    erase_user(alice)
    account = Account.objects.get(pk=pk)
    assert (account.name, account.address, account.customer, account.payment_method) == ("", "", "", "")
    assert (UsageRecord.objects.get().user_id, Invoice.objects.get().bill_to) == (pk, "Alice Ltd\n1 Road")


def test_a_void_number_is_not_given_again(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    first = bill(alice)
    assert first is not None
    run("void_invoice", "INV-000001", "--reason", "wrong address")
    second = bill(alice)
    assert second is not None
    assert (second.number, second.net) == ("INV-000002", Decimal("0.60"))
    assert [event.status for event in first.events.all()] == ["pending", "void"]
    assert first.events.last().note == "wrong address"  # type: ignore[union-attr]


def test_what_is_paid_is_marked_once_and_cannot_be_voided(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    bill(alice)
    assert "Could mark 1" in run("mark_invoice_paid", "INV-000001", "--dry-run")
    assert Invoice.objects.get().status == "pending"
    for _ in range(2):
        run("mark_invoice_paid", "INV-000001", "--note", "by bank")
    paid = Invoice.objects.get()
    assert (paid.status, paid.events.count()) == ("paid", 2)
    with pytest.raises(CommandError, match="is paid"):
        run("void_invoice", "INV-000001", "--reason", "x")
    with pytest.raises(CommandError, match="no invoice INV-000009"):
        run("mark_invoice_paid", "INV-000009")


def test_what_costs_nothing_is_paid_at_once(alice: User) -> None:
    price("output_text", "0", model="ours")
    used(alice.pk, model="ours", output_text=5)
    found = bill(alice)
    assert found is not None
    assert (found.status, found.total) == ("paid", 0)


def test_a_dry_run_makes_nothing_and_takes_no_number(alice: User) -> None:
    used(alice.pk, output_text=1_000_000)
    assert "Would make 1 invoices of 2026-10." in run("generate_invoices", "--period", "2026-10", "--dry-run")
    assert (Invoice.objects.count(), Billed.objects.count()) == (0, 0)
    run("generate_invoices", "--period", "2026-10")
    assert Invoice.objects.get().number == "INV-000001"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--period", "October"], "no month"),
        (["--period", "2026-13"], "no month"),
        (["--period", "2099-01"], "has not begun"),
        (["--user", "nobody-there"], "no user"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(database: None, argv: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("generate_invoices", *argv)


def test_the_present_month_cannot_be_billed(alice: User) -> None:
    now = datetime.now(UTC)
    with pytest.raises(CommandError, match="not over yet"):
        run("generate_invoices", "--period", f"{now:%Y-%m}", "--user", "alice")


def test_only_whoever_is_named_is_billed_and_nobody_twice(alice: User, bob: User) -> None:
    for user in (alice, bob):
        used(user.pk, output_text=1_000_000)
    run("generate_invoices", "--period", "2026-10", "--user", "bob", "--user", "bob")
    assert [found.account_id for found in Invoice.objects.all()] == [bob.pk]
    assert accounts_to_bill(OCTOBER) == [alice.pk]


def test_the_order_of_runs_does_not_matter(alice: User, bob: User) -> None:
    for user, tokens in ((alice, 3_333_333), (bob, 7_777_777)):
        for n in range(5):
            used(user.pk, IN_OCTOBER + timedelta(hours=n), fresh_input=tokens + n, output_text=n)

    def sums(order: list[User]) -> dict[UUID, Decimal]:
        with transaction.atomic():
            for user in order:
                bill(user)
            found = dict(Invoice.objects.values_list("account_id", "total"))
            transaction.set_rollback(True)
        return found

    assert sums([alice, bob]) == sums([bob, alice]) == sums([bob, alice, bob])


@pytest.mark.parametrize("wrong", [{"percent": 101}, {"percent": -1}, {"valid": (OCTOBER.first, OCTOBER.first)}, {}])
def test_absurd_taxes_are_refused_by_form_and_database(database: None, wrong: dict[str, Any]) -> None:
    TaxRate.objects.create(region="NO", percent=20, valid=(LONG_AGO.date(), None))
    facts = {"region": "NO", "percent": Decimal(20), "valid": (OCTOBER.first, None)} | wrong
    if wrong:
        facts["region"] = "SE"
    bad = TaxRate(**facts)
    bad.valid = TaxRate._meta.get_field("valid").range_type(*facts["valid"])  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        bad.full_clean()
    with pytest.raises((IntegrityError, Error)), transaction.atomic():
        TaxRate.objects.create(**facts)


def test_whoever_ends_the_command_waits_for_what_was_begun_only(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = [], Event()

    def slow(user: UUID, *_: Any, **__: Any) -> None:
        begun.append(user)
        if len(begun) > 1:
            go_on.wait(10)

    monkeypatch.setattr(generate_invoices, "one", slow)
    made = generate_invoices.results([uuid4() for _ in range(100)], Month.named("2026-10"), draft=False, dry_run=False)
    next(made)
    Timer(0.2, go_on.set).start()
    made.close()  # as Ctrl-C does
    assert len(begun) <= generate_invoices.AT_ONCE + 1, "the others were not begun"
