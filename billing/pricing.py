"""What recorded calls cost: rows of the ledger times the prices that were valid when they were made.

Calls of one model at one price are added up first and multiplied once, so that nothing is rounded on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from billing.catalog import canonical
from billing.models import Price, UsageRecord
from billing.models.usage import INPUT, TOKENS, UNITS

# More digits than any sum of money times any count has.
EXACT = Context(prec=60)

SQL = """
WITH named AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n(provider, model, priced_provider, priced_model)),
used AS (
    SELECT {by} u.provider, u.model, n.priced_provider, n.priced_model, u.priced_at, c.unit, c.quantity, abs({input}) AS input
    FROM billing_usagerecord u JOIN named n ON n.provider = u.provider AND n.model = u.model
    CROSS JOIN LATERAL (VALUES {amounts}) AS c(unit, quantity) WHERE c.quantity <> 0 AND u.id IN ({chosen}))
SELECT {by_used} u.provider, u.model, u.unit, sum(u.quantity), coalesce(p.amount, l.amount), coalesce(p.per, l.per),
    coalesce(p.currency, l.currency)
FROM used u
LEFT JOIN billing_price p ON p.book = %s AND {match}
LEFT JOIN billing_price l ON p.id IS NULL AND l.book = 'catalog' AND {match_listed}
GROUP BY {by_used} u.provider, u.model, u.unit, p.id, l.id
ORDER BY {by_used} u.provider, u.model, u.unit
"""
MATCH = """{p}.provider = u.priced_provider AND {p}.model = u.priced_model AND {p}.unit = u.unit
    AND {p}.valid @> u.priced_at AND {p}.input_tokens @> u.input::bigint"""


@dataclass(frozen=True)
class Priced:
    """So many units of one class of a model at one price. `group`: the columns they were grouped by. No price: amount is None."""

    group: tuple[Any, ...]
    provider: str
    model: str
    unit: str
    quantity: Decimal
    amount: Decimal | None
    per: int | None
    currency: str | None

    @property
    def cost(self) -> Decimal | None:
        """What they cost, exactly; None if nobody knows, which is not nothing."""
        if self.amount is None or self.per is None:
            return None
        return EXACT.divide(EXACT.multiply(self.quantity, self.amount), Decimal(self.per))


def priced(records: "QuerySet[UsageRecord]", by: Sequence[str] = (), book: Price.Book = Price.Book.COST) -> list[Priced]:
    """The rows at their prices, grouped by model, class, price and the columns `by`.

    `book` is looked at first, then the catalog. A million rows are added up by the database.
    """
    chosen, values = records.order_by().values("pk").query.sql_with_params()
    pairs = list(records.order_by().values_list("provider", "model").distinct())
    named = [(provider, model, *name_of(provider, model)) for provider, model in pairs]
    columns = [list(column) for column in zip(*named, strict=True)] or [[], [], [], []]
    known = {field.column for field in UsageRecord._meta.fields}
    assert known.issuperset(by)
    sql = SQL.format(
        by="".join(f"u.{name}, " for name in by),
        by_used="".join(f"u.{name}, " for name in by),
        input=" + ".join(f"u.{name}" for name in INPUT),
        amounts=", ".join(f"('{name}', u.{name}::numeric)" for name in (*TOKENS, *UNITS)),
        chosen=chosen,
        match=MATCH.format(p="p"),
        match_listed=MATCH.format(p="l"),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*columns, *values, book])
        return [Priced(tuple(row[: len(by)]), *row[len(by) :]) for row in cursor.fetchall()]


def name_of(provider: str, model: str) -> tuple[str, str]:
    """Under which names a model's prices are: its own if there are any, else the catalog's."""
    if Price.objects.filter(provider=provider, model=model).exists():
        return provider, model
    return canonical(provider, model)
