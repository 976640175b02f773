"""What was used, and what it came to, for programs and for the chat."""

from typing import Any, Literal, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from billing import admission
from billing.documents import invoice_head, invoice_json
from billing.models import Account, Invoice, UsageRecord
from billing.periods import Month
from billing.reporting import GROUPS, Used, total, used
from billing.shapes import InvoiceRow, Invoices, UsageGroup, UsageMonth, UsageTold
from threads.access import SignedRequest, thread_for
from threads.errors import BadInput

router = Router()
By = Literal["day", "model", "agent", "thread", "kind"]


class Wanted(Schema):
    """Which usage: of which month where the account is (the present one if none is named), grouped by what, in this order."""

    month: str = Field("", pattern=r"^(\d{4}-\d{2})?$")
    by: list[By] = Field([], max_length=3)


@router.get("/threads/{uuid:thread_id}/usage")
def thread_usage(request: SignedRequest, thread_id: UUID) -> UsageTold:
    """What a thread took until now, of everybody who asked in it: calls, tokens and money, in the currency of whoever looks."""
    thread = thread_for(request.user, thread_id)
    account = Account.objects.of(request.user.pk)
    return _told(total(used(UsageRecord.objects.filter(thread_id=thread.pk), [], account.currency)), account)


@router.get("/usage")
def usage(request: SignedRequest, wanted: Query[Wanted]) -> UsageMonth:
    """What you used in a month: the total, and groups of it; with `left`, what is left of your limits and budgets now."""
    account = Account.objects.of(request.user.pk)
    now = Month.of(timezone.now(), account.zone)
    month = _month(wanted.month, now)
    rows = UsageRecord.objects.filter(user_id=request.user.pk)
    rows = rows.filter(created_at__gte=month.begins(account.zone), created_at__lt=month.ends(account.zone))
    columns = [column for name in dict.fromkeys(wanted.by) for column in GROUPS[name]]
    groups = used(rows, columns, account.currency, account.zone)
    named = [cast(UsageGroup, dict(zip(columns, map(_plain, each.group), strict=True)) | _told(each, account)) for each in groups]
    return {
        "month": str(month),
        "total": _told(total(groups), account),
        "groups": named if columns else [],
        "left": admission.state(request.user),
    }


@router.get("/invoices")
def invoices(request: SignedRequest) -> Invoices:
    """Your final invoices, newest first, without their lines."""
    return {"items": [invoice_head(each) for each in Invoice.objects.of(request.user.pk).prefetch_related("notes")]}


@router.get("/invoices/{uuid:invoice_id}")
def invoice(request: SignedRequest, invoice_id: UUID) -> InvoiceRow:
    """One of them, with its lines and credit notes. Money is text, with the digits of the currency."""
    return invoice_json(get_object_or_404(Invoice.objects.of(request.user.pk), pk=invoice_id))


def _month(asked: str, now: Month) -> Month:
    try:
        return Month.asked(asked, now)
    except ValueError as error:
        raise BadInput("month", str(error)) from error


def _told(used: Used, account: Account) -> UsageTold:
    return {
        "calls": used.calls,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "total": used.input_tokens + used.output_tokens,
        "charge": f"{used.charge.normalize():f}",
        "currency": account.currency,
        "is_priced": used.is_priced,
    }


def _plain(value: Any) -> str | None:
    return None if value is None else str(value)
