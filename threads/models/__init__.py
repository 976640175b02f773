"""The rows of what was said. Lock order everywhere: thread, then run, then message or tool call."""

from threads.models.api_key import ApiKey
from threads.models.chunk import Chunk, Embedding
from threads.models.delta import Delta
from threads.models.feedback import Feedback
from threads.models.file import Blob, File
from threads.models.internal_note import InternalNote
from threads.models.memory import Memory
from threads.models.message import Message
from threads.models.people import User
from threads.models.presence import Presence
from threads.models.process import Process
from threads.models.run import Run
from threads.models.share_link import ShareLink
from threads.models.thread import Thread, ThreadMember, Tombstone
from threads.models.tool_call import ToolCall

__all__ = [
    "ApiKey",
    "Blob",
    "Chunk",
    "Delta",
    "Embedding",
    "Feedback",
    "File",
    "InternalNote",
    "Memory",
    "Message",
    "Presence",
    "Process",
    "Run",
    "ShareLink",
    "Thread",
    "ThreadMember",
    "Tombstone",
    "ToolCall",
    "User",
]
