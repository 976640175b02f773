"""What operators write for each other beside a conversation."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

LONGEST = 5000


class InternalNote(models.Model):
    """A note about a thread: neither its people nor any model see it."""

    thread = models.ForeignKey("threads.Thread", on_delete=models.CASCADE, related_name="internal_notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="internal_notes")
    text = models.CharField(max_length=LONGEST)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.text
