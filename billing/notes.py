"""Taking something off an invoice that is final: by a credit note, which is a document of its own."""

from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from billing.invoicing import coin, round_half_up, settle
from billing.models import Credit, CreditNote, Invoice, Series
from billing.models.invoice import WITHIN
from billing.models.note import REASONS
from threads.words import localized


def left(invoice: Invoice) -> Decimal:
    """How much of it, without tax, no credit note has taken off yet."""
    return invoice.net - sum(note.net for note in invoice.notes.all())


def refusal(invoice: Invoice, net: Decimal) -> str:
    """Why so much cannot be taken off it; empty if it can."""
    if invoice.status in (Invoice.Status.DRAFT, Invoice.Status.VOID):
        about = {"invoice": invoice, "status": WITHIN[invoice.status]}
        return gettext("Invoice %(invoice)s is %(status)s: there is nothing to take off.") % about
    if net > left(invoice):
        about = {"invoice": invoice, "amount": f"{localized(f'{left(invoice).quantize(coin(invoice.currency)):f}')} {invoice.currency}"}
        return gettext("Of invoice %(invoice)s only %(amount)s are left, without tax.") % about
    if net <= 0 or net != net.quantize(coin(invoice.currency)):
        about = {"amount": localized(f"{net:f}"), "currency": invoice.currency}
        return gettext("%(amount)s is no amount of %(currency)s that can be taken off.") % about
    return ""


@transaction.atomic
def take_off(number: str, net: Decimal, reason: str, *, by: UUID | None = None, is_refunded: bool = False) -> CreditNote:
    """Take so much (without tax; its share of the tax comes with it) off a final invoice. What is still to be paid gets less, and the
    invoice is settled when nothing is left; what had been paid becomes credit of the account, unless it is given back some other way.

    Raises ValueError if there is no such invoice, not so much left of it, or no reason.
    """
    invoice = Invoice.objects.select_for_update().filter(number=number).first()
    if invoice is None:
        raise ValueError(gettext("There is no invoice %(number)s.") % {"number": number})
    if refused := refusal(invoice, net):
        raise ValueError(refused)
    if not 0 < len(reason.strip()) <= REASONS:
        raise ValueError(gettext("A credit note needs a reason of at most %(most)s characters.") % {"most": REASONS})
    notes = list(invoice.notes.all())
    # The tax of all notes until this one, less that of those before: notes of the whole net have the whole tax.
    until = sum((note.net for note in notes), net)
    tax = round_half_up(invoice.tax * until / invoice.net, invoice.currency) - sum(note.tax for note in notes)
    total = net + tax
    due = invoice.due
    unpaid = min(total, due) if invoice.is_open else Decimal(0)
    note = CreditNote(
        invoice=invoice, number=Series.take(settings.CREDIT_NOTE_SERIES), net=net, tax=tax, total=total, reason=reason.strip()
    )
    note.unpaid, note.by_id = unpaid, by
    if total > unpaid and not is_refunded:
        kind, told = Credit.Kind.RETURNED, f"credit note {note}"
        note.credit = Credit.objects.create(account=invoice.account, kind=kind, amount=total - unpaid, note=told)
    note.save()
    if invoice.is_open and unpaid == due:
        settle(number, Invoice.Status.PAID, by=by, note=f"credit note {note}")
    return note
