"""The site's own settings, with agents for experiments."""

from agentsite.settings import *  # noqa: F403

AGENTS_MODULE = "tests.chaos.agents"
