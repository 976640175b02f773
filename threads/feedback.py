"""A thumb and a comment for an answer, over HTTP. Everybody has their own; operators read them in the admin."""

from typing import Literal
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from threads import broadcast
from threads.access import SignedRequest, require_scope, thread_for
from threads.errors import BadInput
from threads.models import Feedback, Message, Thread, User
from threads.models.feedback import LONGEST
from threads.rows import feedback_row
from threads.shapes import FeedbackGiven, FeedbackRow

router = Router()


class Opinion(Schema):
    """1 is good, -1 is bad."""

    value: Literal[1, -1]
    comment: str = Field("", max_length=LONGEST)


@router.get("/threads/{uuid:thread_id}/feedback")
def feedback(request: SignedRequest, thread_id: UUID) -> FeedbackGiven:
    """What the caller thinks of the answers in a thread."""
    thread = thread_for(request.user, thread_id)
    own = Feedback.objects.filter(message__thread=thread, user=request.user)
    return {"feedback": [feedback_row(each) for each in own]}


@router.put("/threads/{uuid:thread_id}/messages/{uuid:message_id}/feedback")
def give(request: SignedRequest, thread_id: UUID, message_id: UUID, opinion: Opinion) -> FeedbackRow:
    """Say what one thinks of an answer, in place of what one said before."""
    answer = _answer(request.user, thread_id, message_id)
    given, _ = Feedback.objects.update_or_create(message=answer, user=request.user, defaults=opinion.dict())
    broadcast.feedback(given)
    return feedback_row(given)


@router.delete("/threads/{uuid:thread_id}/messages/{uuid:message_id}/feedback", response={204: None})
def take_back(request: SignedRequest, thread_id: UUID, message_id: UUID) -> Status[None]:
    """Have no opinion any more."""
    answer = _answer(request.user, thread_id, message_id)
    for given in Feedback.objects.filter(message=answer, user=request.user):
        given.delete()
        given.value, given.comment = 0, ""
        broadcast.feedback(given)
    return Status(204, None)


def _answer(user: User, thread_id: UUID, message_id: UUID) -> Message:
    """The first row of the answer that the message is part of."""
    thread: Thread = thread_for(user, thread_id)
    require_scope(user, "write")
    message = thread.messages.filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such message.")
    if message.role not in (Message.Role.ASSISTANT, Message.Role.TOOL):
        raise BadInput("message", gettext("Only answers can be rated."))
    return message.siblings.order_by("step_order")[0]
