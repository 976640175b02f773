"""The ledger of a month becomes one invoice for each account.

Which rows of the ledger are on an invoice is written down row by row, so each is billed once, whenever it came: one that comes after its
month's invoice was made is on the next one. Safe to run at any time, as often as anybody likes, many at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from billing import credits
from billing.models import SITE, Account, Invoice, InvoiceEvent, InvoiceLine, Payment, Series, TaxRate, UsageRecord
from billing.models.invoice import WITHIN
from billing.periods import Month
from billing.pricing import EXACT, Priced, Rate, priced, unpriced
from threads.errors import AgentError

# ISO 4217: how many digits a currency's smallest coin has, where they are not two.
NO_CENTS = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('invoice ' || %s, 0))"
TAKE = """
INSERT INTO billing_billed (usage_id, invoice_id)
SELECT u.id, %s FROM billing_usagerecord u WHERE u.user_id = %s AND u.created_at < %s
    AND NOT EXISTS (SELECT FROM billing_billed b WHERE b.usage_id = u.id)
"""
LEAVE = "DELETE FROM billing_billed b WHERE b.invoice_id = %s AND b.usage_id IN ({unpriced})"
WAITING = """
SELECT DISTINCT u.user_id FROM billing_usagerecord u
WHERE u.created_at < %s AND u.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM billing_billed b WHERE b.usage_id = u.id)
ORDER BY u.user_id
"""
# So much later than by UTC a month may end.
LATEST = timedelta(hours=12)
EXACT_ZERO = Decimal(0)


class NotYet(AgentError):
    """The month is not over where the account is."""

    kind = "not_yet"


@dataclass(frozen=True)
class Result:
    """What became of an account's month. `unpriced`: models whose calls nobody could price, which wait for a price."""

    account: Account
    invoice: Invoice | None
    is_new: bool = False
    unpriced: list[str] = field(default_factory=list)


def accounts_to_bill(month: Month) -> list[UUID]:
    """Whose usage until the month's end is on no invoice yet, and who has a plan with a fee. Some of them may turn out to have nothing to
    bill."""
    have_one = Invoice.objects.filter(period=month.first).standing().exclude(status=Invoice.Status.DRAFT)
    with_fee = Account.objects.filter(plan__monthly_fee__gt=0).exclude(pk__in=have_one.values("account"))
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [month.ends("UTC") + LATEST])
        return sorted({*(user_id for (user_id,) in cursor.fetchall()), *with_fee.values_list("pk", flat=True)})


@transaction.atomic
def invoice(user_id: UUID, month: Month, *, draft: bool = False) -> Result:
    """Make the account's invoice of that month, and make it final unless it is to stay a draft. One that is final already stays as it is;
    a draft is made anew. Without anything to bill there is none.

    Raises NotYet while the month goes on where the account is.
    """
    if user_id == SITE:
        raise ValueError("The site does not bill itself.")
    account = Account.objects.of(user_id)
    _lock(account.pk)
    if timezone.now() < month.ends(account.zone):
        raise NotYet(f"{month} is not over yet in {account.zone}.")
    found = Invoice.objects.filter(account=account, period=month.first).standing().first()
    if found is not None and found.status != Invoice.Status.DRAFT:
        return Result(account, found)
    if found is not None:
        found.delete()
    made = Invoice.objects.create(account=account, period=month.first, currency=account.currency, **_parties(account))
    used, missing = _take(made, account, month)
    lines = [*_usage_lines(used, account.markup), *_plan_lines(used, account, month)]
    exact = EXACT_ZERO
    for line in lines:
        exact = EXACT.add(exact, line.exact)
    if not lines or exact < 0:
        # What was taken back is more than what was used: it waits for usage that it can be set off against.
        made.delete()
        return Result(account, None, unpriced=missing)
    _write(made, lines, exact)
    if not draft:
        finalise(made)
    return Result(account, made, is_new=True, unpriced=missing)


