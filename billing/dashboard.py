"""The admin's page of money: what customers pay, what it costs, by day, model and agent, and for each conversation."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from billing import charts
from billing.models import BookedValue, UsageRecord
from billing.pages import month_of
from billing.periods import Month
from billing.pricing import priced
from billing.reporting import Used, total, used
from billing.usage import TOOLS
from threads.models import Thread, User

MOST = 50


@dataclass(frozen=True)
class Conversation:
    """What one took, and what it was worth."""

    thread: Thread | None
    thread_id: UUID | None
    used: Used
    tool_calls: int
    fees: Decimal
    seconds: Decimal
    booked: Decimal

    @property
    def margin(self) -> Decimal:
        """What it was worth, and what its users pay, less what it cost."""
        return self.booked + self.used.charge - self.used.cost


def dashboard(request: HttpRequest) -> HttpResponse:
    """A month of the site, by UTC and in its currency."""
    if not request.user.has_perm("billing.view_usagerecord"):
        raise PermissionDenied
    now = Month.of(timezone.now(), "UTC")
    month = month_of(request.GET.get("month", ""), now)
    within = {"created_at__gte": month.begins("UTC"), "created_at__lt": month.ends("UTC")}
    rows = UsageRecord.objects.filter(**within)
    by_day = {each.group[0]: each for each in used(rows, ["day"], settings.CURRENCY)}
    days = [month.first + timedelta(days=n) for n in range((month.next.first - month.first).days)]
    shown = [day for day in days if month < now or day <= timezone.now().date()]
    costs, charges = ([getattr(by_day[day], name) if day in by_day else Decimal(0) for day in shown] for name in ("cost", "charge"))
    most = max([*costs, *charges], default=Decimal(0))
    models, agents, users = (used(rows, by, settings.CURRENCY) for by in (["provider", "model"], ["agent"], ["user_id"]))
    names = dict(User.objects.filter(pk__in=[each.group[0] for each in users if each.group[0]]).values_list("pk", "username"))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Money"),
        "currency": settings.CURRENCY,
        "month": month,
        "previous": month.previous,
        "next": month.next if month < now else None,
        "total": total(list(by_day.values())),
        "cost_line": charts.line(costs, len(days), most),
        "charge_line": charts.line(charges, len(days), most),
        "tables": [
            _table(gettext("By model"), gettext("Model"), [(f"{each.group[1]} ({each.group[0]})", each) for each in _dearest(models)]),
            _table(gettext("By agent"), gettext("Agent"), [(each.group[0], each) for each in _dearest(agents)]),
            _table(gettext("By user"), gettext("User"), [(names.get(each.group[0], each.group[0]), each) for each in _dearest(users)]),
        ],
        "conversations": _conversations(rows, BookedValue.objects.filter(**within)),
        "shows_titles": request.user.has_perm("threads.view_thread"),
    }  # fmt: skip
    return render(request, "admin/billing/dashboard.html", context)


def _table(title: str, name: str, rows: list[tuple[Any, Used]]) -> dict[str, Any]:
    """With what the longest of its bars stands for."""
    most = max((amount for _, each in rows for amount in (each.cost, each.charge)), default=0) or 1
    return {"title": title, "name": name, "rows": rows, "most": most}


def _dearest(rows: list[Used]) -> list[Used]:
    return sorted(rows, key=lambda each: (-each.cost, -each.charge))[:MOST]


def _conversations(rows: "QuerySet[UsageRecord]", bookings: "QuerySet[BookedValue]") -> list[Conversation]:
    """The dearest ones, and those that brought in most, each with what its tools and its voice took; None is what is outside of any."""
    each_used = {each.group[0]: each for each in used(rows, ["thread_id"], settings.CURRENCY)}
    booked = dict(bookings.values_list("thread_id").annotate(sum=Sum("amount")).order_by("-sum"))
    ids = list(dict.fromkeys([*(each.group[0] for each in _dearest(list(each_used.values()))), *list(booked)[:MOST]]))
    own = rows.filter(Q(thread_id__in=[pk for pk in ids if pk]) | Q(thread_id=None))
    of_tools = Count("id", filter=Q(provider=TOOLS, reverses=None))
    taken = {each["thread_id"]: each for each in own.values("thread_id").annotate(tools=of_tools, voice=Sum("seconds")).order_by()}
    fees: dict[UUID | None, Decimal] = {}
    for line in priced(own.filter(provider=TOOLS), ["thread_id"], settings.CURRENCY):
        fees[line.group[0]] = fees.get(line.group[0], Decimal(0)) + (line.cost or 0)
    threads = Thread.objects.in_bulk([pk for pk in ids if pk])
    return [
        Conversation(
            thread=threads.get(pk),
            thread_id=pk,
            used=each_used.get(pk) or total([]),
            tool_calls=taken[pk]["tools"] if pk in taken else 0,
            fees=fees.get(pk, Decimal(0)),
            seconds=(taken[pk]["voice"] if pk in taken else None) or Decimal(0),
            booked=booked.get(pk, Decimal(0)),
        )
        for pk in ids
    ]
