"""Money and counts as people read them."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext

from billing.invoicing import coin
from threads.words import localized

register = template.Library()
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
# Below a tenth of the unit, where the currency has cents.
SMALL = Decimal("0.1")


@register.filter
def money(amount: Decimal | str, currency: str) -> str:
    """`$12.34`, and small amounts in cents: `0.4 ct`."""
    exact = Decimal(amount)
    if 0 < abs(exact) < SMALL and coin(currency) == Decimal("0.01"):
        cents = exact * 100
        return localized("< 0.01 ct" if abs(cents) < Decimal("0.01") else f"{cents.quantize(Decimal('0.01')).normalize():f} ct")
    return exactly(exact, currency)


@register.filter
def exactly(amount: Decimal | str, currency: str) -> str:
    """With all digits of the currency, as on an invoice: `$0.04`."""
    figures = localized(f"{Decimal(amount).quantize(coin(currency)):,f}")
    sign = SIGNS.get(currency)
    if sign is None:
        return f"{figures} {currency}"
    minus, figures = ("-", figures[1:]) if figures.startswith("-") else ("", figures)
    return minus + gettext("%(sign)s%(amount)s") % {"sign": sign, "amount": figures}


@register.filter
def count(number: int | Decimal | None) -> str:
    """`1,204`."""
    return localized(f"{Decimal(number or 0).normalize():,f}")
