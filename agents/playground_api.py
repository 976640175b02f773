"""The playground over HTTP, for its page and for programs: what happened in a conversation and why, and other ways to answer.

For staff with the permission `threads.use_playground`; a program's key needs the scope `playground` besides.
"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery, prefetch_related_objects
from django.http import Http404
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field, JsonValue, StrictBool

from agents import playground
from agents.agent import Agent
from agents.context_options import ContextOptions
from agents.errors import BadInput
from agents.models import RequestLog
from agents.playground import Trial
from agents.registry import get_agent, offered
from agents.shapes import (
    AgentMade,
    AgentsMade,
    AskedThere,
    CallFields,
    ContextBuilt,
    ContextRow,
    Excerpt,
    KeyAbout,
    MessageFields,
    MessagesFields,
    RequestRow,
    RunAbout,
    RunFields,
    UserRow,
    Users,
    UsersThread,
    UsersThreads,
)
from threads.access import SignedRequest, require_tester, thread_for
from threads.api import Limit, Order
from threads.lists import cursor_of
from threads.models import ApiKey, Message, Run, Thread, ToolCall, User
from threads.rows import Json, message_row, person, run_row, thread_rows, tool_call_row
from threads.shapes import ThreadRow
from threads.sync import one_moment, page

router = Router()
NOBODY = "none"
EXCERPT = 120


class Tried(Schema):
    """What to answer and how. `text` is a new prompt; `message` the id of an earlier one to be answered again, with `text` in its place if
    there is one. `options` are those of a call: model, instructions, steps, settings, tools, context_options, …"""

    text: str = Field("", max_length=1_000_000)
    message: UUID | None = None
    agent: str = Field("", max_length=100)
    options: dict[str, JsonValue] = Field(default_factory=dict)


class Generate(Tried):
    """With `save` the prompt is the user's and stays in their conversation; else it is answered in a copy, for a week. `id` is a UUID made
    by the client: sending it twice asks once."""

    save: StrictBool = False
    id: UUID | None = None


class PreviewWanted(Tried):
    """`step` is the id of a message that a model wrote: what it would be told now in place of what it was told then."""

    step: UUID | None = None


class ThreadFor(Schema):
    """A thread to be made in somebody's name."""

    user: UUID
    agent: str = Field("", max_length=100)
    title: str = Field("", max_length=200)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


@router.get("/key")
def key(request: SignedRequest) -> KeyAbout:
    """What the caller's API key may do, and until when; 401 without a valid one. All null for a browser's session."""
    require_tester(request.user)
    found = ApiKey.objects.filter(pk=request.user.api_key).first() if request.user.api_key else None
    return {
        "name": found.name if found else None,
        "scopes": found.scopes if found else None,
        "expires_at": _time(found.expires_at) if found else None,
        "owner": person(request.user),
    }


@router.get("/agents")
def agents(request: SignedRequest, user: UUID | None = None, thread: UUID | None = None) -> AgentsMade:
    """The agents that are offered, for a user or in a thread if one is named: how each is made."""
    require_tester(request.user)
    where = thread_for(request.user, thread, "test") if thread else None
    owner = where.owner if where else _user(user) if user else None
    return {"agents": agent_rows(owner, where)}


@router.get("/users")
def users(request: SignedRequest, search: str = "", limit: Limit = 50) -> Users:
    """People with threads, who was active last first; `search` looks at names. The id "none" stands for threads that are nobody's."""
    require_tester(request.user)
    newest = Thread.objects.kept().listed().filter(owner=OuterRef("pk")).values("last_activity")[:1]
    found = User.objects.annotate(last=Subquery(newest)).filter(last__isnull=False)
    for word in search[:200].split():
        found = found.filter(Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word))
    chosen = list(found.order_by("-last", "pk")[:limit])
    own = Thread.objects.kept().listed().filter(owner__in=[each.pk for each in chosen]).order_by()
    counts = dict(own.values_list("owner").annotate(n=Count("pk")))
    rows: list[UserRow] = [
        {"id": str(u.pk), "name": u.name, "username": u.username, "threads": counts[u.pk], "last_activity": _time(u.last)} for u in chosen
    ]
    of_nobody = Thread.objects.kept().listed().filter(owner=None)
    if not search and (some := of_nobody.aggregate(n=Count("pk"), last=Max("last_activity")))["n"]:
        rows.append({"id": NOBODY, "name": gettext("No user"), "username": "", "threads": some["n"], "last_activity": _time(some["last"])})
    return {"users": rows}


