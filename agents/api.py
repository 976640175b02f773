"""Asking agents: make a thread for one, send a prompt, stop and retry an answer. The commands of every page and program."""

from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Schema, Status
from pydantic import BeforeValidator, Field, JsonValue, StrictBool, TypeAdapter

from agents import branching, services
from agents.registry import all_agents, get_agent
from agents.shapes import AgentRow, Asked, AskedThere, Stopped
from threads.access import SignedRequest, run_for, thread_for
from threads.copying import fork
from threads.errors import BadInput, Conflict
from threads.files import attached
from threads.ids import uuid7
from threads.lists import router
from threads.models import Message, Run, Thread
from threads.rows import message_row, run_row, thread_rows, tool_call_row
from threads.shapes import RunRow, ThreadRow, ToolCallRow, ToolCalls

__all__ = ["router"]  # The threads' own: reading and asking share the address of a thread's messages, and so must one router.


class NewThread(Schema):
    """A thread to be made. `id` is a UUID made by the client: sending it twice makes one thread. A `temporary` one is in no list, found by
    no search, and deleted for good an hour after what happened last in it."""

    id: UUID | None = None
    title: str = Field("", max_length=200)
    agent: str = Field("", max_length=100)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    temporary: StrictBool = False


class ThreadPatch(Schema):
    """What may be changed of a thread; what is left out stays. `temporary: false` keeps one that was to be deleted."""

    title: str | None = Field(None, max_length=200)
    agent: str | None = Field(None, max_length=100)
    status: Literal["active", "archived"] | None = None
    metadata: dict[str, JsonValue] | None = None
    temporary: Annotated[Literal[False], BeforeValidator(TypeAdapter(StrictBool).validate_python)] | None = None


class Prompt(Schema):
    """What somebody asks. `id` is a UUID made by the client: sending it twice changes nothing. `files` are ids of files that were brought
    along (`POST /api/files`); with some, `text` may be empty."""

    text: str = ""
    files: list[UUID] = Field(default_factory=list)
    id: UUID | None = None
    agent: str = ""
    meanwhile: Literal["queue", "interrupt", "reject"] = "queue"
    answer: StrictBool = True


class NewBranch(Schema):
    """Another version of the conversation from the prompt `message` on: with `text` in its place, or with another answer to it. With a
    `text`, `files` take the place of the prompt's files; without `files` it keeps them. `id` is a UUID made by the client: sending it
    twice makes one branch."""

    message: UUID
    text: str | None = None
    files: list[UUID] | None = None
    agent: str = ""
    id: UUID | None = None


class NewFork(Schema):
    """A copy of a conversation, whole or `through` one of its messages. `id` as in NewThread."""

    through: UUID | None = None
    id: UUID | None = None


class OneDecision(Schema):
    """A decision about one call; `arguments_hash` is that of the call as it was shown."""

    call: UUID
    approved: StrictBool
    arguments_hash: str
    reason: str = Field("", max_length=1000)


class Decisions(Schema):
    """All of them count, or none."""

    decisions: list[OneDecision] = Field(min_length=1, max_length=1000)


class Answered(Schema):
    """What a person answers in place of a tool."""

    result: JsonValue


class Settled(Schema):
    """What a person found out about a call of unknown outcome."""

    happened: StrictBool
    note: str = Field("", max_length=1000)


@router.get("/agents")
def agents(request: HttpRequest) -> list[AgentRow]:
    """The agents one may ask; those that are not `listed` are reached by handoffs only."""
    del request
    return [
        {
            "name": a.name,
            "title": a.label,
            "description": str(a.description),
            "examples": [str(each) for each in a.examples],
            "listed": a.listed,
        }
        for a in all_agents()
    ]


@router.post("/threads", response={200: Any, 201: Any})
def new_thread(request: SignedRequest, new: NewThread) -> Status[ThreadRow]:
    """Make a thread that belongs to the caller."""
    _require_agent(new.agent)
    pk = new.id or uuid7()
    if Thread.objects.filter(pk=pk).exists():
        if not Thread.objects.filter(pk=pk, owner=request.user).exists():
            raise Conflict(gettext("This id is taken."))
        return Status(200, thread_rows([pk])[0])
    try:
        kind = Thread.Kind.TEMPORARY if new.temporary else Thread.Kind.MAIN
        Thread.start(request.user, pk=pk, title=new.title, default_agent=new.agent, metadata=new.metadata, kind=kind)
    except IntegrityError:
        return new_thread(request, new)  # The same id came twice at the same moment: the first one counts.
    return Status(201, thread_rows([pk])[0])


@router.patch("/threads/{uuid:thread_id}")
def change_thread(request: SignedRequest, thread_id: UUID, patch: ThreadPatch) -> ThreadRow:
    """Rename, archive or choose the agent for what comes next."""
    _require_agent(patch.agent or "")
    need: Literal["write", "manage"] = "manage" if patch.status or patch.temporary is False else "write"
    thread = thread_for(request.user, thread_id, need)
    if patch.temporary is False:
        thread.keep()
    names = {"title": "title", "agent": "default_agent", "status": "status", "metadata": "metadata"}
    fields = {names[key]: value for key, value in patch.dict(exclude_none=True, exclude={"temporary"}).items()}
    # All versions of a conversation have one name, and one place in the lists.
    if common := {name: fields.pop(name) for name in ("title", "status") if name in fields}:
        thread.change_lines(**common)
    if fields:
        with Thread.changing(thread.pk) as change:
            change.update_thread(**fields)
    return thread_rows([thread.pk])[0]


