"""What a tool may know about the call it serves, and where it tells how far it is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic
from uuid import UUID

from django.db import connection
from typing_extensions import TypeVar

from agents.context import told
from agents.errors import ToolError
from billing.models import BookedValue
from threads.models import Message, Run, Thread
from threads.parts import Part
from threads.storable import storable

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.unsaved import UnsavedRun
    from threads.schemas import NewMessage

Deps = TypeVar("Deps", default=Any)
T = TypeVar("T")
SHOW_INTERVAL = 0.25
# A coroutine may ask and tell too, and Django's ORM refuses to work in a thread with a running event loop.
DATABASE = ThreadPoolExecutor(2, thread_name_prefix="tool-context")


class ToolContext(Generic[Deps]):
    """The first argument of a tool that asks for it.

    user: who asked (or on whose behalf somebody tries it), None if nobody did. agent, run, thread_id, call_id: what it serves.
    cancelled: an Event, set when the run is over.
    """

    def __init__(self, call_id: UUID, run: "Run | UnsavedRun", agent: "Agent", heard: Callable[[Part], None] = lambda _part: None) -> None:
        self.call_id, self._heard = call_id, heard
        self.run = run
        self.thread_id = run.thread_id
        self.agent = agent
        # Read here, as a coroutine could not.
        self.user: Any = run.person
        self.cancelled = threading.Event()
        self.bookings: list[BookedValue] = []
        # The usage of what it asked of other agents.
        self.spent: dict[str, Any] = {}
        # Ids of the files that its results name.
        self.files: set[str] = set()
        self._shown_at: dict[str, float] = {}

    @cached_property
    def deps(self) -> Deps:
        """Your own: what the agent (or the call) has as `deps`, or what that returns for this run if it is a function."""
        deps: Any = self.agent.deps
        return _in_database_thread(lambda: deps(self.run)) if callable(deps) else deps  # type: ignore[no-any-return]

    @cached_property
    def thread(self) -> Thread | None:
        """The conversation it is part of; None outside of any."""
        return _in_database_thread(lambda: self.run.thread)

    @cached_property
    def prompt(self) -> Message | None:
        """What is being answered."""
        return _in_database_thread(lambda: self.run.prompt)

    @property
    def messages(self) -> "list[NewMessage]":
        """The conversation as the model has it at this call, oldest first, in the form that `generate(messages=…)` takes."""
        return _in_database_thread(lambda: told(self.run, self.agent.context_options))

    def book(self, amount: Decimal | int | str, note: str = "") -> None:
        """Note that the conversation brought in so much, in the site's currency; the admin sets it against what it cost. It counts if the
        call succeeds, once. Raises Django's ValidationError for an absurd amount."""
        if self.thread_id is None:
            raise ToolError("There is no conversation to book this on.")
        value = BookedValue(thread_id=self.thread_id, amount=Decimal(amount), note=storable(note)[:200])
        value.clean_fields()
        self.bookings.append(value)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Show everybody who watches how far the tool is (`fraction` from 0 to 1). At most 4 a second are kept."""
        shown = {"text": str(text)[:200], "fraction": None if fraction is None else min(1.0, max(0.0, float(fraction)))}
        if self._show("progress", shown):
            self._heard({"type": "data-progress", "id": str(self.call_id), "data": shown})

    def preliminary(self, result: Any) -> None:
        """Show a result that is not the last one (plain JSON). At most 4 a second are kept."""
        if self._show("result", result):
            self._heard({"type": "tool-output-available", "toolCallId": str(self.call_id), "output": result, "preliminary": True})

    def _show(self, column: str, value: Any) -> bool:
        if self.cancelled.is_set():
            raise ToolError("The run was ended.")
        now = time.monotonic()
        if now - self._shown_at.get(column, 0.0) < SHOW_INTERVAL:
            return False
        self._shown_at[column] = now
        _in_database_thread(lambda: self.run.show(self.call_id, **{column: value}))
        return True


def _in_database_thread(read: Callable[[], T]) -> T:
    def work() -> T:
        try:
            return read()
        finally:
            connection.close()

    return DATABASE.submit(work).result()
