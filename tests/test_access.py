"""Who may what: every address, socket and admin page of the site against everybody. One that is not listed here fails."""

import itertools
import json
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from agents import services
from agentsite.asgi import application, sockets
from billing.invoicing import invoice
from billing.models import Invoice, Price, UsageRecord
from billing.notes import take_off
from billing.periods import Month
from threads.files import store
from threads.models import ApiKey, Memory, Run, ShareLink, Thread, ThreadMember, User
from threads.saving import save_messages

ClientOf = Callable[[User], Client]
NOBODYS = uuid.uuid4()
FORMS = "application/json"
TITLE, WORDS, MEMORY, MODEL = b"Trip", b"Question", b"window seats", b"secret-model"


@dataclass(frozen=True)
class Route:
    """An address, and what is needed for it: `view`, `write`, `manage`, `member` (not as an operator), `operate` or `test` (the playground)
    in its thread, `operator` or `tester` without one, `person` (anybody who is signed in), `nobody`, or `open` to all the world. `ok` is
    what those get who may."""

    method: str
    path: str
    need: str
    ok: int = 200
    body: Any = None

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


ONE_DECISION = {"decisions": [{"call": str(NOBODYS), "approved": True, "arguments_hash": ""}]}
ROUTES = [
    Route("GET", "/", "person", 302),
    Route("GET", "/threads/new/", "person"),
    Route("GET", "/threads/{thread}/", "view"),
    Route("GET", "/inbox/", "operator"),
    Route("GET", "/inbox/{thread}/", "operator"),
    Route("GET", "/shared/{token}/", "open", 404),  # Of no link.
    Route("GET", "/shared/{token}/files/{file}/", "open", 404),
    Route("GET", "/public-files/{token}/", "open", 404),  # There is no public address.
    Route("GET", "/accounts/sign-in/", "open"),
    Route("GET", "/accounts/sign-up/", "open"),
    Route("GET", "/accounts/sign-out/", "open", 405),
    Route("GET", "/language/", "open", 405),
    Route("GET", "/memories/", "person"),
    Route("GET", "/usage/", "person"),
    Route("GET", "/invoices/", "person"),
    Route("GET", "/invoices/{invoice}/", "nobody"),  # Somebody else's.
    Route("GET", "/invoices/{invoice}/pdf/", "nobody"),
    Route("GET", "/credit-notes/{note}/pdf/", "nobody"),
    Route("POST", "/webhooks/payments/", "open", 404, {}),  # Without a secret there is none.
    Route("GET", "/manifest.webmanifest", "open"),
    Route("GET", "/healthz", "open"),
    Route("GET", "/readyz", "open", 503),  # There is no worker here.
    Route("GET", "/metrics", "open", 404),  # Without a token there are none.
    Route("GET", "/api/openapi.json", "open"),
    Route("GET", "/api/docs", "open"),
    Route("GET", "/api/agents", "person"),
    Route("GET", "/api/threads", "person"),
    Route("POST", "/api/threads", "person", 201, {}),
    Route("GET", "/api/threads/{thread}", "view"),
    Route("PATCH", "/api/threads/{thread}", "write", 200, {"title": "New"}),
    Route("PATCH", "/api/threads/{thread}", "manage", 200, {"status": "archived"}),
    Route("PATCH", "/api/threads/{thread}/mine", "member", 200, {"pinned": True}),
    Route("POST", "/api/threads/delete", "manage", 204, {"threads": ["{thread}"]}),
    Route("POST", "/api/threads/restore", "nobody", 204, {"threads": ["{thread}"]}),
    Route("GET", "/api/search?words=Question", "person"),
    Route("GET", "/api/threads/{thread}/export", "view"),
    Route("GET", "/api/threads/{thread}/export?form=markdown", "view"),
    Route("POST", "/api/threads/import", "person", 201, {"agentsite": 1, "messages": []}),
    Route("GET", "/api/threads/{thread}/links", "manage"),
    Route("POST", "/api/threads/{thread}/links", "manage", 201, {}),
    Route("DELETE", "/api/threads/{thread}/links/{link}", "manage", 204),
    Route("GET", "/api/threads/{thread}/members", "view"),
    Route("POST", "/api/threads/{thread}/members", "manage", 201, {"username": "guest"}),
    Route("DELETE", "/api/threads/{thread}/members/{guest}", "manage", 204),
    Route("GET", "/api/threads/{thread}/messages", "view"),
    Route("POST", "/api/threads/{thread}/messages", "write", 202, {"text": "Hello"}),
    # Of nobody's message there is no other version, and no copy through it.
    Route("POST", "/api/threads/{thread}/branches", "write", 400, {"message": str(NOBODYS)}),
    Route("POST", "/api/threads/{thread}/forks", "view", 201, {}),
    Route("POST", "/api/threads/{thread}/forks", "view", 400, {"through": str(NOBODYS)}),
    # What one has asked oneself can be deleted by whoever may write.
    Route("DELETE", "/api/threads/{thread}/messages/{message}", "manage", 204),
    Route("GET", "/api/threads/{thread}/feedback", "view"),
    Route("PUT", "/api/threads/{thread}/messages/{answer}/feedback", "view", 200, {"value": 1}),
    Route("DELETE", "/api/threads/{thread}/messages/{answer}/feedback", "view", 204),
    Route("GET", "/api/threads/{thread}/tool-calls", "view"),
    Route("GET", "/api/threads/{thread}/usage", "view"),
    Route("GET", "/api/usage", "person"),
    Route("GET", "/api/invoices", "person"),
    Route("GET", "/api/invoices/{invoice}", "nobody"),
    # Of nobody's calls none can be answered or decided: who may try is told so.
    Route("POST", "/api/threads/{thread}/tool-calls/{call}/result", "operate", 400, {"result": "Yes"}),
    Route("POST", "/api/threads/{thread}/tool-calls/{call}/settle", "write", 400, {"happened": True}),
    Route("POST", "/api/threads/{thread}/decisions", "write", 400, ONE_DECISION),
    Route("POST", "/api/threads/{thread}/take-over", "operate", 200, {}),
    Route("POST", "/api/threads/{thread}/hand-back", "operate", 200, {}),
    Route("POST", "/api/threads/{thread}/draft", "operate", 202, {}),
    Route("POST", "/api/threads/{thread}/resolve", "operate", 200, {}),
    Route("GET", "/api/threads/{thread}/notes", "operate"),
    Route("POST", "/api/threads/{thread}/notes", "operate", 201, {"text": "Note"}),
    Route("DELETE", "/api/threads/{thread}/notes/{internal}", "operate", 204),
    Route("POST", "/api/threads/{thread}/replies", "operate", 201, {"text": "Hello"}),
    Route("POST", "/api/threads/{thread}/stop", "write", 200, {}),
    Route("POST", "/api/files?name=a.json", "person", 201, {}),
    Route("GET", "/api/files/{file}", "view"),
    Route("GET", "/api/files/{file}/content", "view"),
    Route("DELETE", "/api/files/{file}", "nobody"),  # Nobody of them brought it along.
    Route("GET", "/api/inbox", "operator"),
    Route("GET", "/api/playground/key", "tester"),
    Route("GET", "/api/playground/agents", "tester"),
    Route("GET", "/api/playground/users", "tester"),
    Route("GET", "/api/playground/threads?user=none", "tester"),
    Route("POST", "/api/playground/threads", "tester", 400, {"user": str(NOBODYS)}),
    Route("GET", "/api/playground/threads/{thread}/messages", "test"),
    Route("GET", "/api/playground/runs/{run}", "test"),
    Route("POST", "/api/playground/threads/{thread}/context", "test", 200, {"text": "Hello"}),
    Route("POST", "/api/playground/threads/{thread}/generate", "test", 202, {"text": "Hello"}),
    Route("GET", "/api/memories", "person"),
    Route("DELETE", "/api/memories/{memory}", "nobody"),  # Somebody else's.
    Route("POST", "/api/runs/{run}/stop", "write", 200, {}),
    Route("POST", "/api/runs/{ended}/retry", "write", 202, {}),
]
# Who asks: a role in the thread, or a key of somebody who has one, with a scope.
PEOPLE = ["anonymous", "stranger", "viewer", "writer", "owner", "operator", "staff", "tester"]
KEYS = [
    "owner read",
    "owner write",
    "owner manage",
    "owner operate",
    "viewer manage",
    "operator write",
    "operator operate",
    "stranger manage",
    "tester write",
    "tester playground",
    "owner playground",
]
ROLES = {
    "view": ("viewer", "writer", "owner", "operator"),
    "write": ("writer", "owner", "operator"),
    "manage": ("owner",),
    "member": ("viewer", "writer", "owner"),
    "operate": ("operator",),
}
INCLUDED = {
    "read": ["view"],
    "write": ["view", "member", "write"],
    "manage": ["view", "member", "write", "manage"],
    "operate": ["view", "member", "write", "operate"],
    "playground": ["view", "member", "write"],
}


