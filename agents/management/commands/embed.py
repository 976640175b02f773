"""Gives vectors to what was said."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.errors import ProviderError
from agents.indexing import embed_waiting
from threads.models import Chunk

HOURS = 24 * 3600


class Command(BaseCommand):
    """The workers do it by themselves; this does it now, and shows how far it is."""

    help = "Embed what waits for a vector, with the site's embedding model (AGENTSITE_EMBEDDING_MODEL)."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to embed."""
        parser.add_argument("--all", action="store_true", help="everything anew; search uses the old vectors until the new ones are there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Until nothing waits."""
        if options["all"]:
            Chunk.objects.exclude(embedded_as="").update(embedded_as="")
        try:
            done = embed_waiting(HOURS, lambda done: self.stdout.write(f"{done:,} …"))
        except ProviderError as error:
            raise CommandError(f"{error} What was embedded until now is saved.") from error
        self.stdout.write(f"{done:,} chunks embedded with {settings.EMBEDDING_MODEL}.")
