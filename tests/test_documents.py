"""Invoices and credit notes as PDF: everything that is on the page, nothing that runs, and the same file each time."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pypdf import PdfReader

from billing import documents
from billing.invoicing import settle
from billing.models import Account, Credit, Invoice, InvoiceLine
from billing.notes import take_off
from tests.test_credit_notes import bill, numbered
from threads.models import User

STRANGE = "{nb} **bold** <b>x</b> =1+1\nÆrø, Дмитрий & ﷺ 日本 \u202egpj"


def text_of(content: bytes) -> str:
    """What a person reads in the file, in lines."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_an_invoice_has_its_lines_sums_and_parties(alice: User, settings: Any) -> None:
    settings.INVOICE_FROM = "Example Ltd\n1 Road"
    Account.objects.create(pk=alice.pk, name="Alice Ltd", address="2 Road", tax_region="r")
    Credit.objects.create(account_id=alice.pk, kind="granted", amount=30)
    made = bill(alice, 1200)
    take_off(numbered(made), Decimal(100), "too dear")
    made.refresh_from_db()
    shown = text_of(documents.invoice_pdf(made))
    for expected in ("Invoice INV-000001", "Example Ltd", "1 Road", "Alice Ltd", "2 Road", "October 2026", "m, output text", "1,200"):
        assert expected in shown, shown
    sums = {"Net": "$1,200.00", "Tax, 10 %": "$120.00", "Total": "$1,320.00", "Paid by credit": "-$30.00"}
    for name, amount in (sums | {"Credit note CN-000001": "-$110.00", "To be paid": "$1,180.00"}).items():
        assert f"{name} {amount}" in shown.replace("\n", " "), shown


def test_a_paid_one_has_nothing_to_be_paid_and_a_void_one_says_so(alice: User, bob: User) -> None:
    paid, void = bill(alice, 10), bill(bob, 10)
    settle(numbered(paid), Invoice.Status.PAID)
    settle(numbered(void), Invoice.Status.VOID)
    paid.refresh_from_db()
    void.refresh_from_db()
    assert documents.sums(paid)[-2:] == [("Paid", -11, False), ("To be paid", 0, True)]
    assert documents.sums(void)[-1] == ("Total", 11, True)
    assert "This invoice is void." in text_of(documents.invoice_pdf(void))


def test_a_credit_note_says_for_what_and_why(alice: User) -> None:
    made = bill(alice, 100)
    open_part = take_off(numbered(made), Decimal(40), "the agent was down")
    settle(numbered(made), Invoice.Status.PAID)
    shown = text_of(documents.note_pdf(open_part))
    for expected in ("Credit note CN-000001", "INV-000001, October 2026", "the agent was down", "$44.00 need not be paid any more."):
        assert expected in shown, shown
    paid_part = take_off(numbered(made), Decimal(10), "r")
    assert documents.settled(paid_part) == "$11.00 had been paid, and is credit now."
    given_back = take_off(numbered(made), Decimal(10), "r", is_refunded=True)
    assert documents.settled(given_back) == "$11.00 had been paid, and was given back."


def test_strange_texts_are_texts_and_the_file_is_always_the_same(alice: User) -> None:
    account = Account.objects.create(pk=alice.pk, name=STRANGE, address=STRANGE)
    made = Invoice.objects.create(
        account=account, period="2026-10-01", currency="USD", bill_from=STRANGE, bill_to=STRANGE, net=90, total=90
    )
    line = {"quantity": 1, "rate": 1, "per": 1, "exact": 1, "amount": 1}
    for position in range(90):
        InvoiceLine.objects.create(invoice=made, position=position, description=STRANGE + "x" * 300, **line)
    Invoice.objects.filter(pk=made.pk).update(status="pending", number=f"{STRANGE[:20]}", final_at="2026-11-02T00:00:00Z")
    made.refresh_from_db()
    once = documents.invoice_pdf(made)
    assert once == documents.invoice_pdf(made)
    reader, shown = PdfReader(io.BytesIO(once)), text_of(once)
    assert len(reader.pages) > 3 and "{nb} **bold** <b>x</b> =1+1" in shown
    assert shown.count("What") == len(reader.pages), "the columns are named on each page"
    for active in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/AA", b"/EmbeddedFile"):
        assert active not in once


def test_the_export_writes_a_file_for_each(alice: User, bob: User, tmp_path: Path, settings: Any) -> None:
    settings.CREDIT_NOTE_SERIES = "2026/CN"
    made = bill(alice, 10)
    bill(bob, 10)
    take_off(numbered(made), Decimal(1), "r")
    folder = tmp_path / "all" / "october"
    call_command("export_invoices", "--format", "pdf", "--output", str(folder), stdout=io.StringIO())
    assert sorted(file.name for file in folder.iterdir()) == ["2026-CN-000001.pdf", "INV-000001.pdf", "INV-000002.pdf"]
    assert all(file.read_bytes().startswith(b"%PDF") for file in folder.iterdir())
    with pytest.raises(CommandError, match="needs --output"):
        call_command("export_invoices", "--format", "pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_invoices", "--format", "pdf", "--output", str(tmp_path / "file"))


def test_people_get_the_files_of_theirs(alice: User, client_of: Any) -> None:
    made = bill(alice, 10)
    note = take_off(numbered(made), Decimal(1), "too dear")
    client = client_of(alice)
    page = client.get(f"/invoices/{made.pk}/").content.decode()
    for address, name in ((f"/invoices/{made.pk}/pdf/", "INV-000001.pdf"), (f"/credit-notes/{note.pk}/pdf/", "CN-000001.pdf")):
        assert address in page
        answer = client.get(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer["Cache-Control"] == "private, no-store" and answer.content.startswith(b"%PDF")