def expected(route: Route, who: str) -> int:
    """The status that a route has for somebody, by the rules alone."""
    role, _, scope = who.partition(" ")
    if route.need == "open":
        return (
            302
            if route.path.startswith("/accounts/") and route.ok == 200 and role != "anonymous" and not scope and not route.is_api
            else route.ok
        )
    if role == "anonymous" or (scope and not route.is_api):
        return 401 if route.is_api else 302
    if scope == "read" and route.method != "GET":
        return 403
    operates = role == "operator" and scope in ("", "operate")
    if route.need in ("person", "nobody", "operator"):
        return {"person": route.ok, "nobody": 404, "operator": route.ok if operates else 403}[route.need]
    tests = role == "tester" and scope in ("", "playground")
    if route.need == "tester":
        return route.ok if tests else 403
    if route.need == "test":
        # Without the permission runs are not even looked up.
        return route.ok if tests else 403 if role in ROLES["member"] or "/runs/" in route.path else 404
    if role == "tester":
        return route.ok if tests and route.path.startswith("/api/files/{file}") and route.need == "view" else 404
    if role == "operator" and not operates:
        return 404
    if role in ("stranger", "staff") or (role == "operator" and route.need == "member"):
        return 404
    allowed = role in ROLES[route.need] and (not scope or route.need in INCLUDED[scope])
    return route.ok if allowed else 403


