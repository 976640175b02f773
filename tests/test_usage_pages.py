"""The pages of usage and invoices: the ledger's numbers, and only one's own."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing import charts
from billing.invoicing import invoice
from billing.models import Account, Budget, Price, UsageRecord
from billing.periods import Month
from billing.templatetags.money import exactly, money
from threads.models import Thread, User

ClientOf = Callable[[User], Client]
NOW = Month.of(datetime.now(UTC), "UTC")


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for unit, amount in (("fresh_input", "1"), ("output_text", "2")):
        Price.objects.create(provider="p", model="m", unit=unit, amount=Decimal(amount), valid=(datetime(2020, 1, 1, tzinfo=UTC), None))


def use(user: User, month: Month, thread: Thread | None = None, model: str = "m", **amounts: Any) -> None:
    """A row of the ledger at the beginning of a month."""
    at = month.begins("UTC")
    facts = {"run_id": uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": "helper", "provider": "p", "model": model}
    UsageRecord.objects.create(user_id=user.pk, thread_id=thread and thread.pk, created_at=at, priced_at=at, **facts, **amounts)


def text_of(client: Client, path: str) -> str:
    """What a person reads there."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main>")[1]))


def test_usage_shows_the_months_numbers_and_whats_left(alice: User, thread: Thread, client_of: ClientOf, settings: Any) -> None:
    settings.RATE_LIMITS = True
    Budget.objects.create(kind="user", key=str(alice.pk), amount=10)
    use(alice, NOW, thread, fresh_input=1_000_000, output_text=500_000)
    use(alice, NOW, fresh_input=2_500)
    page = text_of(client_of(alice), "/usage/")
    for expected in ("Spent $2.00", "Model calls 2", "Tokens read 1,002,500", "Tokens written 500,000", "Next invoice, so far $2.00"):
        assert expected in page, page
    assert "Messages you can send now 2 2 of 2" in page
    assert f"{thread.title} 1 1,000,000 500,000 $2.00" in page
    assert "no thread 1 2,500 0 0.25 ct" in page
    assert "m p 2 1,002,500 500,000 $2.00" in page and "helper 2" in page


