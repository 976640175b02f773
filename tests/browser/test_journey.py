"""A conversation from its first word to its last by keyboard alone, while somebody else looks on; and what a model thinks."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_lists import PHONE
from tests.browser.test_watching import ended, say
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import Person, Site

SIZES: list[dict[str, Any]] = [{}, PHONE]
MOST_TABS = 60


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button of this name has the focus."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_visible()
    for _ in range(MOST_TABS):
        if button.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} was not reached")


@pytest.mark.parametrize("size", SIZES)
def test_by_keyboard_alone(enter: Enter, site: Site, bob: Person, fake: FakeOpenAI, size: dict[str, Any]) -> None:
    person = site.person("kim")
    thread = person.new_thread("banker")
    person.post(f"/threads/{thread}/members", username="bob", role="viewer")
    sums = [Call("transfer", json.dumps({"source": "savings", "target": "checking", "amount": amount})) for amount in (201, 202)]
    fake.script(Plan(tools=tuple(sums)), Plan(text="Both were moved.", delay=2), Plan(text="You are welcome."))
    page, watching = enter(person, **size).open(f"/threads/{thread}/"), enter(bob, **size).open(f"/threads/{thread}/")
    expect(page.locator("#badge")).to_have_text(re.compile("live", re.I))
    page.locator("#text").focus()
    page.keyboard.type("Move 201 and 202")
    page.keyboard.press("Enter")
    tab_to(page, "Approve all")
    expect(watching.get_by_role("button", name="Approve all")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".all-questions")).to_be_hidden()
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("Thank you")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for its turn…")).to_be_visible()
    for each in (page, watching):
        expect(each.get_by_text("Both were moved.")).to_be_visible()
        expect(each.get_by_text("You are welcome.")).to_be_visible()
    ended(page)
    assert [call["status"] for call in person.get(f"/threads/{thread}/tool-calls")["tool_calls"]] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("size", SIZES)
def test_what_a_model_thinks_streams_and_then_folds(enter: Enter, site: Site, bob: Person, fake: FakeOpenAI, size: dict[str, Any]) -> None:
    person = site.person("thea")
    thread = person.new_thread("support")
    person.post(f"/threads/{thread}/members", username="bob", role="viewer")
    fake.script(Plan(reasoning=60, rate=20, text="It is so."))
    page, watching = enter(person, **size).open(f"/threads/{thread}/"), enter(bob, **size).open(f"/threads/{thread}/")
    say(page, "Think about it")
    for each in (page, watching):
        expect(each.locator(".reasoning summary")).to_have_text("Thinking…")
        expect(each.locator(".reasoning > .prose")).to_be_visible()
        expect(each.locator(".reasoning > .prose")).not_to_be_empty()
    watching.locator(".reasoning summary").click()
    watching.locator(".reasoning summary").click()
    ended(page)
    expect(page.locator(".reasoning summary")).to_have_text("Reasoning")
    expect(page.locator(".reasoning > .prose")).to_be_hidden()
    expect(watching.get_by_text("It is so.")).to_be_visible()
    expect(watching.locator(".reasoning > .prose")).to_be_visible()
    page.reload()
    expect(page.get_by_text("It is so.")).to_be_visible()
    expect(page.locator(".reasoning > .prose")).to_be_hidden()
