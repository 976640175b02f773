"""Agents as tools: this one asks two others, each in a thread of its own, at the same time, reads pages, and sums up."""

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from agents.agent import Agent
from agents.delegation import agent_tool
from agents.providers.demo import NOTICE, Say, Think, Turn, Use
from agentsite.sample_tools import WEATHER, read_page


def play(turn: Turn) -> Iterator[Say | Think | Use]:
    """Ask about each city and each order that is named, read each page, then quote."""
    if not turn.results:
        uses = list(_uses(turn.prompt))
        if uses:
            yield Think("Others know more about this than I do. I ask them. ")
            yield from uses
            return
        yield Say("Name a city, an order's number or the address of a page, and I ask those who know.\n\n")
    for name, said in turn.results:
        first = _words(said).strip().split("\n")[0]
        yield Say(f"**{name.removeprefix('ask_').replace('_', ' ').title()}** says: {first}\n\n")
    yield Say(NOTICE)


def _uses(prompt: str) -> Iterator[Use]:
    pages = re.findall(r"https?://\S+", prompt)
    prompt = re.sub(r"https?://\S+", "", prompt)
    yield from (Use("ask_weather", {"question": f"How is the weather in {city.title()}?"}) for city in WEATHER if city in prompt.lower())
    yield from (Use("ask_support", {"question": f"Where is order {number}?"}) for number in re.findall(r"\b\d{4}\b", prompt))
    yield from (Use("read_page", {"url": page}) for page in pages)


def _words(said: Any) -> str:
    return (said.get("source") or {}).get("title") or said.get("text", "") if isinstance(said, dict) else str(said)


researcher = Agent(
    name="researcher",
    title=_("Researcher"),
    description=_("Asks other agents, reads pages of the web, and sums up."),
    instructions="You find things out by asking the other agents, one question per subject, and by reading pages that the person names. "
    "Then sum up in a short list: who said what.",
    tools=[
        agent_tool("weather", description="Ask the weather agent about the weather of one city."),
        agent_tool("support", description="Ask the support agent about one order."),
        read_page,
    ],
    examples=["Compare the weather in Oslo and Lisbon.", "Does it rain in Bergen, and where is order 1042?", "What about order 1044?"],
    demo=play,
)
