"""The one door to the channel layer. What is pushed here is a hint: it may be lost, and readers repair that from rows.

Publishing goes straight to Redis in the pub/sub layer's own format: about 10 µs a message when pipelined, where
`async_to_sync(group_send)` costs 2-3 ms. A test pins the format.
"""

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import redis
from channels.layers import get_channel_layer
from django.conf import settings

from threads.rows import Json, Marks, feedback_row, marked_rows, own_row

if TYPE_CHECKING:
    from threads.models import Feedback, Thread
    from threads.shapes import ThreadRow

logger = logging.getLogger(__name__)
MAX_FRAME_BYTES = 64_000


# Operators, who look at all threads.
INBOX = "inbox"


def thread_group(thread_id: UUID | str) -> str:
    """Everybody who watches a thread."""
    return f"thread.{thread_id}"


def user_group(user_id: UUID | str) -> str:
    """Every page of one person."""
    return f"user.{user_id}"


def person_group(user_id: UUID | str) -> str:
    """Every socket of one person or of their keys: told to look again whether they may stay."""
    return f"person.{user_id}"


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=settings.REDIS_TIMEOUT, socket_connect_timeout=settings.REDIS_TIMEOUT, retry=None
    )


@cache
def _serialize() -> Callable[[Json], bytes]:
    serialize: Callable[[Json], bytes] = get_channel_layer().serialize
    return serialize


def publish(messages: Iterable[tuple[str, Json]]) -> None:
    """Send channel messages to groups in one round trip; failing costs a log line, the rows are safe."""
    pipe = _redis().pipeline(transaction=False)
    for group, message in messages:
        pipe.publish(f"asgi__group__{group}", _serialize()(message))
    try:
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("push not sent (%s); readers will catch up from rows", type(error).__name__)


def frame_message(frame: Json) -> Json:
    """A frame as a channel message: encoded once, with what the consumer needs to know it has sent."""
    text = msgspec.json.encode(frame)
    if len(text) > MAX_FRAME_BYTES and frame["type"] == "changed":
        return frame_message({"type": "changed", "version": frame["version"], "ids_only": True})
    message: Json = {"type": "frame", "text": text.decode()}
    if frame["type"] == "delta":
        return message | {"run": frame["run"], "attempt": frame["attempt"], "start": frame["start"], "end": frame["end"]}
    return message | {"version": frame.get("version")}


def changed(thread: "Thread", frame: Json, *, described: bool) -> None:
    """Push a committed change to the thread's watchers; with the thread itself, to its members' lists too, if that changed."""
    row, marks = _row(thread.pk) if described else (None, {})
    watchers = (thread_group(thread.pk), frame_message(frame | {"thread": row}))
    feeds = _feeds(*((row, marks) if thread.listed_as == thread.pk or row is None else _row(thread.listed_as)))
    publish([watchers, *feeds, (INBOX, {"type": "inbox", "changed": False})])


def listed(thread: "Thread") -> None:
    """Show the thread anew in the lists of its members."""
    publish(_feeds(*_row(thread.listed_as)))


def inbox() -> None:
    """Something that only operators see has changed: they are told in any case."""
    publish([(INBOX, {"type": "inbox", "changed": True})])


def marked(thread: "Thread", user_id: UUID) -> None:
    """Show the thread anew in the list of one member, whose marks of it changed."""
    row, marks = _row(thread.pk)
    publish(_feeds(row, {str(user_id): marks[str(user_id)]} if str(user_id) in marks else {}))


def feedback(given: "Feedback") -> None:
    """Show what a person thinks of an answer in all their pages."""
    frame = {"type": "feedback"} | feedback_row(given)
    publish([(user_group(given.user_id), {"type": "frame", "text": msgspec.json.encode(frame).decode()})])


def _row(thread_id: UUID) -> "tuple[ThreadRow | None, Marks]":
    return next(iter(marked_rows([thread_id])), (None, {}))


def _feeds(row: "ThreadRow | None", marks: Marks) -> list[tuple[str, Json]]:
    """One message for each whose list has it."""
    frames = {user: {"type": "thread", "thread": own_row(row, marks, user)} for user in marks} if row else {}
    return [(user_group(user), {"type": "frame", "text": msgspec.json.encode(frame).decode()}) for user, frame in frames.items()]


def gone(thread_id: UUID, user_ids: Iterable[UUID]) -> None:
    """Tell these people's pages that a thread is no longer theirs, and its sockets to look again."""
    text = msgspec.json.encode({"type": "thread_gone", "id": str(thread_id)}).decode()
    feeds = [(user_group(user_id), {"type": "frame", "text": text}) for user_id in user_ids]
    publish([*feeds, (thread_group(thread_id), {"type": "recheck"})])


def recheck(user_ids: Iterable[UUID]) -> None:
    """Somebody has signed out, or a key was revoked: what they had open looks again. The watch loop would do so within a second."""
    publish([(person_group(user_id), {"type": "recheck"}) for user_id in user_ids])
