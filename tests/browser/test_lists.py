"""The list of threads: what one does to them, what others see of it, and finding what was said."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Enter
from tests.site import Person, Site, until
from tests.test_chatgpt import conversation, said

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SIZES = [{}, PHONE]


@pytest.fixture
def carol(site: Site) -> Person:
    return site.person("carol")


def titled(person: Person, title: str) -> str:
    thread = person.new_thread("story")
    assert person.patch(f"/threads/{thread}", title=title).status_code == 200
    return thread


def show_list(page: Page) -> None:
    """On a phone it is behind a button."""
    button = page.get_by_role("button", name="Threads", exact=True)
    if button.is_visible() and button.get_attribute("aria-expanded") == "false":
        button.click()


def entry(page: Page, title: str) -> Locator:
    return page.locator("#thread-list .entry").filter(has=page.get_by_text(title, exact=True))


def choose(page: Page, title: str, action: str) -> None:
    show_list(page)
    entry(page, title).hover()
    entry(page, title).get_by_role("button", name=f"Actions for {title}").click()
    page.get_by_role("menuitem", name=action, exact=True).click()


@pytest.mark.parametrize("size", SIZES)
def test_pin_rename_archive_and_delete_with_undo(enter: Enter, site: Site, size: dict[str, object]) -> None:
    gina = site.person(f"gina{len(size)}")
    first, second, third = (titled(gina, title) for title in ("First", "Second", "Third"))
    page, other = enter(gina, **size).open(f"/threads/{third}/"), enter(gina).open("/threads/new/")
    titles = other.locator("#thread-list .entry-title")
    expect(titles).to_have_text(["Third", "Second", "First"])
    choose(page, "First", "Pin")
    expect(titles).to_have_text(["First", "Third", "Second"])
    expect(other.locator("#thread-list h2").first).to_have_text("Pinned")
    choose(page, "Second", "Rename")
    page.get_by_role("textbox", name="Title").fill("Zweiter")
    page.keyboard.press("Enter")
    expect(titles).to_have_text(["First", "Third", "Zweiter"])
    choose(page, "Zweiter", "Archive")
    expect(titles).to_have_text(["First", "Third"])
    show_list(page)
    page.get_by_role("button", name="Archived threads").click()
    expect(page.locator("#thread-list .entry-title")).to_have_text(["Zweiter"])
    choose(page, "Zweiter", "Back to all threads")
    page.get_by_role("button", name="Back to all threads").click()
    expect(titles).to_have_text(["First", "Third", "Zweiter"])
    choose(page, "First", "Delete")
    expect(titles).to_have_text(["Third", "Zweiter"])
    page.get_by_role("button", name="Undo").click()
    expect(titles).to_have_text(["First", "Third", "Zweiter"])
    choose(page, "Third", "Delete")
    expect(page).to_have_url(re.compile("/threads/new/$"))
    page.get_by_role("button", name="Undo").click()
    expect(titles).to_have_text(["First", "Third", "Zweiter"])
    assert first != second


def test_several_at_once(enter: Enter, carol: Person) -> None:
    for title in ("One", "Two", "Three"):
        titled(carol, title)
    page = enter(carol).open("/threads/new/")
    choose(page, "One", "Select several")
    page.get_by_label("Select Three").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#thread-list .entry-title")).to_have_text(["Two"])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#thread-list .entry-title")).to_have_text(["Three", "Two", "One"])


def test_what_is_new_is_marked_until_it_is_looked_at(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    alice.patch(f"/threads/{shared}", title="With bob")
    page = enter(bob).open("/threads/new/")
    dot = entry(page, "With bob").locator(".dot")
    expect(dot).to_have_attribute("aria-label", "new")
    with page.expect_response("**/mine"):
        entry(page, "With bob").get_by_role("link").click()
    expect(dot).to_be_hidden()
    page.goto(page.url.split("/threads/")[0] + "/threads/new/")
    expect(dot).to_be_hidden()
    alice.ask(shared, "Hello [[tokens=3]]")
    until(lambda: not alice.get(f"/threads/{shared}")["running"])
    expect(dot).to_have_attribute("aria-label", "new")
    choose(page, "With bob", "Mark as read")
    expect(dot).to_be_hidden()


def test_only_the_owner_can_delete_and_others_can_leave(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    alice.patch(f"/threads/{shared}", title="Alices")
    page = enter(bob).open(f"/threads/{shared}/")
    entry(page, "Alices").hover()
    entry(page, "Alices").get_by_role("button", name="Actions").click()
    expect(page.get_by_role("menuitem")).to_have_text(["Pin", "Rename", "Leave"])
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile(shared))
    expect(entry(page, "Alices")).to_have_count(0)


def test_a_menu_by_keyboard(enter: Enter, carol: Person) -> None:
    titled(carol, "By hand")
    page = enter(carol).open("/threads/new/")
    button = entry(page, "By hand").get_by_role("button", name="Actions")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Pin")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#thread-list h2").first).to_have_text("Pinned")
    expect(button).to_be_focused()
    titled(carol, "And another")
    expect(entry(page, "And another")).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(entry(page, "By hand")).to_have_count(0)
    expect(entry(page, "And another").get_by_role("link")).to_be_focused()


@pytest.mark.parametrize("size", SIZES)
def test_finding_what_was_said(enter: Enter, site: Site, size: dict[str, object]) -> None:
    hugo = site.person(f"hugo{len(size)}")
    thread = titled(hugo, "A journey")
    for number in range(12):
        hugo.ask(thread, f"Where is the blue lantern {number}? [[tokens=150]]" if number == 4 else f"Question {number} [[tokens=150]]")
    until(lambda: not hugo.get(f"/threads/{thread}")["running"], 60)
    page = enter(hugo, **size).open("/threads/new/")
    show_list(page)
    page.get_by_label("Search threads").fill("lantern bl")
    expect(page.get_by_role("status").filter(has_text="1 result")).to_be_visible()
    expect(page.locator("#found mark")).to_have_text(["blue", "lantern"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/threads/{thread}/#message-"))
    found = page.locator(".message", has_text="blue lantern")
    expect(found).to_be_in_viewport()
    page.wait_for_timeout(1500)
    expect(found).to_be_in_viewport()
    show_list(page)
    page.get_by_label("Search threads").fill("journ")
    expect(page.locator("#found .entry-title")).to_have_text(["A journey"])
    page.get_by_label("Search threads").press("Escape")
    expect(page.locator("#thread-list .entry-title")).to_have_text(["A journey"])


@pytest.mark.parametrize("size", SIZES)
def test_a_link_for_anybody(enter: Enter, site: Site, size: dict[str, object]) -> None:
    iris = site.person(f"iris{len(size)}")
    thread = titled(iris, "For all")
    iris.ask(thread, "Tell me [[text=**bold**]]")
    until(lambda: not iris.get(f"/threads/{thread}")["running"])
    tab = enter(iris, **size)
    page = tab.open(f"/threads/{thread}/")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    address = page.get_by_label("Address of the new link").input_value()
    stranger = enter(None, **size)
    stranger.expected.append("404")
    other = stranger.open(address.removeprefix(site.url))
    expect(other.get_by_role("heading", name="For all")).to_be_visible()
    expect(other.locator(".prose strong")).to_have_text("bold")
    expect(other.locator("time").nth(1)).not_to_be_empty()
    page.get_by_role("button", name="Take back").click()
    expect(page.locator("#links li")).to_have_count(0)
    other.reload()
    expect(other.locator(".prose")).to_have_count(0)


def test_out_and_in_again(enter: Enter, carol: Person) -> None:
    thread = titled(carol, "To be kept")
    carol.ask(thread, "Tell me [[text=Twelve.]]")
    until(lambda: not carol.get(f"/threads/{thread}")["running"])
    page = enter(carol).open(f"/threads/{thread}/")
    page.get_by_role("button", name="More", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Export as JSON").click()
    assert download.value.suggested_filename == "to-be-kept.json"
    page.goto(page.url.split("/threads/")[0] + "/threads/new/")
    page.locator("#import").set_input_files(download.value.path())
    expect(page).to_have_url(re.compile("/threads/[0-9a-f-]{36}/$"))
    assert thread not in page.url
    expect(page.locator(".prose")).to_have_text("Twelve.")
    expect(entry(page, "To be kept")).to_have_count(2)


@pytest.mark.parametrize("size", SIZES)
def test_a_temporary_thread_is_in_no_list_until_it_is_kept(enter: Enter, site: Site, size: dict[str, object]) -> None:
    tina = site.person(f"tina{len(size)}")
    titled(tina, "Usual")
    page, other = enter(tina, **size).open("/threads/new/"), enter(tina).open("/threads/new/")
    page.get_by_role("switch", name="Temporary").check()
    page.locator("#text").fill("Between us [[tokens=3]]")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .prose")).to_contain_text("w2")
    titles = other.locator("#thread-list .entry-title")
    expect(titles).to_have_text(["Usual"])
    page.reload()
    expect(page.locator(".answer .prose")).to_contain_text("w2")
    page.get_by_role("button", name="Keep it").click()
    expect(titles).to_have_text(["Between us [[tokens=3]]", "Usual"])
    expect(page.get_by_role("button", name="Keep it")).to_have_count(0)
    expect(page.locator("#text")).to_be_focused()


@pytest.mark.parametrize("size", [{}, PHONE])
def test_bringing_in_what_chatgpt_exports(enter: Enter, site: Site, size: dict[str, object], tmp_path: Path) -> None:
    tab = enter(site.person(f"mover{len(size)}"), **size)
    tab.expected.append("400")
    page = tab.open("/threads/new/")
    told = [conversation(said("user", "Hi"), said("assistant", "**Hello**"), key=f"k{n}", title=f"Old talk {n}") for n in range(3)]
    export = tmp_path / "conversations.json"
    export.write_text(json.dumps(told[:2]))
    page.locator("#import").set_input_files(export)
    expect(page.locator(".toast")).to_have_text("2 threads brought in.")
    show_list(page)
    entry(page, "Old talk 1").get_by_role("link").click()
    expect(page.locator(".answer strong")).to_have_text("Hello")
    expect(page.locator(".answer .author")).to_have_text("ChatGPT")
    page.goto(f"{site.url}/threads/new/")
    export.write_text(json.dumps(told))
    page.locator("#import").set_input_files(export)
    expect(page.locator(".toast")).to_have_text("1 thread brought in. 2 threads had been brought in before.")
    export.write_text("{}")
    page.locator("#import").set_input_files(export)
    expect(page.locator(".toast")).to_contain_text("This is no exported thread")
