"""Everything by keyboard and by name, in the colours one likes, on paper, and as an app."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_lists import titled
from tests.browser.test_watching import ended
from tests.site import Person, Site

DARK, LIGHT = "rgb(22, 23, 26)", "rgb(252, 252, 251)"


@pytest.fixture
def dave(site: Site) -> Person:
    """Somebody with few threads."""
    return site.person("dave-of-commands")


def palette(page: Page, text: str) -> None:
    expect(page.locator("#badge")).to_have_text("Live")  # what listens to keys is there
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Command or thread")).to_be_focused()
    page.keyboard.type(text)


def test_commands_and_threads_by_name(enter: Enter, dave: Person) -> None:
    trip, other = titled(dave, "Trip to Oslo"), titled(dave, "Invoice terms")
    page = enter(dave).open(f"/threads/{other}/")
    palette(page, "osl")
    expect(page.locator(".palette [role=option]")).to_have_text(["Trip to OsloThread", "Search for “osl”"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(trip))
    palette(page, "usage")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/usage/"))
    page.go_back()
    palette(page, "trip nothing")
    expect(page.locator(".palette [role=option]")).to_have_text(["Search for “trip nothing”"])
    page.keyboard.press("Enter")
    expect(page.locator("#search")).to_be_focused()
    expect(page.locator("#search")).to_have_value("trip nothing")
    palette(page, "share")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Share this thread")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    first = page.locator(".palette [aria-selected=true]")
    before = first.inner_text()
    page.keyboard.press("ArrowDown")
    expect(first).not_to_have_text(before)
    page.keyboard.press("ArrowUp")
    expect(first).to_have_text(before)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Commands")).to_be_hidden()


def test_shortcuts_and_their_sheet(enter: Enter, dave: Person) -> None:
    older, newer = titled(dave, "Older"), titled(dave, "Newer")
    page = enter(dave).open(f"/threads/{newer}/")
    page.locator("#text").fill("What? Either/or")
    expect(page.get_by_role("dialog")).to_have_count(0), "they are letters while one writes"
    page.locator("#text").fill("")
    page.locator("#scroller").focus()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet.get_by_role("listitem").first).to_have_text("Commands and threadsCtrlK")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(page).to_have_url(re.compile(older))
    expect(page.locator("#badge")).to_have_text("Live")
    page.keyboard.press("Alt+ArrowUp")
    expect(page).to_have_url(re.compile(newer))
    expect(page.locator("#badge")).to_have_text("Live")
    page.locator("#text").fill("[[tokens=2000 rate=30]]")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_visible()
    page.keyboard.press("Control+.")
    expect(page.locator(".answer .note")).to_have_text("Stopped")
    page.keyboard.press("Control+Shift+O")
    expect(page).to_have_url(re.compile("/threads/new/"))


def test_the_colours_one_likes(enter: Enter, dave: Person) -> None:
    tab = enter(dave, color_scheme="light")
    page = tab.open("/threads/new/")
    ground = page.locator("body")
    second = tab.context.new_page()
    second.goto(page.url)
    expect(ground).to_have_css("background-color", LIGHT)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitem", name="Colours: dark").click()
    for each in (page, second):
        expect(each.locator("body")).to_have_css("background-color", DARK)
    for path in ("/threads/new/", "/usage/", "/memories/"):
        page.goto(tab.site.url + path)
        expect(ground).to_have_css("background-color", DARK)
    page.goto(f"{tab.site.url}/threads/new/")
    palette(page, "colours machine")
    page.keyboard.press("Enter")
    expect(ground).to_have_css("background-color", LIGHT)
    page.emulate_media(color_scheme="dark")
    expect(ground).to_have_css("background-color", DARK)


def test_on_paper_there_is_only_what_was_said(enter: Enter, dave: Person) -> None:
    thread = titled(dave, "On paper")
    dave.ask(thread, "[[text=Said]]")
    page = enter(dave, color_scheme="dark").open(f"/threads/{thread}/")
    expect(page.locator(".answer .prose")).to_be_visible()
    ended(page)
    page.emulate_media(media="print")
    for hidden in ("#threads", "#composer", "#activity", ".actions", "#badge"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.get_by_role("heading", name="On paper")).to_be_visible()
    expect(page.locator(".answer .prose")).to_have_text("Said")
    assert page.locator("body").evaluate("(body) => getComputedStyle(body).color") == "rgb(29, 31, 35)"


def test_it_can_be_installed(enter: Enter, dave: Person) -> None:
    tab = enter(dave)
    page = tab.open("/threads/new/")
    session = tab.context.new_cdp_session(page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in ([], [{"errorId": "in-incognito", "errorArguments": []}])
