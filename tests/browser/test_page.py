"""What one person does on the pages, on a desk and on a phone."""

import json
import os
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.browser.test_watching import ended, last_answer, say
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import PASSWORD, Person, Site

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
MARKDOWN = """A table and code:

| City | Degrees |
|---|---:|
| Oslo | -3 |

```python
def f(): return "x"
```

[a link](https://example.com/page) ![a picture](https://example.com/p.png) [bad](javascript:alert(1)) <b onclick="alert(1)">raw</b>
"""
PAYLOAD = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def test_signing_up_and_the_first_question(enter: Enter) -> None:
    page = enter(None).open("/")
    page.get_by_role("link", name="Create an account").click()
    page.locator("[name=username]").fill(f"carol{os.getpid()}")
    for field in ("password1", "password2"):
        page.locator(f"[name={field}]").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Who should answer?")).to_be_visible()
    page.get_by_role("radio", name=re.compile("Weather")).check()
    expect(page.locator(".example")).to_have_count(3)
    page.locator(".example").first.click()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/threads/[0-9a-f-]{36}/"))
    ended(page)
    assert last_answer(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_what_may_pass_is_counted_down(enter: Enter, site: Site) -> None:
    person = site.person("patient")
    page = enter(person).open(f"/threads/{person.new_thread('support')}/")
    say(page, "[[fault=429 retry_after=25]]")
    advice = page.locator(".error-advice")
    expect(advice).to_have_text(re.compile(r"Worth trying again in 2\d s\."))
    expect(page.locator(".error-reason")).to_have_text("The model's server is busy.")
    first = advice.inner_text()
    expect(advice).not_to_have_text(first)
    expect(advice).to_have_text(re.compile(r"Worth trying again in \d+ s\."))
    expect(advice).to_have_text("This may pass: try again.")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(advice.last).to_have_text(re.compile(r"Worth trying again in 2\d s\."))


def test_large_sums_wait_for_somebodys_yes(enter: Enter, alice: Person, bob: Person, fake: FakeOpenAI) -> None:
    shared = alice.new_thread("banker")
    alice.post(f"/threads/{shared}/members", username="bob", role="viewer")
    sums = [Call("transfer", json.dumps({"source": "savings", "target": "checking", "amount": amount})) for amount in (101, 102, 103)]
    fake.script(Plan(tools=tuple(sums)), Plan(text="One of three was moved."))
    page, watching = enter(alice).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    say(page, "Move 101, 102 and 103")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(3)
    expect(page.get_by_text("3 calls wait for approval")).to_be_visible()
    expect(page.get_by_text("A new message denies what waits for approval.")).to_be_visible()
    page.reload()
    cards = page.locator(".tool")
    expect(cards.nth(0).locator(".question-left")).to_have_text(re.compile(r"Expires in 23 h 5\d min"))
    cards.nth(0).get_by_role("button", name="Approve").click()
    expect(cards.nth(0).get_by_role("button", name="Approve")).to_be_hidden()
    cards.nth(1).get_by_placeholder("Reason").fill("Too often")
    cards.nth(1).get_by_role("button", name="Deny").click()
    expect(cards.nth(1)).to_contain_text("Too often")
    expect(watching.locator(".tool").nth(1)).to_have_attribute("data-state", "stop")
    expect(watching.locator(".tool").get_by_role("button", name="Approve")).to_have_count(0)
    cards.nth(2).get_by_role("button", name="Deny").click()
    ended(page)
    expect(page.get_by_text("One of three was moved.")).to_be_visible()
    expect(page.get_by_text("A new message denies")).to_be_hidden()
    expect(watching.get_by_text("One of three was moved.")).to_be_visible()
    assert [call["status"] for call in alice.get(f"/threads/{shared}/tool-calls")["tool_calls"]] == ["denied", "denied", "succeeded"]


def test_tool_calls_in_the_flow_and_in_the_panel(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(
        Plan(tools=(Call("lookup_order", '{"order_id": "1042"}'), Call("lookup_order", '{"order_id": "7"}'))), Plan(text="It is sent.")
    )
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, "Where is order 1042?")
    expect(page.locator("#runs progress").first).to_be_visible()
    ended(page)
    expect(page.locator(".tool")).to_have_count(2)
    expect(page.locator("#runs li")).to_have_count(2)
    expect(page.locator('.tool[data-state="bad"]')).to_have_count(1)
    card = page.locator('.tool[data-state="good"]')
    expect(card.locator("summary")).to_contain_text("1042")
    card.locator("summary").click()
    expect(card.locator(".json").last).to_contain_text('"item": "Trail tent, two persons"')
    assert "It is sent." in last_answer(page)
    page.reload()
    expect(page.locator(".tool")).to_have_count(2)


def test_an_error_says_why_and_can_be_retried(enter: Enter, alice: Person, shared: str) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, "Are you there? [[fault=401 times=1]]")
    expect(page.locator(".error-reason")).to_be_visible()
    assert page.locator(".error-reason").inner_text()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".answer .prose").last).to_contain_text("Are you there?")
    ended(page)
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()


