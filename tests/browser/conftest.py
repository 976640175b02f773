"""People with real browsers on the whole site. Whatever a page complains about fails the test that opened it."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from tests.site import Person, Site

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
CHROMIUM = shutil.which("chromium")
# Milliseconds. A page of every hostile payload, beside the experiments on two cores, takes more than the usual five seconds.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser; without one it is skipped, but not in CI."""
    missing = CHROMIUM is None and not os.environ.get("CI")
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker("browser")
            if missing:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


# Not for the session: while it lives, Django believes that this thread runs an event loop and refuses to query.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


class Tab:
    """A page in a context of its own, and what it complained about."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.context, self.site = context, site
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.complain(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on("response", self._answered)

    def complain(self, text: str) -> None:
        """Note a complaint."""
        if not text.startswith("Failed to load resource"):  # told with its address by the response
            self.complaints.append(text)

    def open(self, path: str) -> Page:
        """Go to an address of the site."""
        self.page.goto(self.site.url + path)
        return self.page

    def unexpected(self) -> list[str]:
        """Complaints that the test did not announce."""
        return [text for text in self.complaints if not any(word in text for word in self.expected)]

    def _answered(self, response: Response) -> None:
        # That a thread was seen may be said just when its reader leaves it, or signs out.
        is_late = response.status in (401, 404) and response.url.endswith("/mine")
        if response.status >= 400 and not is_late:
            self.complain(f"{response.status} {response.url}")


Enter = Callable[..., Tab]


@pytest.fixture
def enter(browser: Browser, site: Site) -> Iterator[Enter]:
    """`enter(person, **context options)`: a new browser of that person (None: of a stranger)."""
    tabs: list[Tab] = []

    def entered(person: Person | None, **options: Any) -> Tab:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(PATIENCE)
        if person:
            context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in person.http.cookies.items()])
        tabs.append(Tab(context, site))
        return tabs[-1]

    yield entered
    unexpected = [text for tab in tabs for text in tab.unexpected()]
    for tab in tabs:
        for page in tab.context.pages:
            page.goto("about:blank")  # Chromium may wait for ever to close a page that is on its way elsewhere
        tab.context.close()
    assert unexpected == []


@pytest.fixture
def alice(site: Site) -> Person:
    return site.person("alice")


@pytest.fixture
def bob(site: Site) -> Person:
    return site.person("bob")


@pytest.fixture
def shared(alice: Person, bob: Person) -> str:
    """A thread of alice in which bob may write."""
    thread = alice.new_thread("support")
    assert alice.post(f"/threads/{thread}/members", username="bob", role="writer").status_code == 201
    return thread


@pytest.fixture
def stranger(site: Site) -> Person:
    """Signed in, and a member of nothing."""
    return site.person("mallory-the-stranger")


# Markdown of every kind.
RICH = """[[reasoning=5 text="# Head

- [x] done

| a | b |
|---|---|
| 1 | 2 |

> said

```python
x = 1 # note
```

$x^2$ and [a link](https://example.org)"]]"""
LOOKED_AT = {
    "nobody": ["/accounts/sign-in/", "/accounts/sign-up/"],
    "customer": ["/threads/new/", "/threads/{thread}/", "/usage/", "/invoices/", "/memories/"],
    "operator": ["/inbox/", "/inbox/{thread}/"],
    "tester": ["/admin/playground/", "/admin/playground/threads/{thread}/"],
}


@pytest.fixture(scope="module")
def people(site: Site) -> dict[str, Person | None]:
    return {"nobody": None, "customer": site.person("axel"), "operator": site.operator("axa"), "tester": site.tester("axton")}


@pytest.fixture(scope="module")
def rich_thread(people: dict[str, Person | None]) -> str:
    """Something of everything that a thread shows."""
    customer = people["customer"]
    assert customer
    thread = customer.new_thread("banker")
    with customer.tab(thread) as tab:
        run = customer.ask(thread, RICH)
        tab.until(lambda: tab.ended(run))
    customer.ask(thread, "[[fault=401]]")
    customer.ask(thread, '[[tool=check_balance {}]][[tool=transfer {"source":"savings","target":"holidays","amount":500}]][[next]]Done.')
    return thread


def settled(page: Page) -> None:
    """Wait until the page shows what it has to show."""
    if page.locator("#badge").count():
        expect(page.locator("#badge")).to_have_text("Live")
    if page.locator("#messages").count():
        expect(page.locator("#messages .answer").last).to_be_visible()
    if page.locator("#inspector").count():
        expect(page.locator("#inspected")).to_be_visible()
        expect(page.locator("#why tr").first).to_be_attached()
        page.evaluate("() => { for (const each of document.querySelectorAll('#inspector details')) each.open = true; }")
