"""The site in German: nothing of ours is left in English, all of it fits, and people can choose."""

import re
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

import django
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOOKED_AT, Enter, settled
from tests.browser.test_axe import check
from tests.browser.test_hostile import TOO_WIDE
from tests.browser.test_lists import PHONE
from tests.site import Person, Site
from tests.test_german import CATALOGS, DOMAINS, PLACE, entries

LETTERS = re.compile("[A-Za-z]{2}")
SIZES: list[dict[str, Any]] = [{}, PHONE]
# All that one can read or have read to oneself, but for what people, models and developers wrote.
SAID = """(besides) => {
  const said = [], names = ["aria-label", "title", "placeholder", "alt", "data-tip"];
  const foreign = ".said, .prose, .choices, .examples, .json, pre, code, option, select, .person, .author, .agent";
  for (const node of document.querySelectorAll("body, body *")) {
    if (besides && node.closest(besides)) continue;
    for (const name of names) if (node.hasAttribute(name)) said.push(node.getAttribute(name));
    if (node.closest(foreign) || /^(SCRIPT|STYLE)$/.test(node.tagName)) continue;
    for (const child of node.childNodes) if (child.nodeType === 3 && child.data.trim()) said.push(child.data.trim().replace(/\\s+/g, " "));
  }
  return said;
}"""


def english() -> list[re.Pattern[str]]:
    """What the English pages say and the German ones say otherwise."""
    found = []
    for domain in DOMAINS:
        for entry in entries(CATALOGS / f"{domain}.po"):
            texts = {entry.texts["msgid"], entry.texts.get("msgid_plural", entry.texts["msgid"])} - set(entry.translations)
            found += [
                re.compile(".+".join(re.escape(part) for part in PLACE.split(text)))
                for text in texts
                if re.search("[A-Za-z]{3}", PLACE.sub("", text))
            ]
    return found


ENGLISH = english()
# Lists of what others have on this site.
OF_OTHERS = ".entry-title, .snippet, #people, #user-threads"
# In no catalog: keys, names, ages, months, and what was asked as the playground tells it.
NAMES = (
    r"Alt|Enter|agentsite|axel|banker|fake|check_balance|transfer|delete_account|\d+ min( \d+ s)?|\d+\. \w+\.?|\w+ \d{4}|\[\[.*|# Head.*"
)


def german() -> re.Pattern[str]:
    """All that a German page may say: our catalogs, and Django's."""
    texts = {text for domain in DOMAINS for entry in entries(CATALOGS / f"{domain}.po") for text in entry.translations}
    for path in Path(django.__file__).parent.glob("**/locale/de/LC_MESSAGES/django.mo"):
        texts.update(GNUTranslations(path.open("rb"))._catalog.values())  # type: ignore[attr-defined]
    parts = {" ".join(part.split()) for text in texts for part in re.split("<[^>]+>", text)}
    return re.compile(
        "|".join([NAMES, *(".+".join(map(re.escape, PLACE.split(part))) for part in parts if LETTERS.search(PLACE.sub("", part)))])
    )


GERMAN = german()


def unmarked(page: Page) -> list[str]:
    """What never went through a catalog, and is in English or whatever it was written in for everybody."""
    parts = [" ".join(part.split()) for text in page.evaluate(SAID, OF_OTHERS) for part in text.strip(",: ").split(" · ")]
    return [part for part in parts if LETTERS.search(part) and not GERMAN.fullmatch(part)]


