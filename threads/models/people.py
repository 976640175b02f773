"""The people who use the site."""

from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.ids import uuid7

ZONES = available_timezones()
BROWSERS = _("Empty: as the browser has it.")


def is_zone(name: str) -> None:
    """Refuse what is no time zone."""
    if name not in ZONES:
        raise ValidationError(gettext("There is no time zone “%(name)s”. Write it as Europe/Oslo.") % {"name": name})


def languages() -> list[tuple[str, str]]:
    """Those that the site speaks, as choices."""
    return list(settings.LANGUAGES)


class User(AbstractUser):
    """A person. Facts about money live elsewhere, on the account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    language = models.CharField(max_length=16, default="", blank=True, choices=languages, help_text=BROWSERS)
    time_zone = models.CharField(max_length=64, default="", blank=True, validators=[is_zone], help_text=BROWSERS)
    # What agents were told to remember of the person, by name.
    preferences = models.JSONField(default=dict, blank=True)

    # What the caller may do at most: the scopes of an API key. None for a person in a browser.
    scopes: frozenset[str] | None = None
    # The key itself, if it was one.
    api_key: int | None = None

    def anew(self) -> "User":
        """The same person, whose permissions are not known yet: what they may do is kept on the object."""
        fresh = User.objects.get(pk=self.pk)
        fresh.scopes = self.scopes
        return fresh

    @property
    def name(self) -> str:
        """What others see."""
        return self.get_full_name() or self.username
