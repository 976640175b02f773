"""The ledger and the prices in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.models import Account, Alert, Allowance, Budget, Limit, Plan, Price, Reservation, Spending, UsageRecord
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


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    """Who is charged. They are made when they are first needed, and outlive their users."""

    list_display = ("__str__", "id", "plan", "currency", "zone", "created_at")
    list_filter = ("plan", "currency")
    list_select_related = ("plan",)
    search_fields = ("id", "name")
    readonly_fields = ("id",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An account without a user would never be used."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its bills stay."""
        return False


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    """What customers agreed to."""

    list_display = ("name", "currency", "markup")


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin):
    """What may be spent in a month."""

    list_display = ("__str__", "kind", "key", "amount", "enabled")
    list_filter = ("kind", "enabled")
    search_fields = ("key",)


@admin.register(Spending)
class SpendingAdmin(RecordAdmin):
    """What was spent: counters, which the ledger can always tell anew."""

    list_display = ("scope", "key", "month", "shard", "amount", "currency")
    list_filter = ("scope", "month")
    search_fields = ("key",)


@admin.register(Reservation)
class ReservationAdmin(RecordAdmin):
    """What is set aside for runs."""

    list_display = ("run_id", "user_id", "agent", "charge", "cost", "created_at")
    search_fields = ("run_id", "user_id", "agent")


@admin.register(Alert)
class AlertAdmin(RecordAdmin):
    """Who was told how far their budget is used up."""

    list_display = ("budget", "key", "month", "percent", "created_at")
    list_select_related = ("budget",)