def secrets_from(who: str, route: Route, status: int) -> list[bytes]:
    """What may not be in the answer: the thread's title and words unless they are let in, and a memory, a model and an invoice that are
    none of theirs."""
    role, _, scope = who.partition(" ")
    if role == "tester" and scope in ("", "playground") and route.need in ("test", "tester", "view"):
        return [MEMORY, MODEL, b"INV-", b"%PDF"]
    inside = role in ROLES["view"] and (role != "operator" or (scope in ("", "operate") and route.need != "person"))
    others = [MEMORY, MODEL, b"INV-", b"%PDF"]
    return others if inside and status not in (401, 403, 404) else [*others, TITLE, WORDS]


def addresses(resolver: URLResolver, prefix: str = "/") -> set[str]:
    """Every pattern below a resolver, the admin's left out: it has a test of its own."""
    found: set[str] = set()
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if path.startswith("/admin/"):
            continue
        found |= {path} if isinstance(pattern, URLPattern) else addresses(pattern, path)
    return found


def test_every_address_is_listed() -> None:
    kinds = {
        "message": "uuid:message_id",
        "answer": "uuid:message_id",
        "thread": "uuid:thread_id",
        "run": "uuid:run_id",
        "ended": "uuid:run_id",
        "guest": "uuid:user_id",
        "call": "uuid:call_id",
    }
    short = {name: f"<{kind}>" for name, kind in kinds.items()} | {"memory": "<int:memory_id>", "invoice": "<uuid:invoice_id>"}
    short |= {
        "note": "<uuid:note_id>",
        "token": "<str:token>",
        "link": "<int:link_id>",
        "internal": "<int:note_id>",
        "file": "<uuid:file_id>",
    }
    listed = {route.path.partition("?")[0].format(**short) for route in ROUTES}
    found = addresses(get_resolver()) - {"/api/"}
    found = {path.replace("uuidstr:", "uuid:") for path in found}
    assert {path.rstrip("/") for path in found} == {path.rstrip("/") for path in listed}


