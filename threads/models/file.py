"""Files: bytes that are stored once, and the names under which they were given."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from threads.ids import uuid7
from threads.models.thread import Thread

if TYPE_CHECKING:
    from threads.models.people import User

# For so long nothing has to refer to a file.
GRACE = timedelta(hours=24)


class Blob(models.Model):
    """Bytes in the storage. The row is there before them and goes after them, so whatever is stored is known."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField()
    touched_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.sha256

    @property
    def key(self) -> str:
        """Where it is in the storage."""
        return f"{self.sha256[:2]}/{self.sha256}"


class FileQuerySet(models.QuerySet["File"]):
    """Which files."""

    def visible_to(self, user: "User") -> "FileQuerySet":
        """What they brought along themselves, and what is in threads they belong to."""
        return self.filter(Q(pk__in=user.files.values("pk")) | Exists(_holding(Thread.objects.visible_to(user))))

    def of(self, user: "User") -> "FileQuerySet":
        """What they brought along, said, or have in threads of their own."""
        holding = Q(messages__author=user) | Q(messages__thread__owner=user) | Q(tool_calls__thread__owner=user)
        return self.filter(Q(owners=user) | holding).distinct()

    def in_threads(self) -> "FileQuerySet":
        """What is in any thread that is not deleted."""
        return self.filter(Exists(_holding(Thread.objects.kept())))

    def unreferenced(self) -> "FileQuerySet":
        """What no message, no tool call and no run that is to go on refers to."""
        live = Q(runs__status__in=["queued", "running", "waiting"])
        return self.filter(messages=None, tool_calls=None).exclude(pk__in=File.objects.filter(live).values("pk"))

    def forgotten(self) -> "FileQuerySet":
        """What nothing refers to, and nobody has brought along for GRACE."""
        return self.unreferenced().filter(touched_at__lt=timezone.now() - GRACE)


def _holding(threads: models.QuerySet[Thread]) -> models.QuerySet[Thread]:
    return threads.filter(Q(messages__files=OuterRef("pk")) | Q(tool_calls__files=OuterRef("pk")))


class File(models.Model):
    """Bytes under a name and a type: the same three are the same file. Who may see it is said by who refers to it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    # Who brought it along: they may see it before they have sent it.
    owners = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="files", blank=True)
    touched_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = FileQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["touched_at"], name="file_by_age")]
        constraints = [models.UniqueConstraint(fields=["blob", "name", "media_type"], name="file_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """Where those who may see it find the bytes."""
        return f"/api/files/{self.pk}/content"

    @property
    def part(self) -> dict[str, Any]:
        """As part of a message's content."""
        about = {"mediaType": self.media_type, "url": self.url, "filename": self.name}
        return {"type": "file", **about, "file": str(self.pk), "size": self.blob.size}
