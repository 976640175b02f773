"""Copies: forks and branches of a thread, and cloning rows into another one. Positions stay; ids are new; usage is never copied."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext

from threads.errors import BadInput, Conflict
from threads.ids import uuid7
from threads.models import Message, Thread, ThreadMember, ToolCall, User
from threads.models.message import MessageQuerySet
from threads.rows import TRIAL

# How each column of a copy differs; all others are taken over. `m` and `c` map old ids to new ones.
MESSAGE = {
    "id": "m.new",
    "thread_id": "%(thread)s",
    "order": 'r."order" + %(shift)s',
    "run_id": "NULL",
    "usage": "NULL",
    "timing": "NULL",
    "copied_from": "r.id",
    "version": "%(version)s",
    "content": """(SELECT coalesce(jsonb_agg(CASE WHEN part ? 'tool_call'
            THEN part || jsonb_build_object('tool_call', (SELECT c.new FROM c WHERE c.old = (part->>'tool_call')::uuid))
            ELSE part END ORDER BY n), '[]') FROM jsonb_array_elements(r.content) WITH ORDINALITY AS parts(part, n))""",
}
TOOL_CALL = {
    "id": "c.new",
    "thread_id": "%(thread)s",
    "message_id": "m.new",
    "run_id": "NULL",
    "usage": "'{}'",
    "version": "%(version)s",
}
COPY = """
WITH m AS MATERIALIZED (SELECT * FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS x(old, new)),
     c AS MATERIALIZED (SELECT * FROM unnest(%(old_calls)s::uuid[], %(new_calls)s::uuid[]) AS x(old, new)),
     rows AS (INSERT INTO threads_message ({message_columns}) SELECT {message_values} FROM threads_message r JOIN m ON m.old = r.id)
