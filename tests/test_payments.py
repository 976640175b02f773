"""Payments by a provider whose line loses what it can: each invoice is paid once, and what happens is known in the end."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.erasing import erase_user
from billing import payments, tasks
from billing.invoicing import settle
from billing.models import Account, Credit, Invoice, Payment, WebhookEvent
from billing.notes import take_off
from tests.fake_payments import SECRET, Provider, serving, signed
from tests.test_credit_notes import bill, numbered
from threads.models import User


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with serving(Provider(random.Random(7))) as running:
        settings.PAYMENTS_URL, settings.PAYMENTS_KEY, settings.PAYMENTS_WEBHOOK_SECRET = running.url, "sk_test", SECRET
        yield running


def due_now() -> None:
    """As when the time has come for all that waits."""
    Payment.objects.open().update(due_at=timezone.now() - timedelta(seconds=1))


def owed(user: User, customer: str = "cus_1", dollars: int = 10) -> Invoice:
    """A final invoice of somebody whom the provider knows."""
    Account.objects.update_or_create(pk=user.pk, defaults={"customer": customer, "tax_region": "r"})
    return bill(user, dollars)


def tell(event: dict[str, Any], **more: Any) -> int:
    """The provider tells the site; the answer's status."""
    body, signature = signed(event, **more)
    client = Client(enforce_csrf_checks=True)
    return client.post("/webhooks/payments/", body, content_type="application/json", headers={"Stripe-Signature": signature}).status_code


def now(invoice: Invoice) -> Invoice:
    invoice.refresh_from_db()
    return invoice


def test_a_final_invoice_is_charged_once_with_what_is_due(alice: User, provider: Provider) -> None:
    Account.objects.create(pk=alice.pk, customer="cus_1", payment_method="pm_1", tax_region="r")
    Credit.objects.create(account_id=alice.pk, kind="granted", amount=5)
    invoice = bill(alice, 10)
    assert payments.send_due() == 1
    assert (now(invoice).status, provider.charged()) == ("paid", {"INV-000001": 600})
    (facts, _, _) = next(iter(provider.keys.values()))
    assert (facts["customer"], facts["payment_method"], facts["currency"], facts["confirm"]) == ("cus_1", "pm_1", "usd", "true")
    due_now()
    assert payments.send_due() == 0
    assert [event.note for event in invoice.events.all()] == ["", "payment pi_1"]


