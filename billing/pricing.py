"""What calls cost, and what customers pay for them: rows of the ledger times the prices that were valid when they were made.

Calls of one model at one price are added up first and multiplied once, so that nothing is rounded on the way.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import QuerySet

from billing.catalog import canonical
from billing.models import Price, UsageRecord
from billing.models.usage import INPUT, TOKENS, UNITS

# More digits than any sum of money times any count has.
EXACT = Context(prec=60)

# A model's prices are under its own name if there are any, else under the catalog's. Rows between two moments at which one of them begins
# or ends, and between two sizes at which a tier does, have the same prices: they are added up before they are priced.
USED = """
WITH named AS MATERIALIZED (
    SELECT n.provider, n.model, p.provider AS priced_provider, p.model AS priced_model,
        array(SELECT DISTINCT m FROM billing_price b, unnest(ARRAY[lower(b.valid), upper(b.valid)]) AS m
            WHERE b.provider = p.provider AND b.model = p.model AND m IS NOT NULL ORDER BY m) AS moments,
        array(SELECT DISTINCT z FROM billing_price b, unnest(ARRAY[lower(b.input_tokens), upper(b.input_tokens)]) AS z
            WHERE b.provider = p.provider AND b.model = p.model AND z IS NOT NULL ORDER BY z) AS sizes
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n(provider, model, listed_provider, listed_model),
        LATERAL (SELECT EXISTS (SELECT FROM billing_price b WHERE b.provider = n.provider AND b.model = n.model) AS own) AS o,
        LATERAL (SELECT CASE WHEN o.own THEN n.provider ELSE n.listed_provider END AS provider,
            CASE WHEN o.own THEN n.model ELSE n.listed_model END AS model) AS p),
prices AS MATERIALIZED (
    SELECT * FROM billing_price b WHERE b.currency = %s AND (b.provider, b.model) IN (SELECT priced_provider, priced_model FROM named)),
summed AS (
    SELECT {by} u.provider, u.model, n.priced_provider, n.priced_model, coalesce(u.labels->>'free', '') = 'true' AS is_free,
        min(u.priced_at) AS priced_at, min(abs({input})) AS input, {sums}
    FROM ({source}) AS u JOIN named n ON n.provider = u.provider AND n.model = u.model
    GROUP BY {by_given} u.provider, u.model, n.priced_provider, n.priced_model, coalesce(u.labels->>'free', '') = 'true',
        width_bucket(u.priced_at, n.moments), width_bucket(abs({input})::bigint, n.sizes)),
used AS (SELECT u.*, c.unit, c.quantity FROM summed u CROSS JOIN LATERAL (VALUES {amounts}) AS c(unit, quantity) WHERE c.quantity <> 0)
"""
PRICED = """
SELECT {by_used} u.provider, u.model, u.unit, u.is_free, sum(u.quantity), coalesce(p.amount, l.amount), coalesce(p.per, l.per),
    c.amount, c.per
FROM used u {joins}
GROUP BY {by_used} u.provider, u.model, u.unit, u.is_free, coalesce(p.amount, l.amount), coalesce(p.per, l.per), c.amount, c.per
ORDER BY {by_used} u.provider, u.model, u.unit
"""
# All pairs that the ledger has, by a step through the index for each: looking at every row for them took a quarter of an invoice's time.
PAIRS = """
WITH RECURSIVE pairs AS (
    (SELECT provider, model FROM billing_usagerecord ORDER BY provider, model LIMIT 1)
    UNION ALL
    SELECT n.provider, n.model FROM pairs p, LATERAL (
        SELECT provider, model FROM billing_usagerecord u WHERE (u.provider, u.model) > (p.provider, p.model)
        ORDER BY provider, model LIMIT 1) AS n)
SELECT provider, model FROM pairs
"""
DAY = "(u.created_at AT TIME ZONE %s)::date"
UNPRICED = "SELECT u.g0 FROM used u {joins} WHERE NOT u.is_free AND coalesce(p.amount, l.amount, c.amount) IS NULL"
JOIN = """
LEFT JOIN prices {p} ON {only} AND {p}.book = '{book}' AND {p}.provider = u.priced_provider AND {p}.model = u.priced_model
    AND {p}.unit = u.unit AND {p}.valid @> u.priced_at AND {p}.input_tokens @> u.input::bigint
