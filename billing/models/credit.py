"""Money that customers have ahead: what they paid in, or were given."""

from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from billing.models.account import MOST, Account
from billing.models.invoice import Invoice
from threads.words import localized


class CreditQuerySet(models.QuerySet["Credit"]):
    """Which credits."""

    def with_left(self) -> "CreditQuerySet":
        """With what is `left` of each."""
        return self.annotate(left=F("amount") - Coalesce(Sum("uses__amount"), Decimal(0), output_field=models.DecimalField()))

    def overdrawn(self) -> "CreditQuerySet":
        """Those that paid more than they have, which should not be."""
        return self.with_left().filter(left__lt=0)  # type: ignore[misc]  # annotated


class Credit(models.Model):
    """So much of the account's currency, which pays its invoices until it is used up or expires. What was used stays on record."""

    class Kind(models.TextChoices):
        GRANTED = "granted", _("Given")
        PURCHASED = "purchased", _("Paid in")
        RETURNED = "returned", _("Paid before, and not owed")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credits")
    kind = models.CharField(max_length=10, choices=Kind)
    amount = models.DecimalField(max_digits=18, decimal_places=3, validators=[MinValueValidator(Decimal("0.001")), MaxValueValidator(MOST)])
    expires_on = models.DateField(null=True, blank=True, help_text=_("The last day on which it can be used; empty: it does not expire."))
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CreditQuerySet.as_manager()

    class Meta:
        constraints = [
            # What comes back, or was paid in, may be more than anybody gives away.
            models.CheckConstraint(condition=Q(amount__gt=0) & (~Q(kind="granted") | Q(amount__lte=MOST)), name="credit_not_absurd"),
            models.CheckConstraint(condition=Q(kind__in=["granted", "purchased", "returned"]), name="credit_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{localized(f'{self.amount:f}')} {self.account.currency}, {WITHIN.get(self.kind, self.kind)}"


# What they are called within a sentence.
WITHIN: dict[str, Any] = {
    Credit.Kind.GRANTED: pgettext_lazy("within a sentence", "given"),
    Credit.Kind.PURCHASED: pgettext_lazy("within a sentence", "paid in"),
    Credit.Kind.RETURNED: pgettext_lazy("within a sentence", "paid before, and not owed"),
}


class CreditUse(models.Model):
    """So much of a credit paid an invoice. A void invoice gives it back."""

    credit = models.ForeignKey(Credit, on_delete=models.PROTECT, related_name="uses")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_uses")
    amount = models.DecimalField(max_digits=18, decimal_places=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["credit", "invoice"], name="credit_use_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credit_use_of_something"),
        ]

    def __str__(self) -> str:
        return gettext("%(amount)s on %(invoice)s") % {"amount": localized(f"{self.amount:f}"), "invoice": self.invoice}
