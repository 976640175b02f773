"""The ledger and the prices in the admin."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.dashboard import dashboard
from billing.forms import NoteForm
from billing.invoicing import finalise, settle
from billing.models import (
    SITE,
    Account,
    Alert,
    Allowance,
    Billed,
    BookedValue,
    Budget,
    Credit,
    CreditNote,
    CreditUse,
    Invoice,
    InvoiceEvent,
    InvoiceLine,
    Limit,
    Payment,
    Plan,
    Price,
    Reservation,
    Series,
    Spending,
    TaxRate,
    UsageRecord,
    WebhookEvent,
)
from billing.models.invoice import WITHIN
from billing.notes import take_off
from billing.pricing import priced_call
from threads.admin import RecordAdmin
from threads.words import localized


def _exactly(amounts: list[Decimal | None], currency: str) -> str:
    known = [amount for amount in amounts if amount is not None]
    return localized(f"{sum(known, Decimal(0)).normalize():f} {currency}") if len(known) == len(amounts) else gettext("no price is known")


@admin.register(UsageRecord)
class UsageRecordAdmin(RecordAdmin):
    """Model calls."""

    list_display = ("__str__", "user_id", "thread_id", "fresh_input", "output_text", "created_at")
    list_filter = ("kind", "agent", "provider")
    search_fields = ("user_id", "thread_id", "run_id", "agent", "model")
    readonly_fields = ("costs_us", "customer_pays")

    @admin.display(description=_("Costs us"))
    def costs_us(self, record: UsageRecord) -> str:
        """By the prices of its moment, exactly."""
        return _exactly([each.cost for each in priced_call(record, settings.CURRENCY)], settings.CURRENCY)

    @admin.display(description=_("The customer pays"))
    def customer_pays(self, record: UsageRecord) -> str:
        """The same, with the plan that they have now; before tax and what the plan includes."""
        account = Account.objects.filter(pk=record.user_id or SITE).select_related("plan").first() or Account()
        return _exactly([each.charge(account.markup) for each in priced_call(record, account.currency)], account.currency)

    def get_urls(self) -> list[Any]:
        """The page of money belongs to the ledger."""
        return [path("money/", self.admin_site.admin_view(dashboard), name="billing_money"), *super().get_urls()]


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


class CreditUseInline(admin.TabularInline):
    """Which invoices a credit paid."""

    model = CreditUse
    readonly_fields = ("invoice", "amount")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Invoices use it."""
        return False


@admin.register(Credit)
class CreditAdmin(admin.ModelAdmin):
    """Money that customers have ahead. It is given once, and not changed."""

    list_display = ("__str__", "account", "kind", "expires_on", "note", "created_at")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("account__id", "account__name", "note")
    raw_id_fields = ("account",)
    inlines = (CreditUseInline,)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What it was stays on record."""
        return super().has_change_permission(request) and obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As above."""
        return False


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    """What customers agreed to."""

    list_display = ("name", "currency", "monthly_fee", "included", "trial_days", "markup")


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


@admin.register(TaxRate)
class TaxRateAdmin(admin.ModelAdmin):
    """What is added to invoices of a region."""

    list_display = ("region", "percent", "valid")
    list_filter = ("region",)


@admin.register(Series)
class SeriesAdmin(RecordAdmin):
    """The last numbers that were given."""

    list_display = ("name", "last")


class LineInline(admin.TabularInline):
    """What an invoice is made of."""

    model = InvoiceLine
    fields = ("position", "description", "quantity", "rate", "per", "markup", "amount")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They come from the ledger."""
        return False


class EventInline(admin.TabularInline):
    """What became of an invoice."""

    model = InvoiceEvent
    fields = ("created_at", "status", "by_id", "note")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Actions write them."""
        return False


