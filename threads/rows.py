"""Rows as browsers and programs see them: the same JSON in the socket's frames and in the API's answers."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from django.db import connection

if TYPE_CHECKING:
    from threads.models import Feedback, Message, Run, ToolCall, User
    from threads.shapes import FeedbackRow, MarksRow, MessageRow, OwnThreadRow, PersonRow, RunRow, ThreadRow, ToolCallRow

Json = dict[str, Any]
# Kinds of threads that are in no list.
HIDDEN = ("branch", "child")
# What is tried in the playground, and what is not to be kept, is in no list either.
TRIAL, TEMPORARY = "trial", "temp"
UNLISTED = (*HIDDEN, TRIAL, TEMPORARY)

# How a thread stands in the lists of those who have it there, by their ids.
Marks = dict[str, "MarksRow"]
# Each prompt, answer and connect reads its thread like this. Through the ORM it is two statements and 1.5 ms of CPU, not 0.05.
THREADS = """
SELECT json_build_object(
    'id', t.id, 'title', t.title, 'summary', t.summary, 'status', t.status, 'agent', t.default_agent, 'version', t.version,
    'kind', t.kind, 'root', t.root_id, 'metadata', t.metadata, 'last_activity', t.last_activity, 'created_at', t.created_at,
    'owner', (SELECT json_build_object('id', u.id, 'name', {name}) FROM threads_user u WHERE u.id = t.owner_id),
    'assigned_to', (SELECT json_build_object('id', u.id, 'name', {name}) FROM threads_user u WHERE u.id = t.assigned_to_id),
    'human_wanted_at', t.human_wanted_at,
    'members', (SELECT coalesce(json_agg(json_build_object('id', u.id, 'name', {name}, 'role', m.role) ORDER BY m.id), '[]')
                FROM threads_threadmember m JOIN threads_user u ON u.id = m.user_id WHERE m.thread_id = t.id),
    'marks', (SELECT coalesce(json_object_agg(m.user_id, json_build_object('pinned_at', m.pinned_at, 'seen_at', m.seen_at)), '{{}}')
              FROM threads_threadmember m WHERE m.thread_id = t.id AND t.deleted_at IS NULL AND t.kind NOT IN {hidden}),
    'branches', (SELECT coalesce(json_agg(json_build_object(
                     'id', b.id, 'parent', b.parent_id, 'after', json_build_array(coalesce(b.fork_order, -1), coalesce(b.fork_step, 0)),
                     'last_activity', b.last_activity) ORDER BY b.created_at, b.id), '[]')
                 FROM threads_thread b WHERE b.kind = 'branch' AND b.root_id = CASE t.kind WHEN 'branch' THEN t.root_id ELSE t.id END),
    'running', EXISTS (SELECT FROM threads_run r WHERE r.thread_id = t.id AND r.status IN {live})
        OR EXISTS (SELECT FROM threads_thread b JOIN threads_run r ON r.thread_id = b.id
                   WHERE b.root_id = t.id AND b.kind = 'branch' AND r.status IN {live})
)::text FROM threads_thread t WHERE t.id = ANY(%s) ORDER BY t.last_activity DESC, t.id DESC
""".format(
    name="coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username)",
    live="('queued', 'running', 'waiting')",
    hidden=UNLISTED,
)


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def _id(value: Any) -> str | None:
    return str(value) if value else None


def person(user: "User | None") -> "PersonRow | None":
    """A person by id and name."""
    return {"id": str(user.pk), "name": user.name} if user else None


def marked_rows(ids: Iterable[UUID]) -> "list[tuple[ThreadRow, Marks]]":
    """These threads as in `thread_rows`, and how each stands in people's lists; what is deleted or hidden stands in none."""
    with connection.cursor() as cursor:
        cursor.execute(THREADS, [list(ids)])
        rows = [msgspec.json.decode(text) for (text,) in cursor.fetchall()]
    return [(row, row.pop("marks")) for row in rows]


def thread_rows(ids: Iterable[UUID]) -> "list[ThreadRow]":
    """These threads with their people, and whether somebody is answering; newest activity first."""
    return [row for row, _ in marked_rows(ids)]


def own_rows(ids: Iterable[UUID], reader: UUID) -> "list[OwnThreadRow]":
    """These threads, and as `mine` how each stands in the reader's list."""
    return [own_row(row, marks, reader) for row, marks in marked_rows(ids)]


def own_row(row: "ThreadRow", marks: Marks, reader: UUID | str) -> "OwnThreadRow":
    """A thread as this reader's list shows it."""
    return {**row, "mine": marks.get(str(reader))}


def message_row(message: "Message") -> "MessageRow":
    """A message; its author should have been read along."""
    return {
        "id": str(message.pk),
        "order": message.order,
        "step_order": message.step_order,
        "role": message.role,
        "status": message.status,
        "author": person(message.author),
        "sent_by": person(message.sent_by),
        "agent_name": message.agent_name,
        "content": message.content,
        "sources": message.sources,
        "run": _id(message.run_id),
        "provider": message.provider,
        "model": message.model,
        "finish_reason": message.finish_reason,
        "error": message.error,
        "usage": message.usage,
        "version": message.version,
        "created_at": _time(message.created_at),
    }


def feedback_row(feedback: "Feedback") -> "FeedbackRow":
    """What somebody thinks of an answer."""
    return {"message": str(feedback.message_id), "value": feedback.value, "comment": feedback.comment}


def run_row(run: "Run") -> "RunRow":
    """A run."""
    return {
        "id": str(run.pk),
        "status": run.status,
        "attempt": run.attempt,
        "base": run.base,
        "agent": run.agent,
        "prompt": _id(run.prompt_id),
        "pending_message": _id(run.pending_message_id),
        "error": run.error,
        "usage": run.usage,
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "version": run.version,
    }


def tool_call_row(call: "ToolCall") -> "ToolCallRow":
    """A tool call with its arguments and outcome."""
    return {
        "id": str(call.pk),
        "run": _id(call.run_id),
        "message": str(call.message_id),
        "step": call.step,
        "index": call.index,
        "tool": call.tool,
        "arguments": call.arguments,
        "result": call.result,
        "error": call.error,
        "status": call.status,
        "progress": call.progress,
        "usage": call.usage,
        "child": _id(call.child_id),
        "arguments_hash": call.arguments_hash,
        "reason": call.reason,
        "expires_at": _time(call.expires_at),
        "created_at": _time(call.created_at),
        "started_at": _time(call.started_at),
        "ended_at": _time(call.ended_at),
        "version": call.version,
    }
