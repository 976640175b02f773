"""Deltas: what a run streams, committed in batches before anybody sees it."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from threads.models.run import Run


class DeltaQuerySet(models.QuerySet["Delta"]):
    """Which deltas."""

    def history(self) -> "DeltaQuerySet":
        """Of runs that ended five minutes ago: by now everybody reads the rows instead."""
        return self.filter(run__ended_at__lt=timezone.now() - timedelta(minutes=5))


class Delta(models.Model):
    """A batch of stream parts. `[start, end)` counts unmerged parts; neighbours of one text are merged inside `parts`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="deltas")
    attempt = models.IntegerField()
    step = models.IntegerField()
    start = models.IntegerField()
    end = models.IntegerField()
    parts = models.JSONField()

    objects = DeltaQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "attempt", "start"], name="delta_position_unique"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="delta_not_empty"),
        ]

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"
