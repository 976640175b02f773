"""What operators edit about answering."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from agents import services
from agents.models import RequestLog, RoutingSample
from agents.people import HUMAN
from agents.registry import all_agents
from threads import admin as threads_admin
from threads.access import OPERATE
from threads.admin import RecordAdmin
from threads.models import Run


@admin.register(Run)
class RunAdmin(threads_admin.RunAdmin):
    """Answers; those that go on can be stopped."""

    actions = ("stop",)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """For who may operate threads."""
        return request.user.has_perm(OPERATE)

    @admin.action(description="Stop the chosen runs", permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """What they have said is kept. Asks once more."""
        live = list(queryset.live().select_related("thread"))
        if "confirmed" not in request.POST:
            asked = {"title": "Stop these runs?", "question": "They end now; what they have said so far is kept."}
            chosen = {"opts": self.model._meta, "action": "stop", "rows": live, "chosen": [run.pk for run in live]}
            return render(request, "admin/confirm.html", self.admin_site.each_context(request) | asked | chosen)
        for run in live:
            services.stop(run)
        self.message_user(request, f"{len(live)} stopped.")
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
        choices=lambda: [(HUMAN, "A person"), *((agent.name, agent.title or agent.name) for agent in all_agents())]
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
