"""Who may see and do what. Every lookup of a thread or of something in it goes through here; a stranger finds nothing."""

from typing import Literal
from uuid import UUID

from django.db.models import F
from django.http import Http404, HttpRequest

from threads.errors import Forbidden
from threads.models import Run, Thread, ThreadMember, User


class SignedRequest(HttpRequest):
    """A request of the API: behind its authentication the user is a person."""

    user: User


Need = Literal["view", "write", "manage"]
ROLES = {"view": {"viewer", "writer", "owner"}, "write": {"writer", "owner"}, "manage": {"owner"}}


def thread_for(user: User, thread_id: UUID | str, need: Need = "view") -> Thread:
    """The thread, if the user belongs to it (else Http404) in a role that may do this (else Forbidden)."""
    thread = Thread.objects.visible_to(user).annotate(role=F("members__role")).filter(pk=thread_id).first()
    if thread is None:
        raise Http404("There is no such thread.")
    _require(thread.role, need)  # type: ignore[attr-defined]
    return thread


def run_for(user: User, run_id: UUID | str, need: Need = "view") -> Run:
    """The run, if the user belongs to its thread in a role that may do this."""
    runs = Run.objects.filter(thread__in=Thread.objects.visible_to(user)).select_related("thread", "prompt")
    run = runs.filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    _require(ThreadMember.objects.get(thread=run.thread, user=user).role, need)
    return run


def _require(role: str, need: Need) -> None:
    if role not in ROLES[need]:
        raise Forbidden("Only the owner can do this." if need == "manage" else "You can read this thread, but not write in it.")
