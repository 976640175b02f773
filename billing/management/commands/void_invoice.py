"""Takes an invoice back that should not have been made."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.invoicing import settle_all
from billing.models import Invoice


class Command(BaseCommand):
    """Its number stays taken; what it billed is billed again by the next run."""

    help = "Void invoices that are not paid. What they billed will be on the next ones; their numbers are not given again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones, and why."""
        parser.add_argument("numbers", nargs="+", metavar="INV-000001")
        parser.add_argument("--reason", required=True, help="kept in the invoice's history")
        parser.add_argument("--dry-run", action="store_true", help="say whether they could be, and change nothing")

    def handle(self, *args: Any, numbers: list[str], reason: str, dry_run: bool, **options: Any) -> None:
        """All of them, or none."""
        try:
            settle_all(numbers, Invoice.Status.VOID, reason, dry_run=dry_run)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{'Could void' if dry_run else 'Voided'} {len(numbers)}.")
