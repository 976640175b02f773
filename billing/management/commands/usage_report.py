"""What was used in a month."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing.management.arguments import month, user_id
from billing.models import UsageRecord
from billing.periods import Month
from billing.reporting import GROUPS, as_csv, as_dicts, used
from threads.models import User

FIGURES = ("calls", "input tokens", "output tokens", "cost", "charge", "priced")


class Command(BaseCommand):
    """By UTC's months and days, in the site's currency."""

    help = "Show what was used in a month: calls, tokens, what they cost and what users pay, as a table, CSV or JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """What of it, and how."""
        parser.add_argument("--period", type=month, metavar="2026-10", help="the month; without it, this one")
        parser.add_argument("--by", action="append", choices=GROUPS, help="how to group; may be repeated; without it, by user and model")
        parser.add_argument("--user", type=user_id, help="only of this one (name or id)")
        parser.add_argument("--format", choices=["table", "csv", "json"], default="table")

    def handle(self, *args: Any, format: str, **options: Any) -> None:
        """One row a group."""
        period: Month = options["period"] or Month.of(timezone.now(), "UTC")
        groups = options["by"] or ["user", "model"]
        columns = list(dict.fromkeys(column for group in groups for column in GROUPS[group]))
        records = UsageRecord.objects.filter(created_at__gte=period.begins("UTC"), created_at__lt=period.ends("UTC"))
        if options["user"]:
            records = records.filter(user_id=options["user"])
        names = dict(User.objects.values_list("pk", "username")) if "user_id" in columns else {}
        rows = [
            [
                *(names.get(value, value) if column == "user_id" else value for column, value in zip(columns, each.group, strict=True)),
                *(each.calls, each.input_tokens, each.output_tokens, each.cost, each.charge, each.is_priced),
            ]
            for each in used(records, columns, settings.CURRENCY)
        ]
        header = [column.removesuffix("_id") for column in columns] + list(FIGURES)
        self.stdout.write(self._written(format, header, rows, period), ending="")

    def _written(self, format: str, header: Sequence[str], rows: list[list[Any]], period: Month) -> str:
        if format == "csv":
            return as_csv(header, rows)
        if format == "json":
            return json.dumps(as_dicts(header, rows), indent=2) + "\n"
        table = Table(title=f"{period}, {settings.CURRENCY}")
        for name in header:
            table.add_column(name, justify="right" if name in FIGURES else "left")
        for row in rows:
            *group, calls, read, written, cost, charge, is_priced = row
            known = "" if is_priced else "some are not known"
            table.add_row(
                *(_shown(value) for value in group), f"{calls:,}", f"{read:,}", f"{written:,}", f"{cost:.6f}", f"{charge:.6f}", known
            )
        console = Console(width=160)
        with console.capture() as captured:
            console.print(table)
        return captured.get()


def _shown(value: Any) -> Text:
    """A name as a terminal may have it: no markup of rich, and nothing that moves the cursor."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in str(value or "")))
