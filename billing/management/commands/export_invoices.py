"""Final invoices as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from rich.console import Console
from rich.progress import track

from billing.documents import invoice_json, invoice_pdf, note_pdf
from billing.management.arguments import month, user_id
from billing.models import Invoice
from billing.reporting import as_csv

HEADER = ("number", "period", "account", "bill to", "status", "final", "line", "provider", "model", "class", "quantity", "rate", "per",
          "markup", "amount", "net", "tax percent", "tax", "total", "currency")  # fmt: skip


class Command(BaseCommand):
    """Drafts are not exported: nobody owes them."""

    help = (
        "Export final invoices with their lines, as CSV (a row for each line; cells that a spreadsheet would run are escaped), as JSON, or "
        "as PDF: a file for each one and its credit notes, in a folder."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones, and where to."""
        parser.add_argument("--period", type=month, metavar="2026-10", help="only of this month")
        parser.add_argument("--user", type=user_id, help="only of this one (name or id)")
        parser.add_argument("--format", choices=["csv", "json", "pdf"], default="csv")
        parser.add_argument("--output", type=Path, help="the file, or folder, to write; without it, to the terminal")

    def handle(self, *args: Any, format: str, output: Path | None, **options: Any) -> None:
        """All of them at once."""
        found = Invoice.objects.exclude(status=Invoice.Status.DRAFT).prefetch_related("lines", "notes").order_by("number")
        if options["period"]:
            found = found.filter(period=options["period"].first)
        if options["user"]:
            found = found.filter(account=options["user"])
        if output is None and format == "pdf":
            raise CommandError("--format pdf needs --output, a folder.")
        if output is None:
            self.stdout.write(_text(found, format), ending="")
            return
        try:
            if format == "pdf":
                _write_files(found, output)
            else:
                output.write_text(_text(found, format), newline="")
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{len(found)} invoices in {output}.")


def _text(found: "QuerySet[Invoice]", format: str) -> str:
    invoices = [invoice_json(invoice) for invoice in found]
    return json.dumps(invoices, indent=2) + "\n" if format == "json" else as_csv(HEADER, [row for each in invoices for row in _rows(each)])


def _write_files(found: "QuerySet[Invoice]", folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    for invoice in track(found, "Invoices", total=len(found), console=console, transient=True, disable=not console.is_terminal):
        for document, content in ((invoice, invoice_pdf(invoice)), *((note, note_pdf(note)) for note in invoice.notes.all())):
            (folder / f"{document}.pdf".replace("/", "-")).write_bytes(content)


def _rows(invoice: Mapping[str, Any]) -> list[list[Any]]:
    head = [invoice[name] for name in ("number", "period", "account", "bill_to", "status", "final_at")]
    sums = [invoice[name] for name in ("net", "tax_percent", "tax", "total", "currency")]
    names = ("description", "provider", "model", "class", "quantity", "rate", "per", "markup", "amount")
    return [[*head, *(line[name] for name in names), *sums] for line in invoice["lines"]]
