"""The whole site from outside: real processes, several browsers, and what happens when one of them dies."""

import itertools
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from tests.fake_openai import FakeOpenAI
from tests.site import Person, Site, Tab, until

STORY = "[[tokens=150 rate=100]]Tell me"
WORDS = "".join(f"w{n} " for n in range(150))


@pytest.fixture
def shared(site: Site, alice_there: Person) -> str:
    thread = alice_there.new_thread("story")
    assert alice_there.post(f"/threads/{thread}/members", username="bob").status_code == 201
    return thread


def test_every_browser_sees_the_same_answer(site: Site, alice_there: Person, shared: str) -> None:
    bob = site.person("bob")
    with alice_there.tab(shared) as first, bob.tab(shared) as second:
        run = alice_there.ask(shared, STORY)
        first.until(lambda: len(first.text(run)) > 50)
        with bob.tab(shared) as third:  # opens in the middle
            assert third.receive()["type"] == "sync"
            assert WORDS.startswith(third.text(run)) and third.text(run)
            reloaded = alice_there.tab(shared)
            for tab in (first, second, third, reloaded):
                tab.until(lambda tab=tab: tab.ended(run))  # type: ignore[misc]
                assert tab.text(run) == WORDS
            reloaded.socket.close()
        assert first.rows == second.rows
    page = bob.get(f"/threads/{shared}/messages")["messages"]
    assert page[-1]["text"] == WORDS


def test_a_sleeper_catches_up_by_version_and_cursor(alice_there: Person, shared: str) -> None:
    with alice_there.tab(shared) as tab:
        tab.receive()
        run = alice_there.ask(shared, STORY)
        tab.until(lambda: len(tab.text(run)) > 50)
        version, cursor = tab.version, tab.cursors[run]
    back = Tab(alice_there, f"/ws/threads/{shared}/?version={version}&cursors={run}:{cursor}")
    back.rows, back.live, back.cursors, back.version = tab.rows, tab.live, tab.cursors, version
    frame = back.receive()
    assert (frame["reset"], frame["messages"]) == (False, [])
    assert all(delta["start"] >= cursor for delta in frame["deltas"])
    back.until(lambda: back.ended(run))
    assert back.text(run) == WORDS
    back.socket.close()


def test_the_tool_panel_is_live_and_the_same_over_http(alice_there: Person) -> None:
    thread = alice_there.new_thread("support")
    with alice_there.tab(thread) as tab:
        run = alice_there.ask(thread, '[[tool=lookup_order {"order_id":"1042"}]][[next]][[text=Sent]]')
        tab.until(lambda: tab.ended(run))
    states = [call["status"] for frame in tab.frames for call in frame.get("tool_calls", [])]
    assert states[0] == "running" and states[-1] == "succeeded"
    assert any(call["progress"] for frame in tab.frames for call in frame.get("tool_calls", []) if call["status"] == "running")
    (call,) = alice_there.get(f"/threads/{thread}/tool-calls")["tool_calls"]
    assert call == tab.rows[call["id"]]
    assert call["result"]["item"].startswith("Trail tent")


def test_mallory_sees_nothing(site: Site, shared: str) -> None:
    mallory = site.person("mallory")
    assert mallory.http.get(f"/threads/{shared}/").status_code == 404
    assert mallory.http.get(f"/api/threads/{shared}").status_code == 404
    assert mallory.tab(shared).closed() == 4404
    assert Tab(mallory, "/ws/nowhere/").closed() == 4404


def test_nobody_and_foreign_pages_get_no_socket(site: Site, alice_there: Person, shared: str) -> None:
    assert Tab(alice_there, f"/ws/threads/{shared}/", origin="https://evil.example").closed() == 4403
    alice_there.http.cookies.clear()
    assert alice_there.tab(shared).closed() == 4401


def test_a_bad_frame_closes_only_that_socket(alice_there: Person, shared: str) -> None:
    tab = alice_there.tab(shared)
    tab.receive()
    tab.socket.send("{no json")
    assert tab.closed() == 4400
    big = alice_there.tab(shared)
    big.receive()
    with pytest.raises(ConnectionClosed):
        big.socket.send(json.dumps({"type": "ping", "filler": "x" * 2_000_000}))
        while True:
            big.receive()
    with alice_there.tab(shared) as other:
        assert other.receive()["type"] == "sync"


