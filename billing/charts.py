"""Charts as plain numbers for a template's SVG: the page's security policy has no room for styles or foreign scripts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop

from threads.words import grouped

Place = TypeVar("Place", bound=date)
WIDTH, HEIGHT = 720, 140
# As many colours as the style sheet has; what comes after the largest is one more.
COLOURS = 5
OTHERS = gettext_noop("others")


@dataclass(frozen=True)
class Bar:
    """A piece of a day's bar: x, y, width and height in the drawing, colour by number, and what it says."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    label: str


@dataclass(frozen=True)
class Chart:
    """A line, or stacked bars with their legend. `most` is the number at the top."""

    most: Decimal
    line: str = ""
    bars: Sequence[Bar] = ()
    legend: Sequence[tuple[int, str]] = ()
    width: int = WIDTH
    height: int = HEIGHT


def line(amounts: Sequence[Decimal], days: int, most: Decimal | None = None) -> Chart:
    """One point a day, of so many days; the last ones may be missing. `most` is at the top, if not the largest of them."""
    most = max(amounts, default=Decimal(0)) if most is None else most
    step = WIDTH / days
    points = (f"{step * (n + 0.5):.1f},{_down(amount, most):.1f}" for n, amount in enumerate(amounts))
    return Chart(most, line=" ".join(points))


def tokens_of_day(day: date, name: str, number: int) -> str:
    """What a piece of a bar says."""
    about = {"day": date_format(day, gettext("j F")), "name": name, "number": grouped(number)}
    return gettext("%(day)s: %(name)s, %(number)s tokens") % about


def bars(
    days: Sequence[Place],
    amounts: Mapping[str, Mapping[Place, int]],
    say: Callable[[Place, str, int], str] = tokens_of_day,
    order: Sequence[str] = (),
) -> Chart:
    """A bar a day (or whatever stands in its place), of pieces by name; the largest names have a colour of their own, or those of
    `order` theirs."""
    totals = {name: sum(by_day.values()) for name, by_day in amounts.items()}
    shown = list(order) or sorted(totals, key=lambda name: (-totals[name], name))[: COLOURS if len(totals) <= COLOURS else COLOURS - 1]
    layers = {name: dict(amounts.get(name, {})) for name in shown}
    for name in totals.keys() - layers.keys():
        rest = layers.setdefault(gettext(OTHERS), {})
        for day, number in amounts[name].items():
            rest[day] = rest.get(day, 0) + number
    most = max((sum(layer.get(day, 0) for layer in layers.values()) for day in days), default=0)
    step = WIDTH / max(1, len(days))
    pieces = []
    for place, day in enumerate(days):
        so_far = 0
        for colour, (name, layer) in enumerate(layers.items()):
            number = layer.get(day, 0)
            if number > 0:
                so_far += number
                top, height = _down(so_far, most), HEIGHT * number / most
                pieces.append(Bar(round(step * (place + 0.15), 1), round(top, 1), round(step * 0.7, 1), round(height, 1), colour,
                                  say(day, name, number)))  # fmt: skip
    return Chart(Decimal(most), bars=pieces, legend=list(enumerate(layers)))


def _down(amount: Decimal | int, most: Decimal | int) -> float:
    """How far below the top."""
    return HEIGHT - float(HEIGHT * amount / most) if most else float(HEIGHT)
