"""Makes the invoices of a month."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from rich.console import Console
from rich.progress import Progress

from billing.invoicing import NotYet, Result, accounts_to_bill, as_money, invoice
from billing.management.arguments import last_month, month, user_id
from billing.periods import Month

AT_ONCE = 4


class Command(BaseCommand):
    """One transaction for each account: whatever ends the command, what was made is whole, and the next run makes the rest."""

    help = (
        "Make one invoice for each account from what was used in a month. Safe to run again: who has an invoice of the month keeps it. "
        "Exits with 1 if calls are left for which nobody knows a price."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which month, and for whom."""
        parser.add_argument("--period", type=month, metavar="2026-10", help="the month; without it, the last one")
        parser.add_argument("--user", type=user_id, action="append", help="only for this one (name or id); may be repeated")
        parser.add_argument("--draft", action="store_true", help="leave them as drafts, without a number, to be looked at first")
        parser.add_argument("--dry-run", action="store_true", help="say what would be made, and make nothing")

    def handle(self, *args: Any, dry_run: bool, draft: bool, **options: Any) -> None:
        """Account by account."""
        period: Month = options["period"] or last_month()
        users: list[UUID] = options["user"] or accounts_to_bill(period)
        made: list[str] = []
        unpriced: set[str] = set()
        not_yet: list[NotYet] = []
        for result in results(users, period, draft=draft, dry_run=dry_run):
            if isinstance(result, NotYet):
                not_yet.append(result)
                continue
            unpriced.update(result.unpriced)
            if result.invoice is not None and result.is_new:
                total = as_money(result.invoice.total, result.invoice.currency)
                made.append(f"{result.invoice}  {result.account}  {total} {result.invoice.currency}")
        if options["verbosity"] > 1 or len(made) <= 20:
            self.stdout.write("\n".join(made), ending="\n" if made else "")
        self.stdout.write(f"{'Would make' if dry_run else 'Made'} {len(made)} invoices of {period}.")
        if not_yet and options["user"]:
            raise CommandError(str(not_yet[0]))
        if not_yet:
            self.stdout.write(f"For {len(not_yet)} accounts the month is not over yet.")
        if unpriced:
            known = ", ".join(sorted(unpriced)[:20])
            raise CommandError(
                f"Calls without a known price were left out, and wait for one: {known}. Add prices in the admin, and run again."
            )


def results(users: list[UUID], period: Month, *, draft: bool, dry_run: bool) -> Iterator[Result | NotYet]:
    """Some at once: while one waits for the database, another one is added up."""
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task(f"Invoices of {period}", total=len(users))
        waiting = [pool.submit(one, user, period, draft=draft, dry_run=dry_run) for user in users]
        try:
            for future in waiting:
                yield future.result()
                bar.advance(task)
        finally:  # also when somebody has had enough of it
            pool.shutdown(cancel_futures=True)


def one(user: UUID, period: Month, *, draft: bool, dry_run: bool) -> Result | NotYet:
    """The invoice of an account; a dry run leaves nothing of it."""
    try:
        with transaction.atomic():
            result = invoice(user, period, draft=draft)
            transaction.set_rollback(dry_run)
    except NotYet as error:
        return error
    finally:
        connection.close()
    return result
