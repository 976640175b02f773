"""Changing what was asked and asking again: every version is kept, and can be gone back to."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_watching import ended, say
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import Person

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def change(page: Page, text: str, into: str) -> None:
    message = page.locator(".message.own", has_text=text)
    message.hover()
    message.get_by_role("button", name="Change this message").click()
    message.get_by_label("Change the message").fill(into)
    page.keyboard.press("Enter")
    expect(page.locator(".message.own", has_text=into)).to_be_visible()
    ended(page)


@pytest.mark.parametrize("size", [{}, PHONE])
def test_a_changed_prompt_and_the_way_back(enter: Enter, alice: Person, bob: Person, shared: str, size: dict[str, object]) -> None:
    for text in ("one [[tokens=3]]", "two [[tokens=3]]", "three [[tokens=3]]"):
        alice.ask(shared, text)
    page, other = enter(alice, **size).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    ended(page)
    change(page, "two", "deux [[tokens=4]]")
    assert shared not in page.url
    versions = page.get_by_role("navigation", name="Versions")
    expect(versions).to_have_text("2/2")
    expect(page.locator(".message")).to_have_count(4)
    expect(page.locator(".prose").last).to_have_text("w0 w1 w2 w3")
    expect(other.get_by_role("navigation", name="Versions")).to_have_text("1/2")
    page.reload()
    expect(versions).to_have_text("2/2")
    page.get_by_role("link", name="Version before this").click()
    expect(versions).to_have_text("1/2")
    expect(page.locator(".message")).to_have_count(6)
    assert page.url.endswith(f"/threads/{shared}/#after-0.1")
    expect(page.get_by_role("link", name="Version before this")).to_have_count(0), "the first one"
    other.get_by_role("link", name="Version after this").click()
    expect(other.locator(".said").last).to_have_text("deux [[tokens=4]]")
    expect(other.get_by_role("button", name="Change this message")).to_have_count(0), "what alice said is hers"


def test_another_answer(enter: Enter, alice: Person, shared: str) -> None:
    alice.ask(shared, "one [[tokens=3]]")
    page = enter(alice).open(f"/threads/{shared}/")
    ended(page)
    for number in (2, 3):
        answer = page.locator(".answer")
        answer.hover()
        answer.get_by_role("button", name="Answer again").click()
        page.get_by_role("menuitem", name="Answer again").click()
        expect(page.get_by_role("navigation", name="Versions")).to_have_text(f"{number}/{number}")
        ended(page)
    page.goto(f"{page.url.split('/threads/')[0]}/")
    expect(page.get_by_role("navigation", name="Versions")).to_have_text("3/3")
    expect(page.locator("#thread-list a").first).to_have_attribute("aria-current", "page")


def test_copies_look_like_what_they_are_copied_from(enter: Enter, alice: Person, fake: FakeOpenAI) -> None:
    thread = alice.new_thread("support")
    fake.script(Plan(tools=(Call("lookup_order", '{"order_id": "1042"}'),)), Plan(text="It is **on its way**."))
    alice.ask(thread, "Where is order 1042?")
    page = enter(alice).open(f"/threads/{thread}/")
    ended(page)
    cards, threads = page.locator(".answer .tool").count(), page.locator("#thread-list li").count()
    assert cards
    page.locator(".answer").hover()
    page.get_by_role("button", name="Copy to a new thread up to here").click()
    page.wait_for_url(lambda url: thread not in url)
    expect(page.locator(".answer .tool")).to_have_count(cards)
    expect(page.locator(".answer .prose strong")).to_have_text("on its way")
    expect(page.locator("#thread-list li")).to_have_count(threads + 1)
    expect(page.get_by_role("navigation", name="Versions")).to_have_count(0)


def test_escape_leaves_everything_as_it_was(enter: Enter, alice: Person, shared: str) -> None:
    alice.ask(shared, "one [[tokens=3]]")
    page = enter(alice).open(f"/threads/{shared}/")
    ended(page)
    page.get_by_role("button", name="Change this message").focus()
    page.keyboard.press("Enter")
    page.keyboard.type(" more")
    page.keyboard.press("Escape")
    expect(page.locator(".said")).to_have_text("one [[tokens=3]]")
    expect(page.get_by_role("button", name="Change this message")).to_be_focused()
    say(page, "two [[tokens=1]]")
    ended(page)
    assert shared in page.url


def test_quoting_and_deleting(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    for text in ("one [[tokens=3]]", "two [[tokens=4]]"):
        alice.ask(shared, text)
    page, other = enter(alice).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    ended(page)
    expect(other.locator(".answer")).to_have_count(2)
    expect(other.get_by_role("button", name="Delete this answer")).to_have_count(0), "bob asked nothing, and owns nothing"
    answer = page.locator(".answer").last
    answer.hover()
    answer.get_by_role("button", name="Quote").click()
    expect(page.locator("#text")).to_have_value("> w0 w1 w2 w3\n\n")
    answer.get_by_role("button", name="Delete this answer").click()
    page.locator("#text").focus()
    expect(answer.get_by_role("button", name="Delete this answer")).to_be_visible(), "who looks elsewhere has not said yes"
    answer.get_by_role("button", name="Delete this answer").click()
    answer.get_by_role("button", name="Delete?").click()
    for each in (page, other):
        expect(each.locator(".answer")).to_have_count(1)
    message = page.locator(".message.own").first
    message.hover()
    message.get_by_role("button", name="Delete this message").focus()
    page.keyboard.press("Enter")
    message.get_by_role("button", name="Delete?").click()
    for each in (page, other):
        expect(each.locator(".message")).to_have_count(1)
    assert page.evaluate("document.querySelector('.message').contains(document.activeElement)"), "the focus goes on to the next one"
    for each in (page, other):
        expect(each.locator(".said")).to_have_text("two [[tokens=4]]")
    page.reload()
    expect(page.locator(".message")).to_have_count(1)


def test_another_agent_answers_instead(enter: Enter, alice: Person, shared: str) -> None:
    alice.ask(shared, "one [[tokens=3]]")
    page = enter(alice).open(f"/threads/{shared}/")
    ended(page)
    page.locator(".answer").hover()
    page.locator(".answer").get_by_role("button", name="Answer again").click()
    page.get_by_role("menuitem", name="Ask Story").click()
    expect(page.get_by_role("navigation", name="Versions")).to_have_text("2/2")
    ended(page)
    expect(page.locator(".answer .author")).to_have_text("Story")


@pytest.mark.parametrize("size", [{}, PHONE])
def test_rating_an_answer(enter: Enter, alice: Person, shared: str, size: dict[str, object]) -> None:
    alice.ask(shared, "one [[tokens=3]]")
    page, other = enter(alice, **size).open(f"/threads/{shared}/"), enter(alice).open(f"/threads/{shared}/")
    ended(page)
    bad = page.get_by_role("button", name="Bad answer")
    page.locator(".answer").hover()
    page.evaluate("() => { window.requestAnimationFrame = (draw) => setTimeout(draw, 1000); }")  # a busy machine draws later
    bad.click()
    page.get_by_label("What was wrong with it?").fill("Wrong train")
    page.keyboard.press("Enter")
    expect(bad).to_be_focused()
    there = other.get_by_role("button", name="Bad answer")
    expect(there).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
    assert alice.get(f"/threads/{shared}/feedback")["feedback"][0]["comment"] == "Wrong train"
    bad.click()
    expect(there).to_have_attribute("aria-pressed", "false")
    assert alice.get(f"/threads/{shared}/feedback")["feedback"] == []
