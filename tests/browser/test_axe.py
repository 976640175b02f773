"""Every page against axe-core's rules of WCAG 2.2 A and AA, in both colour schemes and on a phone."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOOKED_AT, Enter, settled
from tests.browser.test_hostile import TOO_WIDE
from tests.browser.test_lists import PHONE
from tests.site import Person

# Not "preload": it would fetch style sheets by addresses that are not ours.
RULES = {"preload": False, "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
LOOKS: list[dict[str, Any]] = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"color_scheme": "light", **PHONE}]


def check(page: Page) -> None:
    """Fails with what axe finds, each with a piece of where."""
    found = Axe().run(page, options=RULES).response["violations"]
    told = [f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary']}" for each in found for node in each["nodes"]]
    assert not told, "\n".join([page.url, *told])


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("who", LOOKED_AT)
def test_pages(enter: Enter, people: dict[str, Person | None], rich_thread: str, who: str, look: dict[str, Any]) -> None:
    tab = enter(people[who], bypass_csp=True, **look)
    for path in LOOKED_AT[who]:
        page = tab.open(path.format(thread=rich_thread))
        settled(page)
        check(page)


@pytest.mark.parametrize("who", LOOKED_AT)
def test_at_400_percent_nothing_is_cut_off(enter: Enter, people: dict[str, Person | None], rich_thread: str, who: str) -> None:
    """A window of 1280 × 1024 at 400 % is as wide as this (WCAG 1.4.10)."""
    tab = enter(people[who], viewport={"width": 320, "height": 256})
    for path in LOOKED_AT[who]:
        page = tab.open(path.format(thread=rich_thread))
        settled(page)
        assert page.evaluate(TOO_WIDE) == [], path
        if page.locator("#text").count():
            page.locator("#text").focus()
            box = page.locator("#text").bounding_box()
            assert box and 0 <= box["y"] < 256, "what one writes can be seen"


@pytest.mark.parametrize("look", LOOKS)
def test_a_thread_and_what_opens_in_it(enter: Enter, people: dict[str, Person | None], rich_thread: str, look: dict[str, Any]) -> None:
    page = enter(people["customer"], bypass_csp=True, **look).open(f"/threads/{rich_thread}/")
    settled(page)
    page.evaluate("() => { for (const each of document.querySelectorAll('#messages details')) each.open = true; }")
    check(page)
    page.get_by_role("button", name="Share").click()
    check(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox").last).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    page.locator("#messages").click(position={"x": 2, "y": 2})
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More", exact=True).click()
    check(page)


@pytest.mark.parametrize("look", LOOKS)
def test_two_answers_in_the_playground(enter: Enter, people: dict[str, Person | None], rich_thread: str, look: dict[str, Any]) -> None:
    page = enter(people["tester"], bypass_csp=True, **look).open(f"/admin/playground/threads/{rich_thread}/")
    settled(page)
    page.locator("#text").fill("[[text=once]]")
    page.keyboard.press("Enter")
    expect(page.locator("#trial-state")).to_have_text("The answer is there: succeeded.")
    page.locator("#text").fill("[[text=twice]]")
    page.keyboard.press("Enter")
    expect(page.locator("#changes ins")).to_have_text("twice")
    check(page)


@pytest.mark.parametrize("look", LOOKS)
def test_what_a_link_shows(enter: Enter, people: dict[str, Person | None], rich_thread: str, look: dict[str, Any]) -> None:
    customer = people["customer"]
    assert customer
    tab = enter(None, bypass_csp=True, **look)
    tab.page.goto(customer.post(f"/threads/{rich_thread}/links").json()["url"])
    expect(tab.page.locator(".shared .prose").last).to_be_visible()
    check(tab.page)
