"""Agents as tools: this one asks two others, each in a thread of its own, at the same time, and sums up."""

import re
from collections.abc import Iterator

from agents.agent import Agent
from agents.delegation import agent_tool
from agents.providers.demo import NOTICE, Say, Think, Turn, Use
from agentsite.sample_tools import WEATHER


def play(turn: Turn) -> Iterator[Say | Think | Use]:
    """Ask about each city and each order that is named, then quote."""
    if not turn.results:
        cities = [city.title() for city in WEATHER if city in turn.prompt.lower()]
        orders = re.findall(r"\b\d{4}\b", turn.prompt)
        if cities or orders:
            yield Think("Others know more about this than I do. I ask them. ")
        yield from (Use("ask_weather", {"question": f"How is the weather in {city}?"}) for city in cities)
        yield from (Use("ask_support", {"question": f"Where is order {number}?"}) for number in orders)
        if cities or orders:
            return
        yield Say("Name a city or an order's number, and I ask those who know.\n\n")
    for name, said in turn.results:
        first = str(said).strip().split("\n")[0]
        yield Say(f"**{name.removeprefix('ask_').title()}** says: {first}\n\n")
    yield Say(NOTICE)


researcher = Agent(
    name="researcher",
    title="Researcher",
    description="Asks other agents and sums up.",
    instructions="You find things out by asking the other agents, one question per subject, then sum up in a short list: who said what.",
    tools=[
        agent_tool("weather", description="Ask the weather agent about the weather of one city."),
        agent_tool("support", description="Ask the support agent about one order."),
    ],
    examples=["Compare the weather in Oslo and Lisbon.", "Does it rain in Bergen, and where is order 1042?", "What about order 1044?"],
    demo=play,
)
