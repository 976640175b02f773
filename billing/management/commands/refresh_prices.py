"""Takes over the prices of the installed catalog."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from billing.catalog import Listed, models
from billing.models import Price, UsageRecord
from billing.pricing import priced

BATCH = 2000


class Command(BaseCommand):
    """What has been valid stays in the books: a changed price ends now, and the new one begins."""

    help = "Take over the prices that come with genai-prices (nothing is fetched), and list the models in use that have none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Dry runs."""
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")

    def handle(self, *args: Any, dry_run: bool, verbosity: int, **options: Any) -> None:
        """One transaction."""
        with transaction.atomic():
            added, ended = refresh(timezone.now())
            transaction.set_rollback(dry_run)
        if not verbosity:
            return
        self.stdout.write(f"{'Would add' if dry_run else 'Added'} {added} prices, {'would end' if dry_run else 'ended'} {ended}.")
        lines = priced(UsageRecord.objects.all())
        for provider, model, unit in sorted({(line.provider, line.model, line.unit) for line in lines if line.cost is None}):
            self.stdout.write(self.style.WARNING(f"No price: {provider} {model}, {unit.replace('_', ' ')}"))


Cell = tuple[str, int, int | None]


def refresh(now: datetime) -> tuple[int, int]:
    """Bring the catalog's book up to date; how many prices were added and ended."""
    books: dict[tuple[str, str], dict[Cell, Price]] = {}
    for price in Price.objects.filter(book=Price.Book.CATALOG).now():
        cells = books.setdefault((price.provider, price.model), {})
        cells[price.unit, price.input_tokens.lower, price.input_tokens.upper] = price
    ended: list[Price] = []
    added: list[Price] = []
    for provider, model, listed in models():
        known = books.get((provider, model))
        if known is None:
            added += [_price(provider, model, each) for each in listed]
            continue
        for old, new in _changes(known, listed, now):
            ended += [old] if old else []
            added += [_price(provider, model, new, since=now)] if new else []
    for price in ended:
        price.end(now)
    Price.objects.bulk_create(added, batch_size=BATCH)
    return len(added), len(ended)


def _changes(known: dict[Cell, Price], listed: list[Listed], now: datetime) -> Iterator[tuple[Price | None, Listed | None]]:
    """What is in the book and no longer so, and what is so instead."""
    today = {(each.unit, each.over, each.up_to): each for each in listed if each.is_valid(now)}
    for cell in known.keys() | today.keys():
        price, each = known.get(cell), today.get(cell)
        if price is None or each is None or (price.amount, price.per) != (each.amount, each.per):
            yield price, each


def _price(provider: str, model: str, each: Listed, since: datetime | None = None) -> Price:
    return Price(
        book=Price.Book.CATALOG,
        provider=provider,
        model=model,
        unit=each.unit,
        amount=each.amount,
        per=each.per,
        valid=(since or each.since, each.until),
        input_tokens=(each.over, each.up_to),
        note="genai-prices",
    )
