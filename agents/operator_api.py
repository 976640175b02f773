"""What operators do in a conversation: take it over, answer, hand it back."""

from typing import Any
from uuid import UUID

from ninja import Router, Schema, Status
from pydantic import Field, JsonValue

from agents import people
from threads.access import SignedRequest, require_operator, thread_for
from threads.models import Thread
from threads.rows import Json, message_row, thread_rows

router = Router()
MOST = 200


class HandBack(Schema):
    """`answer`: the agent goes on at once with what was said last."""

    answer: bool = False


class Reply(Schema):
    """What a person answers. `id` is a UUID made by the client: sending it twice changes nothing."""

    text: str
    id: UUID | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


@router.get("/inbox")
def inbox(request: SignedRequest) -> Json:
    """The conversations that wait for a person, with a question or as a whole, and those the caller has; newest activity first. For
    operators."""
    require_operator(request.user)
    found = Thread.objects.awaiting_human(request.user).values_list("pk", flat=True)[:MOST]
    return {"threads": thread_rows(found)}


@router.post("/threads/{uuid:thread_id}/take-over")
def take_over(request: SignedRequest, thread_id: UUID) -> Json:
    """Answer in the agents' place from now on. For operators."""
    people.take_over(request.user, thread_for(request.user, thread_id, "operate"))
    return thread_rows([thread_id])[0]


@router.post("/threads/{uuid:thread_id}/hand-back")
def hand_back(request: SignedRequest, thread_id: UUID, back: HandBack) -> Json:
    """Let the agents answer again. For operators."""
    people.hand_back(request.user, thread_for(request.user, thread_id, "operate"), answer=back.answer)
    return thread_rows([thread_id])[0]


@router.post("/threads/{uuid:thread_id}/replies", response={201: Any})
def reply(request: SignedRequest, thread_id: UUID, said: Reply) -> Status[Json]:
    """Answer under one's own name. For operators."""
    thread = thread_for(request.user, thread_id, "operate")
    return Status(201, message_row(people.reply(request.user, thread, said.text, message_id=said.id, metadata=said.metadata)))
