"""Several people and tabs watch one answer, through reloads and lost connections."""

import itertools

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_lists import PHONE
from tests.fake_openai import FakeOpenAI, Plan
from tests.site import Person

LONG = "[[tokens=150 rate=40]]"
STREAM = """async ([text, size]) => {
  const { MarkdownStream } = await import("#markdown_stream");
  const view = new MarkdownStream(), pieces = [];
  for (let at = 0; at < text.length; at += size) {
    pieces.push(text.slice(at, at + size));
    view.update(pieces, true);
  }
  view.update(pieces, false);
}"""


def last_answer(page: Page) -> str:
    return page.locator(".answer .answer-body").last.inner_text()


def begun(page: Page) -> None:
    expect(page.locator(".answer .prose").last).to_contain_text(" ")


def ended(page: Page) -> None:
    expect(page.locator("#stop")).to_be_hidden(timeout=30_000)
    expect(page.locator(".answer.is-active")).to_have_count(0)


def say(page: Page, text: str) -> None:
    page.locator("#text").fill(text)
    page.keyboard.press("Enter")


def test_everybody_ends_with_the_same_text(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    first, second = enter(alice).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    say(first, f"Tell us something long. {LONG}")
    begun(second)
    third = enter(bob).open(f"/threads/{shared}/")
    assert last_answer(third), "a tab that comes later has all that was said at load"
    for page in (first, second, third):
        ended(page)
    texts = [last_answer(page) for page in (first, second, third)]
    fresh = enter(alice).open(f"/threads/{shared}/")
    assert len(texts[0]) > 300 and {*texts, last_answer(fresh)} == {texts[0]}


def test_the_blocks_stay_when_deltas_become_rows(enter: Enter, alice: Person, shared: str) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, LONG)
    begun(page)
    page.locator(".answer .prose").last.evaluate("node => { node.marked = true; node.firstChild.marked = true; }")
    ended(page)
    assert page.locator(".answer .prose").last.evaluate("node => node.marked === true")


def test_reload_in_the_middle(enter: Enter, alice: Person, shared: str) -> None:
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, LONG)
    begun(page)
    before = last_answer(page)
    page.reload()
    assert last_answer(page).startswith(before[: len(before) // 2])
    ended(page)
    text = last_answer(page)
    page.reload()
    assert last_answer(page) == text


def test_a_lost_connection_loses_nothing(enter: Enter, alice: Person, shared: str) -> None:
    tab = enter(alice)
    tab.expected = ["WebSocket", "ERR_INTERNET_DISCONNECTED"]
    page = tab.open(f"/threads/{shared}/")
    say(page, LONG)
    begun(page)
    tab.context.set_offline(True)
    page.wait_for_timeout(1500)
    tab.context.set_offline(False)
    ended(page)
    expect(page.locator("#badge")).to_have_text("Live")
    assert last_answer(page) == last_answer(enter(alice).open(f"/threads/{shared}/"))


def test_stop_from_another_tab(enter: Enter, alice: Person, bob: Person, shared: str) -> None:
    first, second = enter(alice).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    say(first, "[[tokens=2000 rate=40]]")
    begun(second)
    second.locator("#stop").click()
    ended(first)
    ended(second)
    expect(first.locator(".answer .note").last).to_have_text("Stopped")
    assert last_answer(first) == last_answer(second) != ""


def test_a_long_answer_is_shown_whole_and_quickly(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    paragraph = "Some **bold** words, a [link](https://example.com/a) and `code`. " * 4 + "\n\n"
    fake.script(Plan(text=paragraph * 1500, rate=0))
    page = enter(alice).open(f"/threads/{shared}/")
    say(page, "Everything, please.")
    expect(page.locator(".prose p")).to_have_count(1500, timeout=40_000)
    ended(page)
    assert page.locator(".answer strong").count() == 6000


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_an_answer_flows_in_unless_the_reader_wants_less_motion(
    enter: Enter, alice: Person, shared: str, fake: FakeOpenAI, motion: str
) -> None:
    """The model sends some ninety characters at once, and then nothing for half a second."""
    page = enter(alice, reduced_motion=motion).open(f"/threads/{shared}/")
    page.evaluate("""() => {
        window.lengths = [];
        new MutationObserver(() => lengths.push(document.querySelector(".answer:last-child .prose")?.textContent.length ?? 0))
            .observe(document.getElementById("messages"), { subtree: true, childList: true, characterData: true });
    }""")
    fake.script(Plan(text=("Begin " + "b" * 300 + " ") * 6, rate=2))
    say(page, "In bursts")
    begun(page)
    ended(page)
    lengths = page.evaluate("() => lengths")
    steps = [after - before for before, after in itertools.pairwise(lengths) if after > before]
    small = sum(step < 60 for step in steps)
    assert small > 8 if motion == "no-preference" else small < 3, steps


@pytest.mark.parametrize(
    "piece", ["Some **bold** words and `code`.\n\n", "words without an end ", "- an item of a list\n", "```\nlet x = 1;\n"]
)
def test_ten_times_the_text_costs_about_ten_times_as_much(enter: Enter, alice: Person, shared: str, piece: str) -> None:
    tab = enter(alice)
    page = tab.open(f"/threads/{shared}/")
    # In time of the processor, of which other processes take nothing.
    session = tab.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        return next(float(each["value"]) for each in session.send("Performance.getMetrics")["metrics"] if each["name"] == "TaskDuration")

    def cost(size: int) -> float:
        before = spent()
        page.evaluate(STREAM, [piece * (size // len(piece)), 200])
        return spent() - before

    short, long = cost(100_000), cost(1_000_000)
    assert short > 0
    assert long < 20 * short, f"{short:.2f} s, then {long:.2f} s"


@pytest.mark.parametrize("size", [{}, PHONE])
def test_people_see_who_is_here_and_who_writes(enter: Enter, alice: Person, bob: Person, shared: str, size: dict[str, object]) -> None:
    first, second = enter(alice, **size).open(f"/threads/{shared}/"), enter(bob, **size).open(f"/threads/{shared}/")
    expect(first.get_by_role("list", name="Here now")).to_have_text("Bbob")
    expect(second.get_by_role("list", name="Here now")).to_have_text("Aalice")
    expect(first.locator("#here-words")).to_have_text("bob is here")
    second.locator("#text").press_sequentially("Is she here?")
    expect(first.locator("#writing")).to_have_text("bob is writing…")
    second.keyboard.press("Enter")
    expect(first.locator(".message .said", has_text="Is she here?")).to_be_visible()
    expect(first.locator("#writing")).to_be_empty()
    expect(first.locator(".message:not(.answer) .avatar")).to_have_text("B")
    expect(first.locator(".message.answer .avatar")).to_have_text("S")
    second.goto("about:blank")
    expect(first.locator("#here")).to_be_hidden()
    expect(first.locator("#here-words")).to_be_empty()
