"""System checks: what would only show when the first person asks."""

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from agents.registry import all_agents


@register()
def agents_can_be_listed(**_: Any) -> list[CheckMessage]:
    """The page of agents is well formed, and every tool has a schema."""
    try:
        _schemas = [tool.schema for agent in all_agents() for tool in agent.toolbox.values()]
    except (ImproperlyConfigured, NameError, TypeError) as error:
        return [Error(f"The agents cannot be offered: {error}", id="agentsite.E001")]
    return []