def test_a_removed_member_and_a_signed_out_person_lose_their_sockets(site: Site, alice_there: Person, shared: str) -> None:
    bob = site.person("bob")
    tab = bob.tab(shared)
    tab.receive()
    member = next(m for m in alice_there.get(f"/threads/{shared}/members")["members"] if m["name"] == "bob")
    assert alice_there.delete(f"/threads/{shared}/members/{member['id']}").status_code == 204
    began = time.monotonic()
    assert tab.closed() == 4404
    assert time.monotonic() - began < 2
    mine = alice_there.tab(shared)
    mine.receive()
    alice_there._form("/accounts/sign-out/")
    assert mine.closed() == 4401


def test_the_own_feed_lists_and_follows(site: Site, alice_there: Person) -> None:
    feed = Tab(alice_there, "/ws/me/")
    first = json.loads(feed.socket.recv(timeout=5))
    assert first["type"] == "threads"
    thread = alice_there.new_thread("story")
    frames = [json.loads(feed.socket.recv(timeout=5))]
    run = alice_there.ask(thread, "[[tokens=3]]A question for the list")
    while not (frames[-1]["type"] == "thread" and frames[-1]["thread"]["title"] and not frames[-1]["thread"]["running"]):
        frames.append(json.loads(feed.socket.recv(timeout=10)))
    assert run
    assert [frame["thread"]["running"] for frame in frames if frame["type"] == "thread"] == [False, True, False]
    feed.socket.close()


def test_stop_from_another_tab_silences_the_provider(site: Site, alice_there: Person, shared: str, fake: FakeOpenAI) -> None:
    bob = site.person("bob")
    with alice_there.tab(shared) as mine, bob.tab(shared) as theirs:
        run = alice_there.ask(shared, "[[tokens=1000 rate=50]]A long one")
        mine.until(lambda: len(mine.text(run)) > 30)
        began = time.monotonic()
        assert bob.post(f"/threads/{shared}/stop").json()["run"]["status"] == "stopped"
        request = until(lambda: next((seen for seen in fake.requests if seen.closed_at and "A long one" in seen.prompt), None))
        assert request.closed_at - began < 0.5
        mine.until(lambda: mine.ended(run))
        theirs.until(lambda: theirs.ended(run))
        assert mine.text(run) == theirs.text(run) != ""
        time.sleep(0.5)
    assert alice_there.get(f"/threads/{shared}/messages")["messages"][-1]["text"] == mine.text(run)


def test_prompts_sent_meanwhile_are_answered_one_after_another(alice_there: Person, shared: str) -> None:
    with alice_there.tab(shared) as tab:
        runs = [alice_there.ask(shared, f"[[tokens=20 rate=100]]Number {number}") for number in range(4)]
        began = time.monotonic()
        for run in runs:
            tab.until(lambda run=run: tab.ended(run))  # type: ignore[misc]
        assert time.monotonic() - began < 4.5, "by hints, not by the sweeper's first repeat after five seconds"
    spans = [(tab.rows[run]["started_at"], tab.rows[run]["ended_at"]) for run in runs]
    assert all(ended <= started for (_, ended), (started, _) in itertools.pairwise(spans))


# --- What dies ---------------------------------------------------------------------------------------------------------


@pytest.mark.chaos
def test_a_killed_worker_is_replaced_and_nobody_reloads(site: Site, alice_there: Person, shared: str) -> None:
    site.start_worker("second")
    with alice_there.tab(shared) as tab:
        run = alice_there.ask(shared, "[[tokens=400 rate=50]]Long")
        tab.until(lambda: len(tab.text(run)) > 30)
        victim = site.query("SELECT worker FROM threads_run WHERE id = %s", run)[0][0].split(":")[1]
        name = next(name for name, process in site.processes.items() if str(process.pid) == victim)
        site.kill(name)
        began = time.monotonic()
        tab.until(lambda: tab.rows[run]["attempt"] == 2)
        assert time.monotonic() - began < 15
        tab.until(lambda: tab.ended(run))
        assert tab.text(run) == "".join(f"w{n} " for n in range(400))
    # Whoever is left carries on as the worker.
    if name == "worker":
        site.processes["worker"] = site.processes.pop("second")


