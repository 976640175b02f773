"""What an agent is. The agents this site offers are listed in `agentsite/agents.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from agents.tools import Tool, tool_from

if TYPE_CHECKING:
    from agents.providers.demo import Script


@dataclass(frozen=True)
class Agent:
    """Who answers.

    name: unique, as stored on rows.        instructions: the system prompt.
    model: a model's name; empty = the site's (AGENTSITE_MODEL).
    tools: plain functions or `Tool` objects; see `agents.tools`.
    steps: at most so many model calls per answer.
    title, description, examples: what pages show.
    settings: passed to the model as they are (temperature, max_completion_tokens, …).
    demo: what the demo model plays for this agent when no language model is connected.
    """

    name: str
    instructions: str = ""
    model: str = ""
    tools: Sequence[Callable[..., Any] | Tool] = ()
    steps: int = 10
    title: str = ""
    description: str = ""
    examples: Sequence[str] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    demo: "Script | None" = None
    toolbox: dict[str, Tool] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ImproperlyConfigured("An agent needs a name.")
        if self.steps < 1:
            raise ImproperlyConfigured(f"Agent {self.name!r}: steps must be at least 1.")
        object.__setattr__(self, "toolbox", {tool.name: tool for tool in map(tool_from, self.tools)})

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self.model or settings.MODEL
