"""What a person sees who has sent as much as is allowed."""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.browser.test_watching import ended, say
from tests.site import Person, Site

AN_HOUR_FAST = "const now = Date.now; Date.now = () => now() + 3600_000;"
SECONDS = 12


@pytest.fixture
def one_at_a_time(site: Site) -> Iterator[None]:
    """A message each so many seconds."""
    site.query("UPDATE billing_limit SET enabled = true, period = %s, capacity = 1 WHERE name = 'sendMessage'", SECONDS)
    yield
    site.query("UPDATE billing_limit SET enabled = false WHERE name = 'sendMessage'")


def test_every_tab_counts_down_and_the_draft_is_kept(enter: Enter, alice: Person, shared: str, one_at_a_time: None) -> None:
    tabs = [enter(alice), enter(alice)]
    tabs[1].context.add_init_script(AN_HOUR_FAST)
    tabs[1].expected = ["429"]
    first, second = (tab.open(f"/threads/{shared}/") for tab in tabs)
    expect(first.locator("#badge")).to_have_text(re.compile("live", re.I))
    expect(second.locator("#badge")).to_have_text(re.compile("live", re.I))
    say(first, "The first question")
    for page in (first, second):
        expect(page.locator(".composer-wait")).to_have_text(re.compile(r"^You can send the next message in \d\d? s\.$"))
    left = [int(re.sub(r"\D", "", page.locator(".composer-wait").inner_text())) for page in (first, second)]
    assert all(0 < seconds <= SECONDS for seconds in left), left
    say(second, "The second question")
    expect(second.locator(".composer-error")).to_contain_text("Not sent yet")
    expect(second.locator("#text")).to_have_value("The second question")
    expect(second.locator(".composer-wait")).to_be_hidden(timeout=2 * SECONDS * 1000)
    expect(second.locator(".composer-error")).to_be_hidden()
    second.locator("#text").press("Enter")
    expect(second.locator("#text")).to_have_value("")
    expect(first.get_by_text("The second question")).to_have_count(1)
    ended(first)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_a_budget_that_runs_out_is_told_with_the_first_day_of_the_next_month(enter: Enter, site: Site, zone: str) -> None:
    person = site.person("theo")
    whose = "SELECT 'user', id::text, {} FROM threads_user WHERE username = 'theo' ON CONFLICT DO NOTHING"
    month = "date_trunc('month', now() AT TIME ZONE 'UTC'), 'USD', 0, 6.5"
    site.query(f"INSERT INTO billing_budget (kind, key, amount, enabled) {whose.format('10, true')}")
    site.query(f"INSERT INTO billing_spending (scope, key, month, currency, shard, amount) {whose.format(month)}")
    page = enter(person, timezone_id=zone).open("/threads/new/")
    now = datetime.now(UTC)
    first = f"{calendar.month_name[now.month % 12 + 1]} 1"
    expect(page.locator(".composer-money")).to_have_text(f"$6.50 of this month’s $10.00 are used. The next month begins on {first}.")
