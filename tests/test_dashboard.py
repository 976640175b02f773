"""What conversations cost, with the fees of their tools, against what they brought in."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import Error, transaction
from django.test import Client

from agents.agent import Agent
from agents.errors import ToolError
from agents.tools import ToolContext, tool
from billing.models import BookedValue, Price, UsageRecord
from billing.reconciling import drift
from billing.usage import ModelCall, record
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.test_invoices import LONG_AGO
from tests.test_reconciling import now
from threads.models import Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for unit, amount in (("fresh_input", 0), ("output_text", 1), ("seconds", 2)):
        facts = {"provider": "127.0.0.1", "model": "fake", "per": 1000, "valid": (LONG_AGO, None)}
        Price.objects.create(unit=unit, amount=amount, **facts)


def seller(fee: str | float, fails: bool = False) -> Agent:
    """An agent whose tool has a fee, and books what it sold."""

    @tool(idempotent=True, fee=fee)
    def sell(context: ToolContext, worth: str) -> str:
        """Sell something."""
        if fails:
            raise RuntimeError("sold out")
        context.book(worth, "a tent")
        return "sold"

    return Agent("seller", tools=[sell])


def sell_twice(fake: FakeOpenAI) -> None:
    calls = (Call("sell", '{"worth": "249.90"}'), Call("sell", '{"worth": "-9.90"}'))
    fake.script(Plan(tools=calls), Plan(tokens=10, rate=0))


def test_a_tool_with_a_fee_is_a_row_of_the_ledger_for_each_call(
    ask: Ask, alice: User, fake: FakeOpenAI, offered: dict[str, Agent], thread: Thread
) -> None:
    offered["seller"] = seller("0.25")
    sell_twice(fake)
    _, run = ask("Sell", agent="seller")
    assert [call.usage for call in run.tool_calls.all()] == [{"charge": "0.25", "currency": "USD"}] * 2
    rows = UsageRecord.objects.filter(provider="tools").order_by("kind")
    assert list(rows.values_list("user_id", "thread_id", "kind", "model", "requests", "agent")) == [
        (alice.pk, thread.pk, "tool 0", "sell", 1, "seller"),
        (alice.pk, thread.pk, "tool 1", "sell", 1, "seller"),
    ]
    price = Price.objects.get(provider="tools")
    assert (price.amount, price.per, price.book, price.valid.upper) == (Decimal("0.25"), 1, "catalog", None)
    assert drift(now()) == []


def test_a_fee_that_changes_ends_one_price_and_begins_another(ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent]) -> None:
    for fee in ("0.25", "0.25", "0.30"):
        offered["seller"] = seller(fee)
        sell_twice(fake)
        ask("Sell", agent="seller")
    old, new = Price.objects.filter(provider="tools").order_by("pk")
    assert (old.amount, new.amount) == (Decimal("0.25"), Decimal("0.3"))
    assert old.valid.upper == new.valid.lower
    assert (UsageRecord.objects.filter(provider="tools").count(), drift(now())) == (6, [])


def test_a_call_that_fails_or_is_free_has_no_row(ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent]) -> None:
    for agent in (seller("0.25", fails=True), seller("0")):
        offered["seller"] = agent
        sell_twice(fake)
        ask("Sell", agent="seller")
    assert not UsageRecord.objects.filter(provider="tools").exists()


def test_the_page_of_money_has_costs_fees_voice_and_what_was_booked(
    ask: Ask, alice: User, fake: FakeOpenAI, offered: dict[str, Agent], thread: Thread, client_of: ClientOf
) -> None:
    offered["seller"] = seller("0.25")
    sell_twice(fake)
    ask("Sell", agent="seller")
    voice = {"units": {"seconds": Decimal("500")}}
    record(ModelCall(alice.pk, thread.pk, uuid4(), 1, 0, "transcription", "seller", "127.0.0.1", "fake", **voice))
    record(ModelCall(None, None, uuid4(), 1, 0, "answer", "nobody", "127.0.0.1", "fake", usage={"output_text": 3000}))
    admin = client_of(User.objects.create_superuser("root"))
    answer = admin.get("/admin/billing/usagerecord/money/")
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
    written = sum(UsageRecord.objects.filter(provider="127.0.0.1", thread_id=thread.pk).values_list("output_text", flat=True))
    costs = Decimal(written) / 1000 + Decimal("0.50") + 1
    assert re.search(rf"{thread.title} \d+ [\d,]+ {written} 2 \$0.50 500 \${costs:.2f} \${costs:.2f} \$240.00 \$240.00", page), page
    assert "outside of any 1 0 3,000 0 $0.00 0 $3.00" in page
    assert "sell (tools) 2 0 0 $0.50" in page
    assert admin.get("/admin/billing/usagerecord/money/?month=2020-01").status_code == 200
    for month in ("x", "0001-01", "1899-12", "2100-01"):
        assert admin.get(f"/admin/billing/usagerecord/money/?month={month}").status_code == 404
    assert admin.get("/admin/billing/usagerecord/").status_code == 200


def test_money_is_for_staff_who_may_see_the_ledger(alice: User, thread: Thread, client_of: ClientOf) -> None:
    BookedValue.objects.create(thread_id=thread.pk, amount=7)
    alice.is_staff = True
    alice.save()
    client = client_of(alice)
    assert client.get("/admin/billing/usagerecord/money/").status_code == 403
    for permission, shown in (("view_usagerecord", str(thread.pk)), ("view_thread", f">{thread.title}<")):
        alice.user_permissions.add(Permission.objects.get(codename=permission))
        page = client.get("/admin/billing/usagerecord/money/")
        assert (page.status_code, shown in page.content.decode()) == (200, True)
        assert (f">{thread.title}<" in page.content.decode()) == (permission == "view_thread")


def test_what_is_outside_of_conversations_and_what_was_booked_without_costs_are_rows_too(
    alice: User, thread: Thread, client_of: ClientOf
) -> None:
    voice = {"units": {"seconds": Decimal("500")}}
    record(ModelCall(alice.pk, None, uuid4(), 1, 0, "transcription", "seller", "127.0.0.1", "fake", **voice))
    BookedValue.objects.create(thread_id=thread.pk, amount=7)
    before = BookedValue.objects.create(thread_id=thread.pk, amount=500)
    BookedValue.objects.filter(pk=before.pk).update(created_at=now().previous.begins("UTC"))
    answer = client_of(User.objects.create_superuser("root")).get("/admin/billing/usagerecord/money/")
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
    assert "outside of any 1 0 0 0 $0.00 500 $1.00" in page, page
    assert f"{thread.title} 0 0 0 0 $0.00 0 $0.00 $0.00 $7.00 $7.00" in page, page


def test_a_call_that_fails_books_nothing_and_one_that_is_repeated_books_once(
    ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent], thread: Thread
) -> None:
    tries: list[str] = []

    @tool(idempotent=True)
    def sell(context: ToolContext, worth: str) -> str:
        """Sell something, at the second try."""
        context.book(worth)
        tries.append(worth)
        if len(tries) == 1:
            raise ToolError("sold out")
        return "sold"

    offered["seller"] = Agent("seller", tools=[sell])
    sell_twice(fake)
    ask("Sell", agent="seller")
    assert BookedValue.objects.get().amount == Decimal(tries[1])


@pytest.mark.parametrize("fee", ["0,02", "-1", "NaN", "Infinity", "1e-11", 10**7, None])
def test_a_fee_that_is_no_price_is_refused_where_it_is_declared(fee: Any) -> None:
    with pytest.raises(ValueError, match="fee"):
        tool(fee=fee)(test_a_fee_that_is_no_price_is_refused_where_it_is_declared)


def test_a_fee_may_be_a_fraction(ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent]) -> None:
    for _ in range(2):
        offered["seller"] = seller(0.02)
        sell_twice(fake)
        ask("Sell", agent="seller")
    assert Price.objects.get(provider="tools").amount == Decimal("0.02")


def test_a_fee_is_known_before_its_tool_has_an_effect(
    ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no prices today")

    monkeypatch.setattr("agents.tool_runs.declare_fee", broken)
    offered["seller"] = seller("0.25")
    sell_twice(fake)
    with pytest.raises(RuntimeError):
        ask("Sell", agent="seller")
    assert not BookedValue.objects.exists()


def test_an_absurd_booking_is_refused(thread: Thread) -> None:
    with pytest.raises(Error), transaction.atomic():
        BookedValue.objects.create(thread_id=thread.pk, amount=10**9)
