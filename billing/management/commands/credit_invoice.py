"""Takes something off an invoice that is final."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from billing.invoicing import as_money
from billing.management.arguments import amount
from billing.models import Invoice
from billing.notes import left, take_off


class Command(BaseCommand):
    """Its lines stay what they were: the credit note says what is owed less."""

    help = (
        "Make a credit note for a final invoice. What is still to be paid gets less; what was paid becomes credit of the account, "
        "unless it was given back some other way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Off which one, how much, and why."""
        parser.add_argument("number", metavar="INV-000001")
        parser.add_argument("--amount", type=amount, help="without tax; if not given, all that is left of the invoice")
        parser.add_argument("--reason", required=True, help="printed on the credit note")
        parser.add_argument("--refunded", action="store_true", help="the money was given back: it does not become credit")
        parser.add_argument("--dry-run", action="store_true", help="say what it would be, and change nothing")

    def handle(self, *args: Any, number: str, reason: str, refunded: bool, dry_run: bool, **options: Any) -> None:
        """One credit note."""
        invoice = Invoice.objects.filter(number=number).first()
        net: Decimal = left(invoice) if invoice and options["amount"] is None else options["amount"] or Decimal(0)
        try:
            with transaction.atomic():
                note = take_off(number, net, reason, is_refunded=refunded)
                transaction.set_rollback(dry_run)
        except ValueError as error:
            raise CommandError(str(error)) from error
        currency = note.invoice.currency
        became = f", {as_money(note.credit.amount, currency)} of it as credit" if note.credit else ""
        told = "Would take" if dry_run else f"Credit note {note}: took"
        self.stdout.write(f"{told} {as_money(note.total, currency)} {currency} off invoice {number}{became}.")