class PaymentInline(admin.TabularInline):
    """How often it was tried to have it paid."""

    model = Payment
    fields = ("attempt", "amount", "status", "reference", "error", "due_at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An action asks for payment."""
        return False


@admin.register(Invoice)
class InvoiceAdmin(RecordAdmin):
    """Invoices: what is in them can be read, what becomes of them is said by actions."""

    list_display = ("__str__", "account", "period", "status", "total", "currency", "final_at")
    list_filter = ("status", "period", "currency")
    list_select_related = ("account",)
    search_fields = ("number", "account__id", "account__name")
    inlines = (LineInline, PaymentInline, EventInline)
    actions = ("make_final", "mark_paid", "mark_failed", "try_again", "void")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whoever may change invoices, although nobody may by hand."""
        return admin.ModelAdmin.has_change_permission(self, request)

    @admin.action(description=_("Make drafts final"), permissions=["act"])
    def make_final(self, request: HttpRequest, queryset: "QuerySet[Invoice]") -> None:
        """They get their numbers."""
        done = 0
        for draft in queryset.filter(status=Invoice.Status.DRAFT):
            try:
                finalise(draft, by=request.user.pk)
                done += 1
            except ValueError as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, gettext("%(number)s are final now.") % {"number": done})

    @admin.action(description=_("Mark as paid"), permissions=["act"])
    def mark_paid(self, request: HttpRequest, queryset: "QuerySet[Invoice]") -> None:
        """The money is there."""
        self._become(request, queryset, Invoice.Status.PAID)

    @admin.action(description=_("Mark payment as failed"), permissions=["act"])
    def mark_failed(self, request: HttpRequest, queryset: "QuerySet[Invoice]") -> None:
        """It is not."""
        self._become(request, queryset, Invoice.Status.FAILED)

    @admin.action(description=_("Ask for payment again"), permissions=["act"])
    def try_again(self, request: HttpRequest, queryset: "QuerySet[Invoice]") -> None:
        """After a payment failed."""
        self._become(request, queryset, Invoice.Status.PENDING)

    @admin.action(description=_("Void: bill it anew"), permissions=["act"])
    def void(self, request: HttpRequest, queryset: "QuerySet[Invoice]") -> None:
        """It should not have been made."""
        self._become(request, queryset, Invoice.Status.VOID)

    def _become(self, request: HttpRequest, queryset: "QuerySet[Invoice]", status: Invoice.Status) -> None:
        done = 0
        for number in queryset.values_list("number", flat=True):
            try:
                settle(number or "", status, by=request.user.pk, note="in the admin")
                done += 1
            except ValueError as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, gettext("%(number)s are now: %(status)s.") % {"number": done, "status": WITHIN[status]})


@admin.register(CreditNote)
class CreditNoteAdmin(RecordAdmin):
    """What was taken off final invoices."""

    form = NoteForm
    fields = ("invoice", "net", "reason", "is_refunded")
    raw_id_fields = ("invoice",)
    list_display = ("number", "invoice", "total", "reason", "created_at")
    list_select_related = ("invoice",)
    search_fields = ("number", "invoice__number", "reason")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By whoever may. They are never changed."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All that is known of one that there is."""
        return self.fields if obj is None else [field.name for field in CreditNote._meta.fields]

    def save_model(self, request: HttpRequest, obj: CreditNote, form: Any, change: bool) -> None:
        """It gets its number, and what it comes to."""
        facts = form.cleaned_data
        made = take_off(obj.invoice.number or "", facts["net"], facts["reason"], by=request.user.pk, is_refunded=facts["is_refunded"])
        obj.__dict__.update(made.__dict__)


@admin.register(Payment)
class PaymentAdmin(RecordAdmin):
    """What the provider of payments was asked for."""

    list_display = ("__str__", "amount", "status", "reference", "error", "due_at")
    list_filter = ("status",)
    list_select_related = ("invoice",)
    search_fields = ("invoice__number", "reference", "customer")


@admin.register(WebhookEvent)
class WebhookEventAdmin(RecordAdmin):
    """What it told by itself."""

    list_display = ("id", "created_at")
    search_fields = ("id",)


@admin.register(Billed)
class BilledAdmin(RecordAdmin):
    """Which rows of the ledger are on which invoice."""

    list_display = ("usage_id", "invoice")
    list_select_related = ("invoice",)
    search_fields = ("usage_id", "invoice__number")


@admin.register(BookedValue)
class BookedValueAdmin(admin.ModelAdmin):
    """What conversations brought in."""

    list_display = ("thread_id", "amount", "note", "created_at")
    search_fields = ("thread_id", "note")
