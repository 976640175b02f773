"""What sample tools keep about a person: in the person's preferences, so that they need no tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from agents.tools import ToolContext
from threads.models import User


@contextmanager
def changing_preferences(context: ToolContext) -> Iterator[dict[str, Any]]:
    """The preferences of who asked, locked and then saved: calls of one step run at the same time."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=context.user.pk)
        yield user.preferences
        user.save(update_fields=["preferences"])
