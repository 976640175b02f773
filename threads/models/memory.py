"""What a person asked to be remembered."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Memory(models.Model):
    """One fact about a person, told to agents that want to know; `thread` is where it was said."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memories")
    thread = models.ForeignKey("threads.Thread", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    text = models.CharField(max_length=500)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "memories"
        constraints = [models.UniqueConstraint(fields=["user", "text"], name="memory_once")]

    def __str__(self) -> str:
        return self.text
