"""Revokes an API key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from threads.models import ApiKey


class Command(BaseCommand):
    """Its open sockets are closed within a second."""

    help = "Revoke the valid API key of this name."

    def add_arguments(self, parser: CommandParser) -> None:
        """The name."""
        parser.add_argument("name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Revoke it."""
        if not ApiKey.objects.named(name).revoke():
            raise CommandError(f"There is no valid key named {name!r}.")
        self.stdout.write(f"The key {name!r} is revoked.")
