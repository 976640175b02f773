"""A model for the tests of agents: it says what it is told to, and keeps what it was asked.

    with ScriptedModel("Let me see.", Use("look_up", {"word": "leek"}), "A leek is a vegetable.") as model:
        answer = generate(agent, "What is a leek?")
    assert model.requests[-1].messages[-1]["role"] == "tool"

Each reply answers one model call: a text, one or several of `Say`, `Think` and `Use`, a script (a function of the `Turn`), or an error
to be raised. It stands in for every model of the process while the block runs.
"""

import json
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Self

from agents.errors import AgentError, ProviderError
from agents.providers.demo import Act, Say, Script, Think, Turn, Use
from agents.providers.events import Event, Finish, Reasoning, Request, Text, ToolInput
from billing.usage import Usage

PROVIDER = "scripted"

__all__ = ["Say", "ScriptedModel", "Think", "Turn", "Use"]
Reply = str | Act | Sequence[Act] | Script | AgentError


class ScriptedModel:
    """A queue of replies; `requests` has what was asked, in order."""

    active: "ScriptedModel | None" = None

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.requests: list[Request] = []

    def add(self, *replies: Reply) -> None:
        """More replies."""
        self.replies.extend(replies)

    def __enter__(self) -> Self:
        if ScriptedModel.active is not None:
            raise RuntimeError("Another scripted model is answering already.")
        ScriptedModel.active = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        ScriptedModel.active = None

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        """Play the next reply."""
        self.requests.append(request)
        if not self.replies:
            raise ProviderError("not_found", "The scripted model has no reply left.", retryable=False)
        reply = self.replies.popleft()
        if isinstance(reply, AgentError):
            raise reply
        calls = spent = 0
        for act in _acts(reply, request):
            if isinstance(act, Use):
                yield ToolInput(calls, json.dumps(act.arguments), act.tool, f"call_{calls}")
                calls += 1
                continue
            for piece in re.findall(r"\s*\S+|\s+$", act.text):
                spent += 1
                yield Reasoning(piece) if isinstance(act, Think) else Text(piece)
        usage = Usage(fresh_input=len(json.dumps(request.messages)) // 4, output_text=spent)
        yield Finish("tool_calls" if calls else "stop", request.model, usage, PROVIDER)


def _acts(reply: "str | Act | Sequence[Act] | Script", request: Request) -> Iterable[Act]:
    if isinstance(reply, str):
        return [Say(reply)]
    if isinstance(reply, Say | Think | Use):
        return [reply]
    return reply(Turn(request.messages, request.tools)) if callable(reply) else reply
