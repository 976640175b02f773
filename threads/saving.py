"""Saving and changing messages outside of a run: imports, human operators, tests, other programs.

Positions: a user's row opens the next turn at step 0; everything else takes the next step of the turn that is current. Where a
batch begins is said by at most one of `order` ("next": a new turn; N: the end of turn N), `prompt` (the end of its turn) and
`pending` (the first message replaces that row in place); without any it is the thread's end. Whoever saves at the same time gets
other positions: they are given under the thread's lock.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext
from pydantic import ValidationError

from threads.changes import Change
from threads.errors import BadInput
from threads.files import stored
from threads.ids import uuid7
from threads.models import Message, Thread, ToolCall, User
from threads.parts import Call
from threads.schemas import NewMessage, ToolCallPart, ToolResultPart
from threads.words import complaint, grouped

Json = dict[str, Any]
Given = str | Json | NewMessage
MAX_ORDER = 2**31 - 1
RESTARTING = {"kind": "restarted", "message": "Restarting", "retryable": True, "retry_after": None}


def save_messages(
    thread_id: UUID,
    messages: Sequence[Given],
    *,
    order: int | Literal["next"] | None = None,
    prompt: UUID | None = None,
    pending: UUID | None = None,
    fail_pending: bool = False,
    author: User | None = None,
    agent_name: str = "",
) -> list[Message]:
    """Save a batch in one transaction and return its rows; all or nothing.

    `fail_pending` first fails the pending rows that no run is writing, of the prompt's turn or else of the whole thread. A failed
    prompt, or a pending row that was failed meanwhile, makes the new rows failed too. Raises BadInput naming the argument, and
    Thread.DoesNotExist.
    """
    new = stored(parsed(messages))  # before anybody waits for the thread
    with Thread.changing(thread_id) as change:
        return save_in(
            change, new, order=order, prompt=prompt, pending=pending, fail_pending=fail_pending, author=author, agent_name=agent_name
        )


def save_in(
    change: Change,
    messages: Sequence[Given],
    *,
    order: int | Literal["next"] | None = None,
    prompt: UUID | None = None,
    pending: UUID | None = None,
    fail_pending: bool = False,
    author: User | None = None,
    agent_name: str = "",
) -> list[Message]:
    """`save_messages` as part of a change of the thread."""
    new = stored(parsed(messages))
    if order is not None and (prompt or pending):
        raise BadInput("order", gettext("order cannot be combined with prompt or pending."))
    if isinstance(order, int) and not 0 <= order < MAX_ORDER:
        raise BadInput("order", gettext("order must be from 0 to %(most)s.") % {"most": grouped(MAX_ORDER - 1)})
    batch = _Batch(change, order, prompt, pending)
    if fail_pending:
        batch.fail_pending()
    rows = [batch.place(message, author, agent_name) for message in new]
    batch.save()
    return rows


def update_message(message: Message, **fields: Any) -> Message:
    """Change what a message says or how it ended: `content` (text or parts, no tool parts), `status`, `error` and the other columns
    of NewMessage."""
    (given,) = stored(parsed([{"role": message.role, **fields}]))
    if any(isinstance(part, ToolCallPart | ToolResultPart) for part in given.content) or (message.is_tool and "content" in fields):
        raise BadInput("content", gettext("What a tool was asked and answered is a record; it cannot be changed."))
    if "at" in fields:
        raise BadInput("at", gettext("When something was said does not change."))
    columns = {name: value for name, value in given.model_dump(by_alias=True).items() if name in fields}
    with Thread.changing(message.thread_id) as change:
        row = Message.objects.select_for_update().get(pk=message.pk)
        change.update(row, **columns)
    return row


class _Batch:
    """Gives positions to a batch, message by message, in a locked thread."""

    def __init__(self, change: Change, order: int | Literal["next"] | None, prompt: UUID | None, pending: UUID | None) -> None:
        self.change, self.thread = change, change.thread
        self.prompt = self._row("prompt", prompt)
        self.pending = self._row("pending", pending)
        self.error = self._inherited_error()
        self.explicit, self.first = order is not None, True
        self.rows: list[Message] = []
        self.new_calls: list[ToolCall] = []
        self.calls: dict[str, ToolCall] = {}  # by the caller's ids, which may repeat: the last one counts
        anchor = self.prompt or self.pending
        self.anchored = anchor.order if anchor else None
        if order == "next":
            self.anchored = self.order = self.thread.last_order + 1
            self.step = -1
        elif order is not None or anchor:
            self.anchored = self.order = order if order is not None else anchor.order  # type: ignore[union-attr]
            self.step = self.thread.last_step_of(self.order)
        else:
            self.order, self.step = self.thread.last_order, self.thread.last_step

    def fail_pending(self) -> None:
        """Rows somebody left behind; those of live runs are not ours to fail."""
        stale = self.thread.messages.filter(status=Message.Status.PENDING).exclude(run__in=self.thread.runs.live())
        if self.prompt:
            stale = stale.filter(order=self.prompt.order)
        if self.pending:
            stale = stale.exclude(pk=self.pending.pk)
        for row in stale:
            self.change.update(row, status=Message.Status.FAILED, error=RESTARTING)

    def place(self, new: NewMessage, author: User | None, agent_name: str) -> Message:
        """Give one message its position."""
        first, self.first = self.first, False
        columns = new.model_dump(exclude={"content", "agent_name", "at"}) | {"agent_name": new.agent_name or agent_name}
        if new.at:
            columns["created_at"] = new.at
        if self.error:
            columns |= {"status": Message.Status.FAILED, "error": self.error}
        if new.role == "user":
            columns["author"] = author
        if first and self.pending:
            row = self.pending
            self.change.update(row, **columns, **self._content(row, new))
            return row
        self._advance(first, new.role)
        row = Message(thread=self.thread, order=self.order, step_order=self.step, **columns)
        for name, value in self._content(row, new).items():
            setattr(row, name, value)
        self.rows.append(row)
        return row

    def save(self) -> None:
        """Insert what was placed."""
        for rows in (self.rows, self.new_calls):
            if rows:
                self.change.add_all(rows)
        self.change.touch()

    def _advance(self, first: bool, role: str) -> None:
        if first and self.explicit:
            self.step += 1
        elif role == "user":
            self.order = (max(self.thread.last_order, self.order) if self.order == self.anchored else self.order) + 1
            self.step = 0
        else:
            self.order, self.step = max(self.order, 0), self.step + 1
        self.thread.reached(self.order, self.step)

    def _content(self, row: Message, new: NewMessage) -> Json:
        content = [self._part(row, index, part) for index, part in enumerate(new.content)]
        return {"content": content, "is_tool": any("tool_call" in part for part in content)}

    def _part(self, row: Message, index: int, part: Any) -> Json:
        if isinstance(part, ToolCallPart):
            return {"type": "tool-call", "tool_call": str(self._call(row, index, part).pk), "tool": part.tool}
        if isinstance(part, ToolResultPart):
            return {"type": "tool-result", "tool_call": str(self._settle(part).pk)}
        plain: Json = part.model_dump(by_alias=True)
        return plain

    def _call(self, row: Message, index: int, part: ToolCallPart) -> ToolCall:
        columns = Call(str(uuid7()), part.tool, part.arguments, part.id[:200]).columns
        call = self.calls[part.id] = ToolCall(thread=self.thread, message=row, step=0, index=index, **columns)
        self.new_calls.append(call)
        return call

    def _settle(self, part: ToolResultPart) -> ToolCall:
        new = self.calls.get(part.id)
        call = new or _known_call(self.thread, part.id)
        error = {"kind": "tool_error", "message": part.error[:500], "retryable": False, "retry_after": None} if part.error else None
        status = ToolCall.Status.FAILED if error else ToolCall.Status.SUCCEEDED
        outcome = {"status": status, "result": part.result, "error": error, "ended_at": timezone.now()}
        if new:
            for name, value in outcome.items():
                setattr(new, name, value)
        elif call.status in ToolCall.UNSETTLED:
            self.change.update(call, **outcome)
        return call

    def _row(self, name: str, pk: UUID | None) -> Message | None:
        if pk is None:
            return None
        row = self.thread.messages.select_for_update().filter(pk=pk).first()
        if row is None:
            raise BadInput(name, gettext("There is no message %(id)s in this thread.") % {"id": pk})
        return row

    def _inherited_error(self) -> Json | None:
        if self.prompt and self.prompt.status == Message.Status.FAILED:
            return self.prompt.error or _failed("The prompt message failed.")
        if self.pending and self.pending.status == Message.Status.FAILED:
            return _failed(f"The pending message {self.pending.pk} had failed already.")
        return None


def _failed(message: str) -> Json:
    return {"kind": "failed_before", "message": message, "retryable": True, "retry_after": None}


def _known_call(thread: Thread, name: str) -> ToolCall:
    """The newest call of the thread by the caller's id or our own."""
    calls = thread.tool_calls.order_by("-created_at", "-index")
    call = calls.filter(provider_call_id=name).first() or (calls.filter(pk=name).first() if _is_uuid(name) else None)
    if call is None:
        raise BadInput("messages", gettext("The result of a tool call %(name)r that is not in this thread.") % {"name": name[:100]})
    return call


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def parsed(messages: Iterable[Given]) -> list[NewMessage]:
    """Messages as callers write them; BadInput names what does not fit."""
    try:
        return [NewMessage.of(message) for message in messages]
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(".".join(map(str, first["loc"])) or "messages", complaint(first)) from error
