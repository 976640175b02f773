"""Who may see and do what. Every lookup of a thread or of something in it goes through here; a stranger finds nothing."""

from typing import Literal
from uuid import UUID

from django.db.models import F, Q
from django.http import Http404, HttpRequest
from django.utils.translation import gettext, gettext_noop

from threads.errors import Forbidden
from threads.logs import note
from threads.models import Run, Thread, User
from threads.models.api_key import Scope


class SignedRequest(HttpRequest):
    """A request of the API: behind its authentication the user is a person."""

    user: User


Need = Literal["view", "write", "manage", "operate", "test"]
ROLES = {
    "view": {"viewer", "writer", "owner", "operator"},
    "write": {"writer", "owner", "operator"},
    "manage": {"owner"},
    "operate": {"operator"},
    "test": {"tester"},
}
WHY = {
    "write": gettext_noop("You can read this thread, but not write in it."),
    "manage": gettext_noop("Only the owner can do this."),
    "operate": gettext_noop("Only operators can do this."),
    "test": gettext_noop("Only who may use the playground can do this."),
}
# The scope that a program's key must have for it.
SCOPES = {"view": Scope.READ, "write": Scope.WRITE, "manage": Scope.MANAGE, "operate": Scope.OPERATE, "test": Scope.PLAYGROUND}
# Who has it is an operator: they may read every thread, and answer in it.
OPERATE = "threads.operate_thread"
# Who has it, and is staff, sees in the playground what operators see, and all that is known of it.
PLAYGROUND = "threads.use_playground"


def thread_for(user: User, thread_id: UUID | str, need: Need = "view") -> Thread:
    """The thread, if the user belongs to it (else Http404) in a role that may do this (else Forbidden)."""
    thread = Thread.objects.visible_to(user).annotate(role=F("members__role")).filter(pk=thread_id).first()
    role = thread.role if thread and need != "test" else ""  # type: ignore[attr-defined]
    # Asked last: it is a lookup of its own, and members do not need it.
    if role not in ROLES[need] and (other := _other_role(user, need)):
        thread, role = thread or Thread.objects.kept().filter(pk=thread_id).first(), other
    if thread is None:
        raise Http404("There is no such thread.")
    _require(role, need)
    require_scope(user, need)
    note(thread=thread.pk, user=user.pk)
    return thread


def run_for(user: User, run_id: UUID | str, need: Need = "view") -> Run:
    """The run, if the user belongs to its thread in a role that may do this."""
    run = Run.objects.select_related("thread", "prompt").filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    thread_for(user, run.thread_id, need)
    return run


def may_view(user: User, thread_id: UUID | str) -> bool:
    """Whether the user belongs to the thread, is an operator, or may use the playground."""
    return Thread.objects.visible_to(user).filter(pk=thread_id).exists() or (
        (is_operator(user) or is_tester(user)) and Thread.objects.kept().filter(pk=thread_id).exists()
    )


def takes_part(user: User, thread_id: UUID | str) -> bool:
    """Whether the user may write in the thread as a member, or has taken it over as an operator."""
    writers = Q(members__user=user, members__role__in=ROLES["write"])
    return Thread.objects.kept().filter(writers | Q(assigned_to=user), pk=thread_id).exists()


def is_operator(user: User) -> bool:
    """Whether they may act as an operator: the person has the permission, and the key they use, if any, the scope."""
    return (user.scopes is None or Scope.OPERATE in user.scopes) and user.has_perm(OPERATE)


def is_tester(user: User) -> bool:
    """Whether they may use the playground: staff with the permission, and the key they use, if any, with the scope."""
    return (user.scopes is None or Scope.PLAYGROUND in user.scopes) and user.is_staff and user.has_perm(PLAYGROUND)


def require_tester(user: User) -> None:
    """Raise Forbidden unless they may use the playground."""
    if not is_tester(user):
        raise Forbidden(gettext(WHY["test"]))


def require_operator(user: User) -> None:
    """Raise Forbidden unless they may act as an operator."""
    if not is_operator(user):
        raise Forbidden(gettext(WHY["operate"]))


def require_scope(user: User, need: Need) -> None:
    """Raise Forbidden if the caller is a program whose key does not go so far."""
    if user.scopes is not None and SCOPES[need] not in user.scopes:
        raise Forbidden(gettext("This API key does not have the scope %(scope)r.") % {"scope": SCOPES[need].value})


def _other_role(user: User, need: Need) -> str:
    """What somebody is to threads that they do not belong to."""
    if need == "test":
        return "tester" if is_tester(user) else ""
    return "operator" if is_operator(user) else ""


def _require(role: str, need: Need) -> None:
    if role not in ROLES[need]:
        raise Forbidden(gettext(WHY[need]))
