"""Formulas in answers: source while they stream, set once they are complete, and nothing of them runs."""

from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.browser.test_hostile import watched
from tests.browser.test_watching import begun, ended, say
from tests.fake_openai import FakeOpenAI, Plan
from tests.site import Person

FORMULAS = (
    "The roots are $x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$, it costs $5.\n\n$$\n\\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}\n$$\n\nDone."
)
HOSTILE = [
    "$\\href{javascript:alert(17)}{x}$",
    "$\\url{javascript:alert(17)}$",
    "$\\includegraphics[height=1em]{http://evil.test/?q=17}$",
    "$\\htmlStyle{background:url(http://evil.test/?q=17)}{x}$",
    "$\\htmlData{x=y}{x}$ $\\htmlId{scroller}{x}$",
    "$\\text{<img src=x onerror=alert(17)>}$",
    "$\\text{</math><script>alert(17)</script>}$",
    "$\\def\\a{\\a\\a}\\a$",
    "$\\rule{9999em}{9999em}$",
    "$\\unknown{$ and $\\frac{1}{$",
]


def test_formulas_are_set_when_they_are_complete(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    asked: list[str] = []
    page = enter(alice).page
    page.on("request", lambda request: asked.append(request.url) if "katex" in request.url else None)
    page.goto(f"{alice.site.url}/threads/{shared}/")
    fake.script(Plan(text="No formula, only $5 and $6.", rate=0), Plan(text=FORMULAS, rate=60))
    say(page, "Without")
    ended(page)
    assert asked == [], "loaded only when it is needed"
    say(page, "The roots, please")
    begun(page)
    ended(page)
    expect(page.locator(".answer div.maths math[display=block]")).to_have_count(1)
    answer = page.locator(".answer").last
    expect(answer.locator("span.maths math msqrt")).to_be_visible()
    expect(answer.locator(".prose > p").first).to_contain_text("it costs $5.")
    assert len(asked) == 1
    page.reload()
    expect(page.locator(".answer math")).to_have_count(2)
    assert page.locator(".answer code").count() == 0


def test_formulas_do_no_harm(enter: Enter, alice: Person, shared: str, fake: FakeOpenAI) -> None:
    page, harm = watched(enter(alice, bypass_csp=True), f"/threads/{shared}/")
    fake.script(Plan(text="\n\n".join([*HOSTILE, "$x^2$"]), rate=0))
    say(page, "Go on")
    ended(page)
    expect(page.locator(".answer math").last).to_contain_text("x2")
    assert page.locator(".answer .prose :is(a, img, script, [style], [id=scroller])").count() == 0
    assert page.locator(".answer").last.bounding_box()["height"] < 5000  # type: ignore[index]
    assert harm.found() == []
