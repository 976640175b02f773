"""What operators do in a conversation: take it over, answer, hand it back."""

from typing import Any
from uuid import UUID

from django.http import Http404
from ninja import Router, Schema, Status
from pydantic import Field, JsonValue, StrictBool

from agents import people
from agents.shapes import AskedThere, Inbox, NoteRow, Notes
from threads import broadcast
from threads.access import SignedRequest, require_operator, thread_for
from threads.files import attached
from threads.inbox import waiting_rows
from threads.models import InternalNote
from threads.models.internal_note import LONGEST
from threads.rows import message_row, person, run_row, thread_rows
from threads.shapes import MessageRow, ThreadRow

router = Router()


class HandBack(Schema):
    """`answer`: the agent goes on at once with what was said last."""

    answer: StrictBool = False


class Reply(Schema):
    """What a person answers. `id` is a UUID made by the client: sending it twice changes nothing. `files` as in Prompt."""

    text: str = ""
    files: list[UUID] = Field(default_factory=list)
    id: UUID | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class NewDraft(Schema):
    """`id` is a UUID made by the client, of the copy in which it is written: the same again makes no second one."""

    id: UUID | None = None


class NewNote(Schema):
    """A note for other operators."""

    text: str = Field(min_length=1, max_length=LONGEST)


@router.get("/inbox")
def inbox(request: SignedRequest) -> Inbox:
    """What waits for a person, who waits longest first, and as `waits` why: the conversation is `assigned` to somebody or a person is
    `wanted`; a `question`, an `approval` or an outcome that is `unknown` is open; the last answer `failed`. For operators."""
    require_operator(request.user)
    return {"threads": waiting_rows()}


@router.post("/threads/{uuid:thread_id}/resolve")
def resolve(request: SignedRequest, thread_id: UUID) -> ThreadRow:
    """Say that one has dealt with it: the agents answer again, and what had failed or is unknown waits no more. For operators."""
    people.resolve(request.user, thread_for(request.user, thread_id, "operate"))
    return thread_rows([thread_id])[0]


@router.post("/threads/{uuid:thread_id}/draft", response={202: Any})
def draft(request: SignedRequest, thread_id: UUID, wanted: NewDraft) -> Status[AskedThere]:
    """Have the thread's agent draft an answer to what was asked last, with the tools that only look. It streams into a hidden copy of the
    conversation, `thread`, as the answer of `run`; nothing of it is in the conversation itself. For operators."""
    copy, message, run = people.draft(request.user, thread_for(request.user, thread_id, "operate"), pk=wanted.id)
    return Status(202, {"thread": thread_rows([copy.pk])[0], "message": message_row(message), "run": run_row(run) if run else None})


@router.get("/threads/{uuid:thread_id}/notes")
def notes(request: SignedRequest, thread_id: UUID) -> Notes:
    """What operators wrote for each other, oldest first. For operators."""
    thread = thread_for(request.user, thread_id, "operate")
    return {"notes": [_note(note) for note in thread.internal_notes.select_related("author").order_by("pk")]}


@router.post("/threads/{uuid:thread_id}/notes", response={201: Any})
def add_note(request: SignedRequest, thread_id: UUID, new: NewNote) -> Status[NoteRow]:
    """Write a note that neither the thread's people nor any model see. For operators."""
    thread = thread_for(request.user, thread_id, "operate")
    note = thread.internal_notes.create(author=request.user, text=new.text)
    note.refresh_from_db()
    broadcast.inbox()
    return Status(201, _note(note))


@router.delete("/threads/{uuid:thread_id}/notes/{int:note_id}", response={204: None})
def delete_note(request: SignedRequest, thread_id: UUID, note_id: int) -> Status[None]:
    """Delete a note of one's own."""
    thread = thread_for(request.user, thread_id, "operate")
    if not thread.internal_notes.filter(pk=note_id, author=request.user).delete()[0]:
        raise Http404("There is no such note of yours.")
    broadcast.inbox()
    return Status(204, None)


def _note(note: InternalNote) -> NoteRow:
    return {"id": note.pk, "text": note.text, "author": person(note.author), "created_at": note.created_at.isoformat()}


@router.post("/threads/{uuid:thread_id}/take-over")
def take_over(request: SignedRequest, thread_id: UUID) -> ThreadRow:
    """Answer in the agents' place from now on. For operators."""
    people.take_over(request.user, thread_for(request.user, thread_id, "operate"))
    return thread_rows([thread_id])[0]


@router.post("/threads/{uuid:thread_id}/hand-back")
def hand_back(request: SignedRequest, thread_id: UUID, back: HandBack) -> ThreadRow:
    """Let the agents answer again. For operators."""
    people.hand_back(request.user, thread_for(request.user, thread_id, "operate"), answer=back.answer)
    return thread_rows([thread_id])[0]


@router.post("/threads/{uuid:thread_id}/replies", response={201: Any})
def reply(request: SignedRequest, thread_id: UUID, said: Reply) -> Status[MessageRow]:
    """Answer under one's own name. For operators."""
    thread = thread_for(request.user, thread_id, "operate")
    files = attached(request.user, said.files)
    return Status(201, message_row(people.reply(request.user, thread, said.text, files=files, message_id=said.id, metadata=said.metadata)))