INSERT INTO threads_toolcall ({call_columns}) SELECT {call_values}
FROM threads_toolcall r JOIN c ON c.old = r.id JOIN m ON m.old = r.message_id
"""

# Those of messages a trigger copies.
COPY_FILES = """
INSERT INTO threads_toolcall_files (toolcall_id, file_id) SELECT c.new, f.file_id
FROM unnest(%(old_calls)s::uuid[], %(new_calls)s::uuid[]) AS c(old, new) JOIN threads_toolcall_files f ON f.toolcall_id = c.old
"""

# The chunks of the copies are there already: a trigger made them.
COPY_EMBEDDINGS = """
WITH pairs AS (
    SELECT n.id AS new, o.id AS old, n.thread_id, n.user_id FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS m(old, new)
    JOIN threads_chunk n ON n.message_id = m.new JOIN threads_chunk o ON o.message_id = m.old AND o.part = n.part AND o.text = n.text
), copied AS (
    INSERT INTO threads_embedding (chunk_id, model, dims, thread_id, user_id, vec)
    SELECT p.new, e.model, e.dims, p.thread_id, p.user_id, e.vec FROM pairs p JOIN threads_embedding e ON e.chunk_id = p.old
)
UPDATE threads_chunk c SET embedded_as = o.embedded_as FROM pairs p JOIN threads_chunk o ON o.id = p.old WHERE c.id = p.new
"""


def fork(
    thread: Thread,
    user: User,
    *,
    through: Message | None = None,
    before: Message | None = None,
    kind: Literal["fork", "branch", "trial"] = "fork",
    pk: UUID | None = None,
) -> Thread:
    """A new thread with the settled turns of this one, up to and including `through`, or up to `before` without it.

    A fork belongs to its maker alone. A branch takes owner, members and operator from its head and is in no list. A trial is seen by its
    maker, but nobody owns it: what was said in it is found nowhere else, and it can only be tried again (Conflict). `pk` is a new id.
    """
    if kind != TRIAL and thread.head.kind == TRIAL:
        raise Conflict(gettext("What was only tried is not copied."))
    for name, message in (("through", through), ("before", before)):
        if message is not None and message.thread_id != thread.pk:
            raise BadInput(name, gettext("This message is in another thread."))
    shared = kind == "branch"
    with transaction.atomic():
        thread = Thread.objects.select_for_update(no_key=True).get(pk=thread.pk)
        # A fork has a root too, but neither its people nor its branches are that one's.
        root = thread.head if shared else thread.root or thread
        kept = _settled(thread)
        if through is not None:
            kept = kept.between((0, 0), (through.order, through.step_order + 1))
        if before is not None:
            kept = kept.between((0, 0), (before.order, before.step_order))
        last = kept.order_by("order", "step_order").last()
        copy = Thread.objects.create(
            pk=pk or uuid7(),
            owner=root.owner if shared else None if kind == TRIAL else user,
            assigned_to=root.assigned_to if shared else None,
            title=thread.title,
            default_agent=thread.default_agent,
            options=thread.options,
            kind=kind,
            root=root,
            parent=thread,
            fork_order=last.order if last else None,
            fork_step=last.step_order if last else None,
            **(_as_told(thread, before) if kind == TRIAL else {}),
        )
        own = ThreadMember.Role.WRITER if kind == TRIAL else ThreadMember.Role.OWNER
        members = [(m.user_id, m.role) for m in root.members.all()] if shared else [(user.pk, own)]
        ThreadMember.objects.bulk_create(ThreadMember(thread=copy, user_id=pk, role=role) for pk, role in members)
        _copy(kept, copy.pk, 0)
    copy.refresh_from_db()
    return copy


def _as_told(thread: Thread, before: Message | None) -> dict[str, Any]:
    """What else of a thread an answer depends on; its summary only if that ends before the prompt."""
    known = thread.summarised_to
    later = before is not None and known is not None and known >= before.order
    return {"metadata": thread.metadata} | ({} if later else {"summary": thread.summary, "summarised_to": known})


def clone(
    source: Thread,
    target: Thread,
    *,
    insert_at: int = 0,
    statuses: Iterable[str] = (),
    exclude_tool_messages: bool = False,
    through: Message | None = None,
    limit: int | None = None,
) -> int:
    """Copy settled rows of one thread into another, turn 0 becoming turn `insert_at`; returns how many.

    `through` takes its whole turn along; `limit` keeps the first rows. Positions that the target has already are left alone.
    """
    with transaction.atomic():
        # Two clones the other way round at the same time must not wait for each other.
        list(Thread.objects.select_for_update(no_key=True).filter(pk__in=[source.pk, target.pk]).order_by("pk"))
        rows = _settled(source)
        if statuses:
            rows = rows.filter(status__in=statuses)
        if exclude_tool_messages:
            rows = rows.filter(is_tool=False)
        if through is not None:
            rows = rows.filter(order__lte=through.order)
        taken = set(target.messages.values_list("order", "step_order"))
        wanted = rows.order_by("order", "step_order").values_list("pk", "order", "step_order")[:limit]
        ids = [pk for pk, order, step in wanted if (order + insert_at, step) not in taken]
        return _copy(Message.objects.filter(pk__in=ids), target.pk, insert_at)


def _settled(thread: Thread) -> MessageQuerySet:
    """The rows of turns that nothing is being written in."""
    rows: MessageQuerySet = thread.messages.all()
    return rows.exclude(order__in=thread.runs.live().values("order")).exclude(status=Message.Status.PENDING)


def _copy(rows: QuerySet[Message], target: UUID, shift: int) -> int:
    old = list(rows.values_list("pk", flat=True))
    calls = list(ToolCall.objects.filter(message__in=rows).values_list("pk", flat=True))
    with Thread.changing(target) as change:
        parameters: dict[str, Any] = {
            "old": old,
            "new": [uuid7() for _ in old],
            "old_calls": calls,
            "new_calls": [uuid7() for _ in calls],
            "thread": target,
            "shift": shift,
            "version": change.version,
        }
        with connection.cursor() as cursor:
            cursor.execute(_statement(), parameters)
            cursor.execute(COPY_FILES, parameters)
            cursor.execute(COPY_EMBEDDINGS, parameters)
        last = Message.objects.filter(thread=target).order_by("order", "step_order").last()
        if last is not None:
            change.thread.reached(last.order, last.step_order)
        change.wrote_in_bulk()
    return len(old)


def _statement() -> str:
    message_columns, message_values = _columns(Message, MESSAGE)
    call_columns, call_values = _columns(ToolCall, TOOL_CALL)
    return COPY.format(message_columns=message_columns, message_values=message_values, call_columns=call_columns, call_values=call_values)


def _columns(model: type[Model], changed: dict[str, str]) -> tuple[str, str]:
    """Names and values of all columns of a copy, so that new ones are copied without a thought."""
    names = [field.column for field in model._meta.concrete_fields]
    return ", ".join(f'"{name}"' for name in names), ", ".join(changed.get(name, f'r."{name}"') for name in names)
