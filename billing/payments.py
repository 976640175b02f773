"""Having invoices paid by a provider with an API like Stripe's: what waits in the table of payments is sent, and sent again with the same
key until there is an answer, so that nobody pays twice. Optional: without AGENTSITE_PAYMENTS_URL nothing is ever sent.

The rules of the API: https://docs.stripe.com/api/idempotent_requests, /api/payment_intents and /currencies.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, TypeVar
from uuid import UUID

import httpx2
import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.invoicing import THOUSANDTHS, coin, settle
from billing.models import Credit, Invoice, Payment
from billing.models.payment import ERRORS
from threads.connections import release
from threads.storable import storable

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds: for an answer; until somebody else may take a payment over whose sender is gone; between looks at one that is under way; for
# one round, which the next one follows soon.
PATIENCE, LEASE, LOOK, ROUND = 20, 120, 3600, 50
# Between repeats of a request without an answer, twice as many each time.
FIRST_PAUSE, LONGEST_PAUSE = 30, 3600
# After so many days an invoice whose payment failed is tried again; then it is left to people.
AGAIN = (1, 3, 5, 7)
# For so long the provider surely knows a repeat by its key (it promises 24 hours). Later it is asked what became of the first one.
KEY_IS_KNOWN = timedelta(hours=20)
# So many tries without an answer, one after the other, are a month.
MOST_TRIES = 30 * 24
# What the answers are written like; the account of the site may be on another version.
VERSION = "2024-06-20"
# The API has cents of these, which must be none.
WITH_CENTS = ("ISK", "UGX")
WITHOUT_CENTS = ("MGA",)
# What an intent is, for us. Of others the end is not known yet.
DONE, GONE_WRONG = "succeeded", ("requires_payment_method", "requires_action", "requires_confirmation", "canceled")


Reference = Annotated[str, msgspec.Meta(pattern=r"\A[\w-]{1,255}\Z")]


class Problem(msgspec.Struct):
    """Why a payment failed, in the provider's words."""

    message: str | None = None
    code: str | None = None


class Intent(msgspec.Struct):
    """A payment as the API has it; the amounts are in the smallest unit it has of the currency."""

    id: Reference
    status: str
    currency: str
    amount_received: Annotated[int, msgspec.Meta(ge=0, le=10**14)] = 0
    metadata: dict[str, str] = {}
    last_payment_error: Problem | None = None


class Refusal(msgspec.Struct):
    """The error of an answer; a payment that failed is in it."""

    type: str = ""
    code: str = ""
    message: str = ""
    payment_intent: Intent | None = None


class RefusedBody(msgspec.Struct):
    """The body of an answer of 4xx."""

    error: Refusal


class Intents(msgspec.Struct):
    """Some payments."""

    data: list[Intent]


class NoAnswer(Exception):
    """Nobody knows whether the request was heard: repeat it with the same key."""


class Hopeless(Exception):
    """The provider will not do it, however often it is asked."""


class TooSmall(Exception):
    """The provider does not take such sums: the invoice waits to be paid otherwise."""


def send_due() -> int:
    """Look after every payment whose time has come, as many as there is time for; how many there were. Safe at many places at once."""
    if not settings.PAYMENTS_URL:
        return 0
    due = Payment.objects.open().filter(due_at__lte=timezone.now()).order_by("due_at").values_list("pk", flat=True)
    end = time.monotonic() + ROUND
    return sum(_look_after(pk) for pk in list(due) if time.monotonic() < end)


def heard(intent: Intent) -> None:
    """The provider told of a payment, by itself or when asked. One that is none of ours changes nothing."""
    try:
        payment = Payment.objects.filter(pk=UUID(intent.metadata.get("payment", ""))).first()
    except ValueError:
        return
    if payment is None or payment.reference not in ("", intent.id):
        return
    if intent.currency.upper() != payment.invoice.currency:
        logger.error("payment %s is in %s, not in %s: it is not counted", intent.id, intent.currency, payment.invoice.currency)
        return
    _settle(payment.pk, intent)


