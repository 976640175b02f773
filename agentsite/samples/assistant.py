"""A tool that writes a row: tasks with dates, seen in the admin. Asking twice makes one; a date that cannot be is told to the model."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pydantic import Field

from agents.agent import Agent
from agents.context_options import ContextOptions
from agents.errors import ToolError
from agents.memory import forget, remember
from agents.providers.demo import NOTICE, Say, Turn, Use
from agents.tools import ToolContext, tool
from agentsite.samples.models import Task

Title = Annotated[str, Field(min_length=1, max_length=200, description="What is to be done, in a few words")]


@tool(idempotent=True)
def create_task(context: ToolContext, title: Title, due_date: date | None = None) -> dict[str, Any]:
    """Note a task for the person.

    Args:
        due_date: The day it is due, as YYYY-MM-DD; leave it out if there is none.
    """
    if due_date is not None and due_date < timezone.localdate():
        raise ToolError(f"{due_date} is over. Today is {timezone.localdate()}.")
    task, created = Task.objects.get_or_create(user=context.user, title=title.strip(), due_date=due_date)
    return {"id": task.pk, "title": task.title, "due_date": due_date, "noted": "now" if created else "already"}


@tool(effects="none")
def list_tasks(context: ToolContext) -> list[dict[str, Any]]:
    """The person's tasks, the next ones first."""
    return [{"title": task.title, "due_date": task.due_date} for task in context.user.tasks.order_by("due_date", "pk")[:50]]


def play(turn: Turn) -> Iterator[Say | Use]:
    """Note what is after "remind me to" or "task", with the date that is named; remember what is after "remember that"."""
    if not turn.results:
        fact = re.search(r"\b(remember|forget)(?: that)? (.+?)[.!]*$", turn.prompt, re.IGNORECASE)
        if fact is not None:
            yield Use(fact[1].lower(), {"fact": fact[2]})
            return
        said = re.search(
            r"(?:remind me to|task:?)\s+(.+?)\s*(?:(?:by|on|until)\s+(\d{4}-\d\d-\d\d)|\b(tomorrow))?[.!]*$", turn.prompt, re.IGNORECASE
        )
        if said is None:
            yield Use("list_tasks", {})
            return
        day = (timezone.localdate() + timedelta(days=1)).isoformat() if said[3] else said[2]
        yield Use("create_task", {"title": said[1]} | ({"due_date": day} if day else {}))
        return
    name, found = turn.results[-1]
    if isinstance(found, str):
        yield Say(f"That did not work: {found.removeprefix('Error: ')}\n\n")
    elif name in ("remember", "forget"):
        yield Say(f"{'I will remember' if name == 'remember' else 'Forgotten'}: *{next(reversed(found.values()))}*\n\n")
    elif name == "list_tasks":
        yield Say("Your tasks:\n\n" + "".join(f"- {_line(task)}\n" for task in found) + "\n" if found else "There is nothing to do.\n\n")
    else:
        yield Say(f"{'Noted' if found['noted'] == 'now' else 'That was noted already'}: {_line(found)}\n\n")
    yield Say(NOTICE)


def _line(task: dict[str, Any]) -> str:
    return f"**{task['title']}**" + (f", due on {task['due_date']}" if task["due_date"] else "")


assistant = Agent(
    name="assistant",
    title=_("Assistant"),
    description=_("Notes your tasks, and remembers what you want."),
    instructions="You note tasks for the person with the tool, one call per task. Ask if you are not sure about the date.",
    tools=[create_task, list_tasks, remember, forget],
    context_options=ContextOptions(memories=True),
    examples=[
        "Remind me to water the plants tomorrow.",
        "Remind me to file the taxes by 2027-05-31.",
        "Remember that I work from Tuesday to Friday.",
    ],
    demo=play,
)
