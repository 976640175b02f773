"""Lists the agents of this site."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents.registry import all_agents, get_agent


class Command(BaseCommand):
    """`manage.py agents` lists all, `manage.py agents support` tells one in full."""

    help = "List the agents with their models and tools; with a name, the instructions and the tools' schemas too."

    def add_arguments(self, parser: CommandParser) -> None:
        """An optional name."""
        parser.add_argument("name", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print."""
        agents = [get_agent(options["name"])] if options["name"] else all_agents()
        for agent in agents:
            self.stdout.write(f"{agent.name}: {agent.description or agent.title} (model {agent.model_name}, at most {agent.steps} steps)")
            for tool in agent.toolbox.values():
                marks = [word for word, yes in (("approval", tool.needs_approval), ("a person answers", tool.by_person)) if yes]
                self.stdout.write(f"  {tool.name}{' [' + ', '.join(marks) + ']' if marks else ''}: {tool.description.splitlines()[0]}")
                if options["name"]:
                    self.stdout.write(_indented(json.dumps(tool.schema["function"]["parameters"], indent=2)))
            if options["name"] and agent.instructions:
                self.stdout.write(f"instructions:\n{_indented(agent.instructions)}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
