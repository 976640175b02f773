"""The ledger in the admin."""

from django.contrib import admin

from billing.models import UsageRecord
from threads.admin import RecordAdmin


@admin.register(UsageRecord)
class UsageRecordAdmin(RecordAdmin):
    """Model calls."""

    list_display = ("__str__", "user_id", "thread_id", "fresh_input", "output_text", "created_at")
    list_filter = ("kind", "agent", "provider")
    search_fields = ("user_id", "thread_id", "run_id", "agent", "model")
