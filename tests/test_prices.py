"""What calls cost: the right class at the right price of the right day, to the last digit; and never nothing where nobody knows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import Error, IntegrityError, connection, transaction
from django.utils import timezone

from agents.providers.chunks import _Usage, _usage
from billing.catalog import canonical
from billing.management.commands.refresh_prices import refresh
from billing.models import Account, Plan, Price, UsageRecord
from billing.pricing import priced, priced_call
from billing.usage import ModelCall, Usage, record, reverse
from threads.models import User

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def price(unit: str, amount: str, model: str = "m", **more: Any) -> Price:
    """A price of ours."""
    facts = {"provider": "p", "valid": (LONG_AGO, None)} | more
    return Price.objects.create(model=model, unit=unit, amount=Decimal(amount), **facts)


def used(model: str = "m", provider: str = "p", **tokens: int) -> UsageRecord:
    """A call in the ledger."""
    run = uuid4()
    call = ModelCall(None, None, run, 1, 0, "answer", "a", provider, model, usage=Usage(**tokens).as_json())
    record(call)
    return UsageRecord.objects.get(run_id=run)


def cost() -> Decimal:
    """Of everything in the ledger."""
    lines = [line.cost for line in priced(UsageRecord.objects.all())]
    return sum((line for line in lines if line is not None), Decimal(0))


@pytest.mark.parametrize(
    ("prices", "tokens", "expected"),
    [
        (("1.25", "0.625", "0", "10"), {"fresh_input": 5_005, "cache_read": 257_955, "output_text": 1_744}, "0.184918125"),
        (("3", "0.3", "3.75", "15"), {"fresh_input": 3, "cache_write": 12_304, "output_text": 550}, "0.054399"),
        (("0.50", "0.05", "0", "3"), {"fresh_input": 3_914, "cache_read": 16_298, "output_text": 931}, "0.0055649"),
    ],
)
def test_the_golden_cases(database: None, prices: tuple[str, ...], tokens: dict[str, int], expected: str) -> None:
    for unit, amount in zip(("fresh_input", "cache_read", "cache_write", "output_text"), prices, strict=True):
        price(unit, amount)
    used(**tokens)
    assert cost() == Decimal(expected)


def test_the_price_of_the_day_counts(database: None) -> None:
    then, now = timezone.now() - timedelta(days=30), timezone.now()
    price("fresh_input", "2", valid=(LONG_AGO, then))
    price("fresh_input", "1", valid=(then, None))
    for days in (31, 29):
        row = used(fresh_input=1_000_000)
        with connection.cursor() as cursor:  # as it would be a month later
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE billing_usagerecord SET priced_at = %s WHERE id = %s", [now - timedelta(days=days), row.pk])
            cursor.execute("SET session_replication_role = origin")
    assert cost() == 3


def test_a_tier_is_for_the_whole_call_and_begins_above_its_start(database: None) -> None:
    price("fresh_input", "1", input_tokens=(0, 200_001))
    price("fresh_input", "2", input_tokens=(200_001, None))
    price("cache_read", "1")
    used(fresh_input=200_000)
    assert cost() == Decimal("0.2")
    used(fresh_input=100_000, cache_read=100_001)
    assert cost() == Decimal("0.2") + Decimal("0.2") + Decimal("0.100001")


def test_what_nobody_knows_is_not_nothing(database: None) -> None:
    price("fresh_input", "1")
    used(fresh_input=10, output_text=5)
    used(model="other", fresh_input=1)
    unknown = {(line.model, line.unit) for line in priced(UsageRecord.objects.all()) if line.cost is None}
    assert unknown == {("m", "output_text"), ("other", "fresh_input")}
    out = StringIO()
    call_command("refresh_prices", stdout=out)
    assert "No price: p m, output text" in out.getvalue() and "No price: p other, fresh input" in out.getvalue()


def test_a_correction_takes_back_what_it_cost_then_and_only_once(database: None) -> None:
    price("fresh_input", "1", input_tokens=(0, 100))
    price("fresh_input", "2", input_tokens=(100, None))
    row = used(fresh_input=1000)
    back = reverse(row, "asked twice by mistake")
    assert (back.fresh_input, back.priced_at, cost()) == (-1000, row.priced_at, 0)
    with pytest.raises(IntegrityError), transaction.atomic():
        reverse(row, "again")
    with pytest.raises(ValueError, match="correction itself"):
        reverse(back, "no")
    with pytest.raises(IntegrityError), transaction.atomic():
        reverse(used(fresh_input=1), "")


@pytest.mark.parametrize(
    "sql", ["UPDATE billing_usagerecord SET output_text = 0", "DELETE FROM billing_usagerecord", "TRUNCATE billing_usagerecord"]
)
def test_the_ledger_refuses_changes_by_hand(database: None, sql: str) -> None:
    used(fresh_input=1)
    with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute(sql)


def test_our_price_goes_before_the_catalogs(database: None) -> None:
    price("fresh_input", "5", book="catalog")
    price("fresh_input", "1")
    price("fresh_input", "9", book="charge")
    used(fresh_input=1_000_000)
    assert cost() == 1
    (line,) = priced(UsageRecord.objects.all())
    assert (line.cost, line.charge()) == (1, 9)


def test_customers_pay_a_markup_where_they_have_no_price_of_their_own(database: None) -> None:
    price("fresh_input", "1")
    price("output_text", "2")
    price("output_text", "3", book="charge")
    used(fresh_input=1_000_000, output_text=1_000_000)
    lines = {line.unit: line for line in priced(UsageRecord.objects.all())}
    assert {unit: (line.cost, line.charge(Decimal("12.5"))) for unit, line in lines.items()} == {
        "fresh_input": (1, Decimal("1.125")),
        "output_text": (2, 3),
    }


def test_the_admin_tells_what_a_single_call_came_to(alice: User, client_of: Any) -> None:
    price("output_text", "2")
    Account.objects.create(pk=alice.pk, plan=Plan.objects.create(name="pro", markup=50))
    client = client_of(User.objects.create_superuser("root"))
    known = UsageRecord.objects.create(
        user_id=alice.pk, run_id=uuid4(), attempt=1, step=0, kind="answer", agent="a", provider="p", model="m", output_text=1_500
    )
    page = client.get(f"/admin/billing/usagerecord/{known.pk}/change/").content.decode()
    assert "0.003 USD" in page and "0.0045 USD" in page
    unknown = used("nobody_knows", output_text=1)
    assert client.get(f"/admin/billing/usagerecord/{unknown.pk}/change/").content.decode().count("no price is known") == 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"prompt_tokens": -5, "completion_tokens": -7}, (0, 0, 0, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": -90}}, (10, 0, 0, 0)),
        ({"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 10**30}}, (0, 0, 0, 10**9)),
        ({"prompt_tokens": 10**30, "completion_tokens": 3}, (10**9, 0, 3, 0)),
    ],
)
def test_a_server_that_counts_absurdly_is_not_believed(said: dict[str, Any], expected: tuple[int, ...]) -> None:
    usage = _usage(msgspec.convert(said, _Usage))
    assert (usage.fresh_input, usage.cache_read, usage.output_text, usage.reasoning) == expected


def test_what_is_labelled_free_costs_us_but_nobody_else(database: None) -> None:
    price("fresh_input", "1")
    record(ModelCall(None, None, uuid4(), 1, 0, "answer", "a", "p", "m", usage={"fresh_input": 1_000_000}, labels={"free": True}))
    (line,) = priced(UsageRecord.objects.all())
    assert (line.cost, line.charge(Decimal(50))) == (1, 0)


def test_prices_of_another_currency_are_none(database: None) -> None:
    price("fresh_input", "1")
    price("fresh_input", "2", currency="EUR")
    used(fresh_input=1_000_000)
    costs = {currency: [line.cost for line in priced(UsageRecord.objects.all(), currency=currency)] for currency in ("USD", "EUR", "CHF")}
    assert costs == {"USD": [1], "EUR": [2], "CHF": [None]}


def test_a_call_is_priced_before_it_is_saved_as_it_is_afterwards(database: None) -> None:
    price("fresh_input", "1", input_tokens=(0, 100))
    price("fresh_input", "2", input_tokens=(100, None))
    price("seconds", "3.6", per=3600)
    amounts: dict[str, Any] = {"fresh_input": 1000, "seconds": Decimal("1.5")}
    row = UsageRecord(run_id=uuid4(), attempt=1, step=0, provider="p", model="m", priced_at=timezone.now(), **amounts)
    before = priced_call(row, "USD")
    row.save()
    assert before == priced(UsageRecord.objects.all())
    assert [line.cost for line in before] == [Decimal("0.002"), Decimal("0.0015")]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"amount": Decimal(-1)}, "amount"),
        ({"amount": Decimal(2_000_000)}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"per": 0}, "per"),
        ({"unit": "words"}, "unit"),
        ({"valid": (LONG_AGO, LONG_AGO)}, "valid"),
        ({"input_tokens": (5, 5)}, "input_tokens"),
        ({"valid": (timezone.now(), None)}, "__all__"),
    ],
)
def test_a_bad_price_is_refused_by_form_and_database(database: None, facts: dict[str, Any], field: str) -> None:
    price("fresh_input", "1")
    good = {"provider": "p", "model": "m", "unit": "fresh_input", "amount": Decimal(2), "valid": (LONG_AGO - timedelta(days=1), LONG_AGO)}
    bad = Price(**(good | facts))
    with pytest.raises(ValidationError) as refused:
        bad.full_clean()
    assert field in refused.value.message_dict
    if field != "unit":
        with pytest.raises(Error), transaction.atomic():
            Price.objects.create(**(good | facts))
    Price(**good).save()


def test_a_form_without_tiers_is_told_so(alice: User, client_of: Any) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    facts = {"book": "cost", "provider": "p", "model": "m", "unit": "fresh_input", "currency": "USD", "amount": "2", "per": "1000000"}
    page = client_of(alice).post("/admin/billing/price/add/", facts | {"valid_0": "2026-01-01 00:00:00", "valid_1": ""})
    assert page.status_code == 200 and "This field is required." in page.content.decode()
    assert not Price.objects.exists()


@pytest.fixture
def catalog(database: None) -> None:
    refresh(timezone.now())


def test_the_catalog_prices_what_answers_say_of_themselves(catalog: None) -> None:
    assert canonical("openai", "gpt-4o-mini-2024-07-18") == ("openai", "gpt-4o-mini")
    assert canonical("api.groq.com", "llama-3.3-70b-versatile")[0] == "groq"
    assert canonical("127.0.0.1", "llama3") == ("127.0.0.1", "llama3")
    used(
        provider="openai",
        model="gpt-4o-mini-2024-07-18",
        fresh_input=1_000_000,
        cache_read=1_000_000,
        output_text=500_000,
        reasoning=500_000,
    )
    assert cost() == Decimal("0.15") + Decimal("0.075") + Decimal("0.6")


def test_a_refresh_changes_nothing_twice_and_keeps_what_was(catalog: None) -> None:
    later = timezone.now()
    assert refresh(later) == (0, 0)
    one = Price.objects.now().get(provider="openai", model="gpt-4o-mini", unit="output_text")
    one.amount = Decimal(7)
    one.save()
    assert refresh(later) == (1, 1)
    old, new = Price.objects.filter(provider="openai", model="gpt-4o-mini", unit="output_text").order_by("id")
    assert (old.amount, old.valid.upper, new.amount, new.valid.lower) == (7, later, Decimal("0.6"), later)


def test_a_dry_run_says_what_would_change_and_changes_nothing(catalog: None) -> None:
    Price.objects.filter(provider="openai", model="gpt-4o-mini", unit="output_text").update(amount=Decimal(7))
    before = list(Price.objects.order_by("id").values())
    out = StringIO()
    call_command("refresh_prices", "--dry-run", stdout=out)
    assert out.getvalue() == "Would add 1 prices, would end 1.\n"
    assert list(Price.objects.order_by("id").values()) == before
