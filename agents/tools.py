"""Tools: typed Python functions that a model may call. The JSON schema comes from the type hints, the description from the docstring.

    @tool(idempotent=True)
    def lookup_order(context: ToolContext, order_id: str) -> dict:
        \"\"\"Look an order up by its number.\"\"\"

A first parameter annotated `ToolContext` is filled in by us. Functions may be async. Raise `ToolError` to tell the model what went wrong.
"""

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints
from uuid import UUID

from django.db import connection
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import to_jsonable_python

from agents.errors import ToolError
from threads.models import Run, ToolCall
from threads.parts import Part

if TYPE_CHECKING:
    from agents.unsaved import UnsavedRun

MAX_RESULT_BYTES = 1_000_000
MAX_ARGUMENT_BYTES = 1_000_000
PROGRESS_INTERVAL = 0.25
# A coroutine may tell its progress too, and Django's ORM refuses to work in a thread with a running event loop.
PROGRESS_WRITER = ThreadPoolExecutor(2, thread_name_prefix="tool-progress")


@dataclass(frozen=True)
class Tool:
    """A function as a model sees it.

    idempotent: calling it twice does no harm, so after a crash it is simply called again.
    timeout: seconds; None = the site's AGENTSITE_TOOL_SECONDS.
    needs_approval: True, or a function of the tool's own parameters that says so; then a person decides before it is called.
    expires: how long a decision, or a person's answer, is waited for.
    by_person: it is never called; a person gives its result.
    """

    function: Callable[..., Any]
    idempotent: bool = False
    timeout: float | None = None
    needs_approval: bool | Callable[..., bool] = False
    expires: timedelta = timedelta(days=1)
    by_person: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def wants_context(self) -> bool:
        """Whether its first parameter is a ToolContext."""
        hints = get_type_hints(self.function)
        return hints.get(next(iter(inspect.signature(self.function).parameters), "")) is ToolContext

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The pydantic model of its arguments."""
        hints = get_type_hints(self.function, include_extras=True)
        parameters = list(inspect.signature(self.function).parameters.values())[1 if self.wants_context else 0 :]
        fields = {p.name: (hints.get(p.name, Any), ... if p.default is inspect.Parameter.empty else p.default) for p in parameters}
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """As it is offered to the model (OpenAI's function format)."""
        parameters = {key: value for key, value in self.arguments.model_json_schema().items() if key != "title"}
        return {"type": "function", "function": {"name": self.name, "description": self.description[:1024], "parameters": parameters}}

    def values(self, context: "ToolContext", arguments: dict[str, Any]) -> list[Any]:
        """What its function is called with; ToolError if the arguments do not fit."""
        return [*([context] if self.wants_context else []), *self.check(arguments).values()]

    def asks(self, context: "ToolContext", arguments: dict[str, Any]) -> bool:
        """Whether a person has to approve this call; ToolError if the arguments do not fit."""
        values = self.values(context, arguments)
        return self.needs_approval(*values) if callable(self.needs_approval) else self.needs_approval

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as Python values; ToolError names what is wrong with them."""
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:5]]
            raise ToolError(f"The arguments of {self.name} do not fit: {'; '.join(problems)}"[:500]) from error
        return {name: getattr(checked, name) for name in self.arguments.model_fields}


def tool(**more: Any) -> Callable[[Callable[..., Any]], Tool]:
    """Declare more about a tool than its function says: the fields of `Tool`."""
    return lambda function: Tool(function, **more)


def tool_from(function: Callable[..., Any] | Tool) -> Tool:
    """A tool as it was given in an agent's list."""
    return function if isinstance(function, Tool) else Tool(function)


class ToolContext:
    """What a tool may know about the call it serves, and where it tells how far it is."""

    def __init__(self, call_id: UUID, run: "Run | UnsavedRun", agent: Any, heard: Callable[[Part], None] = lambda _part: None) -> None:
        self.call_id, self._heard = call_id, heard
        self.run = run
        self.thread_id = run.thread_id
        self.agent = agent
        # Read here, as a coroutine could not: who asked, None if nobody did.
        self.user: Any = run.requested_by
        self.cancelled = threading.Event()
        self._shown_at = 0.0

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Show everybody who watches how far the tool is (`fraction` from 0 to 1). At most 4 a second are kept."""
        if self.cancelled.is_set():
            raise ToolError("The run was ended.")
        now = time.monotonic()
        if now - self._shown_at < PROGRESS_INTERVAL:
            return
        self._shown_at = now
        shown = {"text": str(text)[:200], "fraction": None if fraction is None else min(1.0, max(0.0, float(fraction)))}
        PROGRESS_WRITER.submit(self._show, shown).result()
        self._heard({"type": "data-progress", "id": str(self.call_id), "data": shown})

    def _show(self, shown: dict[str, Any]) -> None:
        try:
            self.run.show_progress(self.call_id, shown)
        finally:
            connection.close()


def call_tool(tool: Tool, call: ToolCall, context: ToolContext) -> dict[str, Any]:
    """Call the tool's function; returns the columns of the outcome. Errors other than ToolError are for its author: they raise."""
    try:
        result = tool.function(*tool.values(context, call.arguments))
        if inspect.isawaitable(result):
            result = asyncio.run(_await(result))
        result = to_jsonable_python(result)
        if len(json.dumps(result)) > MAX_RESULT_BYTES:
            raise ToolError(f"The result of {tool.name} is larger than {MAX_RESULT_BYTES:,} bytes.")
    except ToolError as error:
        return {"status": ToolCall.Status.FAILED, "error": error.as_json()}
    return {"status": ToolCall.Status.SUCCEEDED, "result": result}


async def _await(awaitable: Any) -> Any:
    return await awaitable
