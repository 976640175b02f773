"""What a provider of payments tells by itself: signed, each event once."""

import hashlib
import hmac
import time

import msgspec
from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.models import WebhookEvent
from billing.payments import Intent, Reference, heard

# Seconds that the signature's clock may be off, https://docs.stripe.com/webhooks/signatures; what is older was copied.
TOLERANCE = 300
# Of the events of a payment those that tell how it went; `created` has it as it was before it was tried.
TELLING = tuple(f"payment_intent.{name}" for name in ("succeeded", "payment_failed", "processing", "canceled"))


class Payload(msgspec.Struct):
    """What an event is about."""

    object: msgspec.Raw = msgspec.Raw(b"{}")


class Event(msgspec.Struct):
    """One that was told."""

    id: Reference
    type: str
    data: Payload


@csrf_exempt
@require_POST
def payments_webhook(request: HttpRequest) -> HttpResponse:
    """`POST /webhooks/payments/`: 200 if it was heard, now or before; 400 if it is not signed by the provider, or not understood."""
    if not settings.PAYMENTS_WEBHOOK_SECRET:
        raise Http404
    if not is_signed(request.body, request.headers.get("Stripe-Signature", ""), settings.PAYMENTS_WEBHOOK_SECRET):
        return HttpResponse("This is not signed with our secret, or too long ago.", status=400, content_type="text/plain")
    try:
        event = msgspec.json.decode(request.body, type=Event)
        intent = msgspec.json.decode(event.data.object, type=Intent) if event.type in TELLING else None
    except msgspec.MsgspecError as error:
        return HttpResponse(f"This event is not understood: {error}", status=400, content_type="text/plain")
    with transaction.atomic():
        _, is_new = WebhookEvent.objects.get_or_create(pk=event.id)
        if is_new and intent is not None:
            heard(intent)
    return HttpResponse(status=200)


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Whether the header (`t=seconds,v1=hex`, several of the latter while secrets are changed) is the body's, and of now."""
    pairs = [pair.partition("=") for pair in header.split(",")]
    moment = next((value for name, _, value in pairs if name.strip() == "t"), "")
    if not moment.isascii() or not moment.isdecimal() or abs(time.time() - int(moment[:15])) > TOLERANCE:
        return False
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = [value for name, _, value in pairs if name.strip() == "v1"]
    return any(hmac.compare_digest(expected.encode(), value.encode()) for value in given)
