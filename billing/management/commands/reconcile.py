"""Compares everything that counts money."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing import reconciling
from billing.management.arguments import month
from billing.periods import Month


class Command(BaseCommand):
    """Reads only, unless told to recount."""

    help = (
        "Compare runs, the ledger, counters and invoices of a month. Exits with 1, and says where, if they do not agree. "
        "With --recount counters are set to what the ledger says, as is needed after a price was added for calls that had none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which months."""
        parser.add_argument("--period", type=month, metavar="2026-10", help="the month; without it, this one and the last")
        parser.add_argument("--recount", action="store_true", help="first correct the counters by the ledger")

    def handle(self, *args: Any, recount: bool, **options: Any) -> None:
        """Month by month."""
        now = Month.of(timezone.now(), "UTC")
        found: list[str] = []
        for period in [options["period"]] if options["period"] else [now.previous, now]:
            if recount:
                self.stdout.write(f"{period}: {reconciling.recount(period)} counters corrected.")
            found += [f"{period}: {sentence}" for sentence in reconciling.drift(period)]
        for sentence in found:
            self.stdout.write(self.style.ERROR(sentence))
        if found:
            raise CommandError(f"{len(found)} things do not agree.")
        self.stdout.write("Everything agrees.")
