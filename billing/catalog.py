"""The catalog of prices that comes with `genai-prices`: what providers ask, as of the version that is installed. Nothing is fetched.

Its units: `*_mtok` is USD for a million tokens, `*_kcount` for a thousand, `*_mchars` for a million characters, `*_hours` for an hour.
A class that the catalog does not price by itself is part of a wider one: what a cache gave is input, reasoning is output.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

MILLION, HOUR = 1_000_000, 3600
# Some prices have been through floats on their way into it; these are what the price table keeps.
DIGITS = 10
# Our unit: for how many, and the catalog's names for it, the first that has a price.
UNITS = {
    "fresh_input": (MILLION, ("input_mtok",)),
    "cache_read": (MILLION, ("cache_read_mtok", "input_mtok")),
    "cache_write": (MILLION, ("cache_write_mtok", "input_mtok")),
    "audio_input": (MILLION, ("input_audio_mtok",)),
    "image_input": (MILLION, ("input_image_mtok", "input_mtok")),
    "output_text": (MILLION, ("output_mtok",)),
    "reasoning": (MILLION, ("output_reasoning_mtok", "output_mtok")),
    "audio_output": (MILLION, ("output_audio_mtok",)),
    "image_output": (MILLION, ("output_image_mtok",)),
    "seconds": (HOUR, ("input_audio_hours", "audio_hours")),
    "characters": (MILLION, ("input_mchars",)),
    "requests": (1000, ("requests_kcount",)),
}


@dataclass(frozen=True)
class Listed:
    """One price: USD for `per` units, from `since` (None: ever) until `until` (None: on), for calls of `over` to below `up_to` tokens."""

    unit: str
    amount: Decimal
    per: int
    since: datetime | None
    until: datetime | None
    over: int
    up_to: int | None

    def is_valid(self, at: datetime) -> bool:
        """Whether it counts at that moment."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@cache
def _catalog() -> DataSnapshot:
    return get_snapshot()


@cache
def canonical(provider: str, model: str) -> tuple[str, str]:
    """The catalog's names for what an answer said of itself; the same names if it does not know them.

    provider: an id of the catalog, or the host of a server.
    """
    address = f"https://{provider}" if "." in provider else None
    try:
        found, known = _catalog().find_provider_model(model, None, None if address else provider, address)
    except LookupError:
        return provider, model
    return found.id, known.id


def models() -> Iterator[tuple[str, str, list[Listed]]]:
    """Everything: provider, model and prices. The demo model, which runs here, costs nothing."""
    yield "demo", "demo", [Listed(unit, Decimal(0), per, None, None, 0, None) for unit, (per, _) in UNITS.items()]
    for provider in _catalog().providers:
        for model in provider.models:
            yield provider.id, model.id, list(_listed(model))


def _listed(model: ModelInfo) -> Iterator[Listed]:
    for since, until, prices in _periods(model):
        for unit, (per, names) in UNITS.items():
            price = next((found for name in names if (found := getattr(prices, name, None)) is not None), None)
            for over, up_to, amount in _tiers(price):
                yield Listed(unit, round(amount, DIGITS), per, since, until, over, up_to)


def _periods(model: ModelInfo) -> Iterator[tuple[datetime | None, datetime | None, ModelPrice]]:
    """The usual prices by date. Those of certain hours of the day are left out: a bill by them would need the provider's clock."""
    if isinstance(model.prices, ModelPrice):
        yield None, None, model.prices
        return
    dated: list[tuple[date | None, ModelPrice]] = [
        (each.constraint.start_date if each.constraint else None, each.prices)
        for each in model.prices
        if each.constraint is None or isinstance(each.constraint, StartDateConstraint)
    ]
    starts = [datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None for day, _ in dated]
    for (since, until), (_, prices) in zip(pairwise([*starts, None]), dated, strict=True):
        yield since, until, prices


def _tiers(price: Decimal | TieredPrices | None) -> Iterator[tuple[int, int | None, Decimal]]:
    """A tier begins above its `start`, and is for the whole call."""
    if price is None:
        return
    if not isinstance(price, TieredPrices):
        yield 0, None, price
        return
    starts = [0, *(tier.start + 1 for tier in price.tiers)]
    amounts = [price.base, *(tier.price for tier in price.tiers)]
    yield from zip(starts, [*starts[1:], None], amounts, strict=True)
