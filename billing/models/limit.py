"""Limits of how much may happen in a time, and how much of each is left."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Limit(models.Model):
    """A limit as the site's operators want it, in place of the one in the settings.

    `rate` units come in each `period`: all at once in a window, steadily in a bucket. At most `capacity` are kept. What is not counted by
    itself is taken by code that names the limit.
    """

    class Kind(models.TextChoices):
        WINDOW = "window", _("Fixed window")
        BUCKET = "bucket", _("Token bucket")

    class Counts(models.TextChoices):
        MESSAGES = "messages", _("Messages that are sent")
        TOKENS = "tokens", _("Tokens of model calls")
        NOTHING = "", _("What code takes by name")

    class Per(models.TextChoices):
        USER = "user", _("Each user")
        API_KEY = "api_key", _("Each API key")
        AGENT = "agent", _("Each agent")
        SITE = "site", _("All together")

    name = models.CharField(max_length=50, primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    counts = models.CharField(max_length=10, choices=Counts, blank=True)
    per = models.CharField(max_length=10, choices=Per, default=Per.USER)
    rate = models.PositiveBigIntegerField(validators=[MinValueValidator(1)])
    period = models.FloatField(validators=[MinValueValidator(0.001)], help_text=_("Seconds."))
    capacity = models.PositiveBigIntegerField(validators=[MinValueValidator(1)])
    # Parts of the allowance that are counted apart, so that not everybody waits for one row.
    shards = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rate__gte=1, period__gt=0, capacity__gte=1, shards__gte=1), name="limit_not_absurd"),
            models.CheckConstraint(
                condition=Q(shards__lte=F("capacity")),
                name="limit_shards_hold_something",
                violation_error_message=_("Each shard has to hold at least one: raise the capacity, or use fewer shards."),
            ),
            models.CheckConstraint(
                condition=~Q(counts="tokens", per="api_key"),
                name="limit_tokens_have_no_key",
                violation_error_message=_("A model call is made for a user, whatever key asked: count tokens per user, agent or site."),
            ),
        ]

    def __str__(self) -> str:
        about = {"name": self.name, "rate": self.rate, "period": f"{self.period:g}", "capacity": self.capacity}
        return gettext("%(name)s: %(rate)s / %(period)s s, at most %(capacity)s") % about


class Allowance(models.Model):
    """What was left of a limit for one key (a user, an API key, an agent; empty for the whole site) at a moment. Below 0 it is a debt."""

    name = models.CharField(max_length=50)
    key = models.CharField(max_length=100, blank=True)
    shard = models.PositiveSmallIntegerField(default=0)
    value = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "name", "shard"], name="allowance_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.key}: {self.value:g}"