def test_hostile_text_stays_text(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(Plan(text=f"{MARKDOWN}\n\n{PAYLOAD}"))
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, PAYLOAD)
    ended(page)
    expect(page.locator(".said").last).to_have_text(PAYLOAD)
    expect(page.locator(".prose").last).to_contain_text(PAYLOAD)
    assert page.locator(".messages :is(img, script, b, [style], [onclick])").count() == 0
    assert page.locator('.messages a[href^="javascript"]').count() == 0


def test_markdown_is_set_well(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(Plan(text=MARKDOWN))
    tab = enter(alice, permissions=["clipboard-read", "clipboard-write"])
    page = tab.open(f"/threads/{shared}/")
    say(page, "Show me Markdown.")
    ended(page)
    expect(page.locator(".table-box td").first).to_have_text("Oslo")
    expect(page.locator(".code .hljs-keyword").first).to_have_text("def")
    link = page.get_by_role("link", name="a link")
    assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer nofollow", "_blank")
    expect(page.get_by_role("link", name="a picture (image)")).to_be_visible()
    page.locator(".code .copy").click()
    expect(page.locator(".code .copy")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == 'def f(): return "x"'


def test_lists_and_tables_keep_their_form(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="- [x] packed\n- [ ] sent\n\n---\n\n3. third\n4. fourth\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n"))
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, "Show me lists.")
    ended(page)
    expect(page.get_by_role("checkbox")).to_have_count(2)
    assert page.get_by_role("checkbox").evaluate_all("all => all.map((box) => [box.checked, box.disabled])") == [
        [True, True],
        [False, True],
    ]
    assert page.locator(".prose ol").get_attribute("start") == "3"
    assert page.locator(".prose td").last.get_attribute("align") == "right"


def test_a_member_is_added_and_removed(enter: Enter, alice: Person, bob: Person) -> None:
    thread = alice.new_thread("weather")
    tab = enter(alice)
    tab.expected = ["400"]  # the name that nobody has
    owner, bobs = tab.open(f"/threads/{thread}/"), enter(bob).open("/threads/new/")
    expect(bobs.locator("#badge")).to_have_text("Live")
    owner.get_by_role("button", name="Share").click()
    owner.get_by_label("Name", exact=True).fill("nobody-here")
    owner.get_by_role("button", name="Add").click()
    expect(owner.locator("#share-error")).to_have_text("There is nobody of this name.")
    owner.get_by_label("Name", exact=True).fill("bob")
    owner.get_by_label("May").select_option("viewer")
    owner.get_by_role("button", name="Add").click()
    expect(owner.locator("#members li")).to_have_count(2)
    bobs.locator(f'#thread-list a[href="/threads/{thread}/"]').click()
    expect(bobs.locator("#read-only")).to_contain_text("You can read this thread.")
    expect(bobs.locator("#composer")).to_be_hidden()
    owner.get_by_role("button", name="Remove bob").click()
    expect(bobs.locator("#read-only")).to_contain_text("no longer available")
    expect(bobs.locator(f'#thread-list a[href="/threads/{thread}/"]')).to_have_count(0)


