"""Credit notes: what is taken off an invoice that cannot be changed any more."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.credit import Credit
from billing.models.invoice import Invoice
from threads.ids import uuid7

REASONS = 500


class CreditNote(models.Model):
    """So much less of an invoice, with a number of its own. Append-only: the database refuses changes, notes of void invoices, and more
    than the invoice has."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="notes")
    number = models.CharField(max_length=30, unique=True, editable=False)
    net = models.DecimalField(max_digits=18, decimal_places=3, validators=[MinValueValidator(0)], help_text=_("Without tax."))
    tax = models.DecimalField(max_digits=18, decimal_places=3, editable=False)
    total = models.DecimalField(max_digits=18, decimal_places=3, editable=False)
    reason = models.CharField(max_length=REASONS)
    # So much of the total was still to be paid, and need not be. The rest had been paid: it became credit, or was given back otherwise.
    unpaid = models.DecimalField(max_digits=18, decimal_places=3, editable=False)
    credit = models.OneToOneField(Credit, null=True, on_delete=models.PROTECT, related_name="credit_note", editable=False)
    # The user; nobody is a command.
    by_id = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(total=F("net") + F("tax"), net__gte=0, tax__gte=0, total__gt=0), name="note_adds_up"),
            models.CheckConstraint(condition=Q(unpaid__gte=0, unpaid__lte=F("total")), name="note_unpaid_not_more"),
            models.CheckConstraint(condition=~Q(reason=""), name="note_has_a_reason"),
        ]

    def __str__(self) -> str:
        return self.number
