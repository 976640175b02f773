"""Invoices: what the ledger came to in a month, numbered without gaps and frozen once it is final."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q, Sum
from django.db.models.functions import Now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from billing.models.account import Account
from billing.models.price import Same
from threads.ids import uuid7

PERCENT = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))]


class TaxRate(models.Model):
    """What is added to invoices of a region, while it is valid. The last day of the invoice's month decides."""

    region = models.CharField(max_length=50)
    percent = models.DecimalField(max_digits=5, decimal_places=2, validators=PERCENT)
    # Half open; an end that is missing is far away.
    valid = DateRangeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="tax_not_absurd"),
            models.CheckConstraint(condition=Q(valid__isempty=False), name="tax_range_not_empty"),
            ExclusionConstraint(
                name="tax_once",
                expressions=[(Same(F("region")), RangeOperators.OVERLAPS), ("valid", RangeOperators.OVERLAPS)],
                violation_error_message=_("Another rate of this region is valid at the same time: end it first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.region}: {self.percent} %"

    def clean(self) -> None:
        """A range needs its beginning before its end."""
        valid: Any = self.valid
        if valid is not None and valid.lower is not None and valid.upper is not None and valid.lower >= valid.upper:
            raise ValidationError({"valid": gettext("It ends before it begins.")})


class Series(models.Model):
    """Numbers that are given one after the other. Its row is locked from a number to its commit, so none is left out."""

    name = models.CharField(max_length=20, primary_key=True)
    last = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"{self.name}: {self.last}"

    def number(self, n: int) -> str:
        """How documents have it."""
        return f"{self.name}-{n:06d}"

    @classmethod
    def take(cls, name: str) -> str:
        """The next number of a series, which nobody else gets one of until the caller's transaction is over."""
        cls.objects.get_or_create(name=name)
        series = cls.objects.select_for_update().get(name=name)
        series.last += 1
        series.save()
        return series.number(series.last)


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Which invoices."""

    def of(self, user_id: UUID) -> "InvoiceQuerySet":
        """Those a person may see: final ones of their account."""
        return self.filter(account_id=user_id).exclude(status=Invoice.Status.DRAFT)

    def standing(self) -> "InvoiceQuerySet":
        """Not void."""
        return self.exclude(status=Invoice.Status.VOID)


class Invoice(models.Model):
    """What an account is asked to pay for a month. The database refuses any change of a final one but that of its state."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PENDING = "pending", _("To be paid")
        PAID = "paid", _("Paid")
        FAILED = "failed", _("Payment failed")
        VOID = "void", _("Void")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="invoices")
    # Its first day.
    period = models.DateField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    number = models.CharField(max_length=30, null=True, unique=True)  # noqa: DJ001 (drafts have none, and two of them may)
    # Without what is less than the currency's smallest coin: that is rounded down, in the customer's favour.
    net = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    tax_percent = models.DecimalField(max_digits=5, decimal_places=2, default=0)
    tax = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    total = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    # So much of the total was paid by credit when it became final.
    credited = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    # Who asked, and whom, as it was then.
    bill_from = models.TextField(blank=True)
    bill_to = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    final_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-period", "-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["account", "period"], condition=~Q(status="void"), name="invoice_once_a_month"),
            models.CheckConstraint(condition=Q(period__day=1), name="invoice_of_a_month"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="invoice_currency_known"),
            models.CheckConstraint(condition=Q(tax_percent__gte=0, tax_percent__lte=100), name="invoice_tax_not_absurd"),
            models.CheckConstraint(condition=Q(total=F("net") + F("tax"), net__gte=0, tax__gte=0), name="invoice_adds_up"),
            models.CheckConstraint(condition=Q(credited__gte=0, credited__lte=F("total")), name="invoice_credited_not_more"),
            models.CheckConstraint(
                condition=Q(status="draft", number=None, final_at=None) | ~Q(status="draft") & ~Q(number=None) & ~Q(final_at=None),
                name="invoice_numbered_when_final",
            ),
            models.CheckConstraint(
                condition=Q(status="paid") & ~Q(paid_at=None) | ~Q(status="paid") & Q(paid_at=None), name="invoice_paid_at"
            ),
        ]

    def __str__(self) -> str:
        return self.number or gettext("draft %(month)s") % {"month": f"{self.period:%Y-%m}"}

    @property
    def is_open(self) -> bool:
        """Whether it is still to be paid."""
        return self.status in (Invoice.Status.PENDING, Invoice.Status.FAILED)

    @property
    def due(self) -> Decimal:
        """What is to be paid otherwise than by credit: less what credit notes took off it."""
        return self.total - self.credited - (self.notes.aggregate(sum=Sum("unpaid"))["sum"] or 0)


# What they are called within a sentence.
WITHIN: dict[str, Any] = {
    Invoice.Status.DRAFT: pgettext_lazy("within a sentence", "draft"),
    Invoice.Status.PENDING: pgettext_lazy("within a sentence", "to be paid"),
    Invoice.Status.PAID: pgettext_lazy("within a sentence", "paid"),
    Invoice.Status.FAILED: pgettext_lazy("within a sentence", "payment failed"),
    Invoice.Status.VOID: pgettext_lazy("within a sentence", "void"),
}


class InvoiceLine(models.Model):
    """So many units of one class of one model at one price."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    description = models.CharField(max_length=400)
    provider = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=200, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    quantity = models.DecimalField(max_digits=30, decimal_places=6)
    # Of what we ask for `per` units, before the plan's markup.
    rate = models.DecimalField(max_digits=20, decimal_places=10)
    per = models.PositiveIntegerField()
    markup = models.DecimalField(max_digits=7, decimal_places=2, default=0)
    # Before rounding.
    exact = models.DecimalField(max_digits=40, decimal_places=20)
    amount = models.DecimalField(max_digits=18, decimal_places=3)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_once")]

    def __str__(self) -> str:
        return self.description


class Billed(models.Model):
    """This row of the ledger is on this invoice, and can be on no other."""

    usage_id = models.BigIntegerField(primary_key=True)
    # Checked by nothing: that took a third of the time of a big invoice. A trigger of the database deletes these rows with a draft.
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="billed", db_constraint=False)

    class Meta:
        verbose_name_plural = "billed"

    def __str__(self) -> str:
        return gettext("%(usage)s on %(invoice)s") % {"usage": self.usage_id, "invoice": self.invoice_id}


class InvoiceEvent(models.Model):
    """What became of an invoice, and who did it. Append-only."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="events")
    status = models.CharField(max_length=10, choices=Invoice.Status)
    # The user; nobody is a command or a job.
    by_id = models.UUIDField(null=True)
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status} {self.note}".strip()