@transaction.atomic
def finalise(found: Invoice, by: UUID | None = None) -> None:
    """Give a draft its number; from now on it cannot be changed. Credit pays what it can; without anything due it is paid. ValueError if
    it is no draft any more."""
    _lock(found.account_id)
    if not Invoice.objects.filter(pk=found.pk, status=Invoice.Status.DRAFT).exists():
        raise ValueError(gettext("This draft was made final, or made anew, by somebody else meanwhile."))
    found.number = Series.take(settings.INVOICE_SERIES)
    found.final_at = timezone.now()
    found.credited = credits.pay(found)
    is_paid = found.credited == found.total
    found.status = Invoice.Status.PAID if is_paid else Invoice.Status.PENDING
    found.paid_at = found.final_at if is_paid else None
    found.save()
    InvoiceEvent.objects.create(invoice=found, status=found.status, by_id=by)
    if found.status == Invoice.Status.PENDING:
        Payment.objects.order(found)


@transaction.atomic
def settle(number: str, status: Invoice.Status, *, by: UUID | None = None, note: str = "") -> Invoice:
    """An invoice was paid, or could not be, or is void; it is known who said so. What a void one billed will be on another one.

    Raises ValueError if there is no such invoice, or it cannot become that any more.
    """
    found = Invoice.objects.select_for_update().filter(number=number).first()
    if found is None:
        raise ValueError(gettext("There is no invoice %(number)s.") % {"number": number})
    if found.status == status:
        if status == Invoice.Status.PENDING:
            Payment.objects.order(found)
        return found
    if found.status not in BECOMES[status]:
        states = {"number": number, "old": WITHIN[found.status], "new": WITHIN[status]}
        raise ValueError(gettext("Invoice %(number)s is %(old)s: it cannot become %(new)s.") % states)
    if status == Invoice.Status.VOID and found.notes.exists():
        raise ValueError(gettext("Invoice %(number)s has credit notes: take off the rest by another one.") % {"number": number})
    found.status, found.paid_at = status, timezone.now() if status == Invoice.Status.PAID else None
    found.save(update_fields=["status", "paid_at"])
    if status == Invoice.Status.VOID:
        found.billed.all().delete()
        found.credit_uses.all().delete()
    InvoiceEvent.objects.create(invoice=found, status=status, by_id=by, note=note[:500])
    if status == Invoice.Status.PENDING:
        Payment.objects.order(found)
    return found


@transaction.atomic
def settle_all(numbers: Sequence[str], status: Invoice.Status, note: str, *, dry_run: bool) -> None:
    """All of them, or none; ValueError as above. A dry run only tries."""
    for number in numbers:
        settle(number, status, note=note)
    transaction.set_rollback(dry_run)


BECOMES = {
    Invoice.Status.PAID: (Invoice.Status.PENDING, Invoice.Status.FAILED),
    Invoice.Status.FAILED: (Invoice.Status.PENDING,),
    Invoice.Status.PENDING: (Invoice.Status.FAILED,),
    Invoice.Status.VOID: (Invoice.Status.PENDING, Invoice.Status.FAILED),
}