"""
JOINS = "".join(
    JOIN.format(p=p, book=book, only=only)
    for p, book, only in (("p", "cost", "true"), ("l", "catalog", "p.id IS NULL"), ("c", "charge", "NOT u.is_free"))
)


@dataclass(frozen=True)
class Rate:
    """So much money for so many units."""

    amount: Decimal
    per: int

    def of(self, quantity: Decimal) -> Decimal:
        """What they come to, exactly."""
        return EXACT.divide(EXACT.multiply(quantity, self.amount), Decimal(self.per))


@dataclass(frozen=True)
class Priced:
    """So many units of one class of a model at one price, in one currency. `group`: the columns they were grouped by.

    `cost_rate` is what we pay, None if nobody knows; `charge_rate` what customers pay, None if that follows from what we pay.
    """

    group: tuple[Any, ...]
    provider: str
    model: str
    unit: str
    is_free: bool
    quantity: Decimal
    cost_rate: Rate | None
    charge_rate: Rate | None

    @property
    def cost(self) -> Decimal | None:
        """What they cost us, exactly; None if nobody knows, which is not nothing."""
        return self.cost_rate.of(self.quantity) if self.cost_rate else None

    def charge(self, markup: Decimal = Decimal(0)) -> Decimal | None:
        """What a customer pays, exactly: nothing for what is labelled free, our price for them, or our cost and `markup` percent of it."""
        if self.is_free:
            return Decimal(0)
        if self.charge_rate:
            return self.charge_rate.of(self.quantity)
        return None if self.cost is None else EXACT.multiply(self.cost, 1 + markup / 100)


@transaction.atomic
def declare(provider: str, model: str, unit: str, amount: Decimal) -> None:
    """Have this price (for one unit, in the site's currency) in the catalog's book from now on, as code says it. To be committed before
    what it is the price of is recorded."""
    book = {"book": Price.Book.CATALOG, "provider": provider, "model": model, "unit": unit, "currency": settings.CURRENCY}
    known = Price.objects.filter(**book, valid__endswith=None)
    if known.filter(amount=amount, per=1).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('price ' || %s || ' ' || %s, 0))", [provider, model])
        # Later than that of anybody who had the lock before.
        cursor.execute("SELECT clock_timestamp()")
        ((now,),) = cursor.fetchall()
    old = known.first()
    if old is not None and (old.amount, old.per) == (amount, 1):
        return
    if old is not None:
        old.end(now)
    Price.objects.create(**book, amount=amount, per=1, valid=(now if old else None, None), note="declared by code")


def priced(records: "QuerySet[UsageRecord]", by: Sequence[str] = (), currency: str = "USD", zone: str = "UTC") -> list[Priced]:
    """The rows at their prices in this currency, grouped by model, class, price and the columns `by`; one of these may be `day`, when
    they were recorded, as it is in `zone`. Added up by the database."""
    chosen = records.order_by()
    try:
        source, values = chosen.query.sql_with_params()
    except EmptyResultSet:  # Django sees that nothing can fit
        return []
    return _priced(source, values, _pairs(), by, currency, zone)


def priced_call(record: UsageRecord, currency: str) -> list[Priced]:
    """The same of one row, which need not be saved but has its `priced_at`."""
    facts = {name: getattr(record, name) for name in ("provider", "model", "labels", "priced_at", *TOKENS, *UNITS)}
    source = "SELECT * FROM jsonb_populate_record(NULL::billing_usagerecord, %s::jsonb)"
    return _priced(source, (json.dumps(facts, cls=DjangoJSONEncoder),), [(record.provider, record.model)], (), currency, "UTC")


def unpriced(records: "QuerySet[UsageRecord]", currency: str) -> tuple[str, list[Any]]:
    """SQL, with its values, for the ids of rows of which a customer's price is not known."""
    chosen = records.order_by()
    source, values = chosen.query.sql_with_params()
    used, named = _used(source, _pairs(), ["id"], currency, "UTC")
    return used + UNPRICED.format(joins=JOINS), [*named, *values]


def _priced(source: str, values: Sequence[Any], pairs: Iterable[Any], by: Sequence[str], currency: str, zone: str) -> list[Priced]:
    used, named = _used(source, pairs, by, currency, zone)
    with connection.cursor() as cursor:
        cursor.execute(
            used + PRICED.format(by_used="".join(f"u.g{place}, " for place in range(len(by))), joins=JOINS),
            [*named, *values],
        )
        rows = cursor.fetchall()
    return [_line(row[: len(by)], *row[len(by) :]) for row in rows]


def _pairs() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(PAIRS)
        return list(cursor.fetchall())


def _used(source: str, pairs: Iterable[Any], by: Sequence[str], currency: str, zone: str) -> tuple[str, list[Any]]:
    """The SQL of what was used, class by class, with the columns `by`; and its first values: where its prices are found."""
    assert {"day", *(field.column for field in UsageRecord._meta.concrete_fields)}.issuperset(by)
    named = [(provider, model, *canonical(provider, model)) for provider, model in pairs]
    sql = USED.format(
        by="".join(f"{DAY if name == 'day' else f'u.{name}'} AS g{place}, " for place, name in enumerate(by)),
        by_given="".join(f"{place + 1}, " for place in range(len(by))),
        input=" + ".join(f"u.{name}" for name in INPUT),
        sums=", ".join(f"sum(u.{name}) AS {name}" for name in (*TOKENS, *UNITS)),
        amounts=", ".join(f"('{name}', u.{name})" for name in (*TOKENS, *UNITS)),
        source=source,
    )
    columns = [list(column) for column in zip(*named, strict=True)] or [[], [], [], []]
    return sql, [*columns, currency, *([zone] if "day" in by else [])]


def _line(group: tuple[Any, ...], provider: str, model: str, unit: str, is_free: bool, quantity: Decimal, *rates: Any) -> Priced:
    return Priced(group, provider, model, unit, is_free, quantity, _rate(*rates[:2]), _rate(*rates[2:]))


def _rate(amount: Decimal | None, per: int | None) -> Rate | None:
    return None if amount is None or per is None else Rate(amount, per)
