"""Notes that an invoice was paid."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.invoicing import settle_all
from billing.models import Invoice


class Command(BaseCommand):
    """For money that came in some other way."""

    help = "Note that invoices were paid. Those that were before stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones."""
        parser.add_argument("numbers", nargs="+", metavar="INV-000001")
        parser.add_argument("--note", default="", help="how it was paid; kept in the invoice's history")
        parser.add_argument("--dry-run", action="store_true", help="say whether they could be, and change nothing")

    def handle(self, *args: Any, numbers: list[str], note: str, dry_run: bool, **options: Any) -> None:
        """All of them, or none."""
        try:
            settle_all(numbers, Invoice.Status.PAID, note, dry_run=dry_run)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{'Could mark' if dry_run else 'Marked'} {len(numbers)} as paid.")
