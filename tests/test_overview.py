"""The admin's first page: what it counts, and for whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from agents import services
from agentsite.dashboard import figures
from billing.models import UsageRecord
from threads.figures import SOCKETS
from threads.models import Message, Process, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
ClientOf = Callable[[User], Client]


@pytest.fixture
def root(database: None) -> User:
    return User.objects.create_superuser("root")


def test_what_goes_on_is_counted(ask: Ask, alice: User, thread: Thread, root: User) -> None:
    ask("one [[tokens=1]]")
    ask("two [[fault=401]]")
    services.send(alice, thread, "three")
    Run.objects.filter(status="queued").update(queued_at=timezone.now() - timedelta(seconds=30))
    found = figures(root)
    assert dict(found["states"]) == {"queued": 1, "running": 0, "waiting": 0}
    assert found["queue_age"] == pytest.approx(30, abs=5)
    assert found["inbox"] == 0, "somebody has asked again"
    assert [(each.agent, each.kind, each.times) for each in found["failures"]] == [("plain", "auth", 1)]
    assert sorted(bar.label[7:] for bar in found["runs"].bars) == ["failed, 1 runs", "succeeded, 1 runs"]
    assert {name for _, name in found["tokens"].legend} == {"read", "written"}
    total = UsageRecord.objects.get(run_id=Run.objects.get(status="succeeded").pk)
    assert any(bar.label.endswith(f"written, {total.output_text} tokens") for bar in found["tokens"].bars)


def test_what_is_long_ago_does_not_count(ask: Ask, root: User) -> None:
    ask("one [[fault=401]]")
    Run.objects.update(ended_at=timezone.now() - timedelta(hours=25))
    found = figures(root)
    assert found["failures"] == [] and list(found["runs"].bars) == []


def test_processes_tell_of_their_sockets(root: User) -> None:
    SOCKETS.set(7)
    Process.objects.beat()
    SOCKETS.set(0)
    assert figures(root)["sockets"] == 7


def test_the_page_and_its_part_are_for_who_may_see_runs(ask: Ask, root: User, client_of: ClientOf) -> None:
    ask("one [[fault=401]]")
    staff = User.objects.create_user("staff", is_staff=True)
    assert b"What failed" not in client_of(staff).get("/admin/").content
    assert client_of(staff).get("/admin/overview/").status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_run"))
    for address in ("/admin/", "/admin/overview/"):
        seen: Any = client_of(User.objects.get(pk=staff.pk)).get(address).content
        assert b"What failed" in seen and b"auth" in seen and b"spent today" not in seen
        assert b"spent today" in client_of(root).get(address).content


def test_runs_that_go_on_can_be_stopped_in_the_admin(ask: Ask, alice: User, thread: Thread, root: User, client_of: ClientOf) -> None:
    ask("one [[tokens=1]]")
    _, run = services.send(alice, thread, "two")
    assert run is not None
    client, every = client_of(root), [str(pk) for pk in Run.objects.values_list("pk", flat=True)]
    asked = {"action": "stop", "_selected_action": every}
    page = client.post("/admin/threads/run/", asked)
    assert page.status_code == 200 and page.content.count(b'name="_selected_action"') == 1
    run.refresh_from_db()
    assert run.status == "queued"
    Run.objects.filter(status="queued").update(wake_at=timezone.now())
    client.post("/admin/threads/run/?status__exact=waiting", {"action": "stop", "_selected_action": every, "confirmed": "yes"})
    assert sorted(Run.objects.values_list("status", flat=True)) == ["stopped", "succeeded"]
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_run"))
    assert b'value="stop"' not in client_of(staff).get("/admin/threads/run/").content


def test_a_thread_is_a_conversation_in_the_admin(ask: Ask, thread: Thread, root: User, client_of: ClientOf) -> None:
    ask("Where is <it>? [[tokens=2]]")
    page = client_of(root).get(f"/admin/threads/thread/{thread.pk}/change/").content.decode()
    assert "Where is &lt;it&gt;?" in page and "w0 w1" in page and f"/admin/playground/threads/{thread.pk}/" in page
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_thread"))
    page = client_of(staff).get(f"/admin/threads/thread/{thread.pk}/change/").content.decode()
    assert "w0 w1" not in page and "Conversation" not in page


def test_runs_are_filtered_by_why_they_failed(ask: Ask, root: User, client_of: ClientOf) -> None:
    ask("one [[fault=401]]")
    _, other = ask("two [[fault=html]]")
    page = client_of(root).get("/admin/threads/run/?why=auth").content.decode()
    assert "1 run" in page and "?why=" in page and str(other.pk) not in page


def test_a_thread_that_is_to_be_made_has_only_what_one_fills_in(root: User, client_of: ClientOf) -> None:
    page = client_of(root).get("/admin/threads/thread/add/").content.decode()
    assert 'name="title"' in page and "DatabaseDefault" not in page and "created_at" not in page


def test_tabs_of_the_admin_have_the_sites_icon(root: User, client_of: ClientOf) -> None:
    for address in ("/admin/", "/admin/threads/thread/", "/admin/threads/thread/add/", "/admin/playground/"):
        assert b'rel="icon" href="/static/icon.svg"' in client_of(root).get(address).content, address  # type: ignore[operator]
