"""Threads, who belongs to them, and what was deleted from them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.changes import Change
from threads.ids import uuid7
from threads.rows import HIDDEN, TEMPORARY, TRIAL, UNLISTED

if TYPE_CHECKING:
    from threads.models.people import User


# Of temporary threads there are none; the function is the one that the trigger calls.
CHUNK = """
SELECT threads_make_chunks(m) FROM threads_message m
WHERE m.thread_id = ANY(%s) AND NOT EXISTS (SELECT FROM threads_chunk c WHERE c.message_id = m.id)
"""


class ThreadQuerySet(models.QuerySet["Thread"]):
    """Which threads."""

    def kept(self) -> "ThreadQuerySet":
        """All but those that were deleted a short while ago, and can still be brought back."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: "User") -> "ThreadQuerySet":
        """Threads the user belongs to in any role."""
        return self.kept().filter(members__user=user)

    def listed(self) -> "ThreadQuerySet":
        """As a list shows them: newest activity first; hidden branches, what was only tried and what is not kept are left out."""
        return self.exclude(kind__in=UNLISTED).order_by("-last_activity", "-id")

    def titled(self, words: str) -> "ThreadQuerySet":
        """Titles with these words, the best first; quotes, `or` and a minus work as in a search engine, the last word may be unfinished."""
        query = SearchQuery(words, config="simple", search_type="websearch")
        if last := re.search(r"(\w+)$", words):
            query = query | SearchQuery(f"{last[1]}:*", config="simple", search_type="raw") if words == last[1] else query
        title = SearchVector("title", config="simple")
        return self.annotate(found=title, rank=SearchRank(title, query)).filter(found=query).order_by("-rank", "-last_activity", "-id")


