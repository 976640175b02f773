"""Errors by what the caller does next. The kinds are part of the API; messages are shown to people and hold no secrets."""

from typing import Any, ClassVar


class AgentError(Exception):
    """Something expected went wrong. `kind` is for programs, the message for people."""

    kind: ClassVar[str] = "internal"
    retryable = False
    retry_after: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The error as it is stored on rows: bounded, plain JSON."""
        return {"kind": self.kind, "message": str(self)[:500], "retryable": self.retryable, "retry_after": self.retry_after}

    def details(self) -> dict[str, Any]:
        """What programs that called the API need to know besides."""
        return {}


class BadInput(AgentError):
    """The caller sent something unusable; `field` names it. Nothing was changed."""

    kind = "bad_input"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    def details(self) -> dict[str, Any]:
        """Where it was."""
        return {"field": self.field}


class Conflict(AgentError):
    """The id is taken, or the thread is busy and the caller asked not to wait."""

    kind = "conflict"


class Busy(Conflict):
    """An answer is being written and the caller asked for `reject`."""

    kind = "busy"


class Forbidden(AgentError):
    """The person may see this thread but not do that."""

    kind = "forbidden"


class LeaseLost(AgentError):
    """This worker no longer owns the run: it was stopped, ended or taken over. Write nothing more."""

    kind = "lease_lost"