def test_a_round_ends_in_time_and_the_next_one_goes_on(alice: User, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = owed(alice)
    with monkeypatch.context() as patch:
        patch.setattr(payments, "ROUND", 0)
        assert payments.send_due() == 0
    assert payments.send_due() == 1 and now(invoice).status == "paid"


def test_without_a_provider_or_a_customer_nothing_is_ordered(alice: User, bob: User, provider: Provider, settings: Any) -> None:
    bill(alice, 10)
    settings.PAYMENTS_URL = ""
    owed(bob)
    assert not Payment.objects.exists()


def test_each_is_paid_once_over_a_line_that_loses_a_third(database: None, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.deaf, provider.mute = 20, 30
    kinds = ["cus_1", "cus_1", "cus_fickle", "cus_slow"]
    invoices = [owed(User.objects.create_user(f"u{n}"), kinds[n % 4], n + 1) for n in range(40)]
    dice, crash = random.Random(3), payments.heard

    def heard(intent: payments.Intent) -> None:
        """The worker dies between the answer and the rows, one time in five."""
        if dice.randrange(5) == 0:
            raise KeyboardInterrupt
        crash(intent)

    def work(_: int) -> None:
        try:
            payments.send_due()
        except KeyboardInterrupt:
            pass
        finally:
            connection.close()

    told = 0
    for _ in range(60):
        due_now()
        with monkeypatch.context() as patched, ThreadPoolExecutor(4) as pool:
            patched.setattr(payments, "heard", heard)
            list(pool.map(work, range(4)))
        for reference, intent in list(provider.intents.items()):
            if intent["status"] == "processing" and dice.randrange(3) == 0:
                provider.succeed(reference)
        waiting = provider.events[told:]
        told = len(provider.events)
        for event in dice.choices(waiting, k=len(waiting)) if waiting else []:  # some never, some more than once, in any order
            assert tell(event) == 200
        if not Payment.objects.open().exists():
            break
    assert {invoice.number: now(invoice).status for invoice in invoices} == dict.fromkeys([invoice.number for invoice in invoices], "paid")
    assert provider.charged() == {str(invoice): payments.units(invoice.total, "USD") for invoice in invoices}
    assert not Credit.objects.exists(), "nobody paid twice"
    assert len(provider.requests) > 60, "so requests were repeated"


def test_a_declined_payment_is_tried_again_on_other_days_and_then_left_to_people(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_broke")
    for attempt, days in ((1, 1), (2, 3), (3, 5), (4, 7), (5, None)):
        assert payments.send_due() == 1
        failed = Payment.objects.get(attempt=attempt)
        assert (failed.status, failed.error, now(invoice).status) == ("failed", "The card was declined.", "failed")
        coming = Payment.objects.open().first()
        assert (coming is None) == (days is None)
        if coming and days:
            assert abs(coming.due_at - timezone.now() - timedelta(days=days)) < timedelta(minutes=5)
            assert payments.send_due() == 0, "not before"
        due_now()
    Account.objects.update(customer="cus_1")
    settle(numbered(invoice), Invoice.Status.PENDING)
    assert payments.send_due() == 1 and now(invoice).status == "paid"


def test_asking_again_brings_a_waiting_try_forward(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_fickle")
    payments.send_due()
    assert (now(invoice).status, payments.send_due()) == ("failed", 0)
    settle(numbered(invoice), Invoice.Status.PENDING)
    assert payments.send_due() == 1 and now(invoice).status == "paid"
    assert Payment.objects.count() == 2


def test_whoever_becomes_known_later_is_charged_when_asked_again(alice: User, provider: Provider) -> None:
    invoice = bill(alice, 10)
    Account.objects.update(customer="cus_1")
    assert payments.send_due() == 0
    settle(numbered(invoice), Invoice.Status.PENDING)
    settle(numbered(invoice), Invoice.Status.PENDING)
    assert payments.send_due() == 1 and now(invoice).status == "paid"


def test_who_is_erased_is_not_charged(alice: User, provider: Provider) -> None:
    invoice = owed(alice)
    erase_user(alice)
    assert payments.send_due() == 0 and provider.requests == []
    assert (Payment.objects.get().status, now(invoice).status) == ("dropped", "pending")


def test_who_is_erased_leaves_no_name_at_the_provider_behind(alice: User, provider: Provider) -> None:
    owed(alice)
    payments.send_due()
    erase_user(alice)
    assert (Payment.objects.get().status, Payment.objects.get().customer) == ("succeeded", "")


def test_after_a_month_without_an_answer_it_is_left_to_people(alice: User, provider: Provider) -> None:
    invoice = owed(alice)
    provider.deaf = 100
    payments.send_due()
    Payment.objects.update(tries=payments.MOST_TRIES - 2)
    for status in ("waiting", "failed"):
        due_now()
        payments.send_due()
        assert Payment.objects.get().status == status
    assert (Payment.objects.get().status, now(invoice).status) == ("failed", "failed")
    assert Payment.objects.get().error.startswith("There was no answer for a month")


def test_a_reason_that_cannot_be_stored_is_kept_as_far_as_it_can(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    wrong = {"message": "no\0money" + "x" * 900, "code": None}
    bad = provider.intents["pi_1"] | {"status": "requires_payment_method", "last_payment_error": wrong}
    assert tell({"id": "evt_1", "type": "payment_intent.payment_failed", "data": {"object": bad}}) == 200
    assert (now(invoice).status, Payment.objects.get(attempt=1).error[:8]) == ("failed", "no\ufffdmoney")


def test_what_is_paid_otherwise_before_it_is_sent_is_not_sent(alice: User, bob: User, provider: Provider) -> None:
    settle(numbered(owed(alice)), Invoice.Status.PAID)
    settle(numbered(owed(bob)), Invoice.Status.VOID)
    assert payments.send_due() == 0 and provider.requests == []
    assert set(Payment.objects.values_list("status", flat=True)) == {"dropped"}


def test_money_that_comes_besides_is_the_customers(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    settle(numbered(invoice), Invoice.Status.PAID, note="in cash")
    provider.succeed("pi_1")
    for event in provider.events * 2:
        assert tell(event) == 200
    credit = Credit.objects.get()
    assert (credit.amount, credit.kind, credit.note) == (11, "purchased", "payment pi_1 of invoice INV-000001")


def test_a_credit_note_meanwhile_makes_the_rest_credit(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    take_off(numbered(invoice), Decimal(4), "too dear")
    provider.succeed("pi_1")
    assert [tell(event) for event in reversed(provider.events)] == [200] * 3
    assert (now(invoice).status, Credit.objects.get().amount) == ("paid", Decimal("4.40"))


def test_one_that_is_under_way_is_asked_about(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    assert (Payment.objects.get().status, Payment.objects.get().reference) == ("sent", "pi_1")
    provider.succeed("pi_1")  # and no event of it ever comes
    due_now()
    assert payments.send_due() == 1 and now(invoice).status == "paid"
    assert provider.requests[-1] == ("GET", "/v1/payment_intents/pi_1")


def test_after_a_day_without_an_answer_it_looks_before_it_repeats(alice: User, bob: User, provider: Provider) -> None:
    provider.mute = 100
    heard = owed(alice)
    payments.send_due()
    provider.mute, provider.deaf = 0, 100
    unheard = owed(bob, "cus_2")
    payments.send_due()
    provider.deaf = 0
    provider.forget_keys()
    Payment.objects.update(sent_at=timezone.now() - timedelta(hours=21))
    for intent in provider.intents.values():
        intent["created"] -= 21 * 3600
    due_now()
    assert payments.send_due() == 2
    assert (now(heard).status, now(unheard).status) == ("paid", "paid")
    assert provider.charged() == {str(heard): 1100, str(unheard): 1100}


def test_what_is_no_longer_needed_is_only_asked_about(alice: User, bob: User, provider: Provider) -> None:
    provider.deaf = 100
    void = owed(alice)
    payments.send_due()
    provider.deaf, provider.mute = 0, 100
    cash = owed(bob, "cus_2")
    payments.send_due()
    provider.mute = 0
    settle(numbered(void), Invoice.Status.VOID)
    settle(numbered(cash), Invoice.Status.PAID)
    due_now()
    payments.send_due()
    assert {str(each.invoice): each.status for each in Payment.objects.all()} == {str(void): "dropped", str(cash): "succeeded"}
    assert provider.charged() == {str(cash): 1100} and Credit.objects.get().amount == 11


def test_people_see_why_it_failed_and_when_it_is_tried_again(alice: User, provider: Provider, client_of: Any) -> None:
    invoice = owed(alice, "cus_broke")
    payments.send_due()
    page = client_of(alice).get(f"/invoices/{invoice.pk}/").content.decode()
    tomorrow = timezone.now() + timedelta(days=1)
    assert "Payment failed" in page and "The card was declined." in page and f"tried again on {tomorrow:%-d %B}" in page


def test_what_the_provider_refuses_is_left_to_people(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_unknown")
    payments.send_due()
    failed = Payment.objects.get()
    assert (failed.status, failed.error, now(invoice).status) == ("failed", "There is no such customer.", "failed")


def test_what_is_too_small_for_the_provider_is_left_to_be_paid_otherwise(alice: User, provider: Provider, client_of: Any) -> None:
    provider.least = 2000
    invoice = owed(alice)
    assert (payments.send_due(), Payment.objects.get().status, now(invoice).status) == (1, "dropped", "pending")
    assert "failed" not in client_of(alice).get(f"/invoices/{invoice.pk}/").content.decode()


def test_customers_are_not_shown_what_only_the_site_can_mend(alice: User, provider: Provider, client_of: Any) -> None:
    invoice = owed(alice, "cus_unknown")
    payments.send_due()
    page = client_of(alice).get(f"/invoices/{invoice.pk}/").content.decode()
    assert "The payment failed." in page and "no such customer" not in page


def test_without_an_address_orders_wait(alice: User, provider: Provider, settings: Any) -> None:
    owed(alice)
    settings.PAYMENTS_URL = ""
    assert payments.send_due() == 0 and Payment.objects.get().tries == 0


def test_no_connection_is_held_while_the_provider_is_silent(alice: User, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    owed(alice)
    held = []

    def request(*_: Any, **__: Any) -> None:
        held.append(connection.connection)
        raise payments.httpx2.ReadTimeout("silence")

    monkeypatch.setattr(payments.httpx2, "request", request)
    assert (payments.send_due(), held) == (1, [None])


def test_more_than_a_person_may_type_in_can_come_back(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow", 2_000_000)
    payments.send_due()
    settle(numbered(invoice), Invoice.Status.PAID, note="in cash")
    provider.succeed("pi_1")
    assert [tell(event) for event in provider.events] == [200] * 3
    take_off(numbered(invoice), Decimal(1_500_000), "too dear")
    assert sorted(Credit.objects.values_list("amount", flat=True)) == [1_650_000, 2_200_000]


def test_a_wrong_key_of_ours_fails_nobodys_invoice(alice: User, provider: Provider, settings: Any) -> None:
    invoice = owed(alice)
    settings.PAYMENTS_KEY = "sk_wrong"
    payments.send_due()
    assert (Payment.objects.get().error, now(invoice).status) == ("status 401", "pending")
    settings.PAYMENTS_KEY = "sk_test"
    due_now()
    payments.send_due()
    assert now(invoice).status == "paid"


def test_repeats_say_the_same_even_if_the_account_changes(alice: User, provider: Provider) -> None:
    invoice = owed(alice)
    provider.mute = 100
    payments.send_due()
    Account.objects.update(customer="cus_other", payment_method="pm_other")
    provider.mute = 0
    due_now()
    payments.send_due()
    assert now(invoice).status == "paid" and provider.charged() == {str(invoice): 1100}


@pytest.mark.parametrize("wrong", [{"secret": "whsec_other"}, {"age": 301}, {"age": -330}])
def test_only_the_provider_can_tell_and_only_now(alice: User, provider: Provider, wrong: dict[str, Any]) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    provider.succeed("pi_1")
    assert tell(provider.events[-1], **wrong) == 400
    assert now(invoice).status == "pending" and not WebhookEvent.objects.exists()


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=1", "v1=00", "t=9" * 9000, "t=²,v1=x", "t=-1,v1=ä"])
def test_strange_signatures_are_refused(database: None, provider: Provider, header: str) -> None:
    answer = Client().post("/webhooks/payments/", b"{}", content_type="application/json", headers={"Stripe-Signature": header})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"id": 1},
        {"id": "e", "type": "payment_intent.succeeded", "data": {"object": {"id": 3}}},
        {"id": "e\0", "type": "x", "data": {}},
        [],
    ],
)
def test_events_that_make_no_sense_are_refused_and_not_remembered(database: None, provider: Provider, event: Any) -> None:
    assert tell(event) == 400
    assert not WebhookEvent.objects.exists()


def test_events_of_others_and_of_other_kinds_are_heard_and_change_nothing(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    ours = provider.intents["pi_1"] | {"status": "succeeded", "amount_received": 1100}
    strange = [
        ("customer.created", {"anything": True}),
        ("payment_intent.created", ours),
        ("payment_intent.succeeded", ours | {"metadata": {}}),
        ("payment_intent.succeeded", ours | {"metadata": {"payment": str(uuid4())}}),
        ("payment_intent.succeeded", ours | {"id": "pi_other"}),
        ("payment_intent.succeeded", ours | {"currency": "jpy"}),
    ]
    for number, (kind, facts) in enumerate(strange):
        assert tell({"id": f"evt_strange_{number}", "type": kind, "data": {"object": facts}}) == 200
    assert now(invoice).status == "pending" and not Credit.objects.exists()
    assert tell({"id": "evt_ours", "type": "payment_intent.succeeded", "data": {"object": ours}}) == 200
    assert now(invoice).status == "paid"


def test_without_a_secret_there_is_no_such_address(database: None, provider: Provider, settings: Any) -> None:
    settings.PAYMENTS_WEBHOOK_SECRET = ""
    assert tell({"id": "e", "type": "x", "data": {}}) == 404
    assert Client().get("/webhooks/payments/").status_code == 405


def test_less_than_was_due_does_not_pay_it(alice: User, provider: Provider) -> None:
    invoice = owed(alice, "cus_slow")
    payments.send_due()
    less = provider.intents["pi_1"] | {"status": "succeeded", "amount_received": 500}
    tell({"id": "e", "type": "payment_intent.succeeded", "data": {"object": less}})
    assert (now(invoice).status, Credit.objects.get().amount) == ("pending", 5)


@pytest.mark.parametrize(
    ("money", "currency", "units"),
    [("12.34", "USD", 1234), ("12.34", "EUR", 1234), ("500", "JPY", 500), ("1.239", "KWD", 1230), ("7", "ISK", 700), ("7", "UGX", 700),
     ("9.90", "MGA", 9)],
)  # fmt: skip
def test_amounts_are_in_what_the_provider_takes(money: str, currency: str, units: int) -> None:
    assert payments.units(Decimal(money), currency) == units
    assert payments.amount(units, currency) <= Decimal(money)


def test_events_of_long_ago_are_forgotten(database: None) -> None:
    old = WebhookEvent.objects.create(pk="evt_old")
    WebhookEvent.objects.create(pk="evt_new")
    WebhookEvent.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    tasks.prune()
    assert list(WebhookEvent.objects.values_list("pk", flat=True)) == ["evt_new"]
