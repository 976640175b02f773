"""Months, as an account's zone has them: half-open, from the first midnight there to the next month's."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

NAMED = re.compile(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True)
class Month:
    """A month, named by its first day."""

    first: date

    def __post_init__(self) -> None:
        if self.first.day != 1:
            raise ValueError(f"A month is named by its first day, not by {self.first}.")

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    @classmethod
    def of(cls, moment: datetime, zone: str) -> Self:
        """The month that it is there at that moment."""
        return cls(moment.astimezone(ZoneInfo(zone)).date().replace(day=1))

    @classmethod
    def named(cls, text: str) -> Self:
        """`2026-10`; ValueError for anything else."""
        if not NAMED.fullmatch(text):
            raise ValueError(gettext("%(text)r is no month: write it as 2026-10.") % {"text": text})
        return cls(date.fromisoformat(f"{text}-01"))

    @classmethod
    def asked(cls, text: str, now: Self) -> Self:
        """The one that is asked for, or `now` if none is; ValueError if there is no such month, or it has not begun."""
        found = cls.named(text) if text else now
        if found > now:
            raise ValueError(gettext("%(month)s has not begun.") % {"month": text})
        return found

    @property
    def next(self) -> Self:
        """The one after it."""
        year, month = divmod(self.first.year * 12 + self.first.month, 12)
        return type(self)(date(year, month + 1, 1))

    @property
    def previous(self) -> Self:
        """The one before it."""
        year, month = divmod(self.first.year * 12 + self.first.month - 2, 12)
        return type(self)(date(year, month + 1, 1))

    def begins(self, zone: str) -> datetime:
        """Its first moment there."""
        return datetime(self.first.year, self.first.month, 1, tzinfo=ZoneInfo(zone))

    def ends(self, zone: str) -> datetime:
        """The first moment that is no longer in it."""
        return self.next.begins(zone)
