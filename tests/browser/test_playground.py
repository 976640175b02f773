"""A developer understands a run, and tries other answers, while its people go on."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Enter
from tests.browser.test_lists import PHONE
from tests.site import Person, Site, until


@pytest.fixture
def tess(site: Site) -> Person:
    return site.tester("tess")


def answered(person: Person, thread: str, text: str) -> None:
    """Ask, and wait for the answer."""
    run = person.ask(thread, text)
    shown = f"/threads/{thread}/messages?view=rows"
    until(lambda: any(each["id"] == run and each["status"] == "succeeded" for each in person.get(shown)["runs"]))


def opened(page: Page) -> None:
    expect(page.locator("#badge")).to_have_text("Live")
    expect(page.locator("#inspected")).to_be_visible()


@pytest.mark.parametrize("size", [{}, PHONE])
def test_from_a_person_to_what_their_agent_was_told(enter: Enter, site: Site, tess: Person, size: dict[str, object]) -> None:
    customer = site.person(f"paula{len(size)}")
    thread = customer.new_thread("weather")
    answered(customer, thread, '[[tool=get_weather {"city":"Oslo"}]][[next]][[text=Mild]]')
    desk = enter(tess, **size).open("/admin/playground/")
    if size:
        desk.get_by_role("button", name="People and threads").click()
    desk.get_by_label("Search people").fill(customer.name)
    desk.get_by_role("button", name=re.compile(customer.name)).click()
    desk.locator("#user-threads a").click()
    expect(desk).to_have_url(re.compile(f"/admin/playground/threads/{thread}/$"))
    opened(desk)
    rows = desk.locator(".gantt tbody th")
    expect(rows).to_contain_text(["Waiting for a worker", "Step 1", "get_weather", "Step 2"])
    expect(desk.locator("#saw")).to_contain_text("This request was not kept")
    expect(desk.locator("#now .told")).to_have_count(4)  # settings, one tool, instructions, prompt
    desk.get_by_role("button", name="Step 2").click()
    expect(desk.locator("#now .told")).to_have_count(6)  # and the call with its result
    expect(desk.locator("#why tr")).to_contain_text(["prompt", "this answer so far", "this answer so far"])
    # What happens meanwhile is there at once.
    customer.ask(thread, "[[text=Rain]]")
    expect(desk.locator(".answer").last).to_contain_text("Rain")


def test_the_first_look_at_a_trial_is_overtaken(enter: Enter, site: Site, tess: Person) -> None:
    customer = site.person("patience")
    thread = customer.new_thread("story")
    answered(customer, thread, "[[text=once]]")
    desk = enter(tess).open(f"/admin/playground/threads/{thread}/")
    opened(desk)
    [known] = customer.get(f"/threads/{thread}/messages?view=rows")["runs"]
    held: list[Route] = []

    def hold(route: Route) -> None:
        """The first one is answered when the second one has been asked, and that one later."""
        if known["id"] in route.request.url:
            return route.continue_()
        held.append(route)
        if len(held) == 2:
            held[0].continue_()
        elif len(held) > 2:
            route.continue_()

    desk.route("**/api/playground/runs/*", hold)
    desk.get_by_role("button", name="Answer again with these options").click()
    expect(desk.locator("#trial-state")).to_have_text("The answer is there: succeeded.")
    desk.wait_for_timeout(1_000)
    held[1].continue_()
    expect(desk.locator("#size")).to_contain_text("no difference")


@pytest.mark.parametrize("size", [{}, PHONE])
def test_trying_another_answer(enter: Enter, site: Site, tess: Person, size: dict[str, object]) -> None:
    customer = site.person(f"petra{len(size)}")
    thread = customer.new_thread("story")
    answered(customer, thread, "[[text=once]]")
    page, desk = enter(customer, **size).open(f"/threads/{thread}/"), enter(tess, **size).open(f"/admin/playground/threads/{thread}/")
    opened(desk)
    desk.get_by_text("Agent and options").click()
    desk.get_by_label("Instructions").fill("Be brief.")
    desk.get_by_label("Instructions").blur()
    expect(desk.locator("#now")).to_contain_text("Be brief.")
    desk.get_by_role("button", name="Answer again with these options").click()
    expect(desk.locator("#trial-state")).to_have_text("The answer is there: succeeded.")
    expect(desk.locator("#before .answer-body")).to_have_text("once")
    expect(desk.locator("#after .answer-body")).to_have_text("once")
    expect(desk.locator("#saw")).to_contain_text("Be brief.")
    expect(desk.locator("#size")).to_contain_text("no difference")
    desk.get_by_label("Instructions").fill("Be long.")
    desk.get_by_label("Instructions").blur()
    expect(desk.locator("#saw .told[data-only=left]")).to_contain_text("Be brief.")
    expect(desk.locator("#now .told[data-only=right]")).to_contain_text("Be long.")
    desk.get_by_label("A prompt to try").fill("[[text=twice]]")
    desk.keyboard.press("Enter")
    expect(desk.locator("#after .answer-body")).to_have_text("twice")
    expect(desk.locator("#changes del")).to_have_text("once")
    expect(desk.locator("#changes ins")).to_have_text("twice")
    desk.get_by_role("button", name="Answer again with these options").click()
    expect(desk.locator("#changes")).to_have_text("Nothing differs.")
    expect(page.locator(".answer")).to_have_count(1)
    expect(desk.locator("#messages .answer")).to_have_count(1)
    desk.get_by_label("A prompt to try").fill("[[text=thrice]]")
    desk.locator("#save").click()
    desk.locator("#save").click()  # it asks once more
    for each in (page, desk):
        expect(each.locator("#messages .answer").last).to_contain_text("thrice")
        expect(each.locator("#messages .message", has_text="text=thrice")).to_contain_text("sent by tess")


def test_an_approval_in_a_trial_is_its_makers(enter: Enter, site: Site, tess: Person) -> None:
    customer = site.person("piet")
    thread = customer.new_thread("banker")
    answered(customer, thread, "[[text=hello]]")
    desk = enter(tess).open(f"/admin/playground/threads/{thread}/")
    opened(desk)
    desk.get_by_label("A prompt to try").fill(
        '[[tool=transfer {"source":"savings","target":"holidays","amount":500}]][[next]][[text=Sent]]'
    )
    desk.keyboard.press("Enter")
    desk.locator("#after").get_by_role("button", name="Approve").click()
    expect(desk.locator("#after .answer-body")).to_contain_text("Sent")
    expect(desk.locator(".gantt tbody th")).to_contain_text(["Waiting for a worker", "Step 1", "transfer", "Step 2"])


def test_a_trial_is_stopped_and_tried_again(enter: Enter, site: Site, tess: Person) -> None:
    customer = site.person("paul")
    thread = customer.new_thread("story")
    answered(customer, thread, "[[text=hello]]")
    desk = enter(tess).open(f"/admin/playground/threads/{thread}/")
    opened(desk)
    desk.get_by_label("A prompt to try").fill("[[tokens=2000 rate=20]]")
    desk.keyboard.press("Enter")
    expect(desk.locator("#after .answer-body")).to_contain_text("w3")
    desk.get_by_role("button", name="Stop").click()
    expect(desk.locator("#trial-state")).to_have_text("The answer is there: stopped.")
    desk.get_by_label("A prompt to try").fill("[[fault=401 times=1]][[text=again]]")
    desk.keyboard.press("Enter")
    desk.locator("#after").get_by_role("button", name="Retry").click()
    expect(desk.locator("#after .answer-body")).to_have_text("again")
    expect(desk.locator("#messages .answer")).to_have_count(1)


def test_whoever_may_not_is_not_let_in(enter: Enter, site: Site) -> None:
    tab = enter(site.person("pia"))
    page = tab.open("/admin/playground/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    site.query("UPDATE threads_user SET is_staff = true WHERE username = 'pia'")
    tab.expected.append("403")
    expect(tab.open("/admin/playground/").locator("h1")).to_have_text("Not allowed")


def test_whose_right_is_taken_away_sees_no_more(enter: Enter, site: Site) -> None:
    tom, customer = site.tester("tom"), site.person("pam")
    thread = customer.new_thread("story")
    desk = enter(tom).open(f"/admin/playground/threads/{thread}/")
    expect(desk.locator("#badge")).to_have_text("Live")
    desk.wait_for_timeout(2500)  # the watch loop has looked twice
    expect(desk.locator("#badge")).to_have_text("Live")
    site.query("UPDATE threads_user SET is_staff = false WHERE username = 'tom'")
    expect(desk.locator("#badge")).to_have_text("Not available")
    expect(desk.locator("#complaint")).to_have_text("This thread is no longer there.")
