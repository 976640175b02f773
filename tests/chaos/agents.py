"""Agents for experiments: their tools leave a line for each effect, hang, or wait for a person."""

import os
import time

from django.conf import settings

from agents.agent import Agent
from agents.tools import ToolContext, tool


def _line(word: str, context: ToolContext) -> None:
    """Appended in one write, so that it is there whole or not at all, whoever dies."""
    file = os.open(settings.DATA_DIR / "effects.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{word} {context.call_id}\n".encode())
    os.close(file)


@tool(effects="write")
def count(context: ToolContext, before: float = 0.0, inside: float = 0.0, after: float = 0.0) -> str:
    """Has an effect in two halves; sleeps before, between and after them."""
    time.sleep(before)
    _line("begun", context)
    time.sleep(inside)
    _line("done", context)
    time.sleep(after)
    return "counted"


@tool(idempotent=True)
def recount(context: ToolContext, after: float = 0.0) -> str:
    """May be called again."""
    _line("again", context)
    time.sleep(after)
    return "counted"


@tool(timeout=600)
def hang(context: ToolContext) -> str:
    """Does not come back, whatever it is told."""
    time.sleep(600)
    return "back"


@tool(needs_approval=True)
def careful(context: ToolContext) -> str:
    """Waits for a person."""
    _line("done", context)
    return "approved"


AGENTS = [Agent("plain"), Agent("tools", tools=[count, recount, hang, careful])]
