"""What a model costs, and since when."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.usage import TOKENS, UNITS

# A price above it is a slip: the dearest model of today takes a few hundred for a million tokens.
MOST, PLACES = 1_000_000, 10


class Same(Func):
    """These columns as a range of one number, for an exclusion constraint on text needs an extension that not every Postgres has."""

    arity = None
    output_field = BigIntegerRangeField()
    template = "int8range(hashtextextended(%(expressions)s, 0), hashtextextended(%(expressions)s, 0), '[]')"
    arg_joiner = " || '|' || "

    def as_sql(self, *args: Any, **options: Any) -> Any:
        """The expressions are in the template twice, so their parameters are, too."""
        sql, values = super().as_sql(*args, **options)
        return sql, [*values, *values]


class PriceQuerySet(models.QuerySet["Price"]):
    """Which prices."""

    def now(self) -> "PriceQuerySet":
        """Valid at present."""
        return self.filter(valid__contains=Now())


class Price(models.Model):
    """`amount` for `per` units of one class of one model, while `valid` and for calls with so many input tokens.

    Of the same class, book and currency no two can be valid for the same call.
    """

    class Book(models.TextChoices):
        CATALOG = "catalog", _("What the provider asks, by the catalog")
        COST = "cost", _("What we pay, in place of the catalog's")
        CHARGE = "charge", _("What our customers pay")

    book = models.CharField(max_length=10, choices=Book, default=Book.COST)
    provider = models.CharField(max_length=100)
    model = models.CharField(max_length=200)
    unit = models.CharField(max_length=20, choices=[(name, _(name.replace("_", " "))) for name in (*TOKENS, *UNITS)])
    currency = models.CharField(max_length=3, default="USD", validators=[RegexValidator("^[A-Z]{3}$", _("Three capital letters, as USD."))])
    amount = models.DecimalField(max_digits=20, decimal_places=PLACES, validators=[MinValueValidator(0), MaxValueValidator(MOST)])
    per = models.PositiveIntegerField(default=1_000_000, validators=[MinValueValidator(1)])
    # Half open; an end that is missing is far away.
    valid = DateTimeRangeField()
    input_tokens = BigIntegerRangeField(default=(0, None), help_text=_("For calls with so many input tokens: tiers of a model."))
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PriceQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["provider", "model"], name="price_by_model")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0, amount__lte=MOST), name="price_not_absurd"),
            models.CheckConstraint(condition=Q(per__gt=0), name="price_per_something"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="price_currency_known"),
            models.CheckConstraint(condition=Q(valid__isempty=False, input_tokens__isempty=False), name="price_ranges_not_empty"),
            ExclusionConstraint(
                name="price_once",
                expressions=[
                    (Same(F("book"), F("provider"), F("model"), F("unit"), F("currency")), RangeOperators.OVERLAPS),
                    ("valid", RangeOperators.OVERLAPS),
                    ("input_tokens", RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("Another price of this class is valid at the same time: end it first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.unit}: {self.amount:f} {self.currency} / {self.per:,}"

    def clean(self) -> None:
        """A range needs its beginning before its end."""
        for name in ("valid", "input_tokens"):
            field: Any = self._meta.get_field(name)
            value = field.to_python(getattr(self, name))  # a default is a pair
            if value is not None and value.lower is not None and value.upper is not None and value.lower >= value.upper:
                raise ValidationError({name: gettext("It ends before it begins.")})

    def end(self, at: datetime) -> None:
        """Valid until then, and no longer."""
        self.valid = (self.valid.lower, at)
        self.save(update_fields=["valid"])
