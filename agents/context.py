"""What the model sees, always in a form that every server accepts; `messages_for` builds it, and shows it to whoever asks.

In this order: instructions, messages found by search, recent ones, those that the call brought along, the prompt, and what was answered
to it already. Whatever happened before (a stop, a crash, a deletion), the next prompt gets an answer: each tool call has exactly one
result right after it, results without a call and empty messages are left out.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.translation import gettext

from agents.attachments import RESULTS, content_of, name_of, noted
from agents.budget import Fitted, Turn, fit, shorten
from agents.context_options import ContextOptions, SearchOptions
from agents.embedding import Embed, Owner, embed_question
from agents.errors import BadInput, ProviderError
from threads import search
from threads.connections import release
from threads.convert import as_written, unsaved_rows
from threads.embeddings import models_in_use
from threads.files import files_in, is_part
from threads.models import Memory, Message, Run, Thread, ToolCall, User
from threads.schemas import NewMessage

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.unsaved import AnyRun

__all__ = ["Context", "ContextOptions", "SearchOptions", "fetch_context", "messages_for", "told_by"]
logger = logging.getLogger(__name__)
Chat = dict[str, Any]
UNSETTLED = {
    ToolCall.Status.UNKNOWN: "The outcome of this call is unknown: it was started, and may or may not have taken effect.",
    ToolCall.Status.REQUESTED: "A person was asked and has not answered yet.",
    ToolCall.Status.EXPIRED: "Nobody approved this call in time.",
}
MAX_MEMORIES = 50


@dataclass(frozen=True)
class Asked:
    """What history is looked up for: a question `text` in `thread` before turn `order`, of the person `user`; `payer` pays the search."""

    thread: Thread | None
    user: UUID | None
    payer: UUID | None
    order: int | None
    text: str


@dataclass
class Context:
    """The rows that a model is told, by where they come from, each oldest first; `calls` are the tool calls they name, by id.

    `why` has for each row that a search found its `score` (of all rankings together) and as `found` where it stood in each: {by ("words",
    or a model of vectors), rank from 1, score}. The other rows of `search` stand beside one of these.
    """

    search: list[Message] = field(default_factory=list)
    recent: list[Message] = field(default_factory=list)
    input: list[Message] = field(default_factory=list)
    prompt: list[Message] = field(default_factory=list)
    existing: list[Message] = field(default_factory=list)
    calls: dict[str, ToolCall] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    why: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    @property
    def all(self) -> list[Message]:
        """All of them, in the order in which they are told."""
        return [*self.search, *self.recent, *self.input, *self.prompt, *self.existing]


def messages_for(run: "AnyRun", agent: "Agent", *, max_tokens: int | None = None) -> Fitted:
    """What the model sees at the run's next call, in OpenAI's chat format, within the token budget."""
    return told_by(agent, context_of(run, agent.context_options), max_tokens=max_tokens)


def told_by(agent: "Agent", context: Context, *, max_tokens: int | None = None) -> Fitted:
    """A context as the agent's model sees it."""
    told = agent.context_handler(context) if agent.context_handler else context.all
    window = agent.window
    # No note may take more than about a sixth of the window.
    notes = [shorten(note, window // 2) for note in context.notes]
    system = [{"role": "system", "content": text} for text in (agent.instructions, *notes) if text]
    own = {id(row) for row in (*context.input, *context.prompt, *context.existing)}
    turns = list(_turns(told, context, own))
    tools = len(json.dumps([tool.schema for tool in agent.toolbox.values()]))
    return fit(system, turns, min(max_tokens or window, window), answer=agent.settings.get("max_completion_tokens"), overhead=tools)


def context_of(run: "AnyRun", options: ContextOptions, *, until: int | None = None) -> Context:
    """The context of a run's next model call, or of an earlier one: that whose row has the step order `until`."""
    rows, calls = run.turn()
    rows = [row for row in rows if until is None or row.step_order < until]
    thread = run.thread
    at = next((n for n, row in enumerate(rows) if row.pk == run.prompt_id), None)
    context = Context(existing=rows) if at is None else Context(prompt=[rows[at]], existing=rows[at + 1 :], input=rows[:at])
    _take_calls(context, calls)
    given = isinstance(run, Run) and run.given
    if given and "prompt" in given:
        context.prompt = [Message(role="user", content=[{"type": "text", "text": given["prompt"]}, *given.get("files", [])])]
    text = next((row.text for row in reversed([*context.input, *context.prompt]) if row.role == Message.Role.USER), "")
    _add_history(context, Asked(thread, run.person_id, run.requested_by_id, run.order if thread else None, text), options, embed=None)
    if given:
        _take_given(context, given)
    return context


def fetch_context(
    *,
    thread: Thread | None = None,
    user: User | None = None,
    payer: User | None = None,
    text: str = "",
    target: Message | None = None,
    options: ContextOptions | None = None,
    embed: Embed | None = None,
) -> Context:
    """Recent and found messages without any agent: before `target`, or like `text`. `embed` gives vectors in place of the site's model;
    `payer` is charged for them, else the user.

    Raises BadInput if neither a thread nor a user is given.
    """
    if target is not None:
        thread = thread or target.thread
    if thread is None and user is None:
        raise BadInput("thread", gettext("Name a thread or a user."))
    context = Context()
    if target is not None:
        turn = list(target.thread.messages.settled().filter(order=target.order).order_by("step_order"))
        context.prompt = [row for row in turn if row.pk == target.pk]
        context.existing = [row for row in turn if row.step_order > target.step_order]
        context.input = [row for row in turn if row.step_order < target.step_order]
        _take_calls(context, ToolCall.objects.filter(message__in=turn))
    order = target.order if target is not None else None
    payer = payer or user or (thread.owner if thread else None)
    asked = Asked(thread, user.pk if user else None, payer.pk if payer else None, order, text or (target.text if target else ""))
    _add_history(context, asked, options or ContextOptions(), embed)
    return context


def told(run: "AnyRun", options: ContextOptions) -> list[NewMessage]:
    """The conversation up to the run's last model call, without what this one said and asked for; as callers write messages."""
    context = context_of(run, options)
    last = {call.message_id for call in run.said()[1] if call.step == run.step}
    return as_written([row for row in context.all if row.pk not in last], context.calls.values())


def _take_given(context: Context, given: dict[str, Any]) -> None:
    """Messages that the call brought along stand before what it saved: its prompt, or the first of several."""
    brought, calls = unsaved_rows([NewMessage.of(each) for each in given.get("messages", [])])
    saved = next((n for n, row in enumerate(context.recent) if str(row.pk) == given.get("before")), len(context.recent))
    context.input = [*brought, *context.recent[saved:], *context.input]
    context.recent = context.recent[:saved]
    _take_calls(context, calls)


def _take_calls(context: Context, calls: Iterable[ToolCall]) -> None:
    context.calls |= {str(call.pk): call for call in calls}


def _add_history(context: Context, asked: Asked, options: ContextOptions, embed: Embed | None) -> None:
    if asked.thread is not None:
        context.recent = _recent(asked.thread, asked.order, options)
        context.notes += _about(asked.thread, options)
    if options.memories and asked.user is not None:
        context.notes += _remembered(asked.user)
    if asked.text.strip():
        known = {row.pk for row in (*context.recent, *context.input, *context.prompt, *context.existing)}
        found, context.why = _found(asked, options, embed)
        context.search = [row for row in found if row.pk not in known]
    named = [row.pk for row in context.recent if row.is_tool]
    if named:
        _take_calls(context, ToolCall.objects.filter(message__in=named))


def _recent(thread: Thread, order: int | None, options: ContextOptions) -> list[Message]:
    if options.recent_messages == 0 or order == 0:
        return []
    rows = thread.messages.settled()
    if order is not None:
        rows = rows.filter(order__lt=order)
    if options.summarise and thread.summarised_to is not None:
        rows = rows.filter(order__gt=thread.summarised_to)
    if options.exclude_tool_messages:
        rows = rows.filter(is_tool=False)
    return rows.newest(options.recent_messages)


def _about(thread: Thread, options: ContextOptions) -> list[str]:
    notes = []
    if options.title_and_summary and thread.title:
        notes.append(f"The conversation's title: {thread.title}")
    if thread.summary and (options.title_and_summary or (options.summarise and thread.summarised_to is not None)):
        notes.append(f"Summary of what was said before:\n{thread.summary}")
    return notes


def _remembered(user: UUID) -> list[str]:
    facts = [memory.text for memory in Memory.objects.filter(user=user).order_by("-pk")[:MAX_MEMORIES]]
    return ["What you were asked to remember about the person:\n" + "\n".join(f"- {fact}" for fact in reversed(facts))] if facts else []


def _found(asked: Asked, options: ContextOptions, given: Embed | None) -> tuple[list[Message], dict[UUID, dict[str, Any]]]:
    """What a search brings in, and why: see `Context.why`."""
    wanted, thread, order = options.search_options, asked.thread, asked.order
    if not (wanted.text_search or wanted.vector_search) or wanted.limit == 0:
        return [], {}
    everywhere = options.search_other_threads or thread is None
    owner = (asked.user or (thread.owner_id if thread else None)) if everywhere else None
    if everywhere and owner is None:
        return [], {}
    pk = thread.pk if thread else None
    scope = search.Scope(pk, owner, (order, 0) if order is not None else None, _copied(thread) if owner else [])
    legs = {"words": search.by_words(scope, asked.text, wanted.limit)} if wanted.text_search else {}
    payer = Owner(asked.payer or (thread.owner_id if thread else None), pk)
    legs |= _likenesses(scope, asked.text, wanted, given, payer) if wanted.vector_search else {}
    hits = search.fused(*legs.values(), limit=wanted.limit)
    why = {message: {"score": score, "found": _places(message, legs)} for message, score in hits.items()}
    return search.with_neighbours(hits, *wanted.message_range, not_from=(pk, order if order is not None else 2**31 - 1)), why


def _copied(thread: Thread | None) -> list[UUID]:
    """What a trial is a copy of: there is the answer that it is to be compared with."""
    if thread is None or thread.kind != Thread.Kind.TRIAL or thread.parent is None:
        return []
    return list(thread.parent.lines.values_list("pk", flat=True))


def _places(message: UUID, legs: Mapping[str, list[search.Hit]]) -> list[dict[str, Any]]:
    """Where a message stands in each ranking that has it."""
    ranked = ((by, rank, hit) for by, hits in legs.items() for rank, hit in enumerate(hits, 1))
    return [{"by": by, "rank": rank, "score": hit[1]} for by, rank, hit in ranked if hit[0] == message]


def _likenesses(scope: search.Scope, text: str, wanted: SearchOptions, given: Embed | None, asker: Owner) -> dict[str, list[search.Hit]]:
    """One ranking per model that made vectors here. A model that cannot be asked costs its ranking, not the answer."""
    legs = {}
    for model, dims in models_in_use():
        try:
            release()
            (vector,) = given([text]) if given else [list(embed_question(text, model, asker))]
        except ProviderError as error:
            logger.warning("searching without the vectors of %s: %s", model, error)
            continue
        if len(vector) == dims:
            legs[model] = search.by_likeness(scope, vector, model, wanted.limit, least=wanted.vector_score_threshold)
    return legs


def _turns(rows: list[Message], context: Context, own: set[int]) -> Iterator[Turn]:
    """Chat messages in the portions in which they may be left out."""
    turn: Turn | None = None
    recent = {id(row) for row in context.recent}
    for row in rows:
        key = ("own",) if id(row) in own else (row.thread_id, row.order)
        if turn is None or turn.key != key:
            if turn is not None and turn.messages:
                yield turn
            turn = Turn(key, own=id(row) in own, messages=[], rows=[], recent=id(row) in recent)
        turn.messages += _messages(row, context.calls)
        turn.rows.append(row)
    if turn is not None and turn.messages:
        yield turn


def _messages(row: Message, calls: Mapping[str, ToolCall]) -> Iterator[Chat]:
    if row.role == Message.Role.TOOL:
        return  # Results follow their calls, see below.
    asked = [calls[str(pk)] for pk in row.tool_call_ids if str(pk) in calls]
    message: Chat = {"role": row.role}
    if content := _content(row):
        message["content"] = content
    if asked:
        message["tool_calls"] = [_call(call) for call in asked]
    if content or asked:
        yield message
        yield from _results(asked)


def _content(row: Message) -> str | list[Chat]:
    """Only what a person says may hold files as such; of others' a model is told that they are there."""
    if row.role == Message.Role.USER:
        return content_of(row.text if row.text.strip() else "", row.file_parts)
    return "\n\n".join([*([row.text] if row.text.strip() else []), *map(noted, row.file_parts)])


def _call(call: ToolCall) -> Chat:
    """Under our own id: providers' ids may be empty or repeat. A model may ask for any name, and servers refuse to be told such ones."""
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.tool)[:64] or "_"
    return {"id": call.pk.hex, "type": "function", "function": {"name": name, "arguments": json.dumps(call.arguments)}}


def _results(calls: Iterable[ToolCall]) -> Iterator[Chat]:
    files: list[Chat] = []
    for call in calls:
        yield {"role": "tool", "tool_call_id": call.pk.hex, "content": _result(call)}
        files += _files_of(call) if call.status == ToolCall.Status.SUCCEEDED else []
    if files:
        # Servers take files in what a person says only.
        yield {"role": "user", "of": RESULTS, "content": content_of(f"The files of these results: {', '.join(map(name_of, files))}", files)}


def _files_of(call: ToolCall) -> list[Chat]:
    """Those of its result; of stored ones only what it refers to: a result may name the files of others."""
    found = files_in(call.result)
    own = call.file_ids if any("file" in part for part in found) else set()
    return [part for part in found if part.get("file") in own or "file" not in part]


def _without_bytes(value: Any) -> Any:
    """A result with its files named only."""
    if is_part(value):
        return noted(value)
    if isinstance(value, dict):
        return {key: _without_bytes(each) for key, each in value.items()}
    return [_without_bytes(each) for each in value] if isinstance(value, list) else value


def _result(call: ToolCall) -> str:
    if call.status == ToolCall.Status.SUCCEEDED:
        result = _without_bytes(call.result)
        return result if isinstance(result, str) and result else json.dumps(result)
    if call.status == ToolCall.Status.DENIED:
        return f"A person denied this call. {call.reason}".strip()
    if call.error:
        return f"Error: {call.error['message']}"
    return UNSETTLED.get(ToolCall.Status(call.status), "This call was not run.")
