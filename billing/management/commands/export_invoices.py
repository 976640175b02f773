"""Final invoices as files."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.invoicing import as_money
from billing.management.arguments import month, user_id
from billing.models import Invoice
from billing.reporting import as_csv

HEADER = ("number", "period", "account", "bill to", "status", "final", "line", "provider", "model", "class", "quantity", "rate", "per",
          "markup", "amount", "net", "tax percent", "tax", "total", "currency")  # fmt: skip


class Command(BaseCommand):
    """Drafts are not exported: nobody owes them."""

    help = "Export final invoices with their lines, as CSV (a row for each line) or JSON. Cells that a spreadsheet would run are escaped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones, and where to."""
        parser.add_argument("--period", type=month, metavar="2026-10", help="only of this month")
        parser.add_argument("--user", type=user_id, help="only of this one (name or id)")
        parser.add_argument("--format", choices=["csv", "json"], default="csv")
        parser.add_argument("--output", type=Path, help="the file to write; without it, to the terminal")

    def handle(self, *args: Any, format: str, output: Path | None, **options: Any) -> None:
        """All of them at once."""
        found = Invoice.objects.exclude(status=Invoice.Status.DRAFT).prefetch_related("lines").order_by("number")
        if options["period"]:
            found = found.filter(period=options["period"].first)
        if options["user"]:
            found = found.filter(account=options["user"])
        invoices = [as_json(invoice) for invoice in found]
        text = (
            json.dumps(invoices, indent=2) + "\n" if format == "json" else as_csv(HEADER, [row for each in invoices for row in _rows(each)])
        )
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            output.write_text(text, newline="")
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{len(invoices)} invoices in {output}.")


def as_json(invoice: Invoice) -> dict[str, Any]:
    """An invoice with its lines; money and quantities as text."""
    return {
        "number": invoice.number,
        "period": f"{invoice.period:%Y-%m}",
        "account": str(invoice.account_id),
        "bill_to": invoice.bill_to,
        "status": invoice.status,
        "final_at": invoice.final_at and invoice.final_at.isoformat(),
        "currency": invoice.currency,
        "lines": [
            {
                "description": line.description,
                "provider": line.provider,
                "model": line.model,
                "class": line.unit,
                "quantity": f"{line.quantity.normalize():f}",
                "rate": f"{line.rate.normalize():f}",
                "per": line.per,
                "markup": f"{line.markup:f}",
                "amount": as_money(line.amount, invoice.currency),
            }
            for line in invoice.lines.all()
        ],
        **{name: as_money(getattr(invoice, name), invoice.currency) for name in ("net", "tax", "total")},
        "tax_percent": f"{invoice.tax_percent:f}",
    }


def _rows(invoice: dict[str, Any]) -> list[list[Any]]:
    head = [invoice[name] for name in ("number", "period", "account", "bill_to", "status", "final_at")]
    sums = [invoice[name] for name in ("net", "tax_percent", "tax", "total", "currency")]
    names = ("description", "provider", "model", "class", "quantity", "rate", "per", "markup", "amount")
    return [[*head, *(line[name] for name in names), *sums] for line in invoice["lines"]]
