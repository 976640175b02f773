"""What was used and what it came to, in rows for tables, files and pages."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, QuerySet, Sum, Value
from django.db.models.functions import TruncDate

from billing.models import SITE, Account, UsageRecord
from billing.models.usage import INPUT, OUTPUT
from billing.pricing import priced

# How reports are grouped: by which columns of the ledger.
GROUPS = {
    "day": ["day"],
    "user": ["user_id"],
    "agent": ["agent"],
    "model": ["provider", "model"],
    "thread": ["thread_id"],
    "kind": ["kind"],
}
# A spreadsheet takes a cell that begins like this for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Used:
    """What a group used, what it cost us and what its users pay, as far as prices are known."""

    group: tuple[Any, ...]
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    charge: Decimal
    is_priced: bool

    @property
    def margin(self) -> Decimal:
        """What is left of what users pay."""
        return self.charge - self.cost


def total(rows: Sequence[Used]) -> Used:
    """All of them together."""
    calls, read, written = (sum(getattr(each, name) for each in rows) for name in ("calls", "input_tokens", "output_tokens"))
    cost, charge = (sum((getattr(each, name) for each in rows), Decimal(0)) for name in ("cost", "charge"))
    return Used((), calls, read, written, cost, charge, all(each.is_priced for each in rows))


def used(records: "QuerySet[UsageRecord]", by: Sequence[str], currency: str, zone: str = "UTC") -> list[Used]:
    """The rows added up by these columns, in their order; one may be `day`. Corrections come off."""
    # The constant makes a group of everything where nothing else does.
    rows = records.order_by().annotate(day=TruncDate("created_at", tzinfo=ZoneInfo(zone)), whole=Value(1)).values_list("whole", *by)
    sums = rows.annotate(calls=Count("id"), read=Sum(_all(INPUT), default=0), written=Sum(_all(OUTPUT), default=0))
    accounts = {account.pk: account.markup for account in Account.objects.exclude(plan=None).select_related("plan")}
    money: dict[tuple[Any, ...], list[Any]] = {}
    for line in priced(records, [*by, "user_id"], currency, zone):
        so_far = money.setdefault(line.group[:-1], [Decimal(0), Decimal(0), True])
        charge = line.charge(accounts.get(line.group[-1] or SITE, Decimal(0)))
        so_far[0] += line.cost or 0
        so_far[1] += charge or 0
        so_far[2] = so_far[2] and line.cost is not None and charge is not None
    groups = [(tuple(row[1 : len(by) + 1]), row[len(by) + 1 :]) for row in sums]
    found = [Used(group, *totals, *money.get(group, (Decimal(0), Decimal(0), True))) for group, totals in groups]
    return sorted(found, key=lambda each: tuple(str(value or "") for value in each.group))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table for spreadsheets, in which nothing is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def harmless(cell: Any) -> Any:
    """A text that would be taken for a formula is marked as a text. Numbers stay numbers."""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return "" if cell is None else _plain(cell)


def as_dicts(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Mapping[str, Any]]:
    """The same for JSON; money as text."""
    return [dict(zip(header, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value if isinstance(value, int | None) else str(value)


def _all(names: Sequence[str]) -> Any:
    total: Any = F(names[0])
    for name in names[1:]:
        total = total + F(name)
    return total
