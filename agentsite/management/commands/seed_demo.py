"""Makes the demo cast of a development machine and prints how to sign in."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError

from threads.models import User

CAST = {"alice": "asks", "bob": "can be invited", "olga": "the operator", "admin": "sees the admin at /admin/"}
PASSWORD = "agentsite-demo"
OPERATOR = ["operate_thread", "add_routingsample", "change_routingsample", "delete_routingsample", "view_routingsample"]


class Command(BaseCommand):
    """Safe to run again: people who are there already stay as they are."""

    help = "Create alice, bob, olga and admin (DEBUG only) and print the sign-in."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make who is missing."""
        if not settings.DEBUG:
            raise CommandError("The demo cast has a known password: it is only made with DEBUG=1.")
        for username, role in CAST.items():
            if not User.objects.filter(username=username).exists():
                staff = username in ("olga", "admin")
                user = User.objects.create_user(username, None, PASSWORD, is_staff=staff, is_superuser=username == "admin")
                if username == "olga":
                    user.user_permissions.set(Permission.objects.filter(codename__in=OPERATOR))
            self.stdout.write(f"  {username:<6} {PASSWORD}  ({role})")
