"""The pictures of the README: AGENTSITE_SCREENSHOT=1 makes them anew, in docs/."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_playground import answered
from tests.browser.test_watching import say
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import Person, Site

DOCS = Path(__file__).parents[2] / "docs"
TRANSFER = '[[tool=transfer {"source":"savings","target":"holidays","amount":500}]][[next]]Done.'
QUESTION = '[[tool=ask_human {"question":"May we send the lamp again, for free?"}]][[next]]Done.'
TOLD = (
    "Your tent left **Hamburg** on Thursday and is on the van in Göttingen, due *today before 18:00*.\n\n"
    "| Scan | When |\n|---|---|\n| Picked up in Hamburg | Thursday 14:10 |\n| Sorted in Hannover | Friday 02:35 |\n\n"
    "I am following the second parcel as well, so that you get both times at once."
)
CALLS = (Call("lookup_order", '{"order_id": "1042"}'), Call("track_parcel", '{"parcel": "HH-7781"}'))
pytestmark = pytest.mark.skipif(
    os.environ.get("AGENTSITE_SCREENSHOT") != "1", reason="AGENTSITE_SCREENSHOT=1 makes the pictures in docs/ anew"
)


@pytest.fixture
def ada(site: Site) -> Person:
    return site.person("ada")


def take(page: Page, name: str) -> None:
    page.screenshot(path=DOCS / f"{name}.png")


def test_a_thread(enter: Enter, site: Site, ada: Person, fake: FakeOpenAI) -> None:
    for title in ("Invoice terms", "Trip to Oslo"):
        ada.post("/threads", title=title, agent="weather")
    thread = ada.new_thread("support")
    site.person("ben")
    ada.post(f"/threads/{thread}/members", username="ben", role="writer")
    fake.script(Plan(tools=CALLS, reasoning=20), Plan(text=TOLD, rate=2000, tools=(Call("lookup_order", '{"order_id": "1044"}'),)))
    page = enter(ada).open(f"/threads/{thread}/")
    enter(site.person("ben")).open(f"/threads/{thread}/")
    expect(page.locator("#here")).to_be_visible()
    say(page, "Where is order 1042? And has 1044 arrived?")
    expect(page.locator("#runs li")).to_have_count(3)
    expect(page.locator("#runs progress").last).to_be_visible()
    take(page, "screenshot")


def test_the_inbox(enter: Enter, site: Site, ada: Person, fake: FakeOpenAI) -> None:
    customer, olga = site.person("carla"), site.operator("olga")
    for agent, title, prompt in (("helpdesk", "Broken lamp", QUESTION), ("banker", "Holiday money", TRANSFER)):
        other = ada.new_thread(agent)
        ada.patch(f"/threads/{other}", title=title)
        ada.ask(other, prompt)
    thread = customer.new_thread("helpdesk")
    customer.patch(f"/threads/{thread}", title="Wrong size")
    olga.post(f"/threads/{thread}/take-over")
    olga.post(f"/threads/{thread}/notes", text="Second exchange this year, please be kind.")
    customer.post(f"/threads/{thread}/messages", text="The jacket is too small. Can I have a larger one?")
    fake.script(Plan(text="Of course, Carla. Send it back within 30 days; the larger one leaves us as soon as we have it."))
    page = enter(olga).open(f"/inbox/{thread}/")
    enter(customer).open(f"/threads/{thread}/")
    expect(page.locator("#inbox li")).to_have_count(3)
    expect(page.locator("#here")).to_be_visible()
    page.get_by_role("button", name="Draft an answer").click()
    expect(page.get_by_role("button", name="Use it")).to_be_visible()
    take(page, "inbox")


def test_the_playground_and_the_overview(enter: Enter, site: Site, ada: Person, fake: FakeOpenAI) -> None:
    thread = ada.new_thread("support")
    ada.patch(f"/threads/{thread}", title="Order 1042")
    fake.script(Plan(tools=CALLS, reasoning=40, delay=0.3), Plan(text=TOLD, rate=80))
    answered(ada, thread, "Where is order 1042?")
    page = enter(site.tester("theo")).open(f"/admin/playground/threads/{thread}/")
    expect(page.locator("#inspected")).to_be_visible()
    expect(page.locator("#why tr").first).to_be_attached()
    take(page, "playground")
    site.query("UPDATE threads_user SET is_superuser = true WHERE username = 'theo'")
    page.goto(f"{site.url}/admin/")
    expect(page.locator("#overview")).to_be_visible()
    take(page, "overview")
