"""What an answer comes to: its steps, and the conditions that may end it after one of them.

Agent("booker", tools=[search, book], stop_when=called("book"))
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threads.models import Message, Run, Thread, ToolCall

StopCondition = Callable[["Sequence[Step]"], bool]


@dataclass(frozen=True)
class Step:
    """One model call and the tool calls it asked for."""

    message: Message
    tool_calls: Sequence[ToolCall] = ()

    @property
    def text(self) -> str:
        """What it said."""
        return self.message.text

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens by class, see `billing.usage`."""
        return self.message.usage or {}


@dataclass(frozen=True)
class Answer:
    """A finished answer, or one that waits for a person (`status` is "waiting", or the last step has calls without an outcome).

    messages: what it added, in order. usage: of all steps together. error: as stored on rows, None if all went well.
    run, thread: where it is saved; None when it is not.
    """

    status: str
    messages: Sequence[Message]
    steps: Sequence[Step]
    usage: Mapping[str, int]
    error: dict[str, Any] | None = None
    run: Run | None = None
    thread: Thread | None = None
    object: Any = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """What the last step said."""
        return self.steps[-1].text if self.steps else ""

    @property
    def finish_reason(self) -> str:
        """Why the last step ended: stop, length, tool_calls, content_filter, stopped or error."""
        return self.steps[-1].message.finish_reason if self.steps else ""

    @property
    def warnings(self) -> list[Any]:
        """What the provider could not do as it was asked."""
        return [warning for step in self.steps for warning in step.message.warnings]


def steps_of(messages: Iterable[Message], calls: Iterable[ToolCall]) -> list[Step]:
    """The steps of an answer from its rows, in order."""
    asked: dict[Any, list[ToolCall]] = {}
    for call in sorted(calls, key=lambda call: (call.step, call.index)):
        asked.setdefault(call.message_id, []).append(call)
    answers = [row for row in messages if row.role == Message.Role.ASSISTANT]
    return [Step(row, asked.get(row.pk, [])) for row in answers]


def step_count(number: int) -> StopCondition:
    """Stop after this many steps."""
    return lambda steps: len(steps) >= number


def called(tool: str) -> StopCondition:
    """Stop once this tool was called with success; a failed call gives the model another try."""
    return lambda steps: any(call.tool == tool and call.status == ToolCall.Status.SUCCEEDED for call in steps[-1].tool_calls)
