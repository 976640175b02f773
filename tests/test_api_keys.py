"""Programs: keys are issued, used, and end at once when they are revoked."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import httpx2
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from websockets.sync.client import ClientConnection, connect

from tests.site import Person, Site, closed
from threads.models import ApiKey, Thread, User

ClientOf = Callable[[User], Client]


def issue(*argv: str) -> str:
    """The key that the command printed."""
    out = StringIO()
    call_command("issue_api_key", *argv, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def with_key(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


# --- Keys --------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_as_a_hash(alice: User) -> None:
    key = issue("nightly", "--owner", "alice")
    kept = ApiKey.objects.get()
    assert key.startswith(kept.start) and len(key) > 50
    assert key not in json.dumps({field.name: str(getattr(kept, field.name)) for field in ApiKey._meta.fields})
    assert (kept.owner, kept.scopes, kept.last_used_at) == (alice, ["write"], None)


def test_a_program_asks_with_its_key_and_needs_no_csrf_token(alice: User, thread: Thread) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {issue('script', '--owner', 'alice')}"})
    asked = client.post(f"/api/threads/{thread.pk}/messages", {"text": "Hello"}, content_type="application/json")
    assert (asked.status_code, asked.json()["message"]["author"]["name"]) == (202, "alice")
    used = ApiKey.objects.get().last_used_at
    assert used and timezone.now() - used < timedelta(seconds=10)
    client.get("/api/threads")
    assert ApiKey.objects.get().last_used_at == used, "noted once a minute"


def test_the_same_name_revokes_and_issues_again(alice: User, bob: User, thread: Thread) -> None:
    first = issue("script", "--owner", "alice", "--scope", "read", "--scope", "operate")
    second = issue("script")
    assert [with_key(key).get("/api/threads").status_code for key in (first, second)] == [401, 200]
    assert ApiKey.objects.named("script").get().scopes == ["read", "operate"]
    third = issue("script", "--owner", "bob")
    assert ApiKey.objects.named("script").get().owner == bob
    call_command("revoke_api_key", "script", stdout=StringIO())
    assert with_key(third).get("/api/threads").status_code == 401
    with pytest.raises(CommandError, match="no valid key named 'script'"):
        call_command("revoke_api_key", "script")


def test_a_key_issued_again_is_valid_for_as_long_and_only_for_who_may_sign_in(bob: User) -> None:
    issue("script", "--owner", "bob", "--days", "30")
    issue("script")
    assert ApiKey.objects.named("script").get().valid_for == pytest.approx(timedelta(days=30), abs=timedelta(seconds=5))
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(CommandError, match="no active user"):
        issue("script")


def test_two_who_issue_one_name_at_once_leave_one_key(alice: User) -> None:
    def issue_one(_: int) -> str:
        try:
            return ApiKey.objects.issue("script", alice, ["read"])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(issue_one, range(16)))
    assert sum(ApiKey.objects.person(key) is not None for key in keys) == 1


def test_staff_issue_keys_for_themselves_only(alice: User, bob: User, client_of: ClientOf) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.user_permissions.set(Permission.objects.filter(content_type__app_label="threads", codename__in=["add_apikey", "view_apikey"]))
    client, boss = client_of(alice), User.objects.create_superuser("boss")
    issue("nightly", "--owner", "bob")
    new = {"name": "mine", "owner": str(boss.pk), "scopes": ["operate"]}
    assert b"Select a valid choice" in client.post("/admin/threads/apikey/add/", new).content
    assert (
        b"Somebody else has a key" in client.post("/admin/threads/apikey/add/", new | {"owner": str(alice.pk), "name": "nightly"}).content
    )
    assert client.post("/admin/threads/apikey/add/", new | {"owner": str(alice.pk)}).status_code == 302
    assert {(key.name, key.owner) for key in ApiKey.objects.all()} == {("nightly", bob), ("mine", alice)}
    assert b"nightly" not in client.get("/admin/threads/apikey/").content


def test_whose_key_it_is_has_to_be_known(alice: User) -> None:
    with pytest.raises(CommandError, match="--owner"):
        issue("script")
    with pytest.raises(CommandError, match="no active user 'nobody'"):
        issue("script", "--owner", "nobody")
    admin = User.objects.create_superuser("admin")
    issue("script")
    assert ApiKey.objects.get().owner == admin


@pytest.mark.parametrize("end", ["revoked", "expired", "inactive owner", "another key", "empty"])
def test_a_key_that_is_not_valid_is_told_so(alice: User, client_of: ClientOf, end: str) -> None:
    key = issue("script", "--owner", "alice", "--days", "1")
    match end:
        case "revoked":
            ApiKey.objects.all().revoke()
        case "expired":
            ApiKey.objects.update(expires_at=timezone.now())
        case "inactive owner":
            User.objects.update(is_active=False)
        case _:
            key = {"another key": key + "x", "empty": ""}[end]
    answer = with_key(key).post("/api/threads", {}, content_type="application/json")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["message"].startswith("This API key is not valid")
    assert not Thread.objects.exists()


def test_a_wrong_key_is_not_mended_by_a_cookie(alice: User, client_of: ClientOf) -> None:
    assert client_of(alice).get("/api/threads", headers={"Authorization": "Bearer agentsite_nothing"}).status_code == 401


def test_who_is_not_signed_in_is_told_so_before_a_missing_token(database: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/api/threads", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (401, "unauthenticated")


def test_keys_in_the_admin_are_issued_and_revoked_and_never_changed(alice: User, client_of: ClientOf) -> None:
    client = client_of(User.objects.create_superuser("admin"))
    new = {"name": "script", "owner": str(alice.pk), "scopes": ["read"]}
    page = client.post("/admin/threads/apikey/add/", new, follow=True)
    key = page.content.decode().split("shown only now: ")[1].split("<")[0]
    assert with_key(key).get("/api/threads").status_code == 200
    client.post("/admin/threads/apikey/add/", new)
    assert with_key(key).get("/api/threads").status_code == 401, "another one of its name is issued in its place"
    kept = ApiKey.objects.named("script").get()
    change = client.get(f"/admin/threads/apikey/{kept.pk}/change/")
    assert key not in change.content.decode() and kept.hash not in change.content.decode()
    assert client.post(f"/admin/threads/apikey/{kept.pk}/change/", new | {"scopes": ["manage"]}).status_code == 403
    assert client.post(f"/admin/threads/apikey/{kept.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post("/admin/threads/apikey/", {"action": "revoke", "_selected_action": [kept.pk]})
    assert not ApiKey.objects.valid().exists()


# --- Sockets of the whole site -----------------------------------------------------------------------------------------


@pytest.fixture
def thread_there(alice_there: Person) -> str:
    return alice_there.new_thread("story")


def issued(site: Site, name: str) -> str:
    return site.command("issue_api_key", name, "--owner", "alice").strip()


def socket_of(site: Site, thread: str, key: str) -> ClientConnection:
    url = f"{site.url.replace('http', 'ws', 1)}/ws/threads/{thread}/"
    return connect(url, additional_headers={"Authorization": f"Bearer {key}"}, max_size=None)


def test_a_program_follows_an_answer_over_the_socket(site: Site, thread_there: str) -> None:
    key = issued(site, "follower")
    socket = socket_of(site, thread_there, key)
    assert json.loads(socket.recv(timeout=5))["type"] == "sync"
    headers = {"Authorization": f"Bearer {key}"}
    asked = httpx2.post(f"{site.url}/api/threads/{thread_there}/messages", json={"text": "[[text=Hello]]"}, headers=headers)
    assert asked.status_code == 202
    frames = []
    while not any(run["status"] == "succeeded" for frame in frames for run in frame.get("runs", [])):
        frames.append(json.loads(socket.recv(timeout=10)))
    assert any("Hello" in json.dumps(frame) for frame in frames)


def test_a_revoked_key_ends_an_open_socket_within_a_second(site: Site, thread_there: str) -> None:
    socket = socket_of(site, thread_there, issued(site, "short"))
    socket.recv(timeout=5)
    site.query("UPDATE threads_apikey SET revoked_at = now() WHERE name = 'short'")  # unheard of: the watch loop's turn
    assert closed(socket, 2) == 4401
    socket = socket_of(site, thread_there, issued(site, "shorter"))
    socket.recv(timeout=5)
    site.command("revoke_api_key", "shorter")
    assert closed(socket, 1) == 4401


def test_signing_out_in_one_tab_ends_the_others_within_a_second(site: Site, alice_there: Person, thread_there: str) -> None:
    for path in ("/accounts/sign-out/", "/admin/logout/"):
        person = site.person("alice")
        tabs = [person.tab(thread_there), person.tab(thread_there)]
        for tab in tabs:
            tab.receive()
        person._form(path)
        began = time.monotonic()
        assert [tab.closed() for tab in tabs] == [4401, 4401]
        assert time.monotonic() - began < 1
    with alice_there.tab(thread_there) as other:
        assert other.receive()["type"] == "sync", "another browser of hers stays signed in"


def test_a_new_password_ends_what_was_open_under_the_old_one(site: Site) -> None:
    carla = site.person("carla")
    tab = carla.tab(carla.new_thread())
    tab.receive()
    site.query("UPDATE threads_user SET password = 'x' WHERE username = 'carla'")
    assert tab.closed(2) == 4401
