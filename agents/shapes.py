"""What the API answers about agents, and in the playground: the shapes of its JSON. See `threads.shapes`."""

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from threads.models import Message
from threads.rows import Json
from threads.shapes import Id, MessageRow, PersonRow, RunRow, ThreadRow, Time, ToolCallRow, WaitingThread, one_of


class AgentRow(TypedDict):
    """An agent that one may ask."""

    name: str
    title: str
    description: str
    examples: list[str]
    listed: bool


class Asked(TypedDict):
    """A prompt, and the run that answers it, unless nobody is to."""

    message: MessageRow
    run: RunRow | None


class AskedThere(Asked):
    """A prompt in another thread than the one that was named."""

    thread: ThreadRow


class Stopped(TypedDict):
    """The run that was stopped, if there was one."""

    run: RunRow | None


class Inbox(TypedDict):
    """What waits, longest first."""

    threads: list[WaitingThread]


class NoteRow(TypedDict):
    """What an operator wrote for others."""

    id: int
    text: str
    author: PersonRow | None
    created_at: Time


class Notes(TypedDict):
    """A thread's notes, oldest first."""

    notes: list[NoteRow]


class KeyAbout(TypedDict):
    """What an API key may do; all null for a browser's session."""

    name: str | None
    scopes: list[str] | None
    expires_at: Time | None
    owner: PersonRow | None


class AgentMade(TypedDict):
    """How an agent is made. `tools` are functions as a model is told of them, with `needs_approval`."""

    name: str
    title: str
    description: str
    instructions: str
    model: str
    steps: int
    settings: Json
    tools: list[Json]
    handoffs: list[str]
    context_options: Json
    context_handler: bool
    window: int
    listed: bool


class AgentsMade(TypedDict):
    """The agents that are offered."""

    agents: list[AgentMade]


class UserRow(TypedDict):
    """Somebody with threads; the id "none" stands for nobody."""

    id: Id | Literal["none"]
    name: str
    username: str
    threads: int
    last_activity: Time | None


class Users(TypedDict):
    """People, who was active last first."""

    users: list[UserRow]


class Excerpt(TypedDict):
    """The beginning of a message."""

    role: Annotated[str, one_of(Message.Role)]
    status: Annotated[str, one_of(Message.Status)]
    text: str
    created_at: Time | None


class UsersThread(ThreadRow):
    """A thread, and what was said last in it."""

    last_agent: str
    last_message: Excerpt | None


class UsersThreads(TypedDict):
    """A page of somebody's threads; `before` asks for the next one, null is the end."""

    threads: list[UsersThread]
    before: str | None


class MessageFields(MessageRow):
    """A message with all that is known of it."""

    thread: Id | None
    is_tool: bool
    reasoning: list[Json]
    warnings: list[Any]
    provider_metadata: Json
    timing: Json | None
    copied_from: Id | None


class RunFields(RunRow):
    """A run with all that is known of it. `options` is what its call wanted otherwise, `given` what it was told besides the messages."""

    thread: Id
    options: Json
    requested_by: PersonRow | None
    on_behalf_of: PersonRow | None
    order: int
    step: int
    crashes: int
    worker: str
    given: Json
    queued_at: Time | None
    lease_until: Time | None
    wake_at: Time | None


class CallFields(ToolCallRow):
    """A tool call with all that is known of it."""

    provider_call_id: str
    untrusted: bool
    decided_by: PersonRow | None
    decided_at: Time | None


class MessagesFields(TypedDict):
    """A page of a thread with all that is known of it; `before` and `after` ask for what is beside it."""

    messages: list[MessageFields]
    runs: list[RunFields]
    tool_calls: list[CallFields]
    before: int | None
    after: int | None


class RequestRow(TypedDict):
    """A request to the model's server, and what came of it."""

    agent: str
    step: int
    attempt: int
    request: Any
    response: Any
    error: Any
    seconds: float | None
    created_at: Time | None


class RunAbout(TypedDict):
    """A run with its prompt, its steps, its tool calls and what is kept of its requests."""

    run: RunFields
    prompt: MessageFields | None
    messages: list[MessageFields]
    tool_calls: list[CallFields]
    requests: list[RequestRow]


class ContextRow(TypedDict):
    """A message that a model would be told, where it comes from and why it was found."""

    row: MessageFields
    source: Literal["search", "recent", "input", "prompt", "existing"]
    why: Json | None
    left_out: bool


class ContextBuilt(TypedDict):
    """What a model would be told; `tokens` of `window` are used."""

    rows: list[ContextRow]
    notes: list[str]
    request: Json
    tokens: int
    window: int
