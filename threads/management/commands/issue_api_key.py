"""Issues an API key for a program."""

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from threads.models import ApiKey, User
from threads.models.api_key import Scope


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 36500:
        raise ArgumentTypeError("a number of days from 1 to 36500 is needed")
    return int(text)


class Command(BaseCommand):
    """The key goes to stdout alone, so that a script can take it; all else to stderr."""

    help = "Issue an API key and print it, once. A valid key of the same name is revoked; what is not said is taken over from it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name, owner, scopes and days."""
        parser.add_argument("name", help="what the key is for; one valid key a name")
        parser.add_argument("--owner", help="the user it stands for (needed for a new name, unless there is just one superuser)")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, dest="scopes", help="what it may do; may be repeated (default: write)"
        )
        parser.add_argument(
            "--days", type=_days, help="how long it is valid (default: as long as the one before it, or until it is revoked)"
        )

    def handle(self, *args: Any, name: str, owner: str | None, scopes: list[str] | None, days: int | None, **options: Any) -> None:
        """Issue it."""
        name = name.strip()
        if not 0 < len(name) <= 100:
            raise CommandError("The name must have 1 to 100 characters.")
        old = ApiKey.objects.named(name).select_related("owner").first()
        person = _person(owner or (old.owner.username if old else None))
        scopes = scopes or (old.scopes if old else [Scope.WRITE.value])
        valid_for = timedelta(days=days) if days else old and old.valid_for
        expires_at = timezone.now() + valid_for if valid_for else None
        key = ApiKey.objects.issue(name, person, scopes, expires_at)
        until = f", until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
        revoked = " The one before it is revoked." if old else ""
        self.stderr.write(f"A key named {name!r} of {person.username}, for {', '.join(scopes)}{until}.{revoked} It is shown only now:")
        self.stdout.write(key)


def _person(name: str | None) -> User:
    if name is None:
        superusers = list(User.objects.filter(is_superuser=True, is_active=True)[:2])
        if len(superusers) != 1:
            raise CommandError("Whose key is it? Name the user with --owner.")
        return superusers[0]
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None:
        raise CommandError(f"--owner: there is no active user {name!r}.")
    return person
