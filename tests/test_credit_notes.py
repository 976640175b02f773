"""Credit notes: what is taken off a final invoice, never more than it has, and where that money goes."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import credits
from billing.invoicing import coin, finalise, invoice, settle
from billing.models import Account, Credit, CreditNote, Invoice, InvoiceLine, Price, TaxRate, UsageRecord
from billing.notes import left, take_off
from billing.periods import Month
from billing.reconciling import drift
from threads.models import User

OCTOBER = Month.named("2026-10")
IN_OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def bill(user: User, dollars: int, percent: str = "10") -> Invoice:
    """A final invoice of so much, and so much tax."""
    TaxRate.objects.get_or_create(region="r", defaults={"percent": Decimal(percent), "valid": (LONG_AGO.date(), None)})
    Account.objects.get_or_create(pk=user.pk, defaults={"tax_region": "r"})
    Price.objects.get_or_create(provider="p", model="m", unit="output_text", defaults={"amount": 1, "per": 1, "valid": (LONG_AGO, None)})
    facts = {"run_id": uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": "a", "provider": "p", "model": "m"}
    UsageRecord.objects.create(user_id=user.pk, output_text=dollars, created_at=IN_OCTOBER, priced_at=IN_OCTOBER, **facts)
    made = invoice(user.pk, OCTOBER).invoice
    assert made is not None and made.number is not None
    return made


def numbered(made: Invoice) -> str:
    assert made.number is not None
    return made.number


def test_what_is_open_gets_less_and_is_settled_when_nothing_is_left(alice: User) -> None:
    made = bill(alice, 100)
    first = take_off(numbered(made), Decimal("30"), "the agent was down", by=alice.pk)
    assert (first.number, first.net, first.tax, first.total, first.unpaid, first.credit) == ("CN-000001", 30, 3, 33, 33, None)
    made.refresh_from_db()
    assert (made.status, made.total, made.due) == ("pending", 110, 77), "what the invoice says stays what it was"
    take_off(numbered(made), Decimal("70"), "all of it")
    made.refresh_from_db()
    assert (made.status, made.due, left(made)) == ("paid", 0, 0)
    assert [event.note for event in made.events.all()] == ["", "credit note CN-000002"]
    assert not Credit.objects.exists()
    assert [each for each in drift(OCTOBER) if "counter" not in each] == [], "rows of the ledger were written past the counters"


def test_what_was_paid_becomes_credit_that_pays_the_next_invoice(alice: User, bob: User) -> None:
    made = bill(alice, 100)
    settle(numbered(made), Invoice.Status.PAID)
    note = take_off(numbered(made), Decimal("20"), "too dear")
    assert note.credit is not None and (note.unpaid, note.credit.amount, note.credit.kind) == (0, 22, "returned")
    assert credits.left(Account.objects.get(pk=alice.pk), date(2026, 11, 1)) == 22
    other = bill(bob, 100)
    settle(numbered(other), Invoice.Status.PAID)
    assert take_off(numbered(other), Decimal("20"), "too dear", is_refunded=True).credit is None
    assert Credit.objects.count() == 1


def test_what_credit_had_paid_comes_back_as_credit(alice: User) -> None:
    Account.objects.create(pk=alice.pk, tax_region="r")
    Credit.objects.create(account_id=alice.pk, kind="purchased", amount=50)
    made = bill(alice, 100)
    assert (made.credited, made.due) == (50, 60)
    note = take_off(numbered(made), Decimal("100"), "never happened")
    assert note.credit is not None and (note.total, note.unpaid, note.credit.amount) == (110, 60, 50)
    made.refresh_from_db()
    assert made.status == "paid"


@given(parts=st.lists(st.integers(1, 3000), min_size=1, max_size=8), percent=st.decimals(0, 100, places=2))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_notes_of_the_whole_have_the_whole_tax(alice: User, parts: list[int], percent: Decimal) -> None:
    with transaction.atomic():
        made = bill(alice, sum(parts), str(percent))
        for part in parts:
            take_off(numbered(made), Decimal(part), "part by part")
        made.refresh_from_db()
        notes = list(made.notes.all())
        assert sum(note.total for note in notes) == made.total and made.due == 0
        assert all(abs(note.tax - note.net * percent / 100) <= coin("USD") * len(parts) for note in notes)
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("amount", "reason", "message"),
    [
        ("0", "r", "0 is no amount of USD"),
        ("-1", "r", "-1 is no amount of USD"),
        ("0.001", "r", "0.001 is no amount"),
        ("100.01", "r", "only 100.00 USD are left"),
        ("1e40", "r", "only 100.00 USD are left"),
        ("1", " ", "needs a reason"),
        ("1", "r" * 501, "at most 500"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(alice: User, amount: str, reason: str, message: str) -> None:
    made = bill(alice, 100)
    with pytest.raises(ValueError, match=message):
        take_off(numbered(made), Decimal(amount), reason)
    assert not CreditNote.objects.exists()
    with pytest.raises(ValueError, match="no invoice INV-9"):
        take_off("INV-9", Decimal(1), "r")


def test_drafts_and_void_ones_have_none_and_what_has_one_is_not_void(alice: User, bob: User) -> None:
    made = bill(alice, 100)
    take_off(numbered(made), Decimal("1"), "r")
    with pytest.raises(ValueError, match="has credit notes"):
        settle(numbered(made), Invoice.Status.VOID)
    with pytest.raises(Error, match="has credit notes"), transaction.atomic():
        Invoice.objects.filter(pk=made.pk).update(status="void")
    other = bill(bob, 100)
    settle(numbered(other), Invoice.Status.VOID)
    with pytest.raises(ValueError, match="is void"):
        take_off(numbered(other), Decimal("1"), "r")
    with pytest.raises(Error, match="that is void"), transaction.atomic():
        CreditNote.objects.create(invoice=other, number="x", net=1, tax=0, total=1, unpaid=0, reason="r")


def test_the_database_keeps_them_and_never_takes_off_more_than_there_is(alice: User) -> None:
    made = bill(alice, 100)
    note = take_off(numbered(made), Decimal("60"), "r")
    facts: dict[str, Any] = {"invoice": made, "number": "x", "tax": 0, "reason": "r", "unpaid": 0}
    with pytest.raises(Error, match="more than it"), transaction.atomic():
        CreditNote.objects.create(**facts, net=41, total=41)
    for change in ("UPDATE billing_creditnote SET reason = 'x'", "DELETE FROM billing_creditnote", "TRUNCATE billing_creditnote CASCADE"):
        with pytest.raises(Error, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)
    note.refresh_from_db()
    assert note.net == 60


def test_ten_at_once_take_off_what_there_is_once(alice: User) -> None:
    made = bill(alice, 40)

    def one(_: int) -> int:
        try:
            take_off(numbered(made), Decimal(10), "at once")
            return 1
        except ValueError:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(one, range(10))) == 4
    assert sorted(CreditNote.objects.values_list("number", flat=True)) == [f"CN-{n:06d}" for n in range(1, 5)]


def test_the_command(alice: User) -> None:
    made = bill(alice, 100)
    out = io.StringIO()
    call_command("credit_invoice", made.number, "--amount", "10", "--reason", "r", "--dry-run", stdout=out)
    assert out.getvalue() == "Would take 11.00 USD off invoice INV-000001.\n" and not CreditNote.objects.exists()
    call_command("credit_invoice", made.number, "--reason", "all", stdout=out)
    assert "Credit note CN-000001: took" in out.getvalue() and CreditNote.objects.get().total == 110
    with pytest.raises(CommandError, match=r"only 0\.00 USD are left"):
        call_command("credit_invoice", made.number, "--amount", "1", "--reason", "r")
    with pytest.raises(CommandError, match="no amount"):
        call_command("credit_invoice", made.number, "--amount", "nan", "--reason", "r")


def test_staff_make_one_in_the_admin_and_are_told_what_is_wrong(alice: User, client_of: Any) -> None:
    made, admin = bill(alice, 100), User.objects.create_superuser("admin")
    client: Client = client_of(admin)
    wrong = client.post("/admin/billing/creditnote/add/", {"invoice": made.pk, "net": "101", "reason": "r"})
    assert wrong.status_code == 200 and "only 100.00 USD are left" in wrong.content.decode()
    assert not CreditNote.objects.exists()
    assert client.post("/admin/billing/creditnote/add/", {"invoice": made.pk, "net": "50", "reason": "r"}).status_code == 302
    note = CreditNote.objects.get()
    assert (note.number, note.total, note.by_id) == ("CN-000001", 55, admin.pk)
    assert client.post(f"/admin/billing/creditnote/{note.pk}/change/", {"net": "1"}).status_code == 403


def test_a_draft_has_no_notes_when_it_becomes_final(alice: User) -> None:
    account = Account.objects.of(alice.pk)
    draft = Invoice.objects.create(account=account, period=OCTOBER.first, currency="USD", net=5, total=5)
    InvoiceLine.objects.create(invoice=draft, position=1, description="d", quantity=1, rate=5, per=1, exact=5, amount=5)
    with pytest.raises(ValueError, match="no invoice"):
        take_off("", Decimal(1), "r")
    finalise(draft)
    assert draft.due == 5
