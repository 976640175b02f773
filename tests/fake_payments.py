"""A provider of payments on this machine: the part of Stripe's API that the site uses, over a line that loses what it can."""

import hashlib
import hmac
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
SECRET = "whsec_of_the_test"


@dataclass
class Provider:
    """What it was asked, what it did, and how its line is. A customer's name says what becomes of their payments."""

    dice: random.Random
    # Of 100 requests so many are not heard, and of the answers so many are lost.
    deaf: int = 0
    mute: int = 0
    # In the smallest unit of whatever currency.
    least: int = 1
    intents: dict[str, Json] = field(default_factory=dict)
    keys: dict[str, tuple[Json, int, Json]] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def forget_keys(self) -> None:
        """As after a day."""
        self.keys.clear()

    def charged(self) -> dict[str, int]:
        """How much was taken for each invoice, in cents."""
        found: dict[str, int] = {}
        for intent in self.intents.values():
            invoice = intent["metadata"]["invoice"]
            found[invoice] = found.get(invoice, 0) + intent["amount_received"]
        return found

    def create(self, key: str, facts: Json) -> tuple[int, Json]:
        """A payment; the same answer to the same key, an error if it comes with other facts."""
        if key in self.keys:
            before, status, body = self.keys[key]
            if before != facts:
                return 400, {"error": {"type": "idempotency_error", "message": "This key came with other facts before."}}
            return status, body
        status, body = self._tried(facts)
        self.keys[key] = (facts, status, body)
        return status, body

    def _tried(self, facts: Json) -> tuple[int, Json]:
        if facts["customer"] == "cus_unknown":
            return 400, {"error": {"type": "invalid_request_error", "message": "There is no such customer.", "code": "resource_missing"}}
        if int(facts["amount"]) < self.least:
            message = f"The amount must be at least {self.least}."
            return 400, {"error": {"type": "invalid_request_error", "message": message, "code": "amount_too_small"}}
        if facts["automatic_payment_methods[allow_redirects]"] != "never":
            return 400, {"error": {"type": "invalid_request_error", "message": "Nobody can be sent anywhere without a return_url."}}
        number = len(self.intents) + 1
        was_tried = any(each["metadata"]["invoice"] == facts["metadata[invoice]"] for each in self.intents.values())
        intent: Json = {
            "id": f"pi_{number}", "object": "payment_intent", "amount": int(facts["amount"]), "amount_received": 0,
            "currency": facts["currency"], "customer": facts["customer"], "created": int(time.time()), "last_payment_error": None,
            "metadata": {name[9:-1]: value for name, value in facts.items() if name.startswith("metadata[")},
        }  # fmt: skip
        self.intents[intent["id"]] = intent
        self.tell("created", intent | {"status": "requires_payment_method"})
        if facts["customer"] == "cus_slow":
            intent["status"] = "processing"
            self.tell("processing", intent)
        elif facts["customer"] == "cus_broke" or (facts["customer"] == "cus_fickle" and not was_tried):
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {"code": "card_declined", "message": "The card was declined.", "param": None}
            self.tell("payment_failed", intent)
            return 402, {"error": {"type": "card_error", "message": "The card was declined.", "payment_intent": dict(intent)}}
        else:
            self.succeed(intent["id"])
        return 200, dict(intent)

    def succeed(self, reference: str) -> None:
        """The money is there."""
        intent = self.intents[reference]
        intent["status"], intent["amount_received"] = "succeeded", intent["amount"]
        self.tell("succeeded", intent)

    def tell(self, what: str, intent: Json) -> None:
        """An event that waits to be told."""
        self.events.append({"id": f"evt_{len(self.events)}", "type": f"payment_intent.{what}", "data": {"object": dict(intent)}})


def signed(event: Json, secret: str = SECRET, age: int = 0) -> tuple[bytes, str]:
    """An event's body, and its signature of so many seconds ago."""
    body, moment = json.dumps(event).encode(), int(time.time()) - age
    mark = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={moment},v1={mark}"


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    """Until the block ends, at the provider's `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            facts = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self._answer(lambda: provider.create(self.headers["Idempotency-Key"], facts))

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            reference = url.path.removeprefix("/v1/payment_intents").strip("/")
            asked = dict(parse_qsl(url.query))
            if reference:
                self._answer(lambda: (200, provider.intents[reference]))
            else:
                found = [each for each in provider.intents.values() if each["customer"] == asked["customer"]]
                self._answer(lambda: (200, {"data": [each for each in found if each["created"] >= int(asked["created[gte]"])]}))

        def _answer(self, act: Any) -> None:
            with provider.lock:
                provider.requests.append((self.command, self.path))
                if provider.dice.randrange(100) < provider.deaf:
                    return self._hang_up()
                status, body = act() if self.headers["Authorization"] == "Bearer sk_test" else (401, {"error": {}})
                is_lost = provider.dice.randrange(100) < provider.mute
                content = json.dumps(body).encode()
            if is_lost:
                return self._hang_up()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _hang_up(self) -> None:
            if provider.dice.randrange(2):
                self.send_error(503)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
