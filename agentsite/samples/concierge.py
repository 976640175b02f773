"""Handoffs: one agent books a table, the next one confirms it, the last one sends a text message. Each knows only its own step."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pydantic import Field

from agents.agent import Agent
from agents.errors import ToolError
from agents.handoffs import HAND_OVER
from agents.providers.demo import NOTICE, Say, Turn, Use
from agents.tools import ToolContext, tool
from agentsite.samples.preferences import changing_preferences

TABLES = 12
Act = Iterator[Say | Use]


@tool()
def book_table(
    context: ToolContext, day: date, hour: Annotated[int, Field(ge=12, le=22)], people: Annotated[int, Field(ge=1, le=TABLES)]
) -> dict[str, Any]:
    """Book a table. The kitchen is open from 12 to 22; closed on Mondays."""
    if day.weekday() == 0:
        raise ToolError(f"{day} is a Monday: closed.")
    with changing_preferences(context) as preferences:
        bookings = preferences.setdefault("bookings", [])
        bookings.append({"number": f"T{len(bookings) + 101}", "day": day.isoformat(), "hour": hour, "people": people, "confirmed": False})
    return dict(bookings[-1])


@tool(idempotent=True)
def confirm_booking(context: ToolContext, number: str) -> dict[str, Any]:
    """Make a booking a firm one."""
    with changing_preferences(context) as preferences:
        booking = next((each for each in preferences.get("bookings", []) if each["number"] == number), None)
        if booking is None:
            raise ToolError(f"There is no booking {number[:20]!r}.")
        booking["confirmed"] = True
    return dict(booking)


@tool(effects="outward")
def send_sms(context: ToolContext, text: Annotated[str, Field(max_length=160)]) -> dict[str, str]:
    """Send the person a text message. (The sample keeps it with the person's preferences.)"""
    with changing_preferences(context) as preferences:
        preferences.setdefault("messages", []).append(text)
    return {"sent": text}


def _last(turn: Turn, tool: str) -> Any:
    return next((result for name, result in reversed(turn.results) if name == tool), None)


def play_booking(turn: Turn) -> Act:
    """Book what the prompt names, then pass it on."""
    booked = _last(turn, "book_table")
    if booked is None:
        people = re.search(r"\b(?:for|table of)\s+(\d+)", turn.prompt)
        hour = re.search(r"\bat\s+(\d+)", turn.prompt)
        day = re.search(r"\d{4}-\d\d-\d\d", turn.prompt)
        tomorrow = timezone.localdate() + timedelta(days=1 if timezone.localdate().weekday() != 6 else 2)
        wanted = {"day": day[0] if day else tomorrow.isoformat(), "hour": int(hour[1]) if hour else 19}
        yield Use("book_table", wanted | {"people": int(people[1]) if people else 2})
    elif isinstance(booked, dict):
        yield Use(HAND_OVER, {"to": "confirmation", "reason": f"{booked['number']} is booked and has to be confirmed."})
    else:
        yield Say(f"I could not book: {booked.removeprefix('Error: ')}\n\n{NOTICE}")


def play_confirmation(turn: Turn) -> Act:
    """Confirm what was booked, then pass it on."""
    booked, confirmed = _last(turn, "book_table"), _last(turn, "confirm_booking")
    if isinstance(booked, dict) and confirmed is None:
        yield Use("confirm_booking", {"number": booked["number"]})
    elif isinstance(confirmed, dict):
        yield Say(f"Booking **{confirmed['number']}** is confirmed. ")
        yield Use(HAND_OVER, {"to": "sms", "reason": "The guest wants it in writing."})
    else:
        yield Say(f"Which booking shall I confirm?\n\n{NOTICE}")


def play_sms(turn: Turn) -> Act:
    """Send what was confirmed."""
    confirmed, sent = _last(turn, "confirm_booking"), _last(turn, "send_sms")
    if isinstance(confirmed, dict) and sent is None:
        text = f"Table for {confirmed['people']} on {confirmed['day']} at {confirmed['hour']}:00, number {confirmed['number']}."
        yield Use("send_sms", {"text": text})
    elif isinstance(sent, dict):
        yield Say(f"I sent you this text message:\n\n> {sent['sent']}\n\n{NOTICE}")
    else:
        yield Say(f"There is nothing to be sent.\n\n{NOTICE}")


concierge = Agent(
    name="concierge",
    title=_("Concierge"),
    description=_("Books a table, has it confirmed and sends you a text message."),
    instructions="You book tables. When one is booked, hand over to confirmation; you never confirm yourself.",
    tools=[book_table],
    handoffs=["confirmation"],
    examples=["A table for 4 tomorrow at 20, please.", "Book for 2 on 2026-12-24 at 18.", "A table of 6 at 13."],
    demo=play_booking,
)
confirmation = Agent(
    name="confirmation",
    title=_("Confirmation"),
    description=_("Confirms bookings."),
    instructions="You confirm the booking that was just made, then hand over to sms.",
    tools=[confirm_booking],
    handoffs=["sms"],
    listed=False,
    demo=play_confirmation,
)
sms = Agent(
    name="sms",
    title=_("Text messages"),
    description=_("Sends text messages."),
    instructions="You send the person one short text message about what was confirmed. For a new booking hand over to the concierge.",
    tools=[send_sms],
    handoffs=["concierge"],
    listed=False,
    demo=play_sms,
)
