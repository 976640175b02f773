"""What several commands are told."""

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.utils import timezone

from billing.periods import Month
from threads.models import User


def month(text: str) -> Month:
    """`2026-10`: a month that has begun somewhere."""
    try:
        found = Month.named(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if found.begins("Pacific/Kiritimati") > timezone.now():
        raise ArgumentTypeError(f"{text} has not begun yet.")
    return found


def last_month() -> Month:
    """The one that is over."""
    return Month.of(timezone.now(), "UTC").previous


def amount(text: str) -> Decimal:
    """A sum of money."""
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is no amount.") from error
    if not found.is_finite():
        raise ArgumentTypeError(f"{text!r} is no amount.")
    return found


def user_id(text: str) -> UUID:
    """A person, by username or id; an id may be of somebody who is no longer there."""
    found = User.objects.filter(username=text).values_list("pk", flat=True).first()
    if found is not None:
        return found
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError(f"There is no user {text!r}.") from error
