"""Who looks at which thread now. A row is a web process's word, good for a few seconds; the process renews it while the page is open."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now

from threads import figures
from threads.models.people import User
from threads.models.thread import Thread, ThreadMember

Pair = tuple[UUID, UUID]
# Processes renew every 5 s, and may be late.
LEASE = timedelta(seconds=12)
FORGOTTEN = timedelta(minutes=1)

LEAVE = """
DELETE FROM threads_presence p USING unnest(%s::uuid[], %s::uuid[]) AS gone(thread, person)
WHERE p.process = %s AND p.thread_id = gone.thread AND p.user_id = gone.person
"""


class Present(NamedTuple):
    """Somebody who looks at a thread. `takes_part` says that they belong to it or answer in it; others look on."""

    name: str
    id: str
    takes_part: bool


class PresenceQuerySet(models.QuerySet["Presence"]):
    """Who is where."""

    def renew(self, pairs: Collection[Pair]) -> None:
        """This process says that these people look at these threads: (thread, user)."""
        rows = [Presence(thread_id=thread, user_id=user, process=figures.NAME, seen_at=Now()) for thread, user in pairs]
        self.bulk_create(rows, update_conflicts=True, unique_fields=["thread", "user", "process"], update_fields=["seen_at"])

    def leave(self, pairs: Collection[Pair]) -> None:
        """This process says that they do not any more. What processes said that are gone is deleted, too."""
        with connection.cursor() as cursor:
            cursor.execute(LEAVE, [[thread for thread, _ in pairs], [user for _, user in pairs], figures.NAME])
        self.filter(seen_at__lt=Now() - FORGOTTEN).delete()

    def here(self, threads: Collection[UUID]) -> dict[UUID, list[Present]]:
        """Who looks at each of these threads now, by name; threads that nobody looks at are not there."""
        belongs = Exists(ThreadMember.objects.filter(thread=OuterRef("thread"), user=OuterRef("user")))
        taking_part = ExpressionWrapper(Q(belongs) | Q(thread__assigned_to=F("user")), models.BooleanField())
        rows = self.filter(thread__in=threads, seen_at__gt=Now() - LEASE).annotate(takes_part=Coalesce(taking_part, False))
        found: dict[UUID, set[Present]] = {}
        for row in rows.select_related("user"):
            found.setdefault(row.thread_id, set()).add(Present(row.user.name, str(row.user_id), row.takes_part))  # type: ignore[attr-defined]
        return {thread: sorted(people) for thread, people in found.items()}


class Presence(models.Model):
    """Somebody has a thread open before their eyes, in one process. Unlogged: after a crash of the database it begins anew."""

    # Without constraints: their checks would wait for whoever has the thread locked, and hold up all sockets of the process.
    thread = models.ForeignKey(Thread, models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False)
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False)
    process = models.CharField(max_length=200)
    seen_at = models.DateTimeField()

    objects = PresenceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread", "user", "process"], name="presence_once")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.thread_id}"
