"""One committed change of a thread: its rows get one version and go out as one frame, after the commit."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from threads import broadcast
from threads.rows import Json, message_row, run_row, tool_call_row

if TYPE_CHECKING:
    from uuid import UUID

    from threads.models import Thread

ROWS: dict[str, tuple[str, Callable[[Any], Mapping[str, Any]]]] = {
    "Message": ("messages", message_row),
    "Run": ("runs", run_row),
    "ToolCall": ("tool_calls", tool_call_row),
}


class Change:
    """Collects what changes in a locked thread. Made by `Thread.changing()`, not by hand."""

    def __init__(self, thread: "Thread") -> None:
        self.thread = thread
        self.version = thread.version + 1
        self._rows: dict[tuple[str, Any], models.Model] = {}
        self._deleted: list[Json] = []
        self._thread_fields: set[str] = set()
        self._described = self._listed = self._touched = self._in_bulk = False
        self._then: list[Callable[[], object]] = []

    def add(self, row: Any) -> None:
        """Insert a row."""
        row.version = self.version
        row.save(force_insert=True)
        self._note(row)

    def add_all(self, rows: list[Any]) -> None:
        """Insert rows of one kind in one statement."""
        for row in rows:
            row.version = self.version
            self._note(row)
        type(rows[0]).objects.bulk_create(rows)

    def update(self, row: Any, **fields: Any) -> None:
        """Write these columns of a row."""
        for name, value in fields.items():
            setattr(row, name, value)
        row.version = self.version
        row.save(update_fields=[*fields, "version"])
        self._note(row)

    def update_all(self, rows: list[Any], *fields: str) -> None:
        """Write these columns, as they are set, of rows of one kind in one statement."""
        for row in rows:
            row.version = self.version
            self._note(row)
        if rows:
            type(rows[0]).objects.bulk_update(rows, [*fields, "version"])

    def delete(self, kind: str, rows: "models.QuerySet[Any]") -> None:
        """Delete these rows of the thread and leave tombstones."""
        ids = list(rows.values_list("pk", flat=True))
        tombstones = self.thread.tombstones
        tombstones.bulk_create([tombstones.model(thread=self.thread, version=self.version, kind=kind, row_id=pk) for pk in ids])
        self._deleted += [{"kind": kind, "id": str(pk)} for pk in ids]
        rows.delete()

    def update_thread(self, **fields: Any) -> None:
        """Write these columns of the thread; its lists show it anew."""
        for name, value in fields.items():
            setattr(self.thread, name, value)
        self._thread_fields.update(fields)
        self.describe()

    def touch(self) -> None:
        """Something happened in the thread: it moves up in the lists."""
        self.thread.last_activity = timezone.now()
        self._listed = self._touched = True

    def describe(self) -> None:
        """The thread itself changed, or its members: pages and lists are told anew."""
        self._described = self._listed = True

    def dismissed(self, user_id: "UUID") -> None:
        """Somebody was removed: their open pages of the thread close."""
        self._then.append(lambda: broadcast.gone(self.thread.pk, [user_id]))

    def wrote_in_bulk(self) -> None:
        """Rows were written by SQL under this version: browsers are told to ask for them."""
        self._in_bulk = self._listed = True

    def then(self, call: Callable[[], object]) -> None:
        """Call this after the frame is out: before, others might answer a change that nobody has seen."""
        self._then.append(call)

    def close(self) -> None:
        """Save the thread's row and publish after the commit; without any change, do nothing at all."""
        if not (self._rows or self._deleted or self._thread_fields or self._listed):
            return
        self.thread.version = self.version
        self.thread.save(update_fields=["version", "last_order", "last_step", "last_activity", *self._thread_fields])
        frame = self.frame()
        if self._touched and self.thread.listed_as != self.thread.pk:
            transaction.on_commit(self._touch_root, robust=True)
        # Lambdas: Django's robust hooks cannot log a failed `partial`, and raise instead.
        transaction.on_commit(lambda: broadcast.changed(self.thread, frame, described=self._described), robust=True)
        for call in self._then:
            transaction.on_commit(call, robust=True)
        if self._listed and not self._described:
            transaction.on_commit(lambda: broadcast.listed(self.thread), robust=True)

    def frame(self) -> Json:
        """The `changed` frame: every row as this change leaves it."""
        if self._in_bulk:
            return {"type": "changed", "version": self.version, "ids_only": True}
        frame: Json = {"type": "changed", "version": self.version, "messages": [], "runs": [], "tool_calls": [], "deleted": self._deleted}
        for row in self._rows.values():
            key, as_json = ROWS[type(row).__name__]
            frame[key].append(as_json(row))
        return frame | {"thread": None}

    def _touch_root(self) -> None:
        """After the commit: whoever holds the root's lock may be waiting for that of its branch."""
        roots = type(self.thread).objects.filter(pk=self.thread.listed_as, last_activity__lt=self.thread.last_activity)
        roots.update(last_activity=self.thread.last_activity)

    def _note(self, row: models.Model) -> None:
        self._rows[type(row).__name__, row.pk] = row