class Thread(models.Model):
    """A conversation. `version` grows by one with each committed change that watchers should see; deltas don't count."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        ARCHIVED = "archived", _("Archived")

    class Kind(models.TextChoices):
        MAIN = "main", _("Main")
        BRANCH = "branch", _("Branch")
        FORK = "fork", _("Fork")
        CHILD = "child", _("Child")
        # What somebody tries in the playground, on a copy that belongs to nobody: `agents.playground`.
        TRIAL = TRIAL, _("Trial")
        # In no list, not searched, and deleted soon: `threads.deleting`.
        TEMPORARY = TEMPORARY, _("Temporary")

    # Seen only from their root, whose people they share.
    HIDDEN = HIDDEN

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="owned_threads")
    title = models.CharField(max_length=200, blank=True)
    summary = models.TextField(blank=True)
    # The summary covers the turns up to this one.
    summarised_to = models.IntegerField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    default_agent = models.CharField(max_length=100, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="assigned_threads"
    )
    # The agents wait for a person since then.
    human_wanted_at = models.DateTimeField(null=True, blank=True)
    # An operator has dealt with what had failed until then.
    attended_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    # What this thread wants otherwise than its agents (model, instructions, …); see `agents.agent.StoredOptions`.
    options = models.JSONField(default=dict, blank=True)
    version = models.BigIntegerField(default=0)
    # Clients that are older than this must start again: the tombstones below it are gone.
    sync_floor = models.BigIntegerField(default=0)
    # The last position ever given out: positions are never reused, also when the rows behind them are deleted.
    last_order = models.IntegerField(default=-1)
    last_step = models.IntegerField(default=-1)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.MAIN)
    root = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="branches")
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children")
    # The last position that was copied from the parent; null: nothing was.
    fork_order = models.IntegerField(null=True, blank=True)
    fork_step = models.IntegerField(null=True, blank=True)
    last_activity = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Nobody finds it since then, and soon it is gone for good; see `threads.deleting`.
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        permissions = [
            ("operate_thread", "Can read every thread and answer in it"),
            ("use_playground", "Can read every thread with all that is known of it, try prompts, and send some on behalf of others"),
        ]
        indexes = [
            models.Index(fields=["-last_activity", "-id"], name="thread_by_activity"),
            models.Index(fields=["owner", "-last_activity"], name="thread_by_owner"),
            GinIndex(SearchVector("title", config="simple"), name="thread_by_title"),
            models.Index(fields=["human_wanted_at"], name="thread_wants_human", condition=Q(human_wanted_at__isnull=False)),
            models.Index(fields=["deleted_at"], name="thread_deleted", condition=Q(deleted_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["active", "archived"]), name="thread_status_known"),
            models.CheckConstraint(condition=Q(kind__in=["main", "branch", "fork", "child", "trial", "temp"]), name="thread_kind_known"),
        ]

    def __str__(self) -> str:
        return self.title or gettext("New thread")

    @classmethod
    @contextmanager
    def changing(cls, pk: UUID) -> Iterator[Change]:
        """Lock a thread for one change: everything noted in it commits under one version and is then pushed as one frame.

        Nested changes are versions of their own in the same transaction.
        """
        with transaction.atomic(savepoint=False):
            change = Change(cls.objects.select_for_update(no_key=True).get(pk=pk))
            yield change
            change.close()

    @classmethod
    def start(cls, owner: "User", **fields: Any) -> "Thread":
        """A new thread with its owner as first member."""
        with transaction.atomic():
            thread = cls.objects.create(owner=owner, **fields)
            thread.members.create(user=owner, role=ThreadMember.Role.OWNER)
            with cls.changing(thread.pk) as change:
                change.describe()
        return thread

    @property
    def awaits_human(self) -> bool:
        """Whether a person answers here, or is waited for; then no agent does."""
        return self.assigned_to_id is not None or self.human_wanted_at is not None

    @property
    def family(self) -> ThreadQuerySet:
        """The thread and what is hidden behind it."""
        return Thread.objects.filter(Q(pk=self.pk) | Q(root=self.pk, kind__in=self.HIDDEN))

    @property
    def head(self) -> "Thread":
        """The thread whose people and place in lists this one shares: itself, unless it is hidden."""
        return self.root if self.root and self.kind in self.HIDDEN else self

    @property
    def listed_as(self) -> UUID:
        """The thread that stands for this one in lists: a branch is shown as its root."""
        return self.root_id if self.root_id and self.kind == self.Kind.BRANCH else self.pk

    @property
    def lines(self) -> ThreadQuerySet:
        """The conversation in all its versions: the root and its branches."""
        return Thread.objects.filter(Q(pk=self.listed_as) | Q(root=self.listed_as, kind=self.Kind.BRANCH))

    def change_lines(self, **fields: Any) -> None:
        """Write these columns of the thread and of all its other versions; without any, only show them anew."""
        with transaction.atomic():
            for thread in self.locked(self.lines):
                with Thread.changing(thread.pk) as change:
                    change.update_thread(**fields)

    def keep(self) -> None:
        """A temporary conversation becomes one like others: in the lists, and found."""
        with transaction.atomic():
            family = self.locked(self.head.family)
            for thread in family:
                # Of all of them: what is being said meanwhile would be in no search.
                with Thread.changing(thread.pk) as change:
                    if thread.kind == TEMPORARY:
                        change.update_thread(kind=Thread.Kind.MAIN)
            with connection.cursor() as cursor:
                cursor.execute(CHUNK, [[thread.pk for thread in family]])

    def admit(self, user: "User", role: str) -> None:
        """Let somebody in, or change what they may do; also into what is hidden behind the thread."""
        with transaction.atomic():
            for thread in self.locked(self.family):
                with Thread.changing(thread.pk) as change:
                    ThreadMember.objects.update_or_create(thread=thread, user=user, defaults={"role": role})
                    change.describe()

    def dismiss(self, user_id: UUID) -> bool:
        """Remove a member who is not the owner, and close their open pages; says whether there was one."""
        gone = 0
        with transaction.atomic():
            for thread in self.locked(self.family):
                with Thread.changing(thread.pk) as change:
                    gone += ThreadMember.objects.filter(thread=thread, user=user_id).exclude(role=ThreadMember.Role.OWNER).delete()[0]
                    change.describe()
                    change.dismissed(user_id)
        return gone > 0

    def locked(self, threads: ThreadQuerySet) -> "list[Thread]":
        """These of the conversation's threads, in the order of locks. Nobody begins one, or lets somebody in, before the commit."""
        Thread.objects.select_for_update(no_key=True).get(pk=self.listed_as)
        return list(threads.order_by("pk"))

    def begin_child(self, agent: str, title: str) -> "Thread":
        """A hidden thread with the same people, in which another agent is asked."""
        about = {"title": title[:200], "default_agent": agent, "owner_id": self.owner_id}
        child = Thread.objects.create(kind=self.Kind.CHILD, root=self.head, parent=self, **about)
        ThreadMember.objects.bulk_create(ThreadMember(thread=child, user_id=m.user_id, role=m.role) for m in self.members.all())
        return child

    def next_turn(self) -> tuple[int, int]:
        """The position of a row that opens a turn. Call with the thread locked."""
        self.last_order, self.last_step = self.last_order + 1, 0
        return self.last_order, 0

    def next_step(self, order: int) -> tuple[int, int]:
        """The position after everything in this turn, whatever its status. Call with the thread locked."""
        step = self.last_step_of(order) + 1
        self.reached(order, step)
        return order, step

    def last_step_of(self, order: int) -> int:
        """The last step ever given out in a turn, as far as is known; -1 in an empty one. Call with the thread locked."""
        if order == self.last_order:
            return self.last_step
        top: int | None = self.messages.filter(order=order).aggregate(top=models.Max("step_order"))["top"]
        return -1 if top is None else top

    def reached(self, order: int, step: int) -> None:
        """A position was given out."""
        self.last_order, self.last_step = max((self.last_order, self.last_step), (order, step))


class ThreadMember(models.Model):
    """Who may see a thread, and what they may do there. The owner is a member too: access is one join."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        WRITER = "writer", _("Writer")
        OWNER = "owner", _("Owner")

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.WRITER)
    # How the thread stands in this person's own list. What was said after `seen_at` is new to them; null: all of it.
    pinned_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thread", "user"], name="member_once_per_thread"),
            models.CheckConstraint(condition=Q(role__in=["viewer", "writer", "owner"]), name="member_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class TombstoneQuerySet(models.QuerySet["Tombstone"]):
    """Which tombstones."""

    def prune(self, age: timedelta = timedelta(days=1)) -> int:
        """Forget old deletions; browsers that have not been here since then start again. Says how many went."""
        old = self.filter(created_at__lt=timezone.now() - age)
        with transaction.atomic():
            for row in list(old.values("thread_id").annotate(top=models.Max("version"))):
                Thread.objects.filter(pk=row["thread_id"]).update(sync_floor=Greatest("sync_floor", row["top"]))
            return old.delete()[0]


class Tombstone(models.Model):
    """What was deleted from a thread, so that a browser that was away learns of it. Pruned after a day."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="tombstones")
    version = models.BigIntegerField()
    kind = models.CharField(max_length=16)
    row_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TombstoneQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "version"], name="tombstone_by_version"),
            models.Index(fields=["created_at"], name="tombstone_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.row_id}"

    def as_json(self) -> dict[str, Any]:
        """What frames carry."""
        return {"kind": self.kind, "id": str(self.row_id)}
