"""Reports and exports: the same numbers as the ledger's, and nothing in them that runs."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from billing import tasks
from billing.invoicing import invoice
from billing.models import Account, Invoice, Plan, Price, UsageRecord
from billing.periods import Month
from billing.reporting import as_csv, used
from tests.test_reconciling import meddle
from threads.models import User

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LAST = Month.of(datetime.now(UTC), "UTC").previous
HOSTILE = '=HYPERLINK("http://evil.example")'


@pytest.fixture(autouse=True)
def prices(database: None) -> None:
    for unit, amount in (("fresh_input", "1"), ("output_text", "2")):
        Price.objects.create(provider="p", model="m", unit=unit, amount=Decimal(amount), valid=(LONG_AGO, None))


def write(user: UUID | None, *, hours: int = 12, model: str = "m", agent: str = "a", **amounts: Any) -> None:
    """A row of the ledger, so many hours into last month."""
    at = datetime.fromtimestamp(LAST.begins("UTC").timestamp() + hours * 3600, UTC)
    facts = {"run_id": uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": agent, "provider": "p", "model": model}
    UsageRecord.objects.create(user_id=user, created_at=at, priced_at=at, **facts, **amounts)


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


def test_groups_add_up_to_the_whole(alice: User, bob: User) -> None:
    Account.objects.create(pk=bob.pk, plan=Plan.objects.create(name="pro", markup=100))
    write(alice.pk, fresh_input=1_000_000, output_text=500_000)
    write(bob.pk, hours=13, output_text=1_000_000)
    write(None, hours=40, model="unpriced", agent="b", output_text=7)
    whole = UsageRecord.objects.all()
    (total,) = used(whole, [], "USD")
    assert (total.calls, total.input_tokens, total.output_tokens, total.cost, total.charge) == (3, 1_000_000, 1_500_007, 4, 6)
    assert not total.is_priced
    for by in (["day"], ["user_id"], ["agent"], ["provider", "model"], ["day", "agent", "user_id"]):
        groups = used(whole, by, "USD")
        assert len(groups) > 1
        for name in ("calls", "input_tokens", "output_tokens", "cost", "charge"):
            assert sum(getattr(group, name) for group in groups) == getattr(total, name), (by, name)


def test_a_day_is_one_where_the_reader_is(alice: User) -> None:
    write(alice.pk, hours=23, output_text=1)
    zones = {zone: used(UsageRecord.objects.all(), ["day"], "USD", zone)[0].group[0].day for zone in ("UTC", "Asia/Tokyo")}
    assert zones == {"UTC": 1, "Asia/Tokyo": 2}


def test_the_report_is_the_same_in_all_forms(alice: User) -> None:
    write(alice.pk, fresh_input=1_000_000, output_text=500_000)
    period = ["--period", str(LAST)]
    (row,) = json.loads(run("usage_report", *period, "--format", "json"))
    assert row == {"user": "alice", "provider": "p", "model": "m", "calls": 1, "input tokens": 1_000_000, "output tokens": 500_000,
                   "cost": "2", "charge": "2", "priced": True}  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(run("usage_report", *period, "--format", "csv"), newline=""))
    assert line == {name: str(value) for name, value in row.items()}
    table = run("usage_report", *period)
    assert "alice" in table and "1,000,000" in table and "2.000000" in table
    assert json.loads(run("usage_report", *period, "--by", "day", "--user", "alice", "--format", "json"))[0]["day"] == f"{LAST.first}"
    assert run("usage_report", "--format", "json") == "[]\n"


def test_nothing_in_a_report_runs(alice: User) -> None:
    write(alice.pk, agent=HOSTILE, model="[red]m[/red]\x1b[2J", output_text=1)
    period = ["--period", str(LAST), "--by", "agent", "--by", "model"]
    (line,) = csv.DictReader(io.StringIO(run("usage_report", *period, "--format", "csv"), newline=""))
    assert line["agent"] == f"'{HOSTILE}"
    table = run("usage_report", *period)
    assert "\x1b" not in table and "[red]m[/red]" in table


def test_cells_that_would_be_formulas_are_texts() -> None:
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", None, -5, Decimal("-2.5"), "a\nb", 'q"q']
    (_, row) = csv.reader(io.StringIO(as_csv(["x"] * len(cells), [cells]), newline=""))
    assert row == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "plain", "", "-5", "-2.5", "a\nb", 'q"q']


def test_invoices_are_exported_with_their_lines(alice: User, tmp_path: Path) -> None:
    Account.objects.create(pk=alice.pk, name=HOSTILE)
    write(alice.pk, fresh_input=1_000_000, output_text=500_000)
    invoice(alice.pk, LAST)
    (found,) = json.loads(run("export_invoices", "--format", "json"))
    assert (found["number"], found["net"], found["total"], found["bill_to"]) == ("INV-000001", "2.00", "2.00", HOSTILE)
    assert [(line["class"], line["quantity"], line["amount"]) for line in found["lines"]] == [
        ("fresh_input", "1000000", "1.00"),
        ("output_text", "500000", "1.00"),
    ]
    file = tmp_path / "invoices.csv"
    assert "1 invoices in" in run("export_invoices", "--period", str(LAST), "--user", "alice", "--output", str(file))
    lines = list(csv.DictReader(file.open(newline="")))
    assert [line["amount"] for line in lines] == ["1.00", "1.00"]
    assert {line["bill to"] for line in lines} == {f"'{HOSTILE}"}
    with pytest.raises(CommandError, match="cannot be written"):
        run("export_invoices", "--output", str(tmp_path / "nowhere" / "x.csv"))


def test_the_monthly_job_bills_last_month_and_may_run_daily(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    write(alice.pk, output_text=1_000_000)
    for _ in range(3):
        tasks.generate_invoices()
    assert Invoice.objects.get(account=alice.pk).period == LAST.first
    write(alice.pk, model="unpriced", output_text=1)
    tasks.generate_invoices()
    assert Invoice.objects.count() == 1


def test_the_nightly_job_says_what_does_not_agree(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    write(alice.pk, output_text=1_000_000)
    invoice(alice.pk, LAST)
    meddle("UPDATE billing_series SET last = 5")
    tasks.reconcile()
    assert "There is no invoice or credit note INV-000005" in caplog.text
