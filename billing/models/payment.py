"""Orders to have invoices paid, which a provider of payments gets from us."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.invoice import Invoice
from threads.ids import uuid7

ERRORS = 500
# Of which the end is not known.
OPEN = ["waiting", "sent"]


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Which payments."""

    def open(self) -> "PaymentQuerySet":
        """Of which the end is not known."""
        return self.filter(status__in=OPEN)

    def order(self, invoice: Invoice, at: datetime | None = None) -> None:
        """Have an invoice paid from then on, if there is a provider who knows the account; an order that waits is brought forward."""
        at = at or timezone.now()
        if not settings.PAYMENTS_URL or not invoice.account.customer or not invoice.due:
            return
        tried = self.filter(invoice=invoice)
        if tried.open().exists():
            tried.filter(status=Payment.Status.WAITING, due_at__gt=at).update(due_at=at)
            return
        last = tried.aggregate(last=models.Max("attempt"))["last"] or 0
        self.create(invoice=invoice, attempt=last + 1, amount=invoice.due, due_at=at)


class Payment(models.Model):
    """One try to have an invoice paid. Its id is the key by which the provider knows a repeat."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("To be sent")
        SENT = "sent", _("Under way")
        SUCCEEDED = "succeeded", _("Paid")
        FAILED = "failed", _("Failed")
        DROPPED = "dropped", _("Not needed any more")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    attempt = models.PositiveSmallIntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    # Whom the provider was asked to charge, and how: a repeat must say the same.
    customer = models.CharField(max_length=255, blank=True)
    payment_method = models.CharField(max_length=255, blank=True)
    # As the provider calls it.
    reference = models.CharField(max_length=255, blank=True)
    error = models.CharField(max_length=ERRORS, blank=True)
    # How often its end was asked for since the last answer, and when the first time was.
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    # When somebody looks after it again; whoever does moves that on, so that others don't meanwhile.
    due_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["due_at"], condition=Q(status__in=OPEN), name="payment_due")]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "attempt"], name="payment_attempt_once"),
            models.UniqueConstraint(fields=["invoice"], condition=Q(status__in=OPEN), name="payment_one_at_a_time"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_of_something"),
        ]

    def __str__(self) -> str:
        return gettext("%(invoice)s, attempt %(attempt)s") % {"invoice": self.invoice, "attempt": self.attempt}

    @property
    def is_open(self) -> bool:
        """Whether its end is not known."""
        return self.status in OPEN


class WebhookEvent(models.Model):
    """An event that a provider told, so that telling it again changes nothing."""

    id = models.CharField(max_length=255, primary_key=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.id
