"""The agents this site offers, by name."""

from functools import cache
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext

from agents.agent import Agent
from threads.errors import BadInput
from threads.models import Thread, User


@cache
def _by_name() -> dict[str, Agent]:
    offered: list[Agent] = import_module(settings.AGENTS_MODULE).AGENTS
    by_name = {agent.name: agent for agent in offered}
    if not offered or len(by_name) < len(offered):
        raise ImproperlyConfigured(f"{settings.AGENTS_MODULE}.AGENTS must list at least one agent, each with a name of its own.")
    return by_name


def all_agents() -> list[Agent]:
    """All of them, in the order they are listed."""
    return list(_by_name().values())


def offered(user: User | None, thread: Thread | None) -> list[Agent]:
    """The agents that the playground offers for a user's thread: those that a function `offered(user, thread)` beside AGENTS returns, of
    these, or all."""
    choose = getattr(import_module(settings.AGENTS_MODULE), "offered", None)
    return all_agents() if choose is None else [agent for agent in choose(user, thread) if agent in all_agents()]


def get_agent(name: str) -> Agent:
    """The agent of this name; BadInput names the field `agent`."""
    if name not in _by_name():
        names = {"name": name[:100], "names": ", ".join(_by_name())}
        raise BadInput("agent", gettext("There is no agent named %(name)r. There are: %(names)s.") % names)
    return _by_name()[name]
