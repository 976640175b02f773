"""What is left of prepaid money, and paying invoices with it."""

from datetime import date, timedelta
from decimal import Decimal

from django.db.models import F, Sum

from billing.models import Account, Credit, CreditUse, Invoice, Scope, Spending
from billing.periods import Month

NOTHING = Decimal(0)


def usable(account: Account, day: date) -> list[tuple[Credit, Decimal]]:
    """The credits that can be used on that day, with what is left of each: what expires first is used first, what was given before what
    was paid in."""
    ordered = account.credits.exclude(expires_on__lt=day).with_left().order_by(F("expires_on").asc(nulls_last=True), "kind", "pk")
    return [(credit, credit.left) for credit in ordered if credit.left > 0]  # type: ignore[attr-defined]


def pay(invoice: Invoice) -> Decimal:
    """Pay as much of an invoice as there is credit that was usable in its month; how much. The caller holds the account's lock."""
    last_day = Month(invoice.period).next.first - timedelta(days=1)
    due = invoice.total
    uses = []
    for credit, left in usable(invoice.account, last_day):
        if due <= 0:
            break
        uses.append(CreditUse(credit=credit, invoice=invoice, amount=min(due, left)))
        due -= uses[-1].amount
    CreditUse.objects.bulk_create(uses)
    return invoice.total - due


def left(account: Account, day: date) -> Decimal:
    """What is left of an account's credits on that day, less what it has used since its last invoice (without tax)."""
    held = sum((amount for _, amount in usable(account, day)), NOTHING)
    billed = account.invoices.standing().exclude(status=Invoice.Status.DRAFT)
    counted = Spending.objects.filter(scope=Scope.USER, key=str(account.pk), currency=account.currency)
    used = counted.exclude(month__in=billed.values("period")).aggregate(sum=Sum("amount"))["sum"]
    return held - (used or NOTHING)
