"""Rows as browsers and programs see them: the same JSON in the socket's frames and in the API's answers."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threads.models import Message, Run, Thread, ToolCall, User

Json = dict[str, Any]


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def _id(value: Any) -> str | None:
    return str(value) if value else None


def person(user: "User | None") -> Json | None:
    """A person by id and name."""
    return {"id": str(user.pk), "name": user.name} if user else None


def thread_row(thread: "Thread") -> Json:
    """A thread; needs one read by `Thread.objects.listed()`."""
    return {
        "id": str(thread.pk),
        "title": thread.title,
        "summary": thread.summary,
        "status": thread.status,
        "agent": thread.default_agent,
        "version": thread.version,
        "last_activity": _time(thread.last_activity),
        "created_at": _time(thread.created_at),
        "owner": person(thread.owner),
        "assigned_to": person(thread.assigned_to),
        "members": [{"id": str(m.user_id), "name": m.user.name, "role": m.role} for m in thread.members.all()],
        "running": thread.running,  # type: ignore[attr-defined]
    }


def message_row(message: "Message") -> Json:
    """A message; its author should have been read along."""
    return {
        "id": str(message.pk),
        "order": message.order,
        "step_order": message.step_order,
        "role": message.role,
        "status": message.status,
        "author": person(message.author),
        "agent_name": message.agent_name,
        "content": message.content,
        "run": _id(message.run_id),
        "model": message.model,
        "finish_reason": message.finish_reason,
        "error": message.error,
        "usage": message.usage,
        "version": message.version,
        "created_at": _time(message.created_at),
    }


def run_row(run: "Run") -> Json:
    """A run."""
    return {
        "id": str(run.pk),
        "status": run.status,
        "attempt": run.attempt,
        "base": run.base,
        "agent": run.agent,
        "prompt": str(run.prompt_id),
        "pending_message": _id(run.pending_message_id),
        "error": run.error,
        "usage": run.usage,
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "version": run.version,
    }


def tool_call_row(call: "ToolCall") -> Json:
    """A tool call with its arguments and outcome."""
    return {
        "id": str(call.pk),
        "run": str(call.run_id),
        "message": str(call.message_id),
        "step": call.step,
        "index": call.index,
        "tool": call.tool,
        "arguments": call.arguments,
        "result": call.result,
        "error": call.error,
        "status": call.status,
        "progress": call.progress,
        "created_at": _time(call.created_at),
        "started_at": _time(call.started_at),
        "ended_at": _time(call.ended_at),
        "version": call.version,
    }
