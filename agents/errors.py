"""The errors of answering, by what the caller does next. The base and the errors of rows are in `threads.errors`."""

from typing import Any

from threads.errors import AgentError, BadInput, Busy, Conflict, Forbidden, LeaseLost

__all__ = ["AgentError", "BadInput", "Busy", "Conflict", "Forbidden", "LeaseLost"]


class ProviderError(AgentError):
    """The model's server failed. `kind` is one of rate_limit, auth, not_found, bad_request, server, connection, broken_stream, stalled
    and garbage.

    `retryable` says whether the same request may succeed later, `retry_after` in how many seconds, if the server said so.
    """

    def __init__(self, kind: str, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self._kind, self.retryable, self.retry_after = kind, retryable, retry_after

    def as_json(self) -> dict[str, Any]:
        """As stored on rows."""
        return super().as_json() | {"kind": self._kind}


class ContextOverflow(AgentError):
    """The conversation is longer than the model can read."""

    kind = "context_overflow"


class ToolError(AgentError):
    """A tool could not do it. The message is told to the model, which may try otherwise."""

    kind = "tool_error"


class InvalidArguments(ToolError):
    """A tool was called with arguments that do not fit it. The model is told what is wrong, and may try again."""

    kind = "invalid_arguments"


class Refused(AgentError):
    """The model declined to give a structured answer; the message has its words."""

    kind = "refusal"


class InvalidAnswer(AgentError):
    """A structured answer did not fit, and neither did the corrected one."""

    kind = "invalid_answer"
    retryable = True


class AnswerFailed(AgentError):
    """The answer failed, as `error` says in the form that rows store; `answer` has what there is of it."""

    def __init__(self, error: dict[str, Any], answer: Any) -> None:
        super().__init__(error["message"])
        self.error, self.answer = error, answer
        self.retryable, self.retry_after = error["retryable"], error["retry_after"]

    def as_json(self) -> dict[str, Any]:
        """As stored on rows."""
        return self.error


class Drained(AgentError):
    """This worker is shutting down: the run goes back to the queue and continues elsewhere."""

    kind = "drained"
    retryable = True
