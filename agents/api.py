"""Asking agents: send a prompt, stop and retry an answer. The commands of every page and program."""

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema, Status
from pydantic import Field, JsonValue

from agents import services
from agents.registry import all_agents
from threads.access import SignedRequest, run_for, thread_for
from threads.api import router
from threads.models import Message, Run
from threads.rows import Json, message_row, run_row, tool_call_row

__all__ = ["router"]  # The threads' own: reading and asking share the address of a thread's messages, and so must one router.


class Prompt(Schema):
    """What somebody asks. `id` is a UUID made by the client: sending it twice changes nothing."""

    text: str
    id: UUID | None = None
    agent: str = ""
    meanwhile: Literal["queue", "interrupt", "reject"] = "queue"


class OneDecision(Schema):
    """A decision about one call; `arguments_hash` is that of the call as it was shown."""

    call: UUID
    approved: bool
    arguments_hash: str
    reason: str = Field("", max_length=1000)


class Decisions(Schema):
    """All of them count, or none."""

    decisions: list[OneDecision] = Field(min_length=1, max_length=1000)


class Answered(Schema):
    """What a person answers in place of a tool."""

    result: JsonValue


@router.get("/agents")
def agents(request: HttpRequest) -> list[Json]:
    """The agents one may ask."""
    del request
    return [
        {"name": a.name, "title": a.title or a.name.capitalize(), "description": a.description, "examples": list(a.examples)}
        for a in all_agents()
    ]


@router.post("/threads/{uuid:thread_id}/messages", response={202: Any})
def send(request: SignedRequest, thread_id: UUID, prompt: Prompt) -> Status[Json]:
    """Ask an agent in a thread. The answer comes over the thread's socket."""
    thread = thread_for(request.user, thread_id, "write")
    asked = services.send(request.user, thread, prompt.text, agent=prompt.agent, message_id=prompt.id, meanwhile=prompt.meanwhile)
    return Status(202, _asked(*asked))


@router.post("/threads/{uuid:thread_id}/stop")
def stop_thread(request: SignedRequest, thread_id: UUID) -> Json:
    """Stop the answer that is being written, if there is one. What was said is kept."""
    run = services.stop_thread(thread_for(request.user, thread_id, "write"))
    return {"run": run_row(run) if run else None}


@router.post("/runs/{uuid:run_id}/stop")
def stop_run(request: SignedRequest, run_id: UUID) -> Json:
    """Stop this run; if it has ended already, nothing changes."""
    run = run_for(request.user, run_id, "write")
    services.stop(run)
    return run_row(run)


@router.post("/runs/{uuid:run_id}/retry", response={202: Any})
def retry(request: SignedRequest, run_id: UUID) -> Status[Json]:
    """Answer the prompt of a failed or stopped run again."""
    return Status(202, _asked(*services.retry(request.user, run_for(request.user, run_id, "write"))))


@router.post("/threads/{uuid:thread_id}/decisions")
def decide(request: SignedRequest, thread_id: UUID, decided: Decisions) -> Json:
    """Approve or deny tool calls, many at once. The answer goes on by itself when nothing is left to decide."""
    thread = thread_for(request.user, thread_id, "write")
    calls = services.decide(request.user, thread, [services.Decision(**dict(one)) for one in decided.decisions])
    return {"tool_calls": [tool_call_row(call) for call in calls]}


@router.post("/threads/{uuid:thread_id}/tool-calls/{uuid:call_id}/result")
def answer_call(request: SignedRequest, thread_id: UUID, call_id: UUID, answered: Answered) -> Json:
    """Answer a question that an agent asked a person."""
    thread = thread_for(request.user, thread_id, "write")
    return tool_call_row(services.answer_call(request.user, thread, call_id, answered.result))


def _asked(message: Message, run: Run) -> Json:
    return {"message": message_row(message), "run": run_row(run)}
