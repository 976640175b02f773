"""What an agent is. The agents this site offers are listed in `agentsite/agents.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agents.context_options import ContextOptions
from agents.handoffs import HAND_OVER, handoff_tool
from agents.results import Step, StopCondition
from agents.streaming import Chunk, StreamOptions
from agents.tools import Tool, tool_from
from billing.usage import UsageHandler
from threads.errors import BadInput
from threads.words import complaint

if TYPE_CHECKING:
    from agents.accounting import Exchange
    from agents.context import Context
    from agents.providers.demo import Script
    from agents.routing import Route
    from threads.models import Message


DEFAULT_CONTEXT = ContextOptions()
DEFAULT_STREAMING = StreamOptions()


class StoredOptions(BaseModel):
    """What a thread or a run may want otherwise than its agent, as it is stored: only JSON. `tools` are names of the agent's own."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, max_length=200)
    instructions: str | None = None
    steps: int | None = Field(None, ge=1, le=1000)
    settings: dict[str, JsonValue] | None = None
    tools: list[str] | None = None
    context_options: ContextOptions | None = None
    log_requests: bool | None = None
    interval: float | None = Field(None, ge=0, le=10)
    chunking: str | None = Field(None, max_length=200)


@dataclass(frozen=True)
class Agent:
    """Who answers. Agents are values: make them where you need them, list those that everybody may ask in `agentsite/agents.py`.

    name: unique, as stored on rows.        instructions: the system prompt.
    model: a model's name; empty = the site's (AGENTSITE_MODEL).
    tools: plain functions or `Tool` objects; see `agents.tools`.
    steps: at most so many model calls per answer.
    output: a type (a pydantic model, a list, a Literal, …) that the answer must fit, as JSON; see `agents.structured`.
    handoffs: names of the agents (or agents) that it may pass the conversation to; see `agents.handoffs`.
    deps: what its tools get as `context.deps`; a function is called with the run.
    listed: whether people can choose it; others are reached by handoffs, and by code.
    route: who answers instead, asked once before the first model call; see `agents.routing`.
    escalate: a function of the structured answer (`output`); if it is true, the conversation waits for a person.
    context_options: what it is told besides; see `agents.context_options`.
    context_handler: a function of the `agents.context.Context` that returns the messages to be told, in place of `context.all`.
    streaming: how what it says is cut and committed; see `agents.streaming`.
    usage_handler: called once per model call, in place of writing the ledger; see `billing.usage`.
    on_request: called with each request to a model's server and what came back; see `agents.accounting`.
    log_requests: keeps them too, without secrets, for AGENTSITE_REQUEST_LOG_DAYS.
    stop_when: one condition or several, looked at after each step that called tools; see `agents.results`.
    title, description, examples: what pages show; texts of `gettext_lazy` are shown in the reader's language.
    settings: passed to the model as they are (temperature, max_completion_tokens, …).
    demo: what the demo model plays for this agent when no language model is connected.
    """

    name: str
    instructions: str = ""
    model: str = ""
    tools: Sequence[Callable[..., Any] | Tool] = ()
    steps: int = 10
    output: Any = None
    handoffs: "Sequence[str | Agent]" = ()
    deps: Any = None
    listed: bool = True
    context_options: ContextOptions = DEFAULT_CONTEXT
    context_handler: "Callable[[Context], list[Message]] | None" = None
    streaming: StreamOptions = DEFAULT_STREAMING
    usage_handler: UsageHandler | None = None
    on_request: "Callable[[Exchange], None] | None" = None
    log_requests: bool = False
    route: "Route | None" = None
    escalate: Callable[[Any], bool] | None = None
    stop_when: StopCondition | Sequence[StopCondition] = ()
    title: str | Promise = ""
    description: str | Promise = ""
    examples: Sequence[str | Promise] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    demo: "Script | None" = None
    toolbox: dict[str, Tool] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ImproperlyConfigured("An agent needs a name.")
        if self.steps < 1:
            raise ImproperlyConfigured(f"Agent {self.name!r}: steps must be at least 1.")
        tools = [*map(tool_from, self.tools), *([handoff_tool(self)] if self.handoffs else [])]
        object.__setattr__(self, "toolbox", {tool.name: tool for tool in tools})

    @property
    def label(self) -> str:
        """What pages call it."""
        return str(self.title) or self.name.capitalize()

    def using(
        self,
        *,
        settings: Mapping[str, Any] | None = None,
        tools: "Sequence[Callable[..., Any] | Tool | str] | None" = None,
        interval: float | None = None,
        chunking: str | Chunk | None = None,
        **options: Any,
    ) -> "Agent":
        """The same agent with other options; None leaves its own. Settings are merged one by one, tools are replaced as a whole
        (a string names one of its own, an empty list means none). `interval` and `chunking` are those of its `streaming`."""
        changed = {name: value for name, value in options.items() if value is not None}
        if settings is not None:
            changed["settings"] = {**self.settings, **settings}
        if interval is not None or chunking is not None:
            now = self.streaming
            changed["streaming"] = StreamOptions(
                interval=now.interval if interval is None else interval, chunking=now.chunking if chunking is None else chunking
            )
        if tools is not None:
            changed["tools"] = [self._own_tool(each) if isinstance(each, str) else each for each in tools]
        return replace(self, **changed) if changed else self

    def in_thread(self, options: Mapping[str, Any]) -> "Agent":
        """The same agent with the options of a thread, which are for any agent: of the tools only its own count, passing the conversation
        on among them."""
        if "tools" not in options:
            return self.stored(options)
        chosen = [name for name in options["tools"] or [] if name in self.toolbox]
        own = self if HAND_OVER in chosen else replace(self, handoffs=())
        return own.stored({**options, "tools": [name for name in chosen if name != HAND_OVER]})

    def stored(self, options: Mapping[str, Any]) -> "Agent":
        """The same agent with stored options; BadInput names the one that cannot be."""
        if not options:
            return self
        try:
            stored = StoredOptions.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInput(f"options.{'.'.join(map(str, first['loc']))}", complaint(first)) from error
        return self.using(**{name: getattr(stored, name) for name in stored.model_fields_set})

    def is_done(self, steps: Sequence[Step]) -> bool:
        """Whether a condition of `stop_when` holds."""
        conditions = [self.stop_when] if callable(self.stop_when) else self.stop_when
        return any(condition(steps) for condition in conditions)

    def _own_tool(self, name: str) -> Tool:
        if name not in self.toolbox:
            about = {"agent": self.name, "name": name, "names": ", ".join(self.toolbox) or pgettext("tools", "none")}
            raise BadInput("options.tools", gettext("%(agent)s has no tool %(name)r. It has: %(names)s.") % about)
        return self.toolbox[name]

    @property
    def window(self) -> int:
        """How many tokens its model reads at once: as its context options say, else the site's for this model, else for any."""
        return self.context_options.max_tokens or settings.MODEL_WINDOWS.get(self.model_name, settings.CONTEXT_TOKENS)

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self.model or settings.MODEL
