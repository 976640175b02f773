"""The ledger and the prices in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.models import Allowance, Limit, Price, UsageRecord
from threads.admin import RecordAdmin


@admin.register(UsageRecord)
class UsageRecordAdmin(RecordAdmin):
    """Model calls."""

    list_display = ("__str__", "user_id", "thread_id", "fresh_input", "output_text", "created_at")
    list_filter = ("kind", "agent", "provider")
    search_fields = ("user_id", "thread_id", "run_id", "agent", "model")


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):
    """Prices: the catalog's can be read, ours written."""

    list_display = ("__str__", "book", "valid", "input_tokens", "note")
    list_filter = ("book", "unit", "currency", "provider")
    search_fields = ("provider", "model")
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What calls were billed by stays: end a price, and add the next one."""
        return super().has_change_permission(request, obj) and (obj is None or obj.book != Price.Book.CATALOG)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As above."""
        return False


@admin.register(Limit)
class LimitAdmin(admin.ModelAdmin):
    """Limits besides those of the settings, or in place of them: deleting one brings back what the settings say."""

    list_display = ("name", "counts", "per", "kind", "rate", "period", "capacity", "shards", "enabled")
    list_filter = ("counts", "per", "enabled")


@admin.register(Allowance)
class AllowanceAdmin(RecordAdmin):
    """What is left; deleting one forgives a debt."""

    list_display = ("name", "key", "shard", "value", "at")
    list_filter = ("name",)
    search_fields = ("name", "key")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By whoever may."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)