@dataclass
class Cast:
    """Everybody, and what there is to find."""

    people: dict[str, User]
    things: dict[str, Any]
    client_of: ClientOf

    def client(self, who: str) -> Client:
        """A browser, or a program with a new key."""
        role, _, scope = who.partition(" ")
        if role == "anonymous":
            return Client()
        if not scope:
            return self.client_of(self.people[role])
        return Client(headers={"Authorization": f"Bearer {ApiKey.objects.issue(who, self.people[role], [scope])}"})

    def ask(self, client: Client, route: Route) -> tuple[int, bytes]:
        """The answer to a request, which leaves nothing behind."""
        address = route.path.format(**self.things)
        body = "" if route.body is None else json.dumps(route.body).replace("{thread}", str(self.things["thread"]))
        version = Thread.objects.get(pk=self.things["thread"]).version
        # A reading request sets its own isolation level, which no transaction around it would let it do.
        with transaction.atomic() if route.method != "GET" else nullcontext():
            answer = client.generic(route.method, address, body, content_type=FORMS)
            if answer.status_code in (401, 403, 404):
                assert Thread.objects.get(pk=self.things["thread"]).version == version, "a refusal changes nothing"
            if route.method != "GET":
                transaction.set_rollback(True)
        return answer.status_code, answer.content

    def wrong(self, who: str) -> list[str]:
        """The routes that answer somebody otherwise than by the rules."""
        client, found = self.client(who), []
        for route in ROUTES:
            status, content = self.ask(client, route)
            tells = any(secret in content for secret in secrets_from(who, route, status))
            if status != expected(route, who) or tells:
                found.append(f"{route.method} {route.path} for {who}: {status}, not {expected(route, who)}{' and tells' * tells}")
        return found


@pytest.fixture
def cast(alice: User, thread: Thread, client_of: ClientOf) -> Cast:
    people = {name: User.objects.create_user(name) for name in ("stranger", "viewer", "writer", "guest", "operator", "staff", "tester")}
    User.objects.filter(username__in=["staff", "tester"]).update(is_staff=True)
    people["tester"].user_permissions.add(Permission.objects.get(codename="use_playground"))
    people["operator"].user_permissions.add(Permission.objects.get(codename="operate_thread"))
    elsewhere = Thread.start(alice, title="Trip too")
    for role, where in itertools.product(("viewer", "writer"), (thread, elsewhere)):
        where.members.create(user=people[role], role=role)
    thread.members.create(user=people["guest"], role="viewer")
    _, run = services.send(alice, thread, "Question")
    (message,) = save_messages(thread.pk, ["Question"], author=people["guest"])
    _, ended = services.send(alice, elsewhere, "Question")
    (answer,) = save_messages(thread.pk, [{"role": "assistant", "content": "Question"}])
    assert run and ended
    services.stop(ended)
    memory = Memory.objects.create(user=people["guest"], text=f"Likes {MEMORY.decode()}")
    bill = billed(people["guest"], MODEL.decode())
    ids = {
        "answer": answer,
        "thread": thread,
        "message": message,
        "run": run,
        "ended": ended,
        "guest": people["guest"],
        "memory": memory,
        "invoice": bill,
    }
    ids["note"] = take_off(str(bill), bill.net, "too dear")
    ids["internal"] = thread.internal_notes.create(author=people["operator"], text="Question")
    ids["file"] = store(WORDS, name=f"{TITLE.decode()}.txt")
    save_messages(thread.pk, [{"role": "assistant", "content": [ids["file"].part]}])
    ids["link"], _ = ShareLink.objects.issue(thread, alice, None)
    return Cast({"owner": alice} | people, {name: row.pk for name, row in ids.items()} | {"call": NOBODYS, "token": "x" * 43}, client_of)


def billed(person: User, model: str) -> Invoice:
    """Somebody's final invoice of last month, and what they have used in this one."""
    now = timezone.now()
    last = Month.of(now, "UTC").previous
    Price.objects.create(provider="p", model=model, unit="output_text", amount=1, valid=(last.previous.begins("UTC"), None))
    for at in (last.begins("UTC"), now):
        facts = {"run_id": uuid.uuid4(), "attempt": 1, "step": 0, "kind": "answer", "agent": model, "provider": "p", "model": model}
        UsageRecord.objects.create(user_id=person.pk, output_text=1_000_000, created_at=at, priced_at=at, **facts)
    found = invoice(person.pk, last).invoice
    assert found is not None
    return found


@pytest.mark.parametrize("who", [*PEOPLE, *KEYS])
def test_the_matrix(cast: Cast, who: str) -> None:
    assert cast.wrong(who) == []


