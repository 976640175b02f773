"""Links for anybody to read a conversation, over HTTP, and the page they lead to."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from ninja import Router, Schema, Status
from pydantic import Field

from threads.access import SignedRequest, thread_for
from threads.models import File, Message, ShareLink
from threads.rows import Json
from threads.shapes import LinkRow, Links, NewLinkRow
from threads.uploads import served

router = Router()


class NewLink(Schema):
    """`days`: how long it is to lead somewhere; null for as long as it is not taken back."""

    days: int | None = Field(30, ge=1, le=365)


@router.get("/threads/{uuid:thread_id}/links")
def links(request: SignedRequest, thread_id: UUID) -> Links:
    """The links to a thread that still lead there, newest first. For its owner."""
    found = thread_for(request.user, thread_id, "manage").links.valid().order_by("-pk")
    return {"links": [_row(link) for link in found]}


@router.post("/threads/{uuid:thread_id}/links", response={201: Any})
def make_link(request: SignedRequest, thread_id: UUID, new: NewLink) -> Status[NewLinkRow]:
    """A link to what was said until now. `url` is told this once only."""
    thread = thread_for(request.user, thread_id, "manage")
    link, token = ShareLink.objects.issue(thread, request.user, timedelta(days=new.days) if new.days else None)
    return Status(201, {**_row(link), "url": request.build_absolute_uri(reverse("shared", args=[token]))})


@router.delete("/threads/{uuid:thread_id}/links/{int:link_id}", response={204: None})
def take_back_link(request: SignedRequest, thread_id: UUID, link_id: int) -> Status[None]:
    """Nobody can read by this link any more."""
    if not thread_for(request.user, thread_id, "manage").links.filter(pk=link_id).delete()[0]:
        raise Http404("There is no such link.")
    return Status(204, None)


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows to anybody. The address is a secret: it is neither passed on nor indexed."""
    link = ShareLink.objects.of_token(token)
    if link is None:
        raise Http404("There is no such link.")
    rows = [_shown(row, token) for row in link.messages.select_related("author").order_by("order", "step_order")]
    said = [row for row in rows if row["text"] or row["files"]]
    files = {row["id"]: row["files"] for row in said if row["files"]}
    response = render(request, "chat/shared.html", {"link": link, "said": said, "files": files})
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


@require_safe
def shared_file(request: HttpRequest, token: str, file_id: UUID) -> HttpResponse:
    """A file of what a link shows."""
    link = ShareLink.objects.of_token(token)
    file = File.objects.select_related("blob").filter(pk=file_id, messages__in=link.messages).first() if link else None
    if file is None:
        raise Http404("There is no such file.")
    response = served(request, file)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _shown(row: Message, token: str) -> Json:
    name = row.author.name if row.author else row.agent_name or row.role
    files = [part | ({"url": reverse("shared-file", args=[token, part["file"]])} if "file" in part else {}) for part in row.file_parts]
    return {"id": str(row.pk), "name": name, "role": row.role, "text": row.text, "files": files, "at": row.created_at.isoformat()}


def _row(link: ShareLink) -> LinkRow:
    expires_at = link.expires_at.isoformat() if link.expires_at else None
    return {"id": link.pk, "created_at": link.created_at.isoformat(), "expires_at": expires_at}
