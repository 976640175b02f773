"""A person's list of threads over HTTP: pages of it, what they have pinned and seen, deleting and bringing back, finding."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404
from django.utils.translation import gettext
from ninja import Schema, Status
from pydantic import Field, StrictBool

from threads import broadcast
from threads.access import SignedRequest, require_scope, thread_for
from threads.api import Limit, router
from threads.deleting import bring_back, discard
from threads.errors import BadInput
from threads.finding import Finding, find
from threads.models import Thread, ThreadMember, User
from threads.models.thread import ThreadQuerySet
from threads.rows import Json, own_rows
from threads.shapes import FindingRow, Findings, OwnThreadRow, Threads

__all__ = ["listing", "router"]
PAGE = 50


class Mine(Schema):
    """How a thread stands in the caller's own list; what is left out stays. `seen: false` marks it as new."""

    pinned: StrictBool | None = None
    seen: StrictBool | None = None


class Several(Schema):
    """Some threads."""

    threads: list[UUID] = Field(min_length=1, max_length=200)


@router.get("/threads")
def threads(
    request: SignedRequest,
    before: str = "",
    limit: Limit = PAGE,
    title: str = "",
    status: Literal["active", "archived"] = "active",
    pinned: bool = False,
) -> Threads:
    """The caller's threads, newest activity first; `before` continues where the last page ended. `pinned`: only those. With `title` those
    whose titles have these words, in one page."""
    found = Thread.objects.visible_to(request.user).listed().filter(status=status)
    if pinned:
        found = found.filter(pk__in=_pinned(request.user))
    if title:
        ids = list(found.titled(title[:200]).values_list("pk", flat=True)[:limit])
        rows = {row["id"]: row for row in own_rows(ids, request.user.pk)}
        return {"threads": [rows[str(pk)] for pk in ids], "before": None}
    if before:
        moment, pk = cursor_of(before)
        found = found.filter(last_activity__lte=moment).exclude(last_activity=moment, pk__gte=pk)
    return _page(found, limit, request.user)


def listing(user: User) -> Json:
    """What a page shows at first: the newest page of threads, and as `pinned` those that are."""
    newest = _page(Thread.objects.visible_to(user).listed().filter(status=Thread.Status.ACTIVE), PAGE, user)
    return newest | {"pinned": own_rows(_pinned(user), user.pk)}


@router.patch("/threads/{uuid:thread_id}/mine")
def mark(request: SignedRequest, thread_id: UUID, mine: Mine) -> OwnThreadRow:
    """Pin a thread in one's own list, or say what one has seen. For members."""
    thread = thread_for(request.user, thread_id).head
    require_scope(request.user, "write")
    moments = {"pinned_at": mine.pinned, "seen_at": mine.seen}
    fields = {name: Now() if wanted else None for name, wanted in moments.items() if wanted is not None}
    own = ThreadMember.objects.filter(thread=thread, user=request.user)
    if not (own.update(**fields) if fields else own.exists()):
        raise Http404("Only members have it in their lists.")
    broadcast.marked(thread, request.user.pk)
    return own_rows([thread.pk], request.user.pk)[0]


@router.post("/threads/delete", response={204: None})
def delete_threads(request: SignedRequest, several: Several) -> Status[None]:
    """Delete conversations, in all their versions. All of them, or none if one is not the caller's. For an hour they can be restored."""
    for thread in [thread_for(request.user, pk, "manage") for pk in dict.fromkeys(several.threads)]:
        discard(thread)
    return Status(204, None)


@router.post("/threads/restore", response={204: None})
def restore_threads(request: SignedRequest, several: Several) -> Status[None]:
    """Bring back what one has deleted: all of it, or nothing if a part is gone for good."""
    found = Thread.objects.filter(pk__in=several.threads, owner=request.user, deleted_at__isnull=False)
    if len(found) < len(set(several.threads)):
        raise Http404("Not all of these can be brought back.")
    require_scope(request.user, "manage")
    for thread in found:
        bring_back(thread.head)
    return Status(204, None)


@router.get("/search")
def search(request: SignedRequest, words: str, limit: Limit = 20) -> Findings:
    """Where the caller's threads have all these words, the last of which may be unfinished: titles, then messages, newest first.

    `snippet` is a list of {text, hit}: what stands around the words, and which of it are the words.
    """
    found = find(request.user, words[:200], limit)
    return {"titles": [_found(each) for each in found.titles], "messages": [_found(each) for each in found.messages]}


def _found(each: Finding) -> FindingRow:
    return {
        "thread": str(each.thread),
        "title": each.title,
        "message": str(each.message) if each.message else None,
        "snippet": [{"text": text, "hit": hit} for text, hit in each.snippet],
        "at": each.at.isoformat(),
    }


def _pinned(user: User) -> QuerySet[Thread, UUID]:
    """Not by a second filter on the members, which would be somebody's pin."""
    pins = ThreadMember.objects.filter(user=user, pinned_at__isnull=False).values("thread")
    return Thread.objects.kept().listed().filter(pk__in=pins, status=Thread.Status.ACTIVE).values_list("pk", flat=True)


def _page(found: ThreadQuerySet, limit: int, reader: User) -> Threads:
    ids = list(found.values_list("pk", flat=True)[: limit + 1])
    shown = own_rows(ids[:limit], reader.pk)
    return {"threads": shown, "before": f"{shown[-1]['last_activity']},{shown[-1]['id']}" if len(ids) > limit else None}


def cursor_of(before: str) -> tuple[datetime, UUID]:
    """Where a page of threads ended; BadInput if this is none."""
    try:
        moment, pk = before.split(",")
        return datetime.fromisoformat(moment).astimezone(UTC), UUID(pk)  # Postgres takes no zone beyond 16 hours
    except (ValueError, OverflowError) as error:
        raise BadInput("before", gettext("before must be the cursor of an earlier page.")) from error