def _lock(account: UUID) -> None:
    """Until the transaction's end nobody else makes, or makes final, an invoice of this account."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [str(account)])


def _take(made: Invoice, account: Account, month: Month) -> tuple[list[Priced], list[str]]:
    """Put on the invoice what is on none; returns that, priced, and the models of calls that stay behind for a price."""
    taken = UsageRecord.objects.filter(pk__in=made.billed.values("usage_id"))
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [made.pk, account.pk, month.ends(account.zone)])
        lines = priced(taken, currency=account.currency)
        missing = sorted({f"{line.provider} {line.model}".strip() for line in lines if line.charge() is None})
        if missing:
            without, values = unpriced(taken, account.currency)
            cursor.execute(LEAVE.format(unpriced=without), [made.pk, *values])
            lines = priced(taken, currency=account.currency)
    return lines, missing


def _write(made: Invoice, lines: Sequence[InvoiceLine], exact: Decimal) -> None:
    """The lines and the sums. Each line has what the sum of all until it is, rounded down, more than until the one before: so they add up
    to the rounded sum."""
    until = EXACT_ZERO
    for position, line in enumerate(lines, 1):
        before, until = until, EXACT.add(until, line.exact)
        line.invoice, line.position = made, position
        line.amount = floor(until, made.currency) - floor(before, made.currency)
    InvoiceLine.objects.bulk_create(lines)
    made.net = floor(exact, made.currency)
    made.tax_percent = _tax_percent(made)
    made.tax = round_half_up(made.net * made.tax_percent / 100, made.currency)
    made.total = made.net + made.tax
    made.save()


def _usage_lines(used: Sequence[Priced], markup: Decimal) -> Iterator[InvoiceLine]:
    for each in used:
        rate = each.charge_rate or each.cost_rate
        assert rate is not None
        yield InvoiceLine(
            description=f"{each.model or 'unknown model'}, {each.unit.replace('_', ' ')}" + (" (free)" if each.is_free else ""),
            provider=each.provider,
            model=each.model,
            unit=each.unit,
            quantity=each.quantity,
            rate=Decimal(0) if each.is_free else rate.amount,
            per=rate.per,
            markup=Decimal(0) if each.charge_rate or each.is_free else markup,
            exact=_charge(each, markup),
        )


def _plan_lines(used: Sequence[Priced], account: Account, month: Month) -> Iterator[InvoiceLine]:
    """What of the usage is included in the plan, and the fee for the days that have one."""
    plan, pays_from = account.plan, account.pays_from
    if plan is None or pays_from is None:
        return
    worth = sum((_charge(each, account.markup) for each in used), EXACT_ZERO)
    included = min(plan.included, worth)
    if included > 0:
        yield InvoiceLine(description=f"Included in {plan}", quantity=1, rate=-included, per=1, exact=-included)
    days = (month.next.first - month.first).days
    paid = min(days, (month.next.first - pays_from).days)
    if plan.monthly_fee and paid > 0:
        span = f", {paid} of {days} days" if paid < days else ""
        fee = Rate(plan.monthly_fee, days)
        yield InvoiceLine(
            description=f"{plan}, {month.first:%B %Y}{span}", quantity=paid, rate=fee.amount, per=fee.per, exact=fee.of(Decimal(paid))
        )


def _charge(line: Priced, markup: Decimal) -> Decimal:
    charge = line.charge(markup)
    if charge is None:
        raise RuntimeError(f"The price of {line.provider} {line.model}, {line.unit}, is gone. Try again.")
    return charge


def _tax_percent(made: Invoice) -> Decimal:
    last_day = Month(made.period).next.first - timedelta(days=1)
    rate = TaxRate.objects.filter(region=made.account.tax_region, valid__contains=last_day).first() if made.account.tax_region else None
    return rate.percent if rate else Decimal(0)


def _parties(account: Account) -> dict[str, str]:
    return {"bill_from": settings.INVOICE_FROM, "bill_to": "\n".join(filter(None, [account.name, account.address]))}


def floor(amount: Decimal, currency: str) -> Decimal:
    """Down to the currency's smallest coin."""
    return amount.quantize(coin(currency), ROUND_FLOOR)


def round_half_up(amount: Decimal, currency: str) -> Decimal:
    """To the nearest of the currency's smallest coins."""
    return amount.quantize(coin(currency), ROUND_HALF_UP)


def coin(currency: str) -> Decimal:
    """The currency's smallest one."""
    return Decimal(1).scaleb(0 if currency in NO_CENTS else -3 if currency in THOUSANDTHS else -2)


def as_money(amount: Any, currency: str) -> str:
    """With as many digits as the currency has: `12.50`."""
    return f"{Decimal(amount).quantize(coin(currency)):f}"
