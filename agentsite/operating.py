"""What machines ask the site: is it alive, is it ready, how does it do."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from secrets import compare_digest

from django.conf import settings
from django.db.models import Count, Min
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from agentsite.health import NEEDED, Finding, findings
from threads.models import Process, Run, ToolCall

ENDED_WITHIN_MINUTES = 5
_asking, _said = threading.Lock(), list[tuple[float, list[Finding]]]()


@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers. It asks nobody, so a restart would not help when this is slow for a database's sake."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 if prompts are taken and answered, else 503; what is wrong in one word each, for everybody may ask."""
    found = _lately()
    ready = all(finding.well for finding in found)
    states = dict.fromkeys(NEEDED, "unknown") | {finding.name: "ok" if finding.well else "failed" for finding in found}
    return JsonResponse({"ready": ready, "checks": states}, status=200 if ready else 503)


def _lately() -> list[Finding]:
    """What the probes said within the last second: strangers may ask often, and it costs a connection each time."""
    with _asking:
        at, found = _said[-1] if _said else (0.0, [])
        if time.monotonic() - at > 1:
            found = findings(NEEDED)
            _said[:] = [(time.monotonic(), found)]
        return found


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of the whole site for Prometheus, whichever web process is asked."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse("Send the metrics token as a bearer token.\n", status=401, content_type="text/plain")
    return HttpResponse(generate_latest(Figures()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Figures:
    """A registry, as the library sees it: what the rows say now, and what each process last said of itself."""

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        yield self._runs()
        yield self._queue_age()
        yield self._waiting_calls()
        yield from self._processes()

    def _runs(self) -> Metric:
        said = f"Runs by state; ended ones of the last {ENDED_WITHIN_MINUTES} minutes"
        family = GaugeMetricFamily("agentsite_runs", said, labels=["status"])
        since = Now() - timedelta(minutes=ENDED_WITHIN_MINUTES)
        counted = dict.fromkeys(Run.Status.values, 0)
        for rows in (Run.objects.live(), Run.objects.filter(ended_at__gt=since)):
            counted |= dict(rows.order_by().values_list("status").annotate(Count("pk")))
        for status, count in counted.items():
            family.add_metric([status], count)
        return family

    def _queue_age(self) -> Metric:
        oldest = Run.objects.unclaimed().aggregate(at=Min("queued_at"))["at"]
        age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
        return GaugeMetricFamily("agentsite_queue_age_seconds", "How long the oldest prompt has waited for a worker", value=max(0.0, age))

    def _waiting_calls(self) -> Metric:
        family = GaugeMetricFamily("agentsite_tool_calls", "Tool calls that wait for a person", labels=["status"])
        statuses = [ToolCall.Status.AWAITING_APPROVAL, ToolCall.Status.REQUESTED, ToolCall.Status.UNKNOWN]
        found = dict(ToolCall.objects.filter(status__in=statuses).order_by().values_list("status").annotate(Count("pk")))
        for status in statuses:
            family.add_metric([status], found.get(status, 0))
        return family

    def _processes(self) -> Iterator[Metric]:
        alive = list(Process.objects.alive())
        up = GaugeMetricFamily("agentsite_up", "Processes that were heard of lately", labels=["process", "kind"])
        swept = [process.swept_at for process in alive if process.swept_at]
        families: dict[str, Metric] = {}
        for process in alive:
            up.add_metric([process.name, process.kind], 1)
            for figure in process.figures:
                family = families.setdefault(figure["name"], Metric(figure["name"], figure["help"], figure["kind"]))
                for name, labels, value in figure["samples"]:
                    family.add_sample(name, labels | {"process": process.name}, value)
        yield up
        age = (timezone.now() - max(swept)).total_seconds() if swept else float("inf")
        yield GaugeMetricFamily("agentsite_sweep_age_seconds", "Since somebody last swept up after dead workers", value=age)
        yield from families.values()
