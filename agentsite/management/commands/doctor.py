"""Says in plain words what is wrong with the site."""

from typing import Any

from django.core.management.base import BaseCommand

from agentsite.health import ALL, findings


class Command(BaseCommand):
    """Exit code 0 if all is well, 1 if not."""

    help = "Look at everything the site needs and say in plain words what is wrong."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask every probe."""
        found = findings(ALL)
        for finding in found:
            mark = self.style.SUCCESS("ok ") if finding.well else self.style.ERROR("BAD")
            self.stdout.write(f"{mark} {finding.name:<13} {finding.words}")
        wrong = sum(not finding.well for finding in found)
        if wrong:
            self.stdout.write(f"\n{wrong} of {len(found)} are not well.")
            raise SystemExit(1)
        self.stdout.write("\nAll is well.")
