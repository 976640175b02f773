"""Who may what: every address of the site against everybody. An address that is not listed here fails."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from agents import services
from threads.models import Memory, Run, Thread, ThreadMember, User

ClientOf = Callable[[User], Client]
NOBODYS = uuid.uuid4()
# (method, address, body): what anonymous, a stranger, a viewer, a writer, the owner and an operator get.
ROUTES: dict[tuple[str, str], tuple[Any, tuple[int, int, int, int, int, int]]] = {
    ("GET", "/"): (None, (302, 302, 302, 302, 302, 302)),
    ("GET", "/threads/new/"): (None, (302, 200, 200, 200, 200, 200)),
    ("GET", "/threads/{thread}/"): (None, (302, 404, 200, 200, 200, 200)),
    ("GET", "/accounts/sign-in/"): (None, (200, 302, 302, 302, 302, 302)),
    ("GET", "/accounts/sign-up/"): (None, (200, 302, 302, 302, 302, 302)),
    ("GET", "/accounts/sign-out/"): (None, (405, 405, 405, 405, 405, 405)),
    ("GET", "/api/openapi.json"): (None, (200, 200, 200, 200, 200, 200)),
    ("GET", "/api/docs"): (None, (200, 200, 200, 200, 200, 200)),
    ("GET", "/api/agents"): (None, (401, 200, 200, 200, 200, 200)),
    ("GET", "/api/threads"): (None, (401, 200, 200, 200, 200, 200)),
    ("POST", "/api/threads"): ({}, (401, 201, 201, 201, 201, 201)),
    ("GET", "/api/threads/{thread}"): (None, (401, 404, 200, 200, 200, 200)),
    ("PATCH", "/api/threads/{thread}"): ({"title": "New"}, (401, 404, 403, 200, 200, 200)),
    ("GET", "/api/threads/{thread}/members"): (None, (401, 404, 200, 200, 200, 200)),
    ("POST", "/api/threads/{thread}/members"): ({"username": "guest"}, (401, 404, 403, 403, 201, 403)),
    ("DELETE", "/api/threads/{thread}/members/{guest}"): (None, (401, 404, 403, 403, 204, 403)),
    ("GET", "/api/threads/{thread}/messages"): (None, (401, 404, 200, 200, 200, 200)),
    ("POST", "/api/threads/{thread}/messages"): ({"text": "Hello"}, (401, 404, 403, 202, 202, 202)),
    ("GET", "/api/threads/{thread}/tool-calls"): (None, (401, 404, 200, 200, 200, 200)),
    ("POST", "/api/threads/{thread}/tool-calls/{call}/result"): ({"result": "Yes"}, (401, 404, 403, 403, 403, 400)),
    ("POST", "/api/threads/{thread}/decisions"): (
        {"decisions": [{"call": str(NOBODYS), "approved": True, "arguments_hash": ""}]},
        (401, 404, 403, 400, 400, 400),
    ),
    ("POST", "/api/threads/{thread}/take-over"): ({}, (401, 404, 403, 403, 403, 200)),
    ("POST", "/api/threads/{thread}/hand-back"): ({}, (401, 404, 403, 403, 403, 200)),
    ("POST", "/api/threads/{thread}/replies"): ({"text": "Hello"}, (401, 404, 403, 403, 403, 201)),
    ("POST", "/api/threads/{thread}/stop"): ({}, (401, 404, 403, 200, 200, 200)),
    ("GET", "/memories/"): (None, (302, 200, 200, 200, 200, 200)),
    ("GET", "/api/inbox"): (None, (401, 403, 403, 403, 403, 200)),
    ("GET", "/api/memories"): (None, (401, 200, 200, 200, 200, 200)),
    # Somebody else's: nobody finds it.
    ("DELETE", "/api/memories/{memory}"): (None, (401, 404, 404, 404, 404, 404)),
    ("POST", "/api/runs/{run}/stop"): ({}, (401, 404, 403, 200, 200, 200)),
    ("POST", "/api/runs/{run}/retry"): ({}, (401, 404, 403, 202, 202, 202)),
}
WHO = ["anonymous", "stranger", "viewer", "writer", "owner", "operator"]


def addresses(resolver: URLResolver, prefix: str = "/") -> set[str]:
    """Every pattern below a resolver, the admin's left out: it has a test of its own."""
    found: set[str] = set()
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            found.add(path)
        elif not path.startswith("/admin/"):
            found |= addresses(pattern, path)
    return found


def test_every_address_is_listed() -> None:
    names = {
        "{thread}": "<uuid:thread_id>",
        "{run}": "<uuid:run_id>",
        "{guest}": "<uuid:user_id>",
        "{call}": "<uuid:call_id>",
        "{memory}": "<int:memory_id>",
    }
    listed = set()
    for _, path in ROUTES:
        for short, long in names.items():
            path = path.replace(short, long)
        listed.add(path)
    found = addresses(get_resolver()) - {"/api/"}
    found = {path.replace("uuidstr:", "uuid:") for path in found}
    assert {path.rstrip("/") for path in found} == {path.rstrip("/") for path in listed}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), list(ROUTES), ids=lambda value: str(value))
def test_the_matrix(method: str, path: str, who: str, alice: User, thread: Thread, client_of: ClientOf) -> None:
    people = {"owner": alice} | {name: User.objects.create_user(name) for name in ("stranger", "viewer", "writer", "guest", "operator")}
    people["operator"].user_permissions.add(Permission.objects.get(codename="operate_thread"))
    for role in ("viewer", "writer"):
        thread.members.create(user=people[role], role=role)
    if "{guest}" in path:
        thread.members.create(user=people["guest"], role="viewer")
    _, run = services.send(alice, thread, "Question")
    if "retry" in path:
        services.stop(run)
    before = Thread.objects.get(pk=thread.pk).version
    body, expected = ROUTES[method, path]
    client = Client() if who == "anonymous" else client_of(people[who])
    address = path.format(
        thread=thread.pk,
        run=run.pk,
        guest=people["guest"].pk,
        call=NOBODYS,
        memory=Memory.objects.create(user=people["stranger"] if who != "stranger" else alice, text="x").pk,
    )
    answer = client.generic(method, address, "" if body is None else json.dumps(body), content_type="application/json")
    assert answer.status_code == expected[WHO.index(who)], answer.content[:300]
    if answer.status_code in (401, 403, 404):
        assert Thread.objects.get(pk=thread.pk).version == before, "a refusal changes nothing"
        assert b"Question" not in answer.content
        assert b"Trip" not in answer.content


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


# --- The admin ---------------------------------------------------------------------------------------------------------

RECORDS = ["message", "run", "toolcall", "delta", "tombstone", "chunk", "embedding"]


@pytest.fixture
def admin(database: None, client_of: ClientOf) -> Client:
    return client_of(User.objects.create_superuser("admin"))


@pytest.mark.parametrize("model", ["user", "thread", "threadmember", "memory", *RECORDS])
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


def test_the_admin_is_for_staff(alice: User, client_of: ClientOf) -> None:
    assert client_of(alice).get("/admin/threads/thread/").status_code == 302
