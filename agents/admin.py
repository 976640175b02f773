"""What operators edit about answering."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from agents.models import RequestLog, RoutingSample
from agents.people import HUMAN
from agents.registry import all_agents
from threads.admin import RecordAdmin


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
