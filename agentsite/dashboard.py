"""The admin's first page: what the site is doing, what failed and what it takes, drawn anew every few seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Max, Min, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import TruncHour, TruncMinute
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache

from billing import charts
from billing.models import UsageRecord
from billing.models.usage import INPUT, OUTPUT
from billing.reporting import used
from threads.inbox import waiting
from threads.models import Process, Run, User
from threads.words import grouped

SEE_RUNS, SEE_COSTS = "threads.view_run", "billing.view_usagerecord"
MINUTES, HOURS, DAYS = 60, 24, 14
MOST_ERRORS = 8
LIVE = (gettext_noop("queued"), gettext_noop("running"), gettext_noop("waiting"))
ENDED = (gettext_noop("stopped"), gettext_noop("succeeded"), gettext_noop("failed"))
COUNTED = (gettext_noop("read"), gettext_noop("written"))
RUNS, TOKENS = gettext_noop("%(at)s: %(name)s, %(number)s runs"), gettext_noop("%(at)s: %(name)s, %(number)s tokens")


@dataclass(frozen=True)
class Failure:
    """How often runs of an agent failed in the same way."""

    agent: str
    kind: str
    times: int
    last: datetime


@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes. For staff who may see runs."""
    if not request.user.has_perm(SEE_RUNS):
        raise PermissionDenied
    return render(request, "admin/overview.html", figures(request.user))  # type: ignore[arg-type]  # behind admin_view


def figures(user: User) -> dict[str, Any]:
    """What the page shows to somebody; nothing of money to who may not see it."""
    now = timezone.now()
    live = dict(Run.objects.live().order_by().values_list("status").annotate(n=Count("pk")))
    oldest = Run.objects.unclaimed().aggregate(at=Min("queued_at"))["at"]
    processes = list(Process.objects.alive())
    return {
        "states": [(status, live.get(status, 0)) for status in LIVE],
        "queue_age": (now - oldest).total_seconds() if oldest else 0.0,
        "inbox": len(waiting()),
        "workers": sum(each.kind == Process.Kind.WORKER for each in processes),
        "sockets": sum(_sockets(each.figures) for each in processes),
        "runs": _runs(now),
        "failures": _failures(now),
        "tokens": _tokens(now),
        "costs": _costs(now) if user.has_perm(SEE_COSTS) else None,
        "currency": settings.CURRENCY,
        "at": now,
    }


def _sockets(told: Sequence[dict[str, Any]]) -> int:
    """Of what a process says of itself."""
    return int(sum(value for figure in told if figure["name"] == "agentsite_sockets" for _, _, value in figure["samples"]))


def _runs(now: datetime) -> charts.Chart:
    """Ended ones by the minute, for an hour."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    ended = Run.objects.filter(ended_at__gte=first).order_by()
    rows = ended.annotate(at=TruncMinute("ended_at", tzinfo=UTC)).values_list("status", "at").annotate(n=Count("pk"))
    return _columns([first + timedelta(minutes=n) for n in range(MINUTES)], rows, RUNS, "%H:%M", ENDED)


def _tokens(now: datetime) -> charts.Chart:
    """By the hour and kind, for a day."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    records = UsageRecord.objects.filter(created_at__gte=first).order_by().annotate(at=TruncHour("created_at", tzinfo=UTC))
    sums = records.values_list("at").annotate(read=Sum(_total(INPUT)), written=Sum(_total(OUTPUT)))
    rows = [row for at, read, written in sums for row in zip(COUNTED, (at, at), (read, written), strict=True)]
    return _columns([first + timedelta(hours=n) for n in range(HOURS)], rows, TOKENS, "%H:%M", COUNTED)


def _total(names: Sequence[str]) -> Any:
    return sum((F(name) for name in names[1:]), F(names[0]))


def _columns(places: Sequence[datetime], rows: Any, text: str, form: str, order: Sequence[str]) -> charts.Chart:
    layers: dict[str, dict[datetime, int]] = {}
    for name, at, number in rows:
        layers.setdefault(gettext(name), {})[at] = number

    def say(at: datetime, name: str, number: int) -> str:
        return gettext(text) % {"at": f"{timezone.localtime(at):{form}}", "name": name, "number": grouped(number)}

    return charts.bars(places, layers, say, [gettext(name) for name in order])


def _failures(now: datetime) -> list[Failure]:
    """Of the last day, the most frequent first."""
    failed = Run.objects.filter(status=Run.Status.FAILED, ended_at__gte=now - timedelta(hours=HOURS)).order_by()
    rows = failed.annotate(kind=KT("error__kind")).values_list("agent", "kind").annotate(n=Count("pk"), last=Max("ended_at"))
    return [Failure(*row) for row in rows.order_by("-n")[:MOST_ERRORS]]


def _costs(now: datetime) -> dict[str, Any]:
    """What models and tools cost, by the day, for two weeks (UTC)."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    by_day = {each.group[0]: each for each in used(UsageRecord.objects.filter(created_at__gte=first), ["day"], settings.CURRENCY)}
    days = [(first + timedelta(days=n)).date() for n in range(DAYS)]
    amounts = [by_day[day].cost if day in by_day else Decimal(0) for day in days]
    return {
        "line": charts.line(amounts, DAYS),
        "today": amounts[-1],
        "first": days[0],
        "last": days[-1],
        "is_priced": all(each.is_priced for each in by_day.values()),
    }
