"""The processes of the site: who is there, and what they count."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from threads import figures

SILENT = timedelta(seconds=15)
FORGOTTEN = timedelta(days=1)


class ProcessQuerySet(models.QuerySet["Process"]):
    """Which processes."""

    def alive(self) -> "ProcessQuerySet":
        """Heard of lately."""
        return self.filter(seen_at__gt=Now() - SILENT)

    def forgotten(self) -> "ProcessQuerySet":
        """Not heard of for a day."""
        return self.filter(seen_at__lt=Now() - FORGOTTEN)

    def beat(self, *, draining: bool = False) -> None:
        """A sign of life of this process, with its figures."""
        kind = settings.PROCESS or Process.Kind.COMMAND
        facts = {"kind": kind, "seen_at": Now(), "draining": draining, "figures": figures.collected()}
        self.update_or_create(name=figures.NAME, defaults=facts | {"started_at": figures.STARTED_AT})

    def note(self, *columns: str) -> None:
        """That this process has just done something: `swept_at`, `beat_at`."""
        self.filter(name=figures.NAME).update(**dict.fromkeys(columns, Now()))


class Process(models.Model):
    """One process, by host and number. `figures` as in `threads.figures.collected`."""

    class Kind(models.TextChoices):
        WEB = "web", _("Web")
        WORKER = "worker", _("Worker")
        # Python that answers by itself: a shell, a script.
        COMMAND = "command", _("Command")

    name = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    # When it last swept up after dead workers, and last did what beat asked for.
    swept_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    draining = models.BooleanField(default=False)
    figures = models.JSONField(default=list)

    objects = ProcessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
