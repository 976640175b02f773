"""How much may be spent in a month, what was, and what is set aside for answers that are being written."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.words import localized

# Above it is a slip.
MOST = 1_000_000_000
# Counters are sums of single calls, so they keep more digits than any price has.
DIGITS, PLACES = 40, 20


class Scope(models.TextChoices):
    """Whose money is counted. People are counted by what they pay, agents and the site by what we pay."""

    USER = "user", _("A user")
    AGENT = "agent", _("An agent")
    SITE = "site", _("The whole site")


class Budget(models.Model):
    """So much may be spent in a month: by a user, by each user of a plan who has no other, by an agent, or by all together.

    Those of people are in their account's currency, the others in the site's.
    """

    class Kind(models.TextChoices):
        USER = "user", _("A user")
        PLAN = "plan", _("Each user of a plan")
        AGENT = "agent", _("An agent")
        SITE = "site", _("The whole site")

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=100, blank=True, help_text=_("The user's id, the plan's or the agent's name; empty for the site."))
    amount = models.DecimalField(max_digits=16, decimal_places=4, validators=[MinValueValidator(0), MaxValueValidator(MOST)])
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"], name="budget_once", violation_error_message=_("There is such a budget already.")
            ),
            models.CheckConstraint(condition=Q(amount__gte=0, amount__lte=MOST), name="budget_not_absurd"),
            models.CheckConstraint(
                condition=Q(kind="site", key="") | ~Q(kind="site") & ~Q(key=""),
                name="budget_of_somebody",
                violation_error_message=_("A budget of the site has no key; any other says whose it is."),
            ),
        ]

    def __str__(self) -> str:
        whose = f"{self.get_kind_display()} {self.key}".strip()
        return gettext("%(whose)s: %(amount)s a month") % {"whose": whose, "amount": localized(f"{self.amount:f}")}


class Spending(models.Model):
    """What was spent in a month. Those of agents and the site are in several rows, so that not everybody waits for one."""

    scope = models.CharField(max_length=10, choices=Scope)
    key = models.CharField(max_length=100, blank=True)
    month = models.DateField()
    currency = models.CharField(max_length=3)
    shard = models.PositiveSmallIntegerField(default=0)
    amount = models.DecimalField(max_digits=DIGITS, decimal_places=PLACES)

    class Meta:
        verbose_name_plural = "spending"
        constraints = [models.UniqueConstraint(fields=["scope", "key", "month", "currency", "shard"], name="spending_once")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key} {self.month:%Y-%m}: {self.amount:f} {self.currency}"


class Reservation(models.Model):
    """What is set aside for a run until its calls are in the ledger. It counts while the run lives: whatever ends that frees it."""

    run_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField(null=True, db_index=True)
    agent = models.CharField(max_length=100)
    # In the account's currency what they will pay, in the site's what we will.
    charge = models.DecimalField(max_digits=DIGITS, decimal_places=PLACES)
    cost = models.DecimalField(max_digits=DIGITS, decimal_places=PLACES)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return gettext("%(amount)s for run %(run)s") % {"amount": localized(f"{self.charge:f}"), "run": self.run_id}


class Alert(models.Model):
    """Somebody was told that so many percent of a budget are used up, once."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    # Whose, of the users of a plan.
    key = models.CharField(max_length=100, blank=True)
    month = models.DateField()
    percent = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "key", "month", "percent"], name="alert_once")]

    def __str__(self) -> str:
        return gettext("%(percent)s %% of %(budget)s") % {"percent": self.percent, "budget": self.budget}
