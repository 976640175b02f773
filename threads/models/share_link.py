"""Links that let anybody read a conversation as it was. Of a link only its hash is kept; the address is shown once, when it is made."""

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

if TYPE_CHECKING:
    from threads.models.message import MessageQuerySet
    from threads.models.people import User
    from threads.models.thread import Thread


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    """Which links."""

    def valid(self) -> "ShareLinkQuerySet":
        """Those that still lead somewhere."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), thread__deleted_at=None)

    def issue(self, thread: "Thread", maker: "User", lifetime: timedelta | None) -> tuple["ShareLink", str]:
        """A new link to what was said until now, and its token."""
        token = secrets.token_urlsafe(32)
        expires_at = timezone.now() + lifetime if lifetime else None
        through = {"through_order": thread.last_order, "through_step": thread.last_step}
        return self.create(thread=thread, maker=maker, token_hash=_hash(token), expires_at=expires_at, **through), token

    def of_token(self, token: str) -> "ShareLink | None":
        """The valid link of this token."""
        return self.valid().select_related("thread", "maker").filter(token_hash=_hash(token)).first()


class ShareLink(models.Model):
    """What was said in a thread up to a moment, for whoever knows the token. Taking a link back deletes its row."""

    thread = models.ForeignKey("threads.Thread", on_delete=models.CASCADE, related_name="links")
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    through_order = models.IntegerField()
    through_step = models.IntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ShareLinkQuerySet.as_manager()

    def __str__(self) -> str:
        return gettext("Link to %(thread)s") % {"thread": self.thread}

    @property
    def messages(self) -> "MessageQuerySet":
        """What it shows: what people and agents said, as far as it still stands there; not what tools did."""
        shown = self.thread.messages.settled().between((0, 0), (self.through_order, self.through_step + 1))
        return shown.filter(role__in=["user", "assistant"])
