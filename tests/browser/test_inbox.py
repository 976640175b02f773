"""The operators' desk: what waits, live, and working through it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.browser.test_lists import PHONE, show_list
from tests.site import Person, Site, until


@pytest.fixture
def olga(site: Site) -> Person:
    return site.operator("olga")


@pytest.mark.parametrize("size", [{}, PHONE])
def test_an_operator_works_through_the_inbox(enter: Enter, site: Site, olga: Person, size: dict[str, object]) -> None:
    customer = site.person(f"jane{len(size)}")
    thread = customer.new_thread("helpdesk")
    title = f"Broken lamp {len(size)}"
    customer.patch(f"/threads/{thread}", title=title)
    desk, page = enter(olga, **size).open("/inbox/"), enter(customer, **size).open(f"/threads/{thread}/")
    show_list(desk)
    before = desk.locator("#inbox-count").text_content() or "0"
    customer.ask(thread, '[[tool=ask_human {"question":"Which lamp?"}]][[next]]Done.')
    case = desk.locator("#inbox li", has_text=title)
    expect(case).to_contain_text("a question to a person")
    expect(desk.locator("#inbox-count")).to_have_text(str(int(before) + 1))
    case.get_by_role("link").click()
    expect(desk).to_have_url(re.compile(f"/inbox/{thread}/$"))
    desk.get_by_role("button", name="Take over").click()
    expect(page.locator("#person-bar")).to_contain_text("olga answers here.")
    show_list(desk)
    expect(case).to_contain_text("you have it")
    desk.keyboard.press("Escape")
    desk.get_by_label("Message", exact=True).fill("The new one is on its way.")
    desk.keyboard.press("Enter")
    expect(page.locator(".message.of-person")).to_contain_text("The new one is on its way.")
    if desk.get_by_role("button", name="Activity", exact=True).get_attribute("aria-expanded") == "false":
        desk.get_by_role("button", name="Activity", exact=True).click()
    desk.get_by_label("A note").fill("Third lamp this year")
    desk.keyboard.press("Enter")
    expect(desk.locator("#notes li")).to_contain_text("Third lamp this year")
    desk.keyboard.press("Escape")
    expect(page.locator("#notes")).to_have_count(0)
    call = customer.get(f"/threads/{thread}/tool-calls")["tool_calls"][0]
    olga.post(f"/threads/{thread}/tool-calls/{call['id']}/result", result="The green one")
    desk.get_by_role("button", name="Resolve").click()
    expect(page.locator("#person-bar")).to_be_hidden()
    show_list(desk)
    expect(case).to_have_count(0)


def test_whoever_is_no_operator_has_no_inbox(enter: Enter, site: Site) -> None:
    kim = site.person("kim")
    tab = enter(kim)
    tab.expected.append("403")
    tab.open("/inbox/")
    expect(tab.page.get_by_role("heading")).not_to_have_text("Inbox")
    expect(tab.open("/threads/new/").locator(".inbox-link")).to_have_count(0)


def test_two_operators_see_each_others_notes(enter: Enter, site: Site, olga: Person) -> None:
    oskar = site.operator("oskar")
    thread = site.person("jane0").new_thread("story")
    first, second = enter(olga).open(f"/inbox/{thread}/"), enter(oskar).open(f"/inbox/{thread}/")
    expect(second.locator("#badge")).to_have_text("Live")
    until(lambda: first.get_by_label("A note").is_visible())
    first.get_by_label("A note").fill("Call back")
    first.keyboard.press("Enter")
    expect(second.locator("#notes li")).to_contain_text("Call back")
    expect(second.get_by_role("button", name="Delete this note")).to_have_count(0)
    first.get_by_role("button", name="Delete this note").click()
    first.get_by_role("button", name="Delete?").click()
    expect(second.locator("#notes li")).to_have_count(0)


@pytest.mark.parametrize("size", [{}, PHONE])
def test_an_operator_sends_what_the_agent_drafted(enter: Enter, site: Site, olga: Person, size: dict[str, object]) -> None:
    customer = site.person(f"june{len(size)}")
    thread = customer.new_thread("helpdesk")
    assert olga.post(f"/threads/{thread}/take-over").status_code == 200
    assert customer.post(f"/threads/{thread}/messages", text='[[text="Try the blue cable."]] It is broken.').status_code == 202
    desk, page = enter(olga, **size).open(f"/inbox/{thread}/"), enter(customer, **size).open(f"/threads/{thread}/")
    activity = desk.get_by_role("button", name="Activity", exact=True)
    if activity.get_attribute("aria-expanded") == "false":
        activity.click()
    desk.get_by_role("button", name="Draft an answer").click()
    expect(desk.locator(".suggested")).to_have_text("Try the blue cable.")
    desk.get_by_role("button", name="Use it").click()
    if size:
        desk.keyboard.press("Escape")
    field = desk.get_by_label("Message", exact=True)
    expect(field).to_have_value("Try the blue cable.")
    field.press_sequentially(" Olga")
    expect(page.locator("#writing")).to_have_text("olga is writing…")
    expect(page.get_by_role("list", name="Here now")).to_contain_text("olga")
    expect(page.locator(".message")).to_have_count(1)
    desk.keyboard.press("Enter")
    expect(page.locator(".message.of-person")).to_contain_text("Try the blue cable. Olga")
    expect(page.locator(".suggested")).to_have_count(0)
    assert [each["id"] for each in olga.get("/threads")["threads"] if each["kind"] == "trial"] == []