def _look_after(pk: UUID) -> bool:
    payment = _take(pk)
    if payment is None:
        return False
    try:
        intent = _ask(payment)
    except NoAnswer as error:
        if payment.tries >= MOST_TRIES:
            _settle(pk, Hopeless(f"There was no answer for a month ({error})."))
        else:
            _postpone(payment, str(error))
        return True
    except Hopeless as error:
        _settle(pk, error)
        return True
    except TooSmall as error:
        Payment.objects.filter(pk=pk).open().update(status=Payment.Status.DROPPED, error=storable(str(error))[:ERRORS])
        return True
    if intent is None:
        Payment.objects.filter(pk=pk).open().update(status=Payment.Status.DROPPED)
    elif intent.metadata.get("payment") != str(pk):
        _postpone(payment, "the answer is of another payment")
    else:
        heard(intent)
    return True


@transaction.atomic
def _take(pk: UUID) -> Payment | None:
    """Keep others from it for a while; None if there is nothing to do any more."""
    invoice = Invoice.objects.select_for_update().get(payments=pk)
    payment = Payment.objects.open().filter(pk=pk, due_at__lte=timezone.now()).select_for_update().first()
    if payment is None:
        return None
    now = timezone.now()
    if payment.status == Payment.Status.WAITING and payment.sent_at is None:
        if not invoice.is_open or not invoice.due or not invoice.account.customer:
            Payment.objects.filter(pk=pk).update(status=Payment.Status.DROPPED)
            return None
        if invoice.status == Invoice.Status.FAILED:
            settle(str(invoice.number), Invoice.Status.PENDING, note=f"payment, attempt {payment.attempt}")
        account = invoice.account
        payment.amount, payment.sent_at = invoice.due, now
        payment.customer, payment.payment_method = account.customer, account.payment_method
    payment.tries += 1
    payment.due_at = now + timedelta(seconds=LEASE)
    payment.save()
    payment.invoice = invoice
    return payment


def _ask(payment: Payment) -> Intent | None:
    """What became of it: ask for the payment, or about it. None if it was never heard of, and is not needed any more.

    Raises NoAnswer, Hopeless and TooSmall.
    """
    assert payment.sent_at is not None
    if payment.reference:
        return _intent(_request("GET", f"/payment_intents/{payment.reference}"))
    is_needed = Invoice.objects.get(pk=payment.invoice_id).is_open
    if not is_needed or timezone.now() - payment.sent_at > KEY_IS_KNOWN:
        since = int((payment.sent_at - timedelta(minutes=5)).timestamp())
        facts = {"customer": payment.customer, "created[gte]": str(since), "limit": "100"}
        listed = _decoded(_request("GET", "/payment_intents", facts), Intents)
        found = next((intent for intent in listed.data if intent.metadata.get("payment") == str(payment.pk)), None)
        if found is not None or not is_needed:
            return found
    return _intent(_request("POST", "/payment_intents", _order(payment), key=str(payment.pk)))


def _order(payment: Payment) -> dict[str, str]:
    invoice = payment.invoice
    return {
        "amount": str(units(payment.amount, invoice.currency)),
        "currency": invoice.currency.lower(),
        "customer": payment.customer,
        **({"payment_method": payment.payment_method} if payment.payment_method else {}),
        # Nobody is there who could be sent to a page of a bank.
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "confirm": "true",
        "off_session": "true",
        "description": f"Invoice {invoice}",
        "metadata[payment]": str(payment.pk),
        "metadata[invoice]": str(invoice),
    }


def _request(method: str, path: str, facts: Mapping[str, str] | None = None, key: str = "") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {settings.PAYMENTS_KEY}", "Stripe-Version": VERSION}
    headers |= {"Idempotency-Key": key} if key else {}
    release()
    data, params = (facts, None) if method == "POST" else (None, facts)
    try:
        answer = httpx2.request(method, settings.PAYMENTS_URL + path, headers=headers, data=data, params=params, timeout=PATIENCE)
    except httpx2.RequestError as error:
        raise NoAnswer(type(error).__name__) from error
    if answer.status_code not in (200, 201, 400, 402):
        raise NoAnswer(f"status {answer.status_code}")
    return answer


