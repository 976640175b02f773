"""Writing from right to left: what is said in such a language, and whole pages in one."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_hostile import TOO_WIDE
from tests.browser.test_lists import PHONE
from tests.site import Person

ARABIC = "أين طلبي رقم 1042؟"
ANSWER = "# الطلب\n\nخرج من **هامبورغ** يوم الخميس.\n\n- واحد\n- two\n\n```python\nx = 1\n```"
# On which side of its box a text begins.
BEGINS = """(node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  const [text, box] = [range.getClientRects()[0], node.getBoundingClientRect()];
  return text.left - box.left < box.right - text.right ? "left" : "right";
}"""


def begins(page: Page, selector: str) -> str:
    place = page.locator(selector).last
    expect(place).to_be_visible()
    return str(place.evaluate(BEGINS))


def asked(person: Person) -> str:
    thread = person.new_thread("support")
    for prompt in (f'[[text="{ANSWER}"]]{ARABIC}', '[[text="In Kiel."]]Where is it?'):
        run = person.ask(thread, prompt)
        with person.tab(thread) as tab:
            tab.until(lambda run=run, tab=tab: tab.ended(run))
    person.site.query(
        "UPDATE threads_message SET content = jsonb_build_array(jsonb_build_object('type', 'text', 'text', %s::text)) "
        """WHERE thread_id = %s AND role = 'user' AND "order" = 0""", ARABIC, thread,
    )  # fmt: skip
    return thread


@pytest.mark.parametrize("size", [{}, PHONE])
def test_each_paragraph_goes_by_its_own_letters(enter: Enter, alice: Person, size: dict[str, object]) -> None:
    page = enter(alice, **size).open(f"/threads/{asked(alice)}/")
    assert begins(page, ".message:not(.answer):has-text('1042') .said") == "right"
    assert begins(page, ".prose p:has-text('الخميس')") == "right"
    assert begins(page, ".prose li:has-text('two')") == "left"
    assert begins(page, ".prose pre code") == "left"
    assert begins(page, ".prose p:has-text('Kiel')") == "left"
    page.locator("#text").fill(ARABIC)
    assert page.locator("#text").evaluate("node => getComputedStyle(node).unicodeBidi") == "plaintext"


@pytest.mark.parametrize("size", [{}, PHONE])
def test_a_page_from_right_to_left(enter: Enter, alice: Person, size: dict[str, object]) -> None:
    page = enter(alice, **size).open(f"/threads/{asked(alice)}/")
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    width = page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate(TOO_WIDE) == []
    if size:
        page.get_by_role("button", name="Threads", exact=True).click()
        page.wait_for_timeout(300)  # it slides in
    box = page.locator("#threads").bounding_box()
    assert box and round(box["x"] + box["width"]) == width, "the list is where lines begin"
    if size:
        page.keyboard.press("Escape")
    activity = page.get_by_role("button", name="Activity", exact=True)
    if activity.get_attribute("aria-expanded") == "false":
        activity.click()
    page.wait_for_timeout(300)  # it slides in
    panel = page.locator("#activity").bounding_box()
    assert panel and round(panel["x"]) == 0
    if size:
        page.keyboard.press("Escape")
    page.get_by_role("button", name="More").click()
    menu = page.get_by_role("menu").bounding_box()
    assert menu and menu["x"] >= 0 and menu["x"] + menu["width"] <= width
    assert page.evaluate(TOO_WIDE) == []
