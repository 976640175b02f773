"""Who is told who looks at a thread, and who writes in it."""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from tests.site import Person, Site, Tab
from tests.test_api_keys import socket_of
from threads import figures
from threads.consumers import TYPING_SECONDS
from threads.models import Presence, Thread, ThreadMember, User
from threads.models.presence import LEASE, Present


def names(tab: Tab) -> list[str] | None:
    """Who is here, as last told; None if that was never."""
    told = [frame for frame in tab.frames if frame["type"] == "here"]
    return [each["name"] for each in told[-1]["people"]] if told else None


def sees(tab: Tab, *people: str) -> None:
    tab.until(lambda: names(tab) == list(people), 15)


def writers(tab: Tab) -> list[str]:
    return [frame["person"]["name"] for frame in tab.frames if frame["type"] == "typing"]


@pytest.fixture
def shared_there(site: Site, alice_there: Person) -> str:
    """A thread of alice: may-write may write in it, may-read read it."""
    thread = alice_there.new_thread("support")
    for name, role in (("may-write", "writer"), ("may-read", "viewer")):
        site.person(name)
        assert alice_there.post(f"/threads/{thread}/members", username=name, role=role).status_code == 201
    return thread


def test_members_see_each_other_come_and_go(site: Site, alice_there: Person, shared_there: str) -> None:
    writer, reader = site.person("may-write"), site.person("may-read")
    with alice_there.tab(shared_there) as hers, writer.tab(shared_there) as his:
        sees(hers, "may-write")
        sees(his, "alice")
        with reader.tab(shared_there) as theirs, writer.tab(shared_there):
            sees(theirs, "alice", "may-write")
            sees(hers, "may-read", "may-write")
        sees(hers, "may-write")
        his.socket.send('{"type": "ping", "away": true}')
        sees(hers)
        his.socket.send('{"type": "ping", "away": false}')
        sees(hers, "may-write")
        members = {each["name"]: each["id"] for each in alice_there.get(f"/threads/{shared_there}/members")["members"]}
        assert alice_there.delete(f"/threads/{shared_there}/members/{members['may-write']}").status_code == 204
        sees(hers)


def test_operators_look_on_unseen_by_customers(site: Site, alice_there: Person, shared_there: str) -> None:
    olga, oskar = site.operator("olga"), site.operator("oskar")
    with alice_there.tab(shared_there) as hers, olga.tab(shared_there) as desk, oskar.tab(shared_there) as other:
        sees(desk, "alice", "oskar")
        sees(other, "alice", "olga")
        desk.socket.send('{"type": "typing"}')
        assert names(hers) is None
        assert olga.post(f"/threads/{shared_there}/take-over").status_code == 200
        sees(hers, "olga")
        assert writers(hers) == []
        time.sleep(TYPING_SECONDS)  # what comes sooner is not news
        desk.socket.send('{"type": "typing"}')
        hers.until(lambda: writers(hers) == ["olga"])


def test_who_may_write_is_seen_writing(site: Site, alice_there: Person, shared_there: str) -> None:
    writer, reader = site.person("may-write"), site.person("may-read")
    with alice_there.tab(shared_there) as hers, writer.tab(shared_there) as his, reader.tab(shared_there) as theirs:
        for tab in (hers, his, theirs):
            tab.until(lambda tab=tab: names(tab))
        for tab in (theirs, his, hers):
            tab.socket.send('{"type": "typing"}')
        theirs.until(lambda: sorted(writers(theirs)) == ["alice", "may-write"])
        hers.until(lambda: writers(hers))
        his.until(lambda: writers(his))
        assert (writers(hers), writers(his)) == (["may-write"], ["alice"])
        for _ in range(5):
            his.socket.send('{"type": "typing"}')
        hers.until(lambda: hers.frames[-1]["type"] == "ping")
        assert writers(hers) == ["may-write"], "not more often than it is news"


def test_programs_are_not_here(site: Site, alice_there: Person, shared_there: str) -> None:
    key = site.command("issue_api_key", "watcher", "--owner", "may-write").strip()
    with alice_there.tab(shared_there) as hers, socket_of(site, shared_there, key) as program:
        program.send('{"type": "typing"}')
        program.recv(timeout=5)
        hers.until(lambda: sum(frame["type"] == "ping" for frame in hers.frames) > 1)
        assert names(hers) is None and writers(hers) == []


def test_a_word_is_good_for_some_seconds(alice: User, bob: User) -> None:
    thread = Thread.objects.create(owner=alice)
    ThreadMember.objects.create(thread=thread, user=alice, role="owner")
    pairs = {(thread.pk, alice.pk), (thread.pk, bob.pk)}
    Presence.objects.renew(pairs)
    Presence.objects.renew(pairs)
    Presence.objects.create(thread=thread, user=bob, process="other:1", seen_at=timezone.now())
    both = [Present("alice", str(alice.pk), True), Present("bob", str(bob.pk), False)]
    ask: Callable[[], dict[UUID, list[Present]]] = lambda: Presence.objects.here([thread.pk, uuid4()])  # noqa: E731
    assert ask() == {thread.pk: both}
    Presence.objects.leave({(thread.pk, bob.pk)})
    assert ask() == {thread.pk: both}, "the other process still says so"
    Presence.objects.filter(process="other:1").update(seen_at=Now() - LEASE)
    assert ask() == {thread.pk: both[:1]}
    Presence.objects.update(seen_at=Now() - timedelta(minutes=2))
    Presence.objects.leave(set())
    assert not Presence.objects.exists()
    Presence.objects.renew({(thread.pk, alice.pk)})
    assert Presence.objects.get().process == figures.NAME
    thread.assigned_to = bob
    thread.save()
    Presence.objects.renew({(thread.pk, bob.pk)})
    assert [each.takes_part for each in ask()[thread.pk]] == [True, True]