@pytest.mark.chaos
def test_a_terminated_worker_hands_its_run_over_at_once(site: Site, alice_there: Person, shared: str) -> None:
    site.start_worker("second")
    with alice_there.tab(shared) as tab:
        run = alice_there.ask(shared, "[[tokens=300 rate=50]]Long")
        tab.until(lambda: len(tab.text(run)) > 30)
        site.kill("worker", signal.SIGTERM)
        tab.until(lambda: tab.ended(run))
        assert (tab.rows[run]["status"], tab.text(run)) == ("succeeded", "".join(f"w{n} " for n in range(300)))
    # Whoever was second carries on as the worker.
    site.processes["worker"] = site.processes.pop("second")


@pytest.mark.chaos
def test_pushes_that_get_lost_are_made_up_for(site: Site, alice_there: Person, shared: str) -> None:
    with alice_there.tab(shared) as tab:
        tab.receive()
        run = alice_there.ask(shared, "[[tokens=3]]Short")
        tab.until(lambda: tab.ended(run))
        # A change nobody was told of: the last frame of all, lost.
        site.query("UPDATE threads_thread SET version = version + 1, title = 'Unheard' WHERE id = %s", shared)
        tab.until(lambda: tab.frames[-1]["type"] == "sync" and tab.frames[-1]["thread"]["title"] == "Unheard", 5)


@pytest.mark.chaos
def test_a_terminated_web_process_answers_what_it_has_taken_and_is_gone(site: Site, alice_there: Person, shared: str) -> None:
    with psycopg.connect(site.env["DATABASE_URL"]) as lock, ThreadPoolExecutor(4) as pool:
        lock.execute("SELECT 1 FROM threads_thread WHERE id = %s FOR UPDATE", [shared])
        sent = [
            pool.submit(alice_there.post, f"/threads/{shared}/messages", text="[[tokens=3]]Last words", id=str(uuid4())) for _ in range(4)
        ]
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: len(site.query(waiting)) == len(sent))
        web = site.processes["web"]
        web.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert web.poll() is None
        assert alice_there.http.get("/healthz").status_code == 503
        lock.rollback()
        assert [each.result().status_code for each in sent] == [202] * len(sent)
        web.wait(5)
    site.start_web()
    until(lambda: all(run["ended_at"] for run in alice_there.get(f"/threads/{shared}/messages")["runs"]))


@pytest.mark.chaos
def test_redis_dies_in_the_middle(site: Site, alice_there: Person, shared: str) -> None:
    with alice_there.tab(shared, repairs=True) as tab:
        run = alice_there.ask(shared, "[[tokens=300 rate=100]]Long")
        tab.until(lambda: len(tab.text(run)) > 30)
        site.kill("redis")
        queued = alice_there.ask(shared, "[[tokens=3]]While it is away")
        site.start_redis()
        tab.until(lambda: tab.ended(run) and tab.ended(queued), 30)
        assert (tab.rows[run]["attempt"], tab.text(run)) == (1, "".join(f"w{n} " for n in range(300)))
        assert tab.text(queued) == "w0 w1 w2 "


@pytest.mark.chaos
def test_the_database_loses_every_connection_in_the_middle(site: Site, alice_there: Person, shared: str) -> None:
    with alice_there.tab(shared) as tab:
        run = alice_there.ask(shared, "[[tokens=300 rate=100]]Long")
        tab.until(lambda: len(tab.text(run)) > 30)
        site.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        tab.until(lambda: tab.ended(run), 40)
        assert (tab.rows[run]["status"], tab.text(run)) == ("succeeded", "".join(f"w{n} " for n in range(300)))


def test_a_thread_of_many_megabytes_can_be_opened(site: Site, alice_there: Person, shared: str) -> None:
    run = alice_there.ask(shared, '[[text="<x*3000000>"]]Everything')
    until(lambda: alice_there.get(f"/threads/{shared}/messages")["runs"][-1]["status"] == "succeeded", 30)
    with alice_there.tab(shared) as tab:
        tab.until(lambda: tab.ended(run))
        assert len(tab.text(run)) == 3_000_000
