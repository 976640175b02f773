"""A thread over HTTP: who belongs to it, and what was said; the list of threads is in `threads.lists`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from threads.access import SignedRequest, thread_for
from threads.deleting import delete_messages
from threads.errors import BadInput
from threads.models import Memory, Message, Run, Thread, User
from threads.rows import message_row, run_row, thread_rows, tool_call_row
from threads.shapes import MemberRow, Members, Memories, MessageRow, Messages, ThreadRow, ToolCalls, UiMessage
from threads.sync import one_moment, page
from threads.ui import ui_messages

router = Router()
# The number of a turn, as the database holds it.
Order = Annotated[int, Field(ge=0, le=2**31 - 1)]
# How many rows somebody asks for.
Limit = Annotated[int, Field(ge=1, le=200)]


class NewMember(Schema):
    """Somebody to be let in."""

    username: str
    role: Literal["viewer", "writer"] = "writer"


@router.get("/threads/{uuid:thread_id}")
def one_thread(request: SignedRequest, thread_id: UUID) -> ThreadRow:
    """A thread and its members."""
    return _described(thread_for(request.user, thread_id).pk)


@router.get("/threads/{uuid:thread_id}/members")
def members(request: SignedRequest, thread_id: UUID) -> Members:
    """Who may see the thread."""
    return {"members": _described(thread_for(request.user, thread_id).pk)["members"]}


@router.post("/threads/{uuid:thread_id}/members", response={201: Any})
def add_member(request: SignedRequest, thread_id: UUID, new: NewMember) -> Status[MemberRow]:
    """Let somebody in, or change what they may do."""
    thread = thread_for(request.user, thread_id, "manage")
    user = User.objects.filter(username__iexact=new.username.strip(), is_active=True).first()
    if user is None:
        raise BadInput("username", gettext("There is nobody of this name."))
    if user.pk == thread.owner_id:
        raise BadInput("username", gettext("This is the owner of the thread."))
    thread.head.admit(user, new.role)
    return Status(201, {"id": str(user.pk), "name": user.name, "role": new.role})


@router.delete("/threads/{uuid:thread_id}/members/{uuid:user_id}", response={204: None})
def remove_member(request: SignedRequest, thread_id: UUID, user_id: UUID) -> Status[None]:
    """Remove somebody; members may remove themselves. Their open pages are closed."""
    thread = thread_for(request.user, thread_id, "view" if user_id == request.user.pk else "manage")
    if not thread.head.dismiss(user_id):
        raise Http404("There is no such member.")
    return Status(204, None)


@router.get("/threads/{uuid:thread_id}/messages")
def messages(
    request: SignedRequest,
    thread_id: UUID,
    before: Order | None = None,
    after: Order | None = None,
    around: UUID | None = None,
    limit: Limit = 50,
    view: Literal["rows", "ui"] = "ui",
) -> Messages:
    """Whole turns, ascending: the newest ones, those before an order, those from the order `after` on, or those around a message. The
    answer's `before` and `after` continue; null is the end. `view=rows` gives the socket's rows."""
    thread = thread_for(request.user, thread_id)
    if sum(each is not None for each in (before, after, around)) > 1:
        raise BadInput("around" if around else "after", gettext("Give one of before, after and around."))
    with one_moment():
        rows, runs, calls, *ends = page(thread, limit, before=before, after=after, around=_message(thread, around))
        live = {run.pk: run.live_parts()[0] for run in runs if run.status == Run.Status.RUNNING}
    shown: list[MessageRow] | list[UiMessage] = [message_row(m) for m in rows] if view == "rows" else ui_messages(rows, calls, live)
    return {
        "messages": shown,
        "runs": [run_row(run) for run in runs],
        "tool_calls": [tool_call_row(call) for call in calls],
        "before": ends[0],
        "after": ends[1],
    }


def _message(thread: Thread, pk: UUID | None) -> Message | None:
    message = thread.messages.filter(pk=pk).first() if pk else None
    if pk and message is None:
        raise Http404("There is no such message.")
    return message


@router.delete("/threads/{uuid:thread_id}/messages/{uuid:message_id}", response={204: None})
def delete_message(request: SignedRequest, thread_id: UUID, message_id: UUID) -> Status[None]:
    """Delete an answer, or a prompt with all that answers it, from this version of the conversation. For whoever asked, and the owner of
    the thread."""
    thread = thread_for(request.user, thread_id, "write")
    message = thread.messages.filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such message.")
    turn = thread.messages.filter(order=message.order)
    asked = turn.filter(role=Message.Role.USER).order_by("step_order").first()
    if request.user.pk not in (message.author_id, asked and asked.author_id):
        thread_for(request.user, thread_id, "manage")
    delete_messages(thread.pk, (turn if message == asked else message.siblings).values_list("pk", flat=True))
    return Status(204, None)


@router.get("/threads/{uuid:thread_id}/tool-calls")
def tool_calls(request: SignedRequest, thread_id: UUID, limit: Limit = 100) -> ToolCalls:
    """Tool calls with state, arguments, progress and result, newest first."""
    calls = thread_for(request.user, thread_id).tool_calls.order_by("-created_at", "-index")
    return {"tool_calls": [tool_call_row(call) for call in calls[:limit]]}


@router.get("/memories")
def memories(request: SignedRequest) -> Memories:
    """What agents remember of the caller, newest first."""
    found = Memory.objects.filter(user=request.user).order_by("-pk")
    return {"memories": [{"id": memory.pk, "text": memory.text, "created_at": memory.created_at.isoformat()} for memory in found]}


@router.delete("/memories/{int:memory_id}", response={204: None})
def forget(request: SignedRequest, memory_id: int) -> Status[None]:
    """Forget one of them."""
    if not Memory.objects.filter(user=request.user, pk=memory_id).delete()[0]:
        raise Http404("There is no such memory.")
    return Status(204, None)


def _described(pk: UUID) -> ThreadRow:
    return thread_rows([pk])[0]
