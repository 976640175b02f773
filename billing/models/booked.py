"""What a conversation was worth: a sale, a case closed. Set against what it cost."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.account import MOST


class BookedValue(models.Model):
    """So much of the site's currency, booked by a tool or in the admin. Several of one conversation add up; a negative one takes back."""

    thread_id = models.UUIDField(db_index=True)
    amount = models.DecimalField(max_digits=18, decimal_places=4, validators=[MinValueValidator(-MOST), MaxValueValidator(MOST)])
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount__gte=-MOST, amount__lte=MOST), name="booked_not_absurd")]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.note}".strip()
