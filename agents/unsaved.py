"""A run that leaves no rows: an answer outside of any thread, or one that reads a thread and writes nothing into it.

It has the methods of `threads.models.Run` that the runner and its tools use, on lists instead of tables.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from threads.convert import unsaved_rows
from threads.ids import uuid7
from threads.models import Message, Run, Thread, ToolCall, User
from threads.models.run import add_usage
from threads.parts import Part, Rest, fold
from threads.schemas import NewMessage

Facts = dict[str, Any]


class UnsavedRun:
    """One answer in memory. `said` are the messages it answers, after those of the thread, or of the turn of a saved `prompt`.

    asked_by: the run whose agent asks, see `agents.delegation`.
    """

    def __init__(
        self,
        agent: str,
        user: User | None,
        said: Sequence[NewMessage],
        thread: Thread | None = None,
        prompt: Message | None = None,
        asked_by: "UnsavedRun | None" = None,
        on_behalf_of: User | None = None,
    ) -> None:
        self.pk, self.agent, self.requested_by, self.thread = uuid7(), agent, user, thread
        self.order = prompt.order if prompt else _next_order(thread) if thread else 0
        self.thread_id = thread.pk if thread else None
        self.attempt, self.step, self.base = 1, 0, 0
        self._asked_by = asked_by
        # How many agents have asked one another until here.
        self.depth: int = asked_by.depth + 1 if asked_by else 0
        self.status = Run.Status.RUNNING.value
        self.error: dict[str, Any] | None = None
        self.usage: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.messages, self.given_calls = unsaved_rows(said)
        self.inputs = len(self.messages)
        self.prompt = self.messages[-1] if self.messages else prompt
        self.prompt_id = self.prompt.pk if self.prompt else None
        self.requested_by_id = user.pk if user else None
        self.on_behalf_of = on_behalf_of
        self._answers = prompt
        self.tool_calls: list[ToolCall] = []
        self.pending_message: Message | None = self._new_pending()

    @property
    def person(self) -> User | None:
        """As `Run.person`."""
        return self.on_behalf_of or self.requested_by

    @property
    def person_id(self) -> UUID | None:
        """As `Run.person_id`."""
        return self.person.pk if self.person else None

    def turn(self) -> tuple[list[Message], list[ToolCall]]:
        """As `Run.turn`; the turn of a saved prompt comes first."""
        rows: list[Message] = []
        calls: list[ToolCall] = []
        if self._answers is not None:
            rows = list(self._answers.thread.messages.settled().filter(order=self.order).order_by("step_order"))
            calls = list(ToolCall.objects.filter(message__in=rows))
        return [*rows, *self.messages], [*calls, *self.given_calls, *self.tool_calls]

    def said(self) -> tuple[list[Message], list[ToolCall]]:
        """As `Run.said`."""
        return self.messages[self.inputs :], self.tool_calls

    def running_calls(self, begun: Collection[UUID]) -> list[ToolCall]:
        """As `Run.running_calls`."""
        return [call for call in self._calls_of_step() if call.status == ToolCall.Status.RUNNING and call.pk not in begun]

    def settle_call(self, pk: UUID, status: str, **facts: Any) -> bool:
        """As `ToolCall.settle`."""
        call = next(call for call in self.tool_calls if call.pk == pk)
        if call.status not in (ToolCall.Status.RUNNING, ToolCall.Status.UNKNOWN):
            return False
        for name, value in {"status": status, "ended_at": timezone.now(), **facts}.items():
            setattr(call, "unsaved_files" if name == "files" else name, value)
        return True

    def show(self, pk: UUID, **columns: Any) -> None:
        """Nobody watches."""

    def has_untrusted_results(self) -> bool:
        """As `Run.has_untrusted_results`; what the one who asks has read may be in the question."""
        if any(call.untrusted for call in self.tool_calls) or (self._asked_by and self._asked_by.has_untrusted_results()):
            return True
        return self.thread is not None and ToolCall.objects.untrusted_for(self.thread).exists()

    def hand_over(self, agent: str) -> None:
        """As `Run.hand_over`."""
        self.agent = agent

    def save_step(self, parts: list[Part], count: int, facts: Facts, verdicts: dict[str, Facts], rest: Sequence[Rest] = ()) -> None:
        """As `Run.save_step`."""
        del rest
        self._fold(parts, facts | {"status": Message.Status.SUCCESS}, verdicts)
        self.base += count
        self.usage = add_usage(self.usage, facts.get("usage"))

    def after_calls(self, begun: Collection[UUID]) -> str:
        """As `Run.after_calls`; nobody can be waited for, so what a person would decide ends the answer."""
        del begun
        return "pause" if any(call.status in ToolCall.OPEN for call in self._calls_of_step()) else "next"

    def open_step(self) -> None:
        """As `Run.open_step`."""
        self._add_results()
        self.pending_message = self._new_pending()
        self.step += 1

    def next_attempt(self) -> None:
        """As `Run.next_attempt`."""
        self.attempt += 1

    def end(
        self,
        status: str,
        error: Facts | None = None,
        *,
        attempt: int | None = None,
        parts: list[Part] | None = None,
        count: int = 0,
        facts: Facts | None = None,
        rest: Sequence[Rest] = (),
    ) -> bool:
        """As `Run.end`."""
        del attempt, rest
        if self.pending_message is not None:
            failed = status == Run.Status.FAILED
            reason = {"failed": "error", "stopped": "stopped"}.get(status, (facts or {}).get("finish_reason", ""))
            columns = {"status": Message.Status.FAILED if failed else Message.Status.SUCCESS, "finish_reason": reason, "error": error}
            self._fold(parts or [], (facts or {}) | columns, {})
            self.base += count
        self.status, self.error = status, error
        self.usage = add_usage(self.usage, (facts or {}).get("usage"))
        return True

    def _fold(self, parts: list[Part], columns: Facts, verdicts: dict[str, Facts]) -> None:
        folded = fold(parts)
        message, self.pending_message = self.pending_message, None
        assert message is not None, "a step is folded into the row that was opened for it"
        for name, value in {**columns, "content": folded.content, "sources": folded.sources, "is_tool": bool(folded.calls)}.items():
            setattr(message, name, value)
        self.messages.append(message)
        refused = {"status": ToolCall.Status.FAILED}
        self.tool_calls += [
            ToolCall(message=message, step=self.step, index=index, **call.columns, **verdicts.get(call.id, refused))
            for index, call in enumerate(folded.calls)
        ]

    def _add_results(self) -> None:
        calls = self._calls_of_step()
        content = [{"type": "tool-result", "tool_call": str(call.pk)} for call in calls]
        agent = calls[0].message.agent_name if calls else self.agent
        self.messages.append(Message(role=Message.Role.TOOL, is_tool=True, agent_name=agent, content=content))

    def _calls_of_step(self) -> list[ToolCall]:
        return [call for call in self.tool_calls if call.step == self.step]

    def _new_pending(self) -> Message:
        return Message(role=Message.Role.ASSISTANT, status=Message.Status.PENDING, agent_name=self.agent)


def _next_order(thread: Thread) -> int:
    """Read afresh: the caller's thread may be from before the last answer."""
    return Thread.objects.values_list("last_order", flat=True).get(pk=thread.pk) + 1


AnyRun = Run | UnsavedRun
