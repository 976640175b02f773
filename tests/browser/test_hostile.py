"""What a model, a tool or a person wrote is text on every page, whatever it looks like. The payloads: `tests/hostile.py`."""

import json
import re
import subprocess
import sys
from itertools import cycle
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.test import Client
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter, Tab
from tests.browser.harm import Harm
from tests.browser.test_page import PHONE
from tests.browser.test_watching import ended, say
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.hostile import packs, payloads
from tests.site import ROOT, Person, Site

Rows = dict[str, Any]
EVERYTHING = "\n".join(payloads())
# An address has to fit into a line of HTTP.
ADDRESSES = packs(2000, [text[:300] for text in payloads()])
# Titles are read by the browser's own parser; loading a hundred pages would take too long.
TITLES = """(paths) => Promise.all(paths.map(async (path) => {
  const page = new DOMParser().parseFromString(await (await fetch(path)).text(), "text/html");
  return [page.querySelector("title").textContent, page.querySelector("h1").textContent];
}))"""
TOO_WIDE = """() => {
  const edge = innerWidth + 1, scrolls = "pre, .scrolls, .table-box, .prose > :is(ul, ol, blockquote), summary, #threads, #activity";
  const wide = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > edge);
  return wide.filter((node) => !node.parentElement.closest(scrolls) && !node.matches(scrolls)).map((node) => node.outerHTML.slice(0, 200));
}"""
OPEN_ALL = "() => { for (const each of document.querySelectorAll('#messages details')) each.open = true; }"
# Each beginning of each payload is on the page for a moment, as if it came letter by letter.
EVERY_PREFIX = """async (texts) => {
  const { MarkdownStream } = await import("#markdown_stream");
  const answers = document.createElement("div");
  document.getElementById("scroller").append(answers);
  for (const text of texts) {
    const view = new MarkdownStream(), pieces = [], step = Math.ceil(text.length / 150);
    answers.append(view.node);
    for (let at = 0; at < text.length; at += step) {
      pieces.push(text.slice(at, at + step));
      view.update(pieces, true);
    }
    view.update(pieces, false);
  }
}"""
# Markup, what the watcher says of it, and what it says where no policy stops it.
HARMFUL = [
    ("<img src=x onerror=alert(17)>", "policy script-src", "dialog 17"),
    ("<details open ontoggle=alert(17)>", "policy script-src", "dialog 17"),
    ("<img src='http://evil.test/?q=17'>", "policy img-src", "request http://evil.test/?q=17"),
    ("<iframe srcdoc='<script>parent.alert(17)</script>'></iframe>", "policy script-src", "dialog 17"),
    ("<p style='background:url(http://evil.test/?q=17)'>x</p>", "policy style-src", "request http://evil.test/?q=17"),
    ("<link rel=stylesheet href='http://evil.test/?q=17'>", "policy style-src", "request http://evil.test/?q=17"),
    ("<form action='http://evil.test/?q=17'></form>", "foreign address"),
    ("<a href='javascript:alert(17)'>x</a>", "address"),
    ("<p onclick=alert(17)>x</p>", "handler"),
    ("<div class=prose><a href='https://evil.test/?q=17'>x</a></div>", "link"),
]