@router.post("/threads/{uuid:thread_id}/messages", response={202: Any})
def send(request: SignedRequest, thread_id: UUID, prompt: Prompt) -> Status[Asked]:
    """Ask an agent in a thread. The answer comes over the thread's socket."""
    thread = thread_for(request.user, thread_id, "write")
    asked = services.send(
        request.user,
        thread,
        prompt.text,
        files=attached(request.user, prompt.files),
        agent=prompt.agent,
        message_id=prompt.id,
        meanwhile=prompt.meanwhile,
        answer=prompt.answer,
    )
    return Status(202, _asked(*asked))


@router.post("/threads/{uuid:thread_id}/branches", response={202: Any})
def branch(request: SignedRequest, thread_id: UUID, new: NewBranch) -> Status[AskedThere]:
    """Change a prompt, or have it answered again. What was said stays; the new version is a thread of its own with the same people."""
    thread = thread_for(request.user, thread_id, "write")
    prompt = _message_in(thread, new.message, "message")
    files = None if new.files is None else attached(request.user, new.files)
    made, message, run = branching.branch(request.user, thread, prompt, new.text, files=files, agent=new.agent, branch_id=new.id)
    return Status(202, {"thread": thread_rows([made.pk])[0], **_asked(message, run)})


@router.post("/threads/{uuid:thread_id}/forks", response={200: Any, 201: Any})
def fork_thread(request: SignedRequest, thread_id: UUID, new: NewFork) -> Status[ThreadRow]:
    """Copy a conversation into a new thread that belongs to the caller alone."""
    thread = thread_for(request.user, thread_id)
    through = _message_in(thread, new.through, "through") if new.through else None
    if new.id and (existing := Thread.objects.filter(pk=new.id).first()):
        if existing.owner_id != request.user.pk or existing.parent_id != thread.pk:
            raise Conflict(gettext("This id is taken."))
        return Status(200, thread_rows([existing.pk])[0])
    try:
        made = fork(thread, request.user, through=through, pk=new.id)
    except IntegrityError:
        return fork_thread(request, thread_id, new)  # The same id came twice at the same moment: the first one counts.
    return Status(201, thread_rows([made.pk])[0])


@router.post("/threads/{uuid:thread_id}/stop")
def stop_thread(request: SignedRequest, thread_id: UUID) -> Stopped:
    """Stop the answer that is being written, if there is one. What was said is kept."""
    run = services.stop_thread(thread_for(request.user, thread_id, "write"))
    return {"run": run_row(run) if run else None}


@router.post("/runs/{uuid:run_id}/stop")
def stop_run(request: SignedRequest, run_id: UUID) -> RunRow:
    """Stop this run; if it has ended already, nothing changes."""
    run = run_for(request.user, run_id, "write")
    services.stop(run)
    return run_row(run)


@router.post("/runs/{uuid:run_id}/retry", response={202: Any})
def retry(request: SignedRequest, run_id: UUID) -> Status[Asked]:
    """Answer the prompt of a failed or stopped run again."""
    return Status(202, _asked(*services.retry(request.user, run_for(request.user, run_id, "write"))))


@router.post("/threads/{uuid:thread_id}/decisions")
def decide(request: SignedRequest, thread_id: UUID, decided: Decisions) -> ToolCalls:
    """Approve or deny tool calls, many at once. The answer goes on by itself when nothing is left to decide."""
    thread = thread_for(request.user, thread_id, "write")
    calls = services.decide(request.user, thread, [services.Decision(**dict(one)) for one in decided.decisions])
    return {"tool_calls": [tool_call_row(call) for call in calls]}


@router.post("/threads/{uuid:thread_id}/tool-calls/{uuid:call_id}/result")
def answer_call(request: SignedRequest, thread_id: UUID, call_id: UUID, answered: Answered) -> ToolCallRow:
    """Answer a question that an agent asked a person. For operators: whoever asked the agent could answer for them."""
    thread = thread_for(request.user, thread_id, "write")
    if thread.kind != Thread.Kind.TRIAL:  # in one's own trial one answers oneself
        thread = thread_for(request.user, thread_id, "operate")
    return tool_call_row(services.answer_call(request.user, thread, call_id, answered.result))


@router.post("/threads/{uuid:thread_id}/tool-calls/{uuid:call_id}/settle")
def settle_call(request: SignedRequest, thread_id: UUID, call_id: UUID, settled: Settled) -> ToolCallRow:
    """Say whether a call of unknown outcome took effect. The model is told with the next prompt."""
    thread = thread_for(request.user, thread_id, "write")
    return tool_call_row(services.settle_call(request.user, thread, call_id, happened=settled.happened, note=settled.note))


def _require_agent(name: str) -> None:
    """Empty: the thread's first prompt chooses."""
    if name:
        get_agent(name)


def _message_in(thread: Thread, pk: UUID, field: str) -> Message:
    """A message of the thread."""
    message = thread.messages.filter(pk=pk).first()
    if message is None:
        raise BadInput(field, gettext("There is no such message in this thread."))
    return message


def _asked(message: Message, run: Run | None) -> Asked:
    return {"message": message_row(message), "run": run_row(run) if run else None}
