"""Asking a human: what the agent does not know becomes a question to a person, whose answer it passes on."""

from collections.abc import Iterator
from typing import Annotated

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from agents.agent import Agent
from agents.providers.demo import NOTICE, Say, Turn, Use
from agents.tools import tool

KNOWN = {
    "return": "You can send things back within 30 days; the label is in the parcel.",
    "hours": "We are open from Monday to Saturday, 9 to 18.",
    "deliver": "Delivery takes two to four working days.",
}


@tool(by_person=True)
def ask_human(question: Annotated[str, Field(description="What you need to know, with all that a colleague needs to answer it")]) -> str:
    """Ask a human colleague. Use it whenever you are not sure; the answer may take a while."""
    raise NotImplementedError("A person answers in its place.")


def play(turn: Turn) -> Iterator[Say | Use]:
    """Answer what is known; ask about everything else."""
    known = [answer for word, answer in KNOWN.items() if word in turn.prompt.lower()]
    if known:
        yield Say("\n\n".join(known) + "\n\n")
    elif not turn.results:
        yield Use("ask_human", {"question": turn.prompt})
        return
    else:
        yield Say(f"I have asked a colleague, who says:\n\n> {turn.results[-1][1]}\n\n")
    yield Say(NOTICE)


helpdesk = Agent(
    name="helpdesk",
    title=_("Helpdesk"),
    description=_("Answers what it knows, and asks a human about the rest."),
    instructions=(
        "You answer questions about the shop: returns in 30 days, open Monday to Saturday 9 to 18, delivery in two to four working days."
        " About anything else ask a human with the tool, and pass the answer on in your own words."
    ),
    tools=[ask_human],
    examples=["How long does delivery take?", "Can I pay with shells?", "When are your opening hours?"],
    demo=play,
)