def test_strangers_see_nothing(enter: Enter, stranger: Person, shared: str) -> None:
    tab = enter(stranger)
    tab.expected = ["404"]
    expect(tab.open(f"/threads/{shared}/").get_by_role("heading", name="Not found")).to_be_visible()
    expect(tab.open("/threads/new/").locator(f'a[href="/threads/{shared}/"]')).to_have_count(0)
    expect(enter(None).open(f"/threads/{shared}/").get_by_role("heading", name="Sign in")).to_be_visible()


def test_what_could_not_be_sent_is_kept_and_sent_once(enter: Enter, alice: Person, shared: str) -> None:
    tab = enter(alice)
    tab.expected = ["WebSocket", "ERR_INTERNET_DISCONNECTED"]
    page = tab.open(f"/threads/{shared}/")
    tab.context.set_offline(True)
    say(page, "Keep me")
    expect(page.locator("#composer-error")).to_contain_text("Your text is still here")
    expect(page.locator("#text")).to_have_value("Keep me")
    tab.context.set_offline(False)
    page.keyboard.press("Enter")
    ended(page)
    expect(page.locator(".said", has_text="Keep me")).to_have_count(1)
    expect(page.locator("#text")).to_have_value("")


def test_the_composer_minds_keys_and_length(enter: Enter, alice: Person, shared: str) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    expect(page.locator("#send")).to_be_disabled()
    page.locator("#text").press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(page.locator("#text")).to_have_value("one\ntwo")
    page.locator("#text").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(page.locator(".said")).to_have_count(0)
    page.locator("#text").fill("x" * 100_001)
    expect(page.locator("#composer-error")).to_contain_text("Too long by 1")
    expect(page.locator("#send")).to_be_disabled()
    page.locator("#text").fill("   ")
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_have_count(0)


def test_the_page_follows_only_a_reader_at_the_end(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="A line of text.\n\n" * 400, rate=400))
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, "Go on and on.")
    expect(page.locator(".prose p").nth(60)).to_be_attached()
    scroller = page.locator("#scroller")
    scroller.hover()
    page.mouse.wheel(0, -400)
    expect(page.locator("#latest")).to_be_visible()
    before = scroller.evaluate("node => node.scrollTop")
    expect(page.locator(".prose p").nth(200)).to_be_attached()
    assert scroller.evaluate("node => node.scrollTop") == before
    page.locator("#latest").click()
    expect(page.locator("#latest")).to_be_hidden()
    ended(page)
    assert scroller.evaluate("node => node.scrollHeight - node.clientHeight - node.scrollTop") < 2


def test_older_messages_come_without_a_jump(enter: Enter, alice: Person) -> None:
    thread = alice.new_thread("weather")
    for number in range(40):
        alice.ask(thread, f"Question {number} [[tokens=5 rate=0]]")
    page = enter(alice).open(f"/threads/{thread}/")
    ended(page)
    page.reload()
    expect(page.locator(".said").last).to_contain_text("Question 39")
    assert page.locator(".said").count() < 40
    first = page.locator(".said").first.inner_text()
    place = "() => document.getElementById('scroller').querySelector('.kept').getBoundingClientRect().top"
    page.locator(".said", has_text=first).evaluate("node => node.classList.add('kept')")
    page.locator("#scroller").evaluate("node => node.scrollTop = 500")
    before = page.evaluate(place)
    expect(page.locator(".said")).to_have_count(40)
    assert abs(page.evaluate(place) - before) < 2


