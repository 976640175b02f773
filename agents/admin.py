"""What operators edit about answering."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agents import services
from agents.models import RequestLog, RoutingSample
from agents.people import HUMAN
from agents.registry import all_agents
from threads.access import OPERATE
from threads.admin import RecordAdmin
from threads.models import Run
from threads.words import grouped, localized


class WhyFilter(admin.SimpleListFilter):
    """Runs by why they failed."""

    title, parameter_name = _("why it failed"), "why"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The reasons of the last week."""
        failed = Run.objects.filter(status=Run.Status.FAILED, ended_at__gte=timezone.now() - timedelta(days=7))
        kinds = failed.order_by().annotate(kind=KT("error__kind")).values_list("kind", flat=True).distinct()
        return [(kind, kind) for kind in sorted(filter(None, kinds))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Those of the chosen one."""
        return queryset.filter(error__kind=self.value()) if self.value() else queryset


@admin.register(Run)
class RunAdmin(RecordAdmin):
    """Answers and how they went; those that go on can be stopped."""

    list_display = ("__str__", "thread", "requested_by", "took", "tokens", "attempt", "created_at", "look_into_it")
    list_filter = ("status", WhyFilter, "agent", "created_at", ("on_behalf_of", EmptyFieldListFilter))
    list_select_related = ("thread", "requested_by")
    search_fields = ("id", "thread__id", "requested_by__username", "worker")
    actions = ("stop",)

    @admin.display(description=_("took"))
    def took(self, run: Run) -> str:
        """From its beginning to its end, or until now."""
        return localized(f"{((run.ended_at or timezone.now()) - run.started_at).total_seconds():.1f} s") if run.started_at else ""

    @admin.display(description=_("tokens"))
    def tokens(self, run: Run) -> str:
        """All of them."""
        return grouped(run.usage["total"]) if run.usage.get("total") else ""

    @admin.display(description=_("look into it"))
    def look_into_it(self, run: Run) -> str:
        """Where it can be understood."""
        return format_html('<a href="{}">{}</a>', reverse("playground-thread", args=[run.thread_id]), gettext("playground"))

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """For who may operate threads."""
        return request.user.has_perm(OPERATE)

    @admin.action(description=_("Stop the chosen runs"), permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """What they have said is kept. Asks once more."""
        # By their ids alone: meanwhile a queued one may run, and the list's filter not have it any more.
        live = list(Run.objects.live().filter(pk__in=request.POST.getlist("_selected_action")).select_related("thread"))
        if "confirmed" not in request.POST:
            asked = {"title": gettext("Stop these runs?"), "question": gettext("They end now; what they have said so far is kept.")}
            chosen = {"opts": self.model._meta, "action": "stop", "rows": live, "chosen": [run.pk for run in live]}
            return render(request, "admin/confirm.html", self.admin_site.each_context(request) | asked | chosen)
        for run in live:
            services.stop(run)
        self.message_user(request, gettext("%(number)s stopped.") % {"number": len(live)})
        return None


@admin.register(RequestLog)
class RequestLogAdmin(RecordAdmin):
    """What went to models' servers."""

    list_display = ("__str__", "thread", "user", "error", "seconds", "created_at")
    list_filter = ("agent",)
    list_select_related = ("thread", "user")
    search_fields = ("run_id", "thread__id", "user__username", "error")


class RoutingSampleForm(forms.ModelForm):
    """Who answers is chosen from those there are."""

    answered_by = forms.ChoiceField(
        label=_("Answered by"),
        choices=lambda: [(HUMAN, gettext("A person")), *((agent.name, agent.title or agent.name) for agent in all_agents())],
    )

    class Meta:
        model = RoutingSample
        fields = ("question", "answered_by")


@admin.register(RoutingSample)
class RoutingSampleAdmin(admin.ModelAdmin):
    """Sample questions and who answers them."""

    form = RoutingSampleForm
    list_display = ("question", "answered_by", "embedded_as")
    list_filter = ("answered_by",)
    search_fields = ("question",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A question that was changed is embedded anew, when it is next asked for."""
        if "question" in form.changed_data:
            obj.embedded_as = ""
        super().save_model(request, obj, form, change)
