"""What the API answers about threads: the shapes of its JSON. Routes name them as what they return, the API's document is made of them."""

from typing import Annotated, Any, Literal, NotRequired

from django.db.models import TextChoices
from pydantic import ConfigDict, WithJsonSchema
from typing_extensions import TypedDict

from threads.models import Message, Run, Thread, ToolCall
from threads.models.thread import ThreadMember
from threads.rows import Json

# Their `TypedDict` is that of typing_extensions: pydantic takes the one of `typing` from Python 3.12 on only.
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Money = Annotated[str, WithJsonSchema({"type": "string", "description": "An exact number, as text.", "pattern": r"^-?\d+(\.\d+)?$"})]


def one_of(choices: type[TextChoices]) -> WithJsonSchema:
    """One of a model's choices."""
    return WithJsonSchema({"type": "string", "enum": choices.values})


class PersonRow(TypedDict):
    """A person, with the name that others see."""

    id: Id
    name: str


class MemberRow(PersonRow):
    """A person who may see a thread."""

    role: Annotated[str, one_of(ThreadMember.Role)]


class BranchRow(TypedDict):
    """Another version of a conversation: it goes its own way `after` this [order, step]; -1 is the beginning."""

    id: Id
    parent: Id | None
    after: list[int]
    last_activity: Time


class ThreadRow(TypedDict):
    """A thread with its people and versions. `running`: somebody is answering, in one of the versions."""

    id: Id
    title: str
    summary: str
    status: Annotated[str, one_of(Thread.Status)]
    agent: str
    version: int
    kind: Annotated[str, one_of(Thread.Kind)]
    root: Id | None
    metadata: Json
    last_activity: Time
    created_at: Time
    owner: PersonRow | None
    assigned_to: PersonRow | None
    human_wanted_at: Time | None
    members: list[MemberRow]
    branches: list[BranchRow]
    running: bool


class Waits(TypedDict):
    """Why a thread waits for a person; `detail` is the tool's name, or why the answer failed."""

    reason: Literal["assigned", "wanted", "question", "approval", "unknown", "failed"]
    since: Time
    detail: str | None


class WaitingThread(ThreadRow):
    """A thread that waits for a person."""

    waits: list[Waits]


class MarksRow(TypedDict):
    """How a thread stands in somebody's own list."""

    pinned_at: Time | None
    seen_at: Time | None


class OwnThreadRow(ThreadRow):
    """A thread as the caller's list shows it; `mine` is null where it is in no list of theirs."""

    mine: MarksRow | None


class ErrorRow(TypedDict):
    """Why something failed: `kind` is for programs, `message`, in English, for people."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    kind: str
    message: str


class UsageRow(TypedDict):
    """What a model call or a tool took: tokens by class, and what it is charged, if that is known. Empty without usage."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    charge: NotRequired[Money]
    currency: NotRequired[str]


class MessageRow(TypedDict):
    """A message as it is stored: a prompt, or one step of an answer. `content` and `sources` are lists of parts, which have a `type`."""

    id: Id
    order: int
    step_order: int
    role: Annotated[str, one_of(Message.Role)]
    status: Annotated[str, one_of(Message.Status)]
    author: PersonRow | None
    sent_by: PersonRow | None
    agent_name: str
    content: list[Json]
    sources: list[Json]
    run: Id | None
    provider: str
    model: str
    finish_reason: str
    error: ErrorRow | None
    usage: UsageRow | None
    version: int
    created_at: Time | None


class RunRow(TypedDict):
    """An agent answering a prompt. It has ended with `succeeded`, `failed` or `stopped`."""

    id: Id
    status: Annotated[str, one_of(Run.Status)]
    attempt: int
    base: int
    agent: str
    prompt: Id | None
    pending_message: Id | None
    error: ErrorRow | None
    usage: UsageRow
    created_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    version: int


class ToolCallRow(TypedDict):
    """A tool call with its arguments and outcome."""

    id: Id
    run: Id | None
    message: Id
    step: int
    index: int
    tool: str
    arguments: Any
    result: Any
    error: ErrorRow | None
    status: Annotated[str, one_of(ToolCall.Status)]
    progress: Any
    usage: UsageRow
    child: Id | None
    arguments_hash: str
    reason: str
    expires_at: Time | None
    created_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    version: int


class UiMetadata(TypedDict):
    """Of a UI message."""

    error: ErrorRow | None
    finish_reason: str
    run: Id | None


class UiMessage(TypedDict):
    """A prompt, or an answer with all its steps, as the AI SDK's `UIMessage`; `parts` have a `type`."""

    id: Id
    key: str
    role: Annotated[str, one_of(Message.Role)]
    parts: list[Json]
    text: str
    order: int
    step_order: int
    status: Annotated[str, WithJsonSchema({"type": "string", "enum": [*Message.Status.values, "streaming"]})]
    agent_name: str
    created_at: Time
    metadata: UiMetadata


class Threads(TypedDict):
    """A page of threads; `before` asks for the next one, null is the end."""

    threads: list[OwnThreadRow]
    before: str | None


class Members(TypedDict):
    """Who may see a thread."""

    members: list[MemberRow]


class Messages(TypedDict):
    """A page of a thread, with the runs and tool calls of its messages; `before` and `after` ask for what is beside it."""

    messages: list[MessageRow] | list[UiMessage]
    runs: list[RunRow]
    tool_calls: list[ToolCallRow]
    before: int | None
    after: int | None


class ToolCalls(TypedDict):
    """Tool calls."""

    tool_calls: list[ToolCallRow]


class MemoryRow(TypedDict):
    """What agents remember of somebody."""

    id: int
    text: str
    created_at: Time


class Memories(TypedDict):
    """All that agents remember."""

    memories: list[MemoryRow]


class Snippet(TypedDict):
    """A piece of a text; `hit`: these are the words that were searched for."""

    text: str
    hit: bool


class FindingRow(TypedDict):
    """Where words were found: in a title, or in a message."""

    thread: Id
    title: str
    message: Id | None
    snippet: list[Snippet]
    at: Time


class Findings(TypedDict):
    """What a search found."""

    titles: list[FindingRow]
    messages: list[FindingRow]


class FeedbackRow(TypedDict):
    """What somebody thinks of an answer: 1 or -1."""

    message: Id
    value: int
    comment: str


class FeedbackGiven(TypedDict):
    """What the caller thinks of a thread's answers."""

    feedback: list[FeedbackRow]


class LinkRow(TypedDict):
    """A link for anybody to read a thread."""

    id: int
    created_at: Time
    expires_at: Time | None


class NewLinkRow(LinkRow):
    """A link, with its address, which is told this once."""

    url: str


class Links(TypedDict):
    """A thread's links."""

    links: list[LinkRow]


class FileRow(TypedDict):
    """A file."""

    id: Id
    name: str
    media_type: str
    size: int
    sha256: str
    url: str


class ImportedThread(TypedDict):
    """A thread that was brought in."""

    id: Id
    title: str


class Imported(TypedDict):
    """What was brought in, how many conversations were there before, and what is wrong with others."""

    threads: list[ImportedThread]
    known: int
    failed: list[str]
