"""The rows of sample agents."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Task(models.Model):
    """Something a person wants to be reminded of; made by the assistant."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(max_length=200)
    due_date = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "title", "due_date"], nulls_distinct=False, name="task_once")]

    def __str__(self) -> str:
        return self.title
