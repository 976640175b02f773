"""Limits: nothing more than allowed, nothing less, whoever comes at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from billing import limits
from billing.limits import LimitExceeded
from billing.models import Allowance, Limit

Configure = Callable[..., None]


@pytest.fixture
def configure(database: None, settings: Any) -> Configure:
    """Make "it" the only limit."""

    def configured(kind: str, rate: int, period: float, capacity: int, **more: Any) -> None:
        settings.RATE_LIMITS = True
        settings.LIMITS = {"it": {"kind": kind, "rate": rate, "period": period, "capacity": capacity, **more}}

    return configured


def later(seconds: float) -> None:
    """As if that time had passed."""
    Allowance.objects.update(at=F("at") - timedelta(seconds=seconds))


def taken(times: int, key: str = "a") -> int:
    """How many of so many tries, one after the other, were let through."""
    return sum(passes(key) for _ in range(times))


def passes(key: str = "a", n: float = 1) -> bool:
    try:
        limits.limit("it", key, n)
    except LimitExceeded:
        return False
    return True


def test_a_window_gives_all_at_once_and_keeps_up_to_its_capacity(configure: Configure) -> None:
    configure("window", 1, 5, 2)
    assert taken(4) == 2
    later(4.5)
    assert taken(2) == 0
    later(0.6)
    assert taken(2) == 1, "the next window"
    later(60)
    assert taken(5) == 2, "no more than the capacity"
    assert taken(2, "b") == 2, "others have their own"


def test_a_bucket_fills_steadily(configure: Configure) -> None:
    configure("bucket", 60, 60_000, 10)
    assert taken(20) == 10
    later(2500)
    assert taken(20) == 2
    later(500)
    assert taken(2) == 1, "the half was kept"


@pytest.mark.parametrize("kind", ["window", "bucket"])
def test_who_comes_when_told_to_is_let_in_and_not_before(configure: Configure, kind: str) -> None:
    configure(kind, 7, 30, 7)
    for n in (1, 3, 7):
        taken(7)
        with pytest.raises(LimitExceeded) as refused:
            limits.limit("it", "a", n)
        later(refused.value.retry_after - 0.2)
        assert not passes(n=n)
        later(0.2)
        assert passes(n=n)


def test_a_debt_is_paid_off_before_anybody_is_let_in(configure: Configure) -> None:
    configure("bucket", 60, 60, 10)
    limits.reserve("it", "a", 15)
    with pytest.raises(LimitExceeded) as refused:
        limits.check("it", "a")
    assert refused.value.retry_after == pytest.approx(6, abs=0.1)
    assert refused.value.as_json()["kind"] == "limit_exceeded"
    later(5.5)
    assert not passes()
    later(0.6)
    limits.check("it", "a")
    assert taken(3) == 1


def test_a_look_takes_nothing_and_an_estimate_larger_than_all_needs_all(configure: Configure) -> None:
    configure("bucket", 60, 60, 10)
    for _ in range(5):
        limits.check("it", "a", 1000)
    assert not Allowance.objects.exists()
    assert passes()
    with pytest.raises(LimitExceeded):
        limits.check("it", "a", 1000)
    left = limits.left("it", "a")
    assert left and (round(left.value), left.capacity, left.flow) == (9, 10, 1)


def test_more_than_ever_fit_is_a_mistake_of_the_code(configure: Configure) -> None:
    configure("bucket", 60, 60, 10)
    with pytest.raises(ValueError, match="never has 11"):
        limits.limit("it", "a", 11)


def test_what_is_rolled_back_costs_nothing(configure: Configure) -> None:
    configure("window", 1, 5, 2)
    for _ in range(5):
        with transaction.atomic():
            limits.limit("it", "a")
            limits.limit("it", "a")
            transaction.set_rollback(True)
    assert taken(3) == 2


# Some rounds: what goes wrong when two are at the same row at the same moment does so one time in ten.
@pytest.mark.parametrize(("shards", "number"), [(1, 0), *((8, number) for number in range(12))])
def test_of_many_at_once_as_many_as_allowed_are_let_in(configure: Configure, shards: int, number: int) -> None:
    configure("window", 1, 3600, 40, shards=shards)

    def one(_: int) -> bool:
        try:
            with transaction.atomic():
                return passes()
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(100))) == 40, number


def test_shards_refuse_nothing_while_there_is_enough_in_all(configure: Configure) -> None:
    configure("bucket", 8, 36_000, 8, shards=8)
    assert passes(n=5)
    assert taken(10) == 3
    later(36_000 / 8)
    assert taken(3) == 1


def test_the_admin_changes_a_limit_and_switches_it_off(configure: Configure) -> None:
    configure("window", 1, 5, 2)
    Limit.objects.create(name="it", kind="window", rate=1, period=5, capacity=4)
    assert taken(9) == 4
    Limit.objects.update(enabled=False)
    assert taken(9) == 9
    assert limits.left("it", "a") is None


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"period": 0}, {"capacity": 0}, {"shards": 0}, {"shards": 3}, {"period": -1}])
def test_an_absurd_limit_is_refused_by_form_and_database(database: None, wrong: dict[str, Any]) -> None:
    facts = {"name": "it", "kind": "window", "rate": 1, "period": 5.0, "capacity": 2} | wrong
    with pytest.raises(ValidationError):
        Limit(**facts).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Limit.objects.create(**facts)