@router.get("/threads")
def threads(request: SignedRequest, user: str, before: str = "", limit: Limit = 50) -> UsersThreads:
    """A user's threads (`none`: nobody's), newest activity first, with what was said last in each; `before` continues a page."""
    require_tester(request.user)
    found = Thread.objects.kept().listed().filter(owner=None if user == NOBODY else _user(_uuid(user, "user")))
    if before:
        moment, pk = cursor_of(before)
        found = found.filter(last_activity__lte=moment).exclude(last_activity=moment, pk__gte=pk)
    last = Message.objects.filter(thread=OuterRef("pk")).order_by("-order", "-step_order").values("pk")[:1]
    speaker = (
        Message.objects.filter(thread=OuterRef("pk")).exclude(agent_name="").order_by("-order", "-step_order").values("agent_name")[:1]
    )
    shown = list(found.annotate(last=Subquery(last), speaker=Subquery(speaker)).values_list("pk", "last", "speaker")[:limit])
    newest = Message.objects.in_bulk([message for _, message, _ in shown if message])
    rows = {row["id"]: row for row in thread_rows([pk for pk, _, _ in shown])}
    listed: list[UsersThread] = [
        {**rows[str(pk)], "last_agent": speaker or "", "last_message": _excerpt(newest.get(message))} for pk, message, speaker in shown
    ]
    return {"threads": listed, "before": f"{listed[-1]['last_activity']},{listed[-1]['id']}" if len(listed) == limit else None}


@router.post("/threads", response={201: Any})
def new_thread(request: SignedRequest, new: ThreadFor) -> Status[ThreadRow]:
    """Make a thread in a user's name; the admin's log says who did."""
    require_tester(request.user)
    if new.agent:
        get_agent(new.agent)
    made = playground.start_for(request.user, _user(new.user), title=new.title, default_agent=new.agent, metadata=new.metadata)
    return Status(201, thread_rows([made.pk])[0])


@router.get("/threads/{uuid:thread_id}/messages")
def messages(
    request: SignedRequest, thread_id: UUID, before: Order | None = None, after: Order | None = None, limit: Limit = 50
) -> MessagesFields:
    """Whole turns with all that is known of them, ascending: the newest ones, those before an order, or those from the order `after` on.
    The answer's `before` and `after` continue; null is the end."""
    thread = thread_for(request.user, thread_id, "test")
    with one_moment():
        rows, runs, calls, *ends = page(thread, limit, before=before, after=after)
        prefetch_related_objects(rows, "sent_by")
        prefetch_related_objects(runs, "requested_by", "on_behalf_of")
        prefetch_related_objects(calls, "decided_by")
    return {
        "messages": [_message(row) for row in rows],
        "runs": [_run(run) for run in runs],
        "tool_calls": [_call(call) for call in calls],
        "before": ends[0],
        "after": ends[1],
    }


@router.get("/runs/{uuid:run_id}")
def run(request: SignedRequest, run_id: UUID) -> RunAbout:
    """A run with its steps (messages, timing, usage), its tool calls, and the requests to the model's server as far as they are kept."""
    found = _tested_run(request, run_id)
    steps = found.messages.select_related("author", "sent_by").order_by("step_order")
    calls = found.tool_calls.order_by("step", "index")
    kept = RequestLog.objects.filter(run_id=found.pk).order_by("created_at", "pk")
    return {
        "run": _run(found),
        "prompt": _message(found.prompt) if found.prompt else None,
        "messages": [_message(row) for row in steps],
        "tool_calls": [_call(call) for call in calls],
        "requests": [_request(each) for each in kept],
    }


@router.post("/threads/{uuid:thread_id}/context")
def context(request: SignedRequest, thread_id: UUID, wanted: PreviewWanted) -> ContextBuilt:
    """What the agent's context function would build now: `rows` with where each comes from (`source`: search, recent, input, prompt,
    existing), why it was found ({score, found: [{by, rank, score}]}; null beside one that was) and whether it had no room; the `notes`
    that are told besides, and the whole `request`. Without `message`, `step` and `text` it is the conversation as it stands."""
    thread = thread_for(request.user, thread_id, "test")
    step = _message_in(thread, wanted.step, "step")
    found = playground.preview(
        request.user, thread, _trial(wanted), text=wanted.text, prompt=_message_in(thread, wanted.message, "message"), step=step
    )
    rows = [cast(ContextRow, each | {"row": _message(each["row"])}) for each in found.rows]
    return {"rows": rows, "notes": found.notes, "request": found.request, "tokens": found.tokens, "window": found.window}


