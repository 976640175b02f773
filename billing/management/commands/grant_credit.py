"""Puts money on an account."""

from datetime import date
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.management.arguments import amount, user_id
from billing.models import Account, Credit


class Command(BaseCommand):
    """For money that came in some other way, and for gifts."""

    help = "Put credit on an account, in its currency. It pays the account's invoices until it is used up or expires."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, how much, until when."""
        parser.add_argument("user", type=user_id, help="name or id")
        parser.add_argument("amount", type=amount)
        parser.add_argument("--purchased", action="store_true", help="it was paid in; without this it is a gift")
        parser.add_argument("--expires", type=date.fromisoformat, metavar="2027-01-31", help="the last day on which it can be used")
        parser.add_argument("--note", default="")
        parser.add_argument("--dry-run", action="store_true", help="check it, and change nothing")

    def handle(self, *args: Any, user: UUID, dry_run: bool, **options: Any) -> None:
        """One credit."""
        account = Account.objects.of(user)
        kind = Credit.Kind.PURCHASED if options["purchased"] else Credit.Kind.GRANTED
        credit = Credit(account=account, kind=kind, amount=options["amount"], expires_on=options["expires"], note=options["note"])
        try:
            credit.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        if not dry_run:
            credit.save()
        self.stdout.write(f"{'Would put' if dry_run else 'Put'} {credit.amount:f} {account.currency} on the account of {user}.")