def _intent(answer: httpx2.Response) -> Intent:
    """The payment in an answer. Raises NoAnswer, TooSmall, and Hopeless for what no repeat would change."""
    if answer.status_code < 300:
        return _decoded(answer, Intent)
    error = _decoded(answer, RefusedBody).error
    if error.type == "idempotency_error":
        raise NoAnswer(error.message)
    if error.code == "amount_too_small":
        raise TooSmall(error.message or "Too small for the provider.")
    if error.payment_intent is None:
        raise Hopeless(error.message or f"status {answer.status_code}")
    return error.payment_intent


def _decoded(answer: httpx2.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise NoAnswer(f"what the provider said is not understood: {error}") from error


def _postpone(payment: Payment, why: str) -> None:
    """Look after it again later, and later each time."""
    pause = min(FIRST_PAUSE * 2 ** min(payment.tries - 1, 20), LONGEST_PAUSE)
    logger.warning("payment %s of invoice %s has no answer (%s)", payment.pk, payment.invoice, why)
    Payment.objects.filter(pk=payment.pk).open().update(due_at=timezone.now() + timedelta(seconds=pause), error=storable(why)[:ERRORS])


@transaction.atomic
def _settle(pk: UUID, told: Intent | Hopeless) -> None:
    """What became of it goes into the rows. What has succeeded stays so, whatever is told later: events come in any order."""
    invoice = Invoice.objects.select_for_update().get(payments=pk)
    payment = Payment.objects.select_for_update().get(pk=pk)
    if payment.status == Payment.Status.SUCCEEDED:
        return
    if isinstance(told, Hopeless):
        _failed(invoice, payment, str(told))
        return
    payment.reference = told.id
    if told.status == DONE:
        _paid(invoice, payment, told)
    elif told.status in GONE_WRONG:
        problem = told.last_payment_error or Problem()
        _failed(invoice, payment, problem.message or problem.code or told.status, AGAIN)
    elif payment.is_open:
        payment.status, payment.due_at, payment.tries = Payment.Status.SENT, timezone.now() + timedelta(seconds=LOOK), 0
        payment.save()


def _paid(invoice: Invoice, payment: Payment, intent: Intent) -> None:
    """The invoice is paid. Money beyond what was due, because somebody had paid it otherwise meanwhile, belongs to the customer."""
    payment.status, payment.error = Payment.Status.SUCCEEDED, ""
    payment.save()
    received = intent.amount_received
    extra = amount(received, invoice.currency)
    if invoice.is_open and received >= units(invoice.due, invoice.currency):
        extra -= invoice.due
        settle(str(invoice.number), Invoice.Status.PAID, note=f"payment {intent.id}")
    if extra > 0:
        logger.error("payment %s is not what is due of invoice %s: %s became credit", intent.id, invoice, extra)
        note = f"payment {intent.id} of invoice {invoice}"[:200]
        Credit.objects.create(account=invoice.account, kind=Credit.Kind.PURCHASED, amount=extra, note=note)


def _failed(invoice: Invoice, payment: Payment, why: str, again: Sequence[int] = ()) -> None:
    """The invoice waits for a next try, after so many days, or for people."""
    if not payment.is_open:
        return
    why = storable(why)[:ERRORS]
    payment.status, payment.error = Payment.Status.FAILED, why
    payment.save()
    if invoice.status == Invoice.Status.PENDING:
        settle(str(invoice.number), Invoice.Status.FAILED, note=why)
        invoice.refresh_from_db()
    if invoice.is_open and payment.attempt <= len(again):
        Payment.objects.order(invoice, timezone.now() + timedelta(days=again[payment.attempt - 1]))


def units(money: Decimal, currency: str) -> int:
    """So much in the API's smallest unit of a currency, rounded down to what it takes."""
    if currency in WITH_CENTS:
        return int(money) * 100
    if currency in WITHOUT_CENTS:
        return int(money)
    if currency in THOUSANDTHS:
        return int(money * 100) * 10
    return int((money / coin(currency)).to_integral_value(ROUND_FLOOR))


def amount(units: int, currency: str) -> Decimal:
    """The other way round."""
    return Decimal(units) * (Decimal("0.01") if currency in WITH_CENTS else Decimal(1) if currency in WITHOUT_CENTS else coin(currency))
