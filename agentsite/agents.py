"""The agents this site offers. Edit this page to add one.

An agent is a name, instructions and some tools; a tool is a typed Python function with a docstring (see `agentsite/sample_tools.py`).
"""

from django.utils.translation import gettext_lazy as _

from agents.agent import Agent
from agentsite import demo_scripts, sample_tools
from agentsite.samples.assistant import assistant
from agentsite.samples.banker import banker
from agentsite.samples.concierge import concierge, confirmation, sms
from agentsite.samples.helpdesk import helpdesk
from agentsite.samples.researcher import researcher
from agentsite.samples.who_answers import careful, reception, switchboard

AGENTS = [
    Agent(
        name="support",
        title=_("Support"),
        description=_("Looks up orders and parcels."),
        instructions=(
            "You help customers of a small outdoor shop with their orders. Look orders up before you answer, follow the parcel if one was"
            " sent, and answer in two or three friendly sentences with the dates that matter. If you find none, ask for the number."
        ),
        tools=[sample_tools.lookup_order, sample_tools.track_parcel],
        examples=["Where is order 1042?", "Has order 1043 been sent yet?", "Compare orders 1042 and 1044."],
        demo=demo_scripts.support,
    ),
    Agent(
        name="weather",
        title=_("Weather"),
        description=_("Tells the weather of a few cities."),
        instructions="You tell the weather. Use the tool, name temperature, sky and wind, and add one remark on what the day is good for.",
        tools=[sample_tools.get_weather],
        examples=["How is the weather in Oslo?", "Compare Lisbon and Hamburg.", "Is it raining in Bergen?"],
        demo=demo_scripts.weather,
    ),
    Agent(
        name="fashion",
        title=_("Fashion"),
        description=_("Says what to wear, from the weather in this thread and what you like."),
        instructions=(
            "You suggest what to wear. Use what was said about the weather earlier in this conversation, and look up the person's saved"
            " preferences. When they tell you a preference, save it. Suggest one outfit as a short list."
        ),
        tools=[sample_tools.get_preferences, sample_tools.save_preference],
        examples=["What should I wear there?", "I prefer wool and dark green.", "And in the evening?"],
        demo=demo_scripts.fashion,
    ),
    Agent(
        name="story",
        title=_("Story"),
        description=_("Writes long Markdown: chapters, tables, lists and code."),
        instructions="You write vivid short stories in Markdown with chapters. Where it fits, use a table, a list or a code block.",
        examples=["Tell me about a lighthouse keeper who collects clocks.", "A detective story in a data centre.", "A long voyage."],
        demo=demo_scripts.story,
    ),
    banker,
    concierge,
    confirmation,
    sms,
    researcher,
    helpdesk,
    assistant,
    reception,
    switchboard,
    careful,
]
