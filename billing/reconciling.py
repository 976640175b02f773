"""Whether everything that counts money agrees: runs with the ledger, the ledger with counters and invoices, numbers with their series."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from billing.budgets import Counter, add
from billing.models import SITE, Account, Billed, Credit, CreditNote, Invoice, Payment, Scope, Series, Spending, UsageRecord
from billing.models.usage import TOKENS, UNITS
from billing.periods import Month
from billing.pricing import priced

MOST_TOLD = 20
# Counters are sums of rounded calls, what they are compared with is rounded less often.
CLOSE = Decimal("1e-9")
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# What a run's saved answers took is all in the ledger. Broken calls are there only.
LOST = """
SELECT r.id, (r.usage->>'total')::bigint, coalesce(sum({tokens}), 0)
FROM threads_run r LEFT JOIN billing_usagerecord u ON u.run_id = r.id AND u.reverses IS NULL
WHERE r.ended_at >= %s AND r.ended_at < %s AND (r.usage->>'total')::bigint > 0
GROUP BY r.id HAVING (r.usage->>'total')::bigint > coalesce(sum({tokens}), 0)
"""
MISBILLED = """
SELECT i.number, b.provider, b.model, b.unit, b.quantity, u.quantity
FROM (SELECT invoice_id, provider, model, unit, sum(quantity) AS quantity FROM billing_invoiceline GROUP BY 1, 2, 3, 4) AS b
FULL JOIN (
    SELECT d.invoice_id, u.provider, u.model, c.unit, sum(c.quantity) AS quantity
    FROM billing_billed d JOIN billing_usagerecord u ON u.id = d.usage_id
    CROSS JOIN LATERAL (VALUES {amounts}) AS c(unit, quantity) WHERE c.quantity <> 0 GROUP BY 1, 2, 3, 4
) AS u ON u.invoice_id = b.invoice_id AND u.provider = b.provider AND u.model = b.model AND u.unit = b.unit
JOIN billing_invoice i ON i.id = coalesce(b.invoice_id, u.invoice_id)
WHERE i.status <> 'void' AND i.period = %s AND b.unit IS DISTINCT FROM '' AND b.quantity IS DISTINCT FROM u.quantity
"""


def drift(month: Month) -> list[str]:
    """What does not agree in that month, in sentences. All of it is looked at in one state of the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        return [*_lost(month), *_miscounted(month), *_misbilled(month), *_miscredited(month), *_missing()]


def recount(month: Month) -> int:
    """Have the counters say what the ledger does, after prices were added for what had none; how many were wrong. Calls that are recorded
    meanwhile are counted as well: only what is missing is added."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        wrong = list(_counters(month))
    with transaction.atomic():
        add({counter: ledger - counted for counter, ledger, counted in wrong})
    return len(wrong)


def _lost(month: Month) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(LOST.format(tokens=" + ".join(f"u.{name}" for name in TOKENS)), [month.begins("UTC"), month.ends("UTC")])
        for run, used, recorded in cursor.fetchall():
            yield f"Run {run} used {used:,} tokens, the ledger has {recorded:,} of it."


def _miscounted(month: Month) -> Iterator[str]:
    for (scope, key, _, currency), ledger, counted in _counters(month):
        name = f"{scope} {key}".strip()
        yield f"The counter of {name} says {counted.normalize():f} {currency}, the ledger {ledger.normalize():f}."


def _misbilled(month: Month) -> Iterator[str]:
    for lost in Billed.objects.exclude(invoice__in=Invoice.objects.all()).values_list("usage_id", flat=True)[:MOST_TOLD]:
        yield f"Row {lost} of the ledger is on an invoice that is not there."
    for invoice in Invoice.objects.filter(period=month.first).annotate(sum=Sum("lines__amount")).exclude(sum=F("net")):
        yield f"Invoice {invoice}: its lines do not come to {invoice.net}."
    amounts = ", ".join(f"('{name}', u.{name}::numeric)" for name in (*TOKENS, *UNITS))
    with connection.cursor() as cursor:
        cursor.execute(MISBILLED.format(amounts=amounts), [month.first])
        for number, provider, model, unit, billed, used in cursor.fetchall():
            of = f"{provider} {model} {unit}" if unit else "something"
            yield f"Invoice {number or '(draft)'} bills {billed or 0:,} of {of}, the ledger has {used or 0:,}."


def _miscredited(month: Month) -> Iterator[str]:
    """Credit that paid more than there was, or other than its invoice says."""
    for credit in Credit.objects.overdrawn():
        yield f"Credit {credit.pk} ({credit}) paid more than it has."
    found = Invoice.objects.filter(period=month.first).standing().annotate(used=Coalesce(Sum("credit_uses__amount"), Decimal(0)))
    for invoice in found.exclude(used=F("credited")):
        yield f"Invoice {invoice}: what credit paid of it is not {invoice.credited}."
    for payment in Payment.objects.filter(invoice__period=month.first, status="succeeded", invoice__status__in=("pending", "failed")):
        yield f"Invoice {payment.invoice} is not paid, though payment {payment.reference} succeeded."
    for note in CreditNote.objects.filter(invoice__period=month.first).select_related("credit"):
        if note.credit is not None and note.credit.amount != note.total - note.unpaid:
            yield f"Credit note {note}: what became of it as credit is not {note.total - note.unpaid}."


def _missing() -> Iterator[str]:
    for series in Series.objects.all():
        begin = f"{series.name}-"
        given = {
            number
            for kind in (Invoice, CreditNote)
            for number in kind.objects.filter(number__startswith=begin).values_list("number", flat=True)
        }
        for number in map(series.number, range(1, series.last + 1)):
            if number not in given:
                yield f"There is no invoice or credit note {number}, but there are later ones."


def _counters(month: Month) -> Iterator[tuple[Counter, Decimal, Decimal]]:
    """The counters that are not what the ledger comes to: which, what the ledger says, what they say."""
    ledger = _ledger(month)
    rows = Spending.objects.filter(month=month.first).values_list("scope", "key", "month", "currency").annotate(Sum("amount"))
    counted = {(scope, key, first, currency): amount for scope, key, first, currency, amount in rows}
    for counter in sorted(ledger.keys() | counted.keys()):
        said, is_counted = ledger.get(counter, Decimal(0)), counted.get(counter, Decimal(0))
        if abs(said - is_counted) > CLOSE:
            yield counter, said, is_counted


def _ledger(month: Month) -> dict[Counter, Decimal]:
    """What the counters should be. What has no price is in none."""
    sums: dict[Counter, Decimal] = defaultdict(Decimal)
    for zone, currency in Account.objects.values_list("zone", "currency").distinct().order_by("zone", "currency"):
        markups = {account.pk: account.markup for account in Account.objects.filter(zone=zone, currency=currency).select_related("plan")}
        for line in priced(_rows(month, zone), by=["user_id"], currency=currency):
            user = line.group[0] or SITE
            if user in markups:
                sums[Scope.USER, str(user), month.first, currency] += line.charge(markups[user]) or 0
    for line in priced(_rows(month, "UTC"), by=["agent"], currency=settings.CURRENCY):
        for scope, key in ((Scope.AGENT, line.group[0]), (Scope.SITE, "")):
            sums[scope, key, month.first, settings.CURRENCY] += line.cost or 0
    return sums


def _rows(month: Month, zone: str) -> "QuerySet[UsageRecord]":
    return UsageRecord.objects.filter(created_at__gte=month.begins(zone), created_at__lt=month.ends(zone))
