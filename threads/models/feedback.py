"""What people think of an answer."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

LONGEST = 2000


class Feedback(models.Model):
    """One person's opinion of one answer, which is named by its first row; it goes with either."""

    class Value(models.IntegerChoices):
        GOOD = 1, _("Good")
        BAD = -1, _("Bad")

    message = models.ForeignKey("threads.Message", on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feedback")
    value = models.SmallIntegerField(choices=Value)
    comment = models.CharField(max_length=LONGEST, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["message", "user"], name="feedback_once"),
            models.CheckConstraint(condition=Q(value__in=[1, -1]), name="feedback_value_known"),
        ]

    def __str__(self) -> str:
        return self.get_value_display()