# Turns of so many rows, 2,000 rows in all, each of up to so many words.
FILL = """
INSERT INTO threads_message (id, thread_id, "order", step_order, role, status, agent_name, content, is_tool, provider, model, finish_reason,
                             reasoning, sources, warnings, provider_metadata, version)
SELECT gen_random_uuid(), %s, n / %s, n %% %s, CASE n %% %s WHEN 0 THEN 'user' ELSE 'assistant' END, 'success', '',
       jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'Row ' || n || repeat(' and so on', n %% %s))), false, '', '', '',
       '[]', '[]', '[]', '{}', n + 1
FROM generate_series(0, 1999) n
"""
ADVANCE = "UPDATE threads_thread SET last_order = 2000 / %s - 1, last_step = %s - 1, version = 2000 WHERE id = %s"


def filled(person: Person, rows: int, words: int) -> str:
    thread = person.new_thread("weather")
    person.site.query(FILL, thread, rows, rows, rows, words)
    person.site.query(ADVANCE, rows, rows, thread)
    return thread


@pytest.mark.parametrize("size", [{}, PHONE])
def test_a_long_thread_is_walked_through_in_both_directions(enter: Enter, alice: Person, site: Site, size: dict[str, object]) -> None:
    thread = filled(alice, rows=2, words=50)
    ((middle,),) = site.query('SELECT id FROM threads_message WHERE thread_id = %s AND "order" = 500 AND step_order = 0', thread)
    page = enter(alice, **size).open(f"/threads/{thread}/")
    rows, pill = page.locator("#messages > *"), page.locator("#latest")
    expect(rows.last).to_contain_text("Row 1999 ")
    for _ in range(8):
        first = rows.first.locator(".said, .prose").inner_text()
        rows.first.scroll_into_view_if_needed()
        expect(rows.first).not_to_contain_text(first)
    assert rows.count() <= 170
    expect(page.get_by_text("Row 1999 ")).to_have_count(0)
    alice.ask(thread, "[[text=Fresh]] And now?")
    page.goto(f"{site.url}/threads/{thread}/#message-{middle}")
    expect(page.locator(".is-meant")).to_contain_text("Row 1000 ")
    for _ in range(8):
        last = rows.last.locator(".said, .prose").inner_text()
        rows.last.scroll_into_view_if_needed()
        expect(rows.last).not_to_contain_text(last)
    assert rows.count() <= 170
    expect(rows.filter(has_text="And now?")).to_have_count(0)
    pill.click()
    expect(page.get_by_text("Fresh", exact=True)).to_be_in_viewport()
    expect(pill).to_be_hidden()
    page.locator("#scroller").evaluate("node => { node.scrollTop = 0; }")
    expect(pill).to_be_visible()
    say(page, "[[text=Newer]] And then?")
    expect(page.get_by_text("Newer", exact=True)).to_be_in_viewport()


def test_turns_of_many_rows_are_not_loaded_for_ever(enter: Enter, alice: Person) -> None:
    thread = filled(alice, rows=40, words=1)
    tab = enter(alice, viewport={"width": 1440, "height": 1400})
    loads: list[str] = []
    tab.page.on("request", lambda request: loads.append(request.url) if "/messages?" in request.url else None)
    page = tab.open(f"/threads/{thread}/")
    expect(page.get_by_text("Row 1999", exact=True)).to_be_in_viewport()
    for _ in range(6):
        page.locator("#scroller").evaluate("node => { node.scrollTop -= 900; }")
        page.wait_for_timeout(700)
        before = len(loads)
        page.wait_for_timeout(700)
        assert len(loads) - before <= 1, "it comes to rest"
    assert len(loads) >= 2