@router.post("/threads/{uuid:thread_id}/generate", response={202: Any})
def generate(request: SignedRequest, thread_id: UUID, wanted: Generate) -> Status[AskedThere]:
    """Have a prompt answered. Without `save` in a copy of the thread, which the answer names; the caller pays in any case. The answer
    streams over that thread's socket, and `GET /runs/{id}` has it."""
    thread = thread_for(request.user, thread_id, "test")
    prompt = _message_in(thread, wanted.message, "message")
    if wanted.save and prompt is not None:
        raise BadInput("save", gettext("Only a new prompt can be saved; answer this one again without saving."))
    if wanted.save:
        asked = playground.send_for(request.user, thread, _trial(wanted), wanted.text, message_id=wanted.id)
    else:
        asked = playground.try_out(request.user, thread, _trial(wanted), text=wanted.text, prompt=prompt, pk=wanted.id)
    where, message, answer = asked
    return Status(202, {"thread": thread_rows([where.pk])[0], "message": message_row(message), "run": run_row(answer) if answer else None})


def _trial(wanted: Tried) -> Trial:
    return Trial(wanted.agent, wanted.options)


def _tested_run(request: SignedRequest, run_id: UUID) -> Run:
    require_tester(request.user)
    found = Run.objects.select_related("thread", "prompt__author", "requested_by", "on_behalf_of").filter(pk=run_id).first()
    if found is None:
        raise Http404("There is no such run.")
    thread_for(request.user, found.thread_id, "test")
    return found


def _user(pk: UUID) -> User:
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise BadInput("user", gettext("There is nobody with this id."))
    return found


def _uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadInput(field, gettext("%(field)s is an id, or none.") % {"field": field}) from error


def _message_in(thread: Thread, pk: UUID | None, field: str) -> Message | None:
    if pk is None:
        return None
    rows: QuerySet[Message] = thread.messages.select_related("author", "run__thread__owner", "run__on_behalf_of", "run__requested_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise BadInput(field, gettext("There is no such message in this thread."))
    return found


def agent_rows(owner: User | None, thread: Thread | None) -> list[AgentMade]:
    """How the agents are made that are offered there, with what the thread wants otherwise."""
    return [_agent(each.in_thread(thread.options if thread else {})) for each in offered(owner, thread)]


def _agent(agent: Agent) -> AgentMade:
    tools = [tool.schema["function"] | {"needs_approval": bool(tool.needs_approval)} for tool in agent.toolbox.values()]
    return {
        "name": agent.name,
        "title": agent.label,
        "description": str(agent.description),
        "instructions": agent.instructions,
        "model": agent.model_name,
        "steps": agent.steps,
        "settings": agent.settings,
        "tools": tools,
        "handoffs": [each if isinstance(each, str) else each.name for each in agent.handoffs],
        "context_options": agent.context_options.model_dump(),
        "context_handler": agent.context_handler is not None,
        "window": agent.window,
        "listed": agent.listed,
    }


def _message(message: Message) -> MessageFields:
    return {
        **message_row(message),
        "thread": str(message.thread_id) if message.thread_id else None,
        "is_tool": message.is_tool,
        "reasoning": message.reasoning,
        "warnings": message.warnings,
        "provider_metadata": message.provider_metadata,
        "timing": message.timing,
        "copied_from": str(message.copied_from) if message.copied_from else None,
    }


def _run(run: Run) -> RunFields:
    return {
        **run_row(run),
        "thread": str(run.thread_id),
        "options": _options(run),
        "requested_by": person(run.requested_by),
        "on_behalf_of": person(run.on_behalf_of),
        "order": run.order,
        "step": run.step,
        "crashes": run.crashes,
        "worker": run.worker,
        "given": run.given,
        "queued_at": _time(run.queued_at),
        "lease_until": _time(run.lease_until),
        "wake_at": _time(run.wake_at),
    }


def _options(run: Run) -> Json:
    """What the call wanted otherwise; its context options in full, as what it did not name was as usual, not as the agent's."""
    options: Json = run.options
    context = options.get("context_options")
    return options | ({"context_options": ContextOptions.model_validate(context).model_dump()} if context else {})


def _call(call: ToolCall) -> CallFields:
    return {
        **tool_call_row(call),
        "provider_call_id": call.provider_call_id,
        "untrusted": call.untrusted,
        "decided_by": person(call.decided_by),
        "decided_at": _time(call.decided_at),
    }


def _request(log: RequestLog) -> RequestRow:
    return {
        "agent": log.agent,
        "step": log.step,
        "attempt": log.attempt,
        "request": log.request,
        "response": log.response,
        "error": log.error,
        "seconds": log.seconds,
        "created_at": _time(log.created_at),
    }


def _excerpt(message: Message | None) -> Excerpt | None:
    if message is None:
        return None
    return {"role": message.role, "status": message.status, "text": message.text[:EXCERPT], "created_at": _time(message.created_at)}


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