MUTATIONS: dict[str, tuple[str, Any, str]] = {
    "everybody sees every thread": (
        "threads.models.thread.ThreadQuerySet.visible_to",
        lambda self, _user: self.filter(members__role="owner"),
        "stranger",
    ),
    "everybody operates": ("threads.access.is_operator", lambda _user: True, "stranger"),
    "everybody uses the playground": ("threads.access.is_tester", lambda _user: True, "stranger"),
    "roles do not count": ("threads.access._require", lambda _role, _need: None, "viewer"),
    "scopes do not count": ("threads.access.require_scope", lambda _user, _need: None, "owner write"),
    "methods do not count": ("threads.authentication.require_scope", lambda _user, _need: None, "owner read"),
    "invoices are everybody's": ("billing.models.invoice.InvoiceQuerySet.of", lambda self, _user_id: self.all(), "stranger"),
    "files are everybody's": ("billing.pages.Invoice.objects.of", lambda _user_id: Invoice.objects.all(), "stranger"),
    "the api's usage is everybody's": ("billing.api.UsageRecord.objects.filter", lambda **_: UsageRecord.objects.all(), "stranger"),
    "usage is everybody's": ("billing.pages.UsageRecord.objects.filter", lambda **_: UsageRecord.objects.all(), "stranger"),
    "what is in threads is everybody's": ("threads.models.file.FileQuerySet.visible_to", lambda self, _user: self, "stranger"),
    "memories are everybody's": ("threads.api.Memory.objects.filter", lambda **_: Memory.objects.all(), "stranger"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_matrix_turns_red_when_a_filter_is_missing(cast: Cast, mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, instead, who = MUTATIONS[mutation]
    monkeypatch.setattr(place, instead)
    assert cast.wrong(who)


def test_what_is_not_there_looks_like_what_is_not_yours(mallory: User, thread: Thread, client_of: ClientOf) -> None:
    client = client_of(mallory)
    foreign, missing = (client.get(f"/api/threads/{pk}") for pk in (thread.pk, uuid.uuid4()))
    assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)


def test_the_owner_cannot_be_removed_and_members_can_leave(alice: User, bob: User, thread: Thread, client_of: ClientOf) -> None:
    assert client_of(alice).delete(f"/api/threads/{thread.pk}/members/{alice.pk}").status_code == 404
    ThreadMember.objects.create(thread=thread, user=bob)
    assert client_of(bob).delete(f"/api/threads/{thread.pk}/members/{bob.pk}").status_code == 204
    assert client_of(bob).get(f"/api/threads/{thread.pk}").status_code == 404


def test_nobody_can_be_added_twice_or_made_owner(alice: User, bob: User, thread: Thread, client_of: ClientOf) -> None:
    client = client_of(alice)
    for role in ("viewer", "writer"):
        added = client.post(f"/api/threads/{thread.pk}/members", {"username": "BOB", "role": role}, content_type="application/json")
        assert (added.status_code, added.json()["role"]) == (201, role)
    refused = client.post(f"/api/threads/{thread.pk}/members", {"username": "bob", "role": "owner"}, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "role")
    unknown = client.post(f"/api/threads/{thread.pk}/members", {"username": "nobody"}, content_type="application/json")
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (400, "username")
    assert thread.members.get(user=bob).role == "writer"


# --- Sockets -----------------------------------------------------------------------------------------------------------

HOST = (b"host", b"testserver")
OPEN = 0
SOCKETS: dict[str, Callable[[str], int]] = {
    "ws/threads/<uuid:thread_id>/": lambda who: thread_code(who),
    "ws/me/": lambda who: 4401 if who == "anonymous" else OPEN,
    "": lambda _who: 4404,
}


def thread_code(who: str) -> int:
    """The code that closes a socket of the thread for somebody; 0 if it stays open."""
    role, _, scope = who.partition(" ")
    if role == "anonymous":
        return 4401
    if role == "operator":
        return OPEN if scope in ("", "operate") else 4404
    if role == "tester":
        return OPEN if scope in ("", "playground") else 4404
    return OPEN if role in ROLES["view"] else 4404


def test_every_socket_is_listed() -> None:
    assert {str(each.pattern) for each in sockets} == set(SOCKETS)


@pytest.mark.parametrize("who", [*PEOPLE, *KEYS])
async def test_the_matrix_of_sockets(cast: Cast, who: str) -> None:
    client = await sync_to_async(cast.client)(who)
    for pattern, code in SOCKETS.items():
        path = f"/{pattern}".replace("<uuid:thread_id>", str(cast.things["thread"]))
        closed, text = await opened(path, client)
        assert closed == code(who), (who, pattern)
        assert (
            TITLE.decode() not in text
            or who.split()[0] in ROLES["view"][:3]
            or (who.split()[0] in ("operator", "tester") and "thread_id" in pattern)
        )


async def opened(path: str, client: Client, origin: bytes = b"http://testserver") -> tuple[int, str]:
    """Open a socket with a client's cookie or key; the code it is closed with, or 0 and its first frame."""
    headers = [HOST, (b"origin", origin)] if origin else [HOST]
    if "sessionid" in client.cookies:
        headers.append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    elif "HTTP_AUTHORIZATION" in client.defaults:
        headers.append((b"authorization", client.defaults["HTTP_AUTHORIZATION"].encode()))
    socket = WebsocketCommunicator(application, path, headers=headers)
    await socket.connect()
    said = await socket.receive_output()
    await socket.disconnect()
    return (int(said["code"]), "") if said["type"] == "websocket.close" else (OPEN, said["text"])


async def test_a_cookie_needs_the_sites_own_origin_and_a_key_none(cast: Cast) -> None:
    path = f"/ws/threads/{cast.things['thread']}/"
    browser, program = [await sync_to_async(cast.client)(who) for who in ("owner", "owner read")]
    for origin in (b"http://evil.example", b"null", b"", b"http://testserver.evil.example", b"http://testserver@evil.example"):
        assert (origin, await opened(path, browser, origin)) == (origin, (4403, ""))
    assert [(await opened(path, program, origin))[0] for origin in (b"", b"http://evil.example")] == [OPEN, OPEN]


# --- The admin ---------------------------------------------------------------------------------------------------------

ADMIN_PAGES = ["changelist", "add", "change", "delete", "history"]


def admin_addresses() -> list[str]:
    """Every address of the admin."""
    found = [
        "/admin/",
        "/admin/password_change/",
        "/admin/jsi18n/",
        "/admin/autocomplete/",
        reverse("admin:billing_money"),
        "/admin/overview/",
    ]
    for model, page in itertools.product(site._registry, ADMIN_PAGES):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
        found.append(reverse(name, args=[] if page in ("changelist", "add") else [1]))
    return found


@pytest.mark.parametrize("who", [*PEOPLE, "owner manage", "operator operate"])
def test_the_admin_is_for_staff_with_the_permission(cast: Cast, who: str) -> None:
    client = cast.client(who)
    playground = [reverse("playground"), reverse("playground-thread", args=[cast.things["thread"]])]
    own = ["/admin/", "/admin/password_change/", "/admin/jsi18n/", *(playground if who == "tester" else [])]
    for address in [*admin_addresses(), *playground]:
        answer = client.get(address)
        # Staff without permissions find nothing; the history of what is not there leads back to the start.
        told = (answer.status_code, answer.get("Location", ""))
        allowed = [(403, ""), (404, ""), (302, "/admin/")] if who in ("staff", "tester") else [(302, f"/admin/login/?next={address}")]
        assert told in allowed or (who in ("staff", "tester") and address in own), (address, told)
        assert TITLE not in answer.content or address in own


RECORDS = ["process", "message", "run", "toolcall", "delta", "tombstone", "chunk", "embedding"]


@pytest.fixture
def admin(database: None, client_of: ClientOf) -> Client:
    return client_of(User.objects.create_superuser("admin"))


@pytest.mark.parametrize("model", ["user", "thread", "threadmember", "memory", "apikey", *RECORDS])
def test_admin_lists_search_without_a_query_per_row(
    admin: Client, ask: Callable[..., Any], model: str, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(5):
        ask(f"Question {number}")
    with django_assert_max_num_queries(12):
        answer = admin.get(f"/admin/threads/{model}/", {"q": "a"})
    assert answer.status_code == 200
    assert answer.context["cl"].search_fields, "searchable"


@pytest.mark.parametrize("model", RECORDS)
def test_records_cannot_be_changed_in_the_admin(admin: Client, ask: Callable[..., Any], model: str) -> None:
    ask("Question")
    assert admin.get(f"/admin/threads/{model}/add/").status_code == 403
    run = Run.objects.get()
    assert admin.get(f"/admin/threads/run/{run.pk}/change/").status_code == 200
    assert admin.post(f"/admin/threads/run/{run.pk}/change/", {"status": "queued"}).status_code == 403
    assert admin.post(f"/admin/threads/run/{run.pk}/delete/", {"post": "yes"}).status_code == 403
    run.refresh_from_db()
    assert run.status == "succeeded"