@pytest.fixture(scope="session")
def rows(site: Site) -> Rows:
    """Hostile rows of every kind, and where they are."""
    command = [sys.executable, "-m", "tests.hostile_rows"]
    return json.loads(subprocess.run(command, cwd=ROOT, env=site.env, check=True, stdout=subprocess.PIPE).stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def root(site: Site, rows: Rows) -> Person:
    """May see everything, and has a hostile name."""
    return site.person("hostile-root")


def watched(tab: Tab, path: str) -> tuple[Page, Harm]:
    harm = Harm(tab)
    return tab.open(path), harm


def works(page: Page) -> None:
    """The page still takes a message, and its socket lives."""
    expect(page.locator("#badge")).to_have_text("Live")
    page.locator("#text").fill("still here")
    expect(page.locator("#send")).to_be_enabled()
    page.locator("#text").fill("")


# --- The watcher itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [True, False])
def test_the_watcher_sees_harm(enter: Enter, alice: Person, shared: str, policy: bool) -> None:
    tab = enter(alice, bypass_csp=not policy)
    tab.expected = ["Content Security Policy", "404"]
    page, harm = watched(tab, f"/threads/{shared}/")
    assert harm.found() == []
    for markup, *signs in HARMFUL:
        harm.seen.clear()
        page.locator("#messages").evaluate("(node, markup) => { node.innerHTML = markup; }", markup)
        sign, found = signs[0 if policy else -1], list[str]()
        for _ in range(50):
            found = [text for text in harm.found() if "17" in text]
            if any(text.startswith(sign) for text in found):
                break
            page.wait_for_timeout(100)
        else:
            raise AssertionError((markup, found))


# --- Threads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [True, False])
def test_what_was_said_and_thought(enter: Enter, root: Person, rows: Rows, policy: bool) -> None:
    page, harm = watched(enter(root, bypass_csp=not policy), f"/threads/{rows['said']}/")
    page.evaluate(OPEN_ALL)
    expect(page.locator(".reasoning > .prose:not(:empty)")).to_have_count(len(payloads()))
    assert "\n".join(page.locator(".said").all_text_contents()).replace("\r", "") == EVERYTHING
    assert page.locator(".answer-body > .prose").count() == len(payloads())
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#members li")).to_have_count(len(packs(150)) + 1)
    assert harm.found() == []
    page.keyboard.press("Escape")
    works(page)


def test_what_a_link_shows_to_anybody(enter: Enter, rows: Rows) -> None:
    page, harm = watched(enter(None, bypass_csp=True), f"/shared/{rows['link']}/")
    expect(page.locator(".shared .prose").last).to_be_visible()
    assert page.locator(".shared .prose").count() == page.locator(".shared .own").count() > 1
    assert "\n".join(page.locator(".said").all_text_contents()).replace("\r", "") == EVERYTHING
    assert harm.found() == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(TOO_WIDE) == []


def test_what_tools_are_called_asked_and_tell(enter: Enter, root: Person, rows: Rows) -> None:
    page, harm = watched(enter(root, bypass_csp=True), f"/threads/{rows['tools']}/")
    page.evaluate(OPEN_ALL)
    expect(page.locator("#messages .tool-body:not(:empty)")).to_have_count(len(payloads()))
    assert page.locator("#messages .tool-name").all_text_contents() == [name[:100] for name in payloads()]
    assert page.locator("#messages .data").count() == len(payloads())
    assert payloads()[-1] in " ".join(page.locator(".error-reason").all_text_contents())
    assert harm.found() == []
    works(page)


@pytest.mark.parametrize("which", ["said", "tools"])
def test_the_playground(enter: Enter, root: Person, rows: Rows, which: str) -> None:
    page, harm = watched(enter(root, bypass_csp=True), f"/admin/playground/threads/{rows[which]}/")
    expect(page.locator("#badge")).to_have_text("Live")
    expect(page.locator("#now .told").last).to_be_visible()
    expect(page.locator("#people li").first).to_be_visible()
    expect(page.locator("#user-threads li").first).to_be_visible()
    page.evaluate("() => { for (const each of document.querySelectorAll('details')) each.open = true; }")
    assert harm.found() == []


def test_files_of_any_name_and_address(enter: Enter, root: Person, rows: Rows) -> None:
    tab = enter(root, bypass_csp=True)
    page, harm = watched(tab, f"/threads/{rows['files']}/")
    newest = payloads()[-1]
    expect(page.locator(".file-card, .picture").last).to_be_attached()
    expect(page.locator("#messages")).to_contain_text(newest.split("\n")[0][:40])
    links = page.locator("a.file-card").evaluate_all(
        "(links) => links.map((link) => [link.getAttribute('href'), link.download, link.target])"
    )
    assert len(links) > 40
    for href, saved, target in links:
        assert href is None or (href.startswith("data:") and saved) or (href.startswith("https://") and target == "_blank"), href
    assert harm.found() == []
    works(page)


def test_what_is_being_written(enter: Enter, root: Person, rows: Rows) -> None:
    page, harm = watched(enter(root, bypass_csp=True), f"/threads/{rows['live']}/")
    page.evaluate(OPEN_ALL)
    expect(page.locator("#messages .tool-body:not(:empty)")).to_have_count(len(payloads()))
    expect(page.locator("#person-bar")).to_contain_text("answers here")
    assert page.locator("#messages .data").count() == page.locator(".reasoning").count() == len(payloads())
    assert harm.found() == []
    works(page)


@pytest.mark.parametrize("which", ["said", "tools", "live", "foreign", "files"])
def test_nothing_is_wider_than_a_phone(enter: Enter, root: Person, rows: Rows, which: str) -> None:
    page = enter(root, **PHONE).open(f"/threads/{rows[which]}/")
    page.evaluate(OPEN_ALL)
    expect(page.locator("#badge")).to_have_text("Live")
    page.wait_for_timeout(300)
    assert page.evaluate(TOO_WIDE) == []


def test_an_answer_may_be_nested_to_any_depth(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    for text in (">" * 5000, "- " * 3000, "> - " * 1500):
        fake.script(Plan(text=f"{text}bottom", rate=0))
        count = page.locator(".answer").count()
        say(page, "How deep?")
        expect(page.locator(".answer").nth(count)).to_contain_text("bottom")
        ended(page)
    page.reload()
    expect(page.locator(".answer", has_text="bottom")).to_have_count(3)
    works(page)


def test_every_beginning_of_an_answer(enter: Enter, alice: Person, shared: str) -> None:
    page, harm = watched(enter(alice, bypass_csp=True), f"/threads/{shared}/")
    page.evaluate(EVERY_PREFIX, payloads())
    assert page.locator("#scroller .prose").count() == len(payloads())
    assert harm.found() == []
    works(page)


def test_an_answer_that_streams(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    page, harm = watched(enter(alice), f"/threads/{shared}/")
    calls = tuple(
        Call(text[:60], json.dumps({text: text, "__proto__": {"polluted": text}, "constructor": text})) for text in payloads()[::12]
    )
    fake.script(Plan(text="\n\n".join(payloads()[::2]), rate=0, tools=calls), Plan(text="\n\n".join(payloads()[1::2]), rate=3000))
    say(page, EVERYTHING)
    expect(page.locator(".answer .prose").nth(1)).to_contain_text("(1)")
    ended(page)
    page.evaluate(OPEN_ALL)
    expect(page.locator("#messages .tool")).to_have_count(len(calls))
    assert page.locator(".said").inner_text() == EVERYTHING.strip()
    assert harm.found() == []
    works(page)


# --- Titles, names, and other pages ------------------------------------------------------------------------------------


def test_titles(enter: Enter, root: Person, rows: Rows) -> None:
    page, harm = watched(enter(root), f"/threads/{rows['titled'][-1]['id']}/")
    assert page.evaluate(TITLES, [f"/threads/{row['id']}/" for row in rows["titled"]]) == [
        [f"{row['title']} · agentsite", row["title"]] for row in rows["titled"]
    ]
    more = page.get_by_role("button", name="Show older threads")
    while more.is_visible():
        before = page.locator(".entry-title").count()
        more.click()
        expect(page.locator(".entry-title").nth(before)).to_be_attached()
    assert {row["title"] for row in rows["titled"]} <= set(page.locator(".entry-title").all_text_contents())
    assert harm.found() == []
    works(page)


def test_a_title_that_changes(enter: Enter, alice: Person, shared: str) -> None:
    page, harm = watched(enter(alice), f"/threads/{shared}/")
    expect(page.locator("#badge")).to_have_text("Live")
    for title in packs(200):
        answer = alice.http.patch(f"/api/threads/{shared}", json={"title": title}, headers=alice._headers())
        assert answer.status_code == 200, answer.text
    expect(page.locator("#title h1")).to_have_text(packs(200)[-1])
    expect(page).to_have_title(re.compile(re.escape(packs(200)[-1].split()[-1])))
    assert harm.found() == []
    works(page)


def test_a_reader_is_told_whose_thread_it_is(enter: Enter, site: Site, rows: Rows) -> None:
    page, harm = watched(enter(site.person("hostile-reader")), f"/threads/{rows['foreign']}/")
    expect(page.locator("#read-only")).to_contain_text("You can read this thread.")
    assert harm.found() == []


def test_memories(enter: Enter, root: Person, rows: Rows) -> None:
    page, harm = watched(enter(root), "/memories/")
    assert set(page.locator(".memories li > span").evaluate_all("all => all.map((each) => each.firstChild.data)")) == set(packs(500))
    assert harm.found() == []


def test_what_was_used(enter: Enter, root: Person, rows: Rows) -> None:
    page, harm = watched(enter(root), "/usage/")
    expect(page.get_by_role("heading", name="By agent")).to_be_visible()
    assert page.locator(".figures tbody tr").count() > 20
    assert harm.found() == []


@pytest.mark.parametrize("path", ["/accounts/sign-in/", "/accounts/sign-up/"])
def test_forms_of_strangers(enter: Enter, path: str) -> None:
    tab = enter(None)
    tab.expected = ["404"]
    page, harm = watched(tab, f"{path}?next={quote(ADDRESSES[0])}")
    assert harm.found() == []
    name = " ".join(EVERYTHING.split())
    page.locator("[name=username]").evaluate("(field, name) => { field.value = name; }", name)
    for field in page.locator("[type=password]").all():
        field.fill("Agent-17-site")
    page.locator("form").evaluate("form => HTMLFormElement.prototype.submit.call(form)")
    expect(page.locator(".form-error").first).to_be_visible()
    assert page.locator("[name=username]").input_value() == name
    assert harm.found() == []


def test_the_agent_of_a_new_thread(enter: Enter, root: Person) -> None:
    tab = enter(root)
    harm = Harm(tab)
    for text in ADDRESSES[::4]:
        page = tab.open(f"/threads/new/?agent={quote(text)}#{quote(text)}")
        assert harm.found() == []
    works(page)


def test_the_page_of_what_is_not_there_says_nothing_of_its_address(db: None) -> None:
    answers = [Client().get(f"/{quote(text)}") for text in ADDRESSES]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_errors_of_the_api_are_json(alice: Person, shared: str) -> None:
    for text in ADDRESSES:
        answers = [
            alice.post("/threads", agent=text),
            alice.post("/threads", title=text.ljust(201), **{text: text}),
            alice.post(f"/threads/{shared}/messages", text=text, meanwhile=text, id=text),
            alice.post(f"/threads/{shared}/members", username=text, role=text),
            alice.http.get(f"/api/{quote(text, safe='')}"),
            alice.http.get("/api/threads", params={"before": text, "limit": text}),
            alice.http.get("/api/threads", params={"title": text}),
        ]
        assert [answer.status_code for answer in answers[:-1]] == [
            400,
            201 if "title" not in answers[1].text else 400,
            400,
            400,
            404,
            400,
        ], text
        for answer in answers:
            assert answer.headers["content-type"].startswith("application/json"), (text, answer.text)
            assert answer.headers["x-content-type-options"] == "nosniff"


# --- The admin ---------------------------------------------------------------------------------------------------------


def test_the_admin(enter: Enter, root: Person, rows: Rows) -> None:
    tab = enter(root)
    tab.expected = ["403"]  # records are not deleted
    harm, found = Harm(tab), {}
    searches = cycle(ADDRESSES)
    for row in rows["admin"]:
        listing = row.rsplit("/", 2)[0]
        for path in (f"{listing}/?all=", f"{listing}/?q={quote(next(searches))}", row, f"{row}history/", f"{row}delete/"):
            tab.open(path)
            found[path] = harm.found(admin=True)
            harm.seen.clear()
    tab.open("/admin/billing/usagerecord/money/")
    assert harm.found(admin=True) == []
    assert {path: what for path, what in found.items() if what} == {}
    assert len(found) == 5 * len(admin.site._registry)
