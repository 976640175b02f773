"""System checks: what would only show when the first person asks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from agents.embedding import dimensions, is_missing
from agents.registry import all_agents
from threads.embeddings import models_in_use
from threads.models import Chunk


@register()
def agents_can_be_listed(**_: Any) -> list[CheckMessage]:
    """The page of agents is well formed, and every tool has a schema."""
    try:
        _schemas = [tool.schema for agent in all_agents() for tool in agent.toolbox.values()]
    except (ImproperlyConfigured, NameError, TypeError) as error:
        return [Error(f"The agents cannot be offered: {error}", id="agentsite.E001")]
    return []


@register()
def agents_are_told_well(**_: Any) -> list[CheckMessage]:
    """What a model, or a person, will miss."""
    try:
        agents = {agent.name: agent for agent in all_agents()}
    except (ImproperlyConfigured, NameError, TypeError):
        return []  # said above
    found: list[CheckMessage] = []
    for agent in agents.values():
        for tool in agent.toolbox.values():
            if not tool.description:
                found.append(
                    Warning(
                        f"Agent {agent.name!r}: tool {tool.name!r} has no docstring; the model cannot know what it does.",
                        id="agentsite.W001",
                    )
                )
        for target in agent.handoffs:
            if isinstance(target, str) and target not in agents:
                found.append(Error(f"Agent {agent.name!r} hands over to {target!r}, which is not listed.", id="agentsite.E002"))
        if agent.model and agent.model != "demo" and not (settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL):
            hint = "Set OPENAI_API_KEY or OPENAI_BASE_URL."
            found.append(
                Warning(f"Agent {agent.name!r} wants the model {agent.model!r}, but no server is known.", hint, id="agentsite.W002")
            )
        search = agent.context_options.search_options
        if search.vector_search and settings.EMBEDDING_MODEL.startswith("hashed-"):
            hint = "Set AGENTSITE_EMBEDDING_MODEL to a model that knows what words mean."
            found.append(Warning(f"Agent {agent.name!r} searches by likeness, but only of spelling.", hint, id="agentsite.W003"))
    return found


@register()
def the_embedder_is_there(**_: Any) -> list[CheckMessage]:
    """The local model is an optional installation."""
    if not is_missing():
        return []
    return [
        Error(
            f"AGENTSITE_EMBEDDING_MODEL is {settings.EMBEDDING_MODEL}, which is not installed.",
            "Run `make local-embeddings`.",
            id="agentsite.E003",
        )
    ]


@register(Tags.database)
def vectors_fit_the_model(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The rows that search reads, compared with the model that embeds the questions."""
    # `migrate` checks before it makes the tables.
    if not databases or Chunk._meta.db_table not in connection.introspection.table_names():
        return []
    now = settings.EMBEDDING_MODEL, dimensions()
    others = [f"{model} ({dims:,} dimensions)" for model, dims in models_in_use() if model != now[0] or now[1] not in (None, dims)]
    if not others:
        return []
    hint = "The workers embed them anew in the background; `manage.py embed` does it now."
    return [Warning(f"Messages are embedded by {', '.join(others)}, but AGENTSITE_EMBEDDING_MODEL is {now[0]}.", hint, id="agentsite.W004")]