def in_english(page: Page) -> list[str]:
    return [text for text in page.evaluate(SAID) if any(pattern.fullmatch(text) for pattern in ENGLISH)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("who", LOOKED_AT)
def test_pages(enter: Enter, people: dict[str, Person | None], rich_thread: str, who: str, size: dict[str, Any]) -> None:
    tab = enter(people[who], locale="de-DE", bypass_csp=True, **size)
    for path in LOOKED_AT[who]:
        page = tab.open(path.format(thread=rich_thread))
        settled(page)
        assert page.locator("html").get_attribute("lang") == "de"
        assert not (found := in_english(page) + unmarked(page)), (path, found)
        assert page.evaluate(TOO_WIDE) == [], path
        check(page)


@pytest.mark.parametrize("size", SIZES)
def test_what_opens_in_a_thread(enter: Enter, people: dict[str, Person | None], rich_thread: str, size: dict[str, Any]) -> None:
    page = enter(people["customer"], locale="de-DE", bypass_csp=True, **size).open(f"/threads/{rich_thread}/")
    settled(page)
    page.evaluate("() => { for (const each of document.querySelectorAll('#messages details')) each.open = true; }")
    for key in ("Control+k", "?"):
        page.locator("#messages").click(position={"x": 2, "y": 2})
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        assert in_english(page) + unmarked(page) == [] and page.evaluate(TOO_WIDE) == []
        check(page)
        page.keyboard.press("Escape")
    for name in ("Teilen", "Mehr"):
        page.get_by_role("button", name=name, exact=True).click()
        assert in_english(page) + unmarked(page) == [] and page.evaluate(TOO_WIDE) == []
        check(page)
        page.keyboard.press("Escape")


@pytest.mark.parametrize("size", SIZES)
def test_people_choose(enter: Enter, site: Site, size: dict[str, Any]) -> None:
    page = enter(site.person("gerda"), **size).open("/threads/new/")
    expect(page.get_by_text("Who should answer?")).to_be_visible()
    page.locator("#text").focus()
    page.keyboard.press("Control+k")
    page.keyboard.type("deutsch")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Wer soll antworten?")).to_be_visible()
    elsewhere = enter(site.person("gerda"), **size).open("/usage/")
    expect(elsewhere.locator("html")).to_have_attribute("lang", "de")
    page.keyboard.press("Control+k")
    page.keyboard.type("english")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Who should answer?")).to_be_visible()


def test_days_are_the_readers(enter: Enter, site: Site) -> None:
    person = site.person("grete")
    site.query(
        "INSERT INTO threads_memory (user_id, text, created_at) SELECT id, 'Two cats', '2026-05-05 23:30Z' FROM threads_user WHERE username = 'grete'"
    )
    page = enter(person, timezone_id="Pacific/Auckland").open("/threads/new/")
    expect(page.locator("#badge")).to_have_text("Live")
    page.goto(f"{site.url}/memories/")
    expect(page.locator("time")).to_have_text("6 May 2026")


def test_times_are_of_the_zone_that_is_set(enter: Enter, site: Site) -> None:
    person = site.person("gunda")
    thread = person.new_thread("support")
    person.post(f"/threads/{thread}/messages", text="Hello")
    site.query("UPDATE threads_message SET created_at = '2026-05-05 20:30Z' WHERE thread_id = %s", thread)
    page = enter(person, timezone_id="America/New_York").open(f"/threads/{thread}/")
    expect(page.locator("#messages time").first).to_have_text("04:30 PM")
    site.query("UPDATE threads_user SET time_zone = 'Asia/Tokyo' WHERE username = 'gunda'")
    page.reload()
    expect(page.locator("#messages time").first).to_have_text("05:30 AM")


@pytest.mark.parametrize("size", SIZES)
def test_two_people_each_in_their_language(enter: Enter, site: Site, size: dict[str, Any]) -> None:
    anna, ben = site.person("anna-de"), site.person("ben-en")
    thread = anna.new_thread("support")
    anna.post(f"/threads/{thread}/members", username="ben-en", role="writer")
    german = enter(anna, locale="de-AT", **size).open(f"/threads/{thread}/")
    english = enter(ben, locale="en-GB", **size).open(f"/threads/{thread}/")
    for page in (german, english):
        expect(page.locator("#badge")).to_have_text("Live")
    german.locator("#text").fill("[[fault=401]]")
    german.keyboard.press("Enter")
    expect(german.locator(".error-reason", has_text="Der Server des Modells hat den API-Schlüssel abgelehnt.")).to_be_visible()
    expect(english.locator(".error-reason", has_text="The model's server refused the API key.")).to_be_visible()
