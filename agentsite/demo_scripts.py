"""What the demo model plays for the sample agents: the calls a language model would make, and answers made from their results."""

import random
import re
from collections.abc import Iterator

from agents.providers.demo import NOTICE, Say, Think, Turn, Use
from agentsite.sample_tools import ORDERS, WEATHER

Acts = Iterator[Say | Think | Use]


def support(turn: Turn) -> Acts:
    """Look up each order that is named, then follow its parcel, then report."""
    results = turn.results
    numbers = re.findall(r"\b\d{3,6}\b", turn.prompt)
    if not results and numbers:
        yield Think(f"The customer asks about {' and '.join(numbers)}. I look that up first. ")
        yield from (Use("lookup_order", {"order_id": number}) for number in numbers[:5])
        return
    orders = [found for name, found in results if name == "lookup_order"]
    parcels = [order["parcel"] for order in orders if isinstance(order, dict) and order["parcel"]]
    if parcels and not any(name == "track_parcel" for name, _ in results):
        yield from (Use("track_parcel", {"parcel": parcel}) for parcel in parcels)
        return
    if not orders:
        yield Say(f"Which order is it about? Please give me its number; the sample data knows {', '.join(ORDERS)}.\n\n")
    tracks = {found["parcel"]: found for name, found in results if name == "track_parcel" and isinstance(found, dict)}
    for order in orders:
        yield Say(_order(order, tracks) + "\n\n")
    yield Say(NOTICE)


def _order(order: object, tracks: dict[str, dict[str, str]]) -> str:
    if not isinstance(order, dict):
        return str(order).removeprefix("Error: ")
    text = f"**Order {order['order_id']}** ({order['item']}, {order['total']}) was placed on {order['ordered']} and is *{order['status']}*."
    if order["parcel"] in tracks:
        text += f" Your parcel {order['parcel']}: {tracks[order['parcel']]['last']}."
    return text


def weather(turn: Turn) -> Acts:
    """Ask for each city that is named, then tell."""
    cities = [city for city in WEATHER if city in turn.prompt.lower()] or re.findall(r"\bin ([A-Z]\w+)", turn.prompt)
    if cities and not turn.results:
        yield from (Use("get_weather", {"city": city.title()}) for city in cities)
        return
    for _, found in turn.results:
        if isinstance(found, dict):
            sign = "°C" if found["unit"] == "celsius" else "°F"
            yield Say(f"In **{found['city']}** it is {found['temperature']} {sign} with {found['sky']}; the wind is {found['wind']}.\n\n")
        else:
            yield Say(f"{str(found).removeprefix('Error: ')}\n\n")
    if not turn.results:
        yield Say(f"Which city? I know {', '.join(city.title() for city in WEATHER)}.\n\n")
    yield Say(NOTICE)


def fashion(turn: Turn) -> Acts:
    """Save a preference that is told, look up the saved ones, and quote what the thread says about the weather."""
    told = re.search(r"\b(?:prefer|like|love)\s+([\w ,-]+)", turn.prompt, re.IGNORECASE)
    if not turn.results:
        yield Use("save_preference", {"name": "style", "value": told[1].strip()}) if told else Use("get_preferences", {})
        return
    liked = turn.results[-1][1]
    weather_said = next((said for said in reversed(turn.earlier) if "°" in said), "")
    if weather_said:
        yield Say(f"Going by what was said before:\n\n> {weather_said.splitlines()[0]}\n\n")
    cold = bool(re.search(r"-\d+ °C|\b[0-9] °C|snow|rain", weather_said))
    outfit = ["a lined parka", "a thick pullover", "waterproof boots"] if cold else ["a light jacket", "a linen shirt", "canvas shoes"]
    yield Say("I suggest:\n\n" + "".join(f"- {piece}\n" for piece in outfit))
    style = ", ".join(liked.values()) if isinstance(liked, dict) else ""
    yield Say(f"\nall in *{style}*, as you like it.\n\n" if style else "\nTell me what you like, and I will remember it.\n\n")
    yield Say(NOTICE)


PLACES = [
    "the lighthouse",
    "a sleeping harbour",
    "the night train",
    "the old data centre",
    "a garden on the roof",
    "the clockmaker's cellar",
]
FINDS = ["a brass key", "a letter without a sender", "a map drawn on blotting paper", "a clock that runs backwards", "a jar of sea glass"]
TURNS = [
    "Nobody had been here since spring, and yet the kettle was warm.",
    "The wind went round to the east, and with it every sound changed its place.",
    "There are doors one opens only because one has been told not to.",
    "It was the kind of silence in which even a pencil is loud.",
    "Somewhere below, something began to tick.",
]


def story(turn: Turn) -> Acts:
    """Five chapters, different for each prompt and the same each time, with a table, a list and code."""
    choice = random.Random(turn.prompt)
    wish = turn.prompt.strip().splitlines()[0][:80].rstrip(".!?")
    yield Think("A story in five chapters. Each needs a place, a find and a turn. ")
    yield Say(f"# {wish}\n\n{NOTICE}\n\n")
    for number, place in enumerate(choice.sample(PLACES, 5), start=1):
        find = choice.choice(FINDS)
        yield Say(f"## {number}. In {place}\n\n{choice.choice(TURNS)} ")
        yield Say(
            f"On the sill lay {find}, as if it had been left for the next one who came by. She put it in her pocket and wrote it down.\n\n"
        )
        yield Say(" ".join(choice.sample(TURNS, 3)) + "\n\n")
        if number == 2:
            yield Say("What she knew so far:\n\n" + "".join(f"- {thing}\n" for thing in choice.sample(FINDS, 3)) + "\n")
        if number == 3:
            yield Say(_table(choice))
        if number == 4:
            yield Say(_code(find))
    yield Say("## Afterwards\n\nIn the morning everything stood where it had always stood. Only the clocks agreed, for the first time.\n")


def _table(choice: random.Random) -> str:
    rows = "".join(f"| {hour}:00 | {choice.choice(PLACES)} | {choice.choice(FINDS)} |\n" for hour in range(1, 6))
    return f"Her notes of that night:\n\n| Hour | Place | Find |\n| ---: | --- | --- |\n{rows}\n"


def _code(find: str) -> str:
    return f'''On the screen blinked a few lines that somebody had typed and never run:

```python
def wait_for(sign, patience=7):
    """Nights until the sign is seen; None if it never is."""
    for night in range(patience):
        if sign in listen(night):
            return night
    return None


print(wait_for("{find}"))
```

'''
