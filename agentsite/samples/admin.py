"""The sample agents' rows in the admin."""

from django.contrib import admin

from agentsite.samples.models import Task


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    """Tasks."""

    list_display = ("title", "user", "due_date", "created_at")
    list_filter = ("due_date",)
    list_select_related = ("user",)
    search_fields = ("title", "user__username")
    autocomplete_fields = ("user",)
