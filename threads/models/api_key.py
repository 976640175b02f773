"""API keys: how programs sign in. Of a key only its hash is kept; the key itself is shown once, when it is issued."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from threads import broadcast

if TYPE_CHECKING:
    from threads.models.people import User

# Recognisable, so that scanners of repositories and logs find a key that leaked.
MARK = "agentsite_"
SHOWN = len(MARK) + 6
NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a key may do at most; what its owner may not, it may not either."""

    READ = "read", _("Read what the owner may read")
    WRITE = "write", _("Ask agents, stop, decide; includes reading")
    MANAGE = "manage", _("Share, archive and delete threads; includes writing")
    OPERATE = "operate", _("Act as an operator, if the owner is one; includes writing")
    PLAYGROUND = "playground", _("Use the playground, if the owner may; includes writing")


INCLUDES = {
    Scope.READ: {Scope.READ},
    Scope.WRITE: {Scope.READ, Scope.WRITE},
    Scope.MANAGE: {Scope.READ, Scope.WRITE, Scope.MANAGE},
    Scope.OPERATE: {Scope.READ, Scope.WRITE, Scope.OPERATE},
    Scope.PLAYGROUND: {Scope.READ, Scope.WRITE, Scope.PLAYGROUND},
}


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Which keys."""

    def valid(self) -> "ApiKeyQuerySet":
        """Neither revoked nor expired, of somebody who may still sign in."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None, owner__is_active=True)

    def person(self, key: str) -> "tuple[ApiKey, User] | None":
        """Whom a key stands for, with the key's scopes on them; None if it is not valid. Notes the use."""
        found = self.valid().select_related("owner").filter(hash=hash_of(key)).first()
        if found is None:
            return None
        now = timezone.now()
        if found.last_used_at is None or now - found.last_used_at > NOTED_EVERY:
            self.filter(pk=found.pk).update(last_used_at=now)
        found.owner.scopes, found.owner.api_key = found.grants, found.pk
        return found, found.owner

    def issue(self, name: str, owner: "User", scopes: list[str], expires_at: datetime | None = None) -> str:
        """A new key, which nobody can read again later. A valid one of the same name is revoked."""
        key = MARK + secrets.token_urlsafe(32)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('api key ' || %s, 0))", [name]
            )  # of two at once, the later counts
            self.named(name).revoke()
            self.create(name=name, owner=owner, scopes=scopes, expires_at=expires_at, hash=hash_of(key), start=key[:SHOWN])
        return key

    def named(self, name: str) -> "ApiKeyQuerySet":
        """The key of this name, if it was not revoked."""
        return self.filter(name=name, revoked_at=None)

    def revoke(self) -> int:
        """End them at once, and what they have open; says how many."""
        with transaction.atomic():
            valid = dict(self.filter(revoked_at=None).select_for_update().values_list("pk", "owner_id"))
            transaction.on_commit(lambda: broadcast.recheck(valid.values()), robust=True)
            return self.filter(pk__in=valid).update(revoked_at=timezone.now())


class ApiKey(models.Model):
    """One program's way in, on behalf of its owner."""

    name = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope))
    hash = models.CharField(max_length=64, unique=True, editable=False)
    # How it begins, to tell keys apart.
    start = models.CharField(max_length=20, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(fields=["name"], name="api_key_name_once", condition=Q(revoked_at=None)),
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_key_has_scopes"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def valid_for(self) -> timedelta | None:
        """How long it was issued for; None if until it is revoked."""
        return self.expires_at - self.created_at if self.expires_at else None

    @property
    def grants(self) -> frozenset[str]:
        """Its scopes and what they include."""
        return frozenset(scope for given in self.scopes for scope in INCLUDES[Scope(given)])


def hash_of(key: str) -> str:
    """SHA-256: a key is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()
