"""Titles and summaries of threads: written by a cheap model after the first turn (AGENTSITE_DESCRIBE_THREADS), or by an agent's tool.

Agent("host", tools=[rename_thread])
"""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from django.conf import settings
from pydantic import BaseModel, Field

from agents import services
from agents.agent import Agent
from agents.attachments import words
from agents.context_options import ContextOptions
from agents.errors import ToolError
from agents.generating import generate
from agents.providers.demo import Say, Turn
from agents.tools import ToolContext, tool
from threads.models import Message, Thread

Title = Annotated[str, Field(min_length=1, max_length=80, description="A few words, no full stop")]


class Description(BaseModel):
    """What a conversation is about."""

    title: Title
    summary: str = Field(max_length=500, description="One or two sentences")


@tool(idempotent=True)
def rename_thread(context: ToolContext, title: Title) -> str:
    """Give this conversation a title that says what it is about."""
    if context.thread_id is None:
        raise ToolError("This conversation is not kept, so it has no title.")
    with Thread.changing(context.thread_id) as change:
        change.update_thread(title=title.strip())
    return f"The title is now: {title.strip()}"


def describe(thread_id: UUID) -> Description | None:
    """Write title and summary of a thread after its first turn. A title that somebody has given stays. None if there is nothing yet."""
    thread = Thread.objects.filter(pk=thread_id).first()
    first = thread.messages.filter(role=Message.Role.USER).order_by("order").first() if thread else None
    if thread is None or first is None:
        return None
    # The thread's own options are for those who talk in it.
    own = {"instructions": DESCRIBER.instructions, "model": DESCRIBER.model or settings.MODEL, "tools": []}
    found: Description = generate(DESCRIBER, "Give this conversation a title and a summary.", thread=thread, save="none", **own).object
    with Thread.changing(thread_id) as change:
        # A rolling summary knows more than this one.
        fields = {} if change.thread.summarised_to is not None else {"summary": found.summary}
        if change.thread.title in ("", services.title_of(first.text)):
            fields["title"] = found.title
        if fields:
            change.update_thread(**fields)
    return found


def play(turn: Turn) -> Iterator[Say]:
    """The first words of the conversation."""
    said = [words(message.get("content")) for message in turn.messages if message["role"] == "user"]
    words = " ".join(said[0].split()[:6]).rstrip(".?!,") or "A conversation"
    yield Say(Description(title=words[:80], summary=f"It began with: {' '.join(said[0].split())[:200]}").model_dump_json())


DESCRIBER = Agent(
    "describer",
    instructions="You give conversations titles. Answer in the language of the conversation.",
    model=settings.SUMMARY_MODEL,
    output=Description,
    context_options=ContextOptions(recent_messages=20, max_tokens=8000, summarise=False),
    demo=play,
)