def test_older_threads_are_listed_on_request(enter: Enter, site: Site) -> None:
    busy = site.person("busy")
    for number in range(60):
        busy.post("/threads", title=f"Thread {number}", agent="weather")
    page = enter(busy).open("/threads/new/")
    expect(page.locator("#thread-list a")).to_have_count(50)
    page.get_by_role("button", name="Show older threads").click()
    expect(page.locator("#thread-list a")).to_have_count(60)
    expect(page.get_by_role("button", name="Show older threads")).to_be_hidden()


def test_renaming_reaches_every_tab(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    first, second = enter(alice).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    expect(second.locator("#badge")).to_have_text("Live")
    first.locator("#title").hover()
    first.get_by_role("button", name="Rename thread").click()
    first.get_by_label("Title").fill("Parcels & <b>more</b>")
    first.keyboard.press("Enter")
    for page in (first, second):
        expect(page.locator("#title h1")).to_have_text("Parcels & <b>more</b>")
        expect(page.locator('#thread-list [aria-current="page"]')).to_contain_text("Parcels & <b>more</b>")


def test_on_a_phone_the_panes_slide_over(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    fake.script(Plan(text=f"```\n{'wide ' * 60}\n```\n\n| {'wide | ' * 30}\n|{'---|' * 30}\n"))
    alice.ask(shared, "Something wide.")
    page = enter(alice, **PHONE).open(f"/threads/{shared}/")
    ended(page)
    for pane, opener in (("#threads", "Threads"), ("#activity", "Activity")):
        expect(page.locator(pane)).to_be_hidden()
        page.get_by_role("button", name=opener, exact=True).tap()
        expect(page.locator(pane)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(pane)).to_be_hidden()
    send = page.locator("#send").bounding_box()
    assert send and send["x"] + send["width"] <= 390, "wide content scrolls in its own box"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/accounts/sign-in/", "/accounts/sign-up/"])
def test_the_pages_of_strangers_complain_of_nothing(enter: Enter, path: str, scheme: str) -> None:
    page = enter(None, color_scheme=scheme).open(path)
    assert page.locator("button").count() == 1
    assert page.locator("[style], script:not([nonce]):not([src])").count() == 0


def test_a_call_of_unknown_outcome_is_settled_by_a_person(enter: Enter, site: Site, alice: Person) -> None:
    thread = alice.new_thread("support")
    run = alice.ask(thread, '[[tool=lookup_order {"order_id":"1042"}]][[next]][[text=Well]]')
    with alice.tab(thread) as tab:
        tab.until(lambda: tab.ended(run))
    site.query("UPDATE threads_toolcall SET status = 'unknown', result = NULL WHERE run_id = %s", run)
    page = enter(alice).open(f"/threads/{thread}/")
    card = page.locator(".answer .tool")
    expect(card.locator(".tool-name")).to_be_visible()
    card.get_by_placeholder("What you know of it, if you like").fill("The order was looked up twice")
    card.get_by_role("button", name="It took effect").click()
    expect(card).to_have_attribute("data-state", "good")
    expect(card.get_by_role("button", name="It took effect")).to_be_hidden()
    expect(card).to_contain_text("The order was looked up twice")
    (call,) = alice.get(f"/threads/{thread}/tool-calls")["tool_calls"]
    assert (call["status"], call["result"]) == ("succeeded", "The order was looked up twice")


def test_sources_of_the_model_and_of_tools_are_listed_under_the_answer(enter: Enter, alice: Person, shared: str) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    alice.ask(shared, "[[text=Kiel. cites=https://example.org/kiel,https://example.com/port]] Where?")
    sources = page.locator(".answer .sources")
    expect(sources.locator("summary")).to_have_text("2 sources")
    sources.locator("summary").click()
    expect(sources.get_by_role("link", name="Page 1")).to_have_attribute("href", "https://example.org/kiel")
    expect(sources.get_by_role("link", name="Page 1")).to_have_attribute("rel", re.compile("noopener"))
    page.reload()
    expect(sources.locator("summary")).to_have_text("2 sources")
