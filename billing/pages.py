"""What a person has used, and what they were billed."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext

from billing import admission, charts, credits
from billing.documents import invoice_pdf, note_pdf, sums
from billing.models import Account, Billed, CreditNote, Invoice, InvoiceLine, Payment, UsageRecord
from billing.periods import Month
from billing.pricing import Rate, priced
from billing.reporting import Used, total, used
from threads.models import Thread, User

MOST_THREADS = 20
# From here on a gauge warns.
TIGHT = Decimal("0.8")


@login_required
def usage(request: HttpRequest) -> HttpResponse:
    """A month of the person's: money and tokens by day, model, agent and thread; what is left; what the next invoice has so far."""
    user: User = request.user  # type: ignore[assignment]  # behind login_required
    account = Account.objects.filter(pk=user.pk).select_related("plan").first() or Account(pk=user.pk)
    now = Month.of(timezone.now(), account.zone)
    month = month_of(request.GET.get("month", ""), now)
    mine = UsageRecord.objects.filter(user_id=user.pk)
    rows = mine.filter(created_at__gte=month.begins(account.zone), created_at__lt=month.ends(account.zone))
    by_day = used(rows, ["day", "provider", "model"], account.currency, account.zone)
    days = [month.first + timedelta(days=n) for n in range((month.next.first - month.first).days)]
    today = timezone.now().astimezone(ZoneInfo(account.zone)).date()
    left = admission.state(user)
    budgets = [budget | {"high": f"{Decimal(budget['amount']) * TIGHT:f}"} for budget in left["budgets"]]
    waiting = mine.exclude(pk__in=Billed.objects.filter(invoice__account=account.pk).values("usage_id"))
    return _page(request, "billing/usage.html", {
        "section": "usage",
        "account": account,
        "month": month,
        "previous": month.previous,
        "next": month.next if month < now else None,
        "total": total(by_day),
        "money": charts.line([_charge(by_day, day) for day in days if day <= today], len(days)),
        "tokens": charts.bars(days, _tokens(by_day)),
        "days": [(day, total([each for each in by_day if each.group[0] == day])) for day in days if any(e.group[0] == day for e in by_day)],
        "models": _dearest(used(rows, ["provider", "model"], account.currency)),
        "agents": _dearest(used(rows, ["agent"], account.currency)),
        "threads": _threads(user, used(rows, ["thread_id"], account.currency)),
        "left": left | {"budgets": budgets},
        "credit": credits.left(account, today) if account.credits.exists() else None,
        "upcoming": total(used(waiting, [], account.currency)) if month == now else None,
    })  # fmt: skip


@login_required
def invoices(request: HttpRequest) -> HttpResponse:
    """The person's, newest first."""
    return _page(request, "billing/invoices.html", {"section": "invoices", "invoices": Invoice.objects.of(request.user.pk)})  # type: ignore[arg-type]


@login_required
def invoice(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """One of them, with its lines; `?line=3` shows from which threads that line is."""
    user: User = request.user  # type: ignore[assignment]
    found = get_object_or_404(Invoice.objects.of(user.pk), pk=invoice_id)
    asked = request.GET.get("line", "")
    line = found.lines.filter(position=int(asked)).first() if asked.isdecimal() and len(asked) < 9 else None
    threads = _threads_of(user, found, line) if line else []
    return _page(request, "billing/invoice.html", {
        "section": "invoices",
        "invoice": found,
        "sums": sums(found),
        "notes": found.notes.all(),
        "failed": Payment.objects.filter(invoice=found, status=Payment.Status.FAILED).last(),
        "waiting": Payment.objects.filter(invoice=found, status=Payment.Status.WAITING).first(),
        "line": line,
        "threads": threads,
    })  # fmt: skip


@login_required
def invoice_file(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """One of the person's invoices as PDF."""
    found = get_object_or_404(Invoice.objects.of(request.user.pk), pk=invoice_id)  # type: ignore[arg-type]
    return _file(invoice_pdf(found), f"{found}.pdf")


@login_required
def credit_note_file(request: HttpRequest, note_id: UUID) -> HttpResponse:
    """A credit note of one of the person's invoices as PDF."""
    found = get_object_or_404(CreditNote.objects.filter(invoice__in=Invoice.objects.of(request.user.pk)), pk=note_id)  # type: ignore[arg-type]
    return _file(note_pdf(found), f"{found}.pdf")


def _file(content: bytes, name: str) -> HttpResponse:
    headers = {"Content-Disposition": content_disposition_header(True, name), "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, template, context)
    response["Cache-Control"] = "private, no-store"
    return response


def month_of(asked: str, now: Month) -> Month:
    """The month that an address names, or the present one; Http404 if there is none or it has not begun."""
    try:
        return Month.asked(asked, now)
    except ValueError as error:
        raise Http404(str(error)) from error


def _charge(rows: list[Used], day: date) -> Decimal:
    return sum((each.charge for each in rows if each.group[0] == day), Decimal(0))


def _tokens(rows: list[Used]) -> dict[str, dict[date, int]]:
    found: dict[str, dict[date, int]] = defaultdict(dict)
    for each in rows:
        day, _, model = each.group
        name = model or gettext("unknown")
        found[name][day] = found[name].get(day, 0) + each.input_tokens + each.output_tokens
    return found


def _threads(user: User, rows: list[Used]) -> list[tuple[Thread | None, Used]]:
    """The dearest, with the thread if it is still there and the person may see it."""
    dearest = _dearest(rows)[:MOST_THREADS]
    known = _known(user, [each.group[0] for each in dearest])
    return [(known.get(each.group[0]), each) for each in dearest]


def _threads_of(user: User, found: Invoice, line: InvoiceLine) -> list[tuple[Thread | None, UUID | None, Decimal, Decimal]]:
    """From which threads a line of an invoice is: thread, its id, how many units, what they come to."""
    rows = UsageRecord.objects.filter(pk__in=found.billed.values("usage_id"), provider=line.provider, model=line.model)
    rate = Rate(line.rate, line.per)
    parts = [
        each
        for each in priced(rows, ["thread_id"], found.currency)
        if each.unit == line.unit and (each.charge_rate or each.cost_rate) == rate
    ]
    parts = sorted(parts, key=lambda each: -each.quantity)[:MOST_THREADS]
    known = _known(user, [each.group[0] for each in parts])
    return [(known.get(each.group[0]), each.group[0], each.quantity, each.charge(line.markup) or Decimal(0)) for each in parts]


def _known(user: User, ids: list[UUID | None]) -> dict[UUID | None, Thread]:
    return {**Thread.objects.visible_to(user).in_bulk([pk for pk in ids if pk])}


def _dearest(rows: list[Used]) -> list[Used]:
    return sorted(rows, key=lambda each: (-each.charge, -each.input_tokens - each.output_tokens))
