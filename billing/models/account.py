"""Who is charged, and by which plan."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.models.people import is_zone

# What nobody in particular asked for is charged to the site itself.
SITE = UUID(int=0)
CURRENCY = RegexValidator("^[A-Z]{3}$", _("Three capital letters, as USD."))
# A fee above it is a slip.
MOST = Decimal(1_000_000)
FEE = [MinValueValidator(Decimal(0)), MaxValueValidator(MOST)]


class Plan(models.Model):
    """What customers agreed to. It is in one currency, that of the accounts that have it: the database sees to that, too.

    The plan that an account has when its invoice is made counts for the whole month, its fee for the days since `plan_since`.
    """

    name = models.CharField(max_length=50, primary_key=True)
    currency = models.CharField(max_length=3, default="USD", validators=[CURRENCY])
    markup = models.DecimalField(
        max_digits=7,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(1000)],
        help_text=_("Percent on what a call costs us, where there is no price for customers."),
    )
    monthly_fee = models.DecimalField(max_digits=12, decimal_places=3, default=0, validators=FEE)
    included = models.DecimalField(
        max_digits=12, decimal_places=3, default=0, validators=FEE, help_text=_("Usage worth so much in a month is not charged.")
    )
    trial_days = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(365)], help_text=_("So many first days have no fee.")
    )
    prepaid = models.BooleanField(default=False, help_text=_("Nothing is answered beyond the credit that is left."))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(monthly_fee__gte=0, monthly_fee__lte=MOST, included__gte=0, included__lte=MOST, trial_days__lte=365),
                name="plan_not_absurd",
            ),
            models.CheckConstraint(condition=Q(markup__gte=0, markup__lte=1000), name="plan_markup_not_absurd"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="plan_currency_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AccountQuerySet(models.QuerySet["Account"]):
    """Which accounts."""

    def of(self, user_id: UUID | None) -> "Account":
        """A person's account, or the site's; made when it is first needed."""
        return self.select_related("plan").get_or_create(pk=user_id or SITE)[0]


class Account(models.Model):
    """Who is charged. It has the id of its user and outlives them; nothing else in it says who they were once they are erased."""

    id = models.UUIDField(primary_key=True)
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    plan_since = models.DateField(null=True, blank=True, help_text=_("Empty: since there is this account."))
    zone = models.CharField(max_length=64, default="UTC", validators=[is_zone], help_text=_("Whose months count."))
    currency = models.CharField(max_length=3, default="USD", validators=[CURRENCY])
    name = models.CharField(max_length=200, blank=True, help_text=_("As invoices have it."))
    address = models.TextField(blank=True, max_length=1000)
    customer = models.CharField(
        max_length=255, blank=True, help_text=_("As the provider of payments calls it: invoices are charged there; empty: paid otherwise.")
    )
    payment_method = models.CharField(
        max_length=255, blank=True, help_text=_("Which one the provider charges; empty: the customer's default source, if they have one.")
    )
    tax_region = models.CharField(max_length=50, blank=True, help_text=_("Whose tax is added; empty: none."))
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="account_currency_known")]

    def __str__(self) -> str:
        return self.name or (gettext("the site") if self.pk == SITE else str(self.pk))

    @property
    def user_id(self) -> UUID | None:
        """Whose usage is charged to it."""
        return None if self.pk == SITE else self.pk

    @property
    def is_prepaid(self) -> bool:
        """Whether nothing may be spent but credit."""
        return self.plan is not None and self.plan.prepaid

    @property
    def pays_from(self) -> date | None:
        """The first day of the plan that has a fee, after its trial; None without a plan."""
        if self.plan is None:
            return None
        since = self.plan_since or self.created_at.astimezone(ZoneInfo(self.zone)).date()
        return since + timedelta(days=self.plan.trial_days)

    @property
    def markup(self) -> Decimal:
        """Percent on what calls cost us."""
        return self.plan.markup if self.plan else Decimal(0)

    def clean(self) -> None:
        """A plan of another currency, or money of one, would make bills in two."""
        kept = Account.objects.filter(pk=self.pk).exclude(currency=self.currency)
        if kept.filter(Q(invoices__isnull=False) | Q(credits__isnull=False)).exists():
            raise ValidationError({"currency": gettext("An account that has invoices or credit keeps its currency.")})
        if self.plan is not None and self.plan.currency != self.currency:
            currencies = {"theirs": self.plan.currency, "ours": self.currency}
            raise ValidationError({"plan": gettext("This plan is in %(theirs)s, the account in %(ours)s.") % currencies})
