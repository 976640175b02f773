"""What the API answers about usage and money: the shapes of its JSON. See `threads.shapes`."""

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from billing.models import Invoice, Limit
from threads.shapes import Id, Money, Time, one_of


class UsageTold(TypedDict):
    """What was used; `is_priced`: all of it has a price, so that `charge` is whole."""

    calls: int
    input_tokens: int
    output_tokens: int
    total: int
    charge: Money
    currency: str
    is_priced: bool


class UsageGroup(UsageTold):
    """What was used of one kind, with those of these names that were asked for."""

    day: NotRequired[str | None]
    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    agent: NotRequired[str | None]
    thread_id: NotRequired[Id | None]
    kind: NotRequired[str | None]


class LimitLeft(TypedDict):
    """A limit: of one's own how much is left; `retry_at`, in seconds since 1970, is when there will be something again."""

    name: str
    counts: Annotated[str, one_of(Limit.Counts)]
    per: Annotated[str, one_of(Limit.Per)]
    retry_at: float | None
    left: NotRequired[float]
    capacity: NotRequired[float]
    flow: NotRequired[float]


class BudgetLeft(TypedDict):
    """How far a budget is used up."""

    scope: str
    amount: Money
    spent: Money
    reserved: Money
    currency: str
    resets_at: Time


class Left(TypedDict):
    """What is left of limits and budgets, at `server_time`, in seconds since 1970."""

    type: str
    server_time: float
    limits: list[LimitLeft]
    budgets: list[BudgetLeft]


class UsageMonth(TypedDict):
    """What was used in a month, all of it and in groups."""

    month: str
    total: UsageTold
    groups: list[UsageGroup]
    left: Left


class CreditNoteRow(TypedDict):
    """A credit note."""

    number: str
    reason: str
    net: Money
    tax: Money
    total: Money


class InvoiceHead(TypedDict):
    """An invoice without its lines. `due` is what is still to be paid."""

    id: Id
    number: str | None
    period: str
    account: Id
    bill_to: str
    status: Annotated[str, one_of(Invoice.Status)]
    final_at: Time | None
    paid_at: Time | None
    currency: str
    net: Money
    tax: Money
    total: Money
    credited: Money
    due: Money
    tax_percent: Money
    credit_notes: list[CreditNoteRow]


# One key is a word of Python's.
InvoiceLine = TypedDict(
    "InvoiceLine",
    {
        "description": str,
        "provider": str,
        "model": str,
        "class": str,
        "quantity": Money,
        "rate": Money,
        "per": int,
        "markup": Money,
        "amount": Money,
    },
)


class InvoiceRow(InvoiceHead):
    """An invoice with its lines."""

    lines: list[InvoiceLine]


class Invoices(TypedDict):
    """Invoices, newest first."""

    items: list[InvoiceHead]