def test_usage_of_another_month_and_of_none(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    use(alice, NOW.previous, output_text=1_000_000)
    assert "Nothing was used" in text_of(client, "/usage/")
    before = text_of(client, f"/usage/?month={NOW.previous}")
    assert "Spent $2.00" in before
    assert "Next invoice" not in before
    for wrong in ("2026-13", "tomorrow", str(NOW.next), "2026-1"):
        assert client.get("/usage/", {"month": wrong}).status_code == 404


def test_what_has_no_price_is_said_and_not_counted_as_nothing(alice: User, client_of: ClientOf) -> None:
    use(alice, NOW, model="unheard-of", output_text=5)
    assert "No price is known for some of these calls" in text_of(client_of(alice), "/usage/")


def test_usage_is_in_the_accounts_currency_and_zone(alice: User, client_of: ClientOf) -> None:
    Account.objects.create(pk=alice.pk, currency="EUR", zone="America/New_York")
    Price.objects.create(
        provider="p", model="m", unit="output_text", amount=3, currency="EUR", valid=(datetime(2020, 1, 1, tzinfo=UTC), None)
    )
    use(alice, NOW, output_text=1_000_000)
    assert "Spent €3.00" in text_of(client_of(alice), f"/usage/?month={NOW.previous}"), "there it was still last month"


def test_an_invoice_with_its_lines_down_to_the_threads(alice: User, thread: Thread, client_of: ClientOf) -> None:
    Account.objects.create(pk=alice.pk, name="Alice Ltd", address="1 Road")
    use(alice, NOW.previous, thread, fresh_input=1_000_000)
    use(alice, NOW.previous, output_text=1_000_000)
    found = invoice(alice.pk, NOW.previous).invoice
    assert found is not None
    client = client_of(alice)
    assert f"INV-000001 {NOW.previous.first:%B %Y} To be paid $3.00" in text_of(client, "/invoices/")
    page = text_of(client, f"/invoices/{found.pk}/")
    for expected in ("Invoice INV-000001 To be paid", "Alice Ltd", "m, fresh input 1,000,000 1 / 1,000,000 $1.00", "Total $3.00"):
        assert expected in page, page
    line = text_of(client, f"/invoices/{found.pk}/?line=1")
    assert f"{thread.title} 1,000,000 $1.00" in line
    for strange in ("x", "99", "9" * 30, "-1"):
        assert ", by thread" not in text_of(client, f"/invoices/{found.pk}/?line={strange}")


def test_programs_get_the_same_numbers(alice: User, bob: User, thread: Thread, client_of: ClientOf) -> None:
    use(alice, NOW, thread, fresh_input=1_000_000, output_text=500_000)
    use(alice, NOW, output_text=1_000_000)
    use(bob, NOW, output_text=7)
    use(alice, NOW.previous, output_text=250_000)
    ours = client_of(alice)
    told = ours.get("/api/usage?by=thread&by=model").json()
    assert told["month"] == str(NOW)
    money = {"currency": "USD", "is_priced": True}
    assert told["total"] == {"calls": 2, "input_tokens": 1_000_000, "output_tokens": 1_500_000, "total": 2_500_000, "charge": "4"} | money
    assert [(each["thread_id"], each["model"], each["charge"]) for each in told["groups"]] == [
        (None, "m", "2"),
        (str(thread.pk), "m", "2"),
    ]
    assert told["left"]["limits"] is not None
    before = ours.get(f"/api/usage?month={NOW.previous}").json()
    assert (before["total"]["charge"], before["groups"]) == ("0.5", [])
    once, twice = (ours.get(f"/api/usage?{by}").json()["groups"] for by in ("by=day", "by=day&by=day"))
    assert once == twice != []
    nothing = ours.get("/api/usage?month=2020-01&by=day").json()
    assert (nothing["total"]["calls"], nothing["groups"]) == (0, [])
    for wrong in ("month=2020-13", "month=2020", "month=0001-01", f"month={NOW.next}", "by=password", "by=day&by=day&by=day&by=day"):
        answer = ours.get(f"/api/usage?{wrong}")
        assert (answer.status_code, wrong.partition("=")[0] in answer.content.decode()) == (400, True), (wrong, answer.content)


def test_programs_get_invoices_with_their_lines(alice: User, bob: User, client_of: ClientOf) -> None:
    use(alice, NOW.previous, fresh_input=1_000_000)
    found = invoice(alice.pk, NOW.previous).invoice
    assert found is not None
    (listed,) = client_of(alice).get("/api/invoices").json()["items"]
    assert (listed["id"], listed["number"], listed["total"], "lines" in listed) == (str(found.pk), "INV-000001", "1.00", False)
    whole = client_of(alice).get(f"/api/invoices/{found.pk}").json()
    assert [(line["class"], line["quantity"], line["amount"]) for line in whole["lines"]] == [("fresh_input", "1000000", "1.00")]
    assert client_of(bob).get("/api/invoices").json() == {"items": []}
    assert client_of(bob).get(f"/api/invoices/{found.pk}").status_code == 404


def test_drafts_are_not_shown(alice: User, client_of: ClientOf) -> None:
    use(alice, NOW.previous, output_text=1_000_000)
    draft = invoice(alice.pk, NOW.previous, draft=True).invoice
    assert draft is not None
    client = client_of(alice)
    assert "There are none yet" in text_of(client, "/invoices/")
    assert client.get(f"/invoices/{draft.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("12.345", "USD", "$12.34"),
        ("0.004", "USD", "0.4 ct"),
        ("0.00001", "EUR", "< 0.01 ct"),
        ("0", "USD", "$0.00"),
        ("-0.004", "USD", "-0.4 ct"),
        ("1234567.891", "CHF", "1,234,567.89 CHF"),
        ("0.5", "JPY", "¥0"),
        ("-3", "USD", "-$3.00"),
        ("5", "KWD", "5.000 KWD"),
    ],
)
def test_money_in_words(amount: str, currency: str, shown: str) -> None:
    assert money(amount, currency) == shown
    assert exactly("1234.5", "USD") == "$1,234.50"


def test_a_chart_of_many_models_has_few_colours_and_loses_nothing() -> None:
    days = [NOW.first]
    chart = charts.bars(days, {f"m{n}": {NOW.first: 10 + n} for n in range(9)})
    assert len(chart.legend) == charts.COLOURS
    assert chart.legend[-1][1] == "others"
    assert sum(bar.height for bar in chart.bars) == pytest.approx(charts.HEIGHT, abs=0.5)
    assert charts.bars(days, {}).bars == []
    assert charts.line([Decimal(0), Decimal(1)], 3).line == f"120.0,{charts.HEIGHT}.0 360.0,0.0"
