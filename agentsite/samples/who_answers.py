"""Who answers next, decided in the ways that need an agent: by a cheap model, by sample questions, by a structured answer.

(The other two are stored on the thread, when a person takes it over, and asking a person with a tool: `helpdesk.py`.)
"""

import re
from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, Field

from agents.agent import Agent
from agents.providers.demo import Say, Turn
from agents.routing import HUMAN, by_model, by_samples


def play_triage(turn: Turn) -> Iterator[Say]:
    """Complaints to a person, weather to the weather agent, everything else to support."""
    if re.search(r"\b(complain|angry|lawyer|refund)", turn.prompt, re.IGNORECASE):
        choice = HUMAN
    else:
        choice = "weather" if re.search(r"\b(weather|rain|sun|snow)", turn.prompt, re.IGNORECASE) else "support"
    yield Say(f'{{"value": "{choice}"}}')


CHOICES = {"support": "orders and parcels", "weather": "the weather", HUMAN: "complaints, and everything else"}

reception = Agent(
    name="reception",
    title=_("Reception"),
    description=_("Finds out who should answer you: a small model decides."),
    route=by_model(CHOICES, demo=play_triage),
    examples=["Where is order 1042?", "Is it raining in Bergen?", "I want to complain!"],
)
switchboard = Agent(
    name="switchboard",
    title=_("Switchboard"),
    description=_("Finds out who should answer you: by sample questions, which operators edit in the admin."),
    route=by_samples(),
    listed=False,
)


class Reply(BaseModel):
    """What the careful agent answers."""

    text: str = Field(description="The answer for the customer")
    needs_human: bool = Field(description="Whether a person should look at it")


def play_careful(turn: Turn) -> Iterator[Say]:
    """Sure about opening hours only."""
    sure = "open" in turn.prompt.lower()
    text = "We are open from Monday to Saturday, 9 to 18." if sure else "I am not sure. Somebody will look at it."
    yield Say(Reply(text=text, needs_human=not sure).model_dump_json())


careful = Agent(
    name="careful",
    title=_("Careful"),
    description=_("Says in each answer whether a person should look at it."),
    instructions="You answer questions about the shop's opening hours (Monday to Saturday, 9 to 18). A person has to look at all else.",
    output=Reply,
    escalate=lambda reply: reply.needs_human,
    listed=False,
    demo=play_careful,
)
