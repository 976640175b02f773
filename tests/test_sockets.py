"""What nobody may do with their sockets, and what a slow line may."""

import json
import socket
import time
from contextlib import closing
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.site import Person, Site, closed, until
from threads.caps import Crowd


@pytest.fixture
def thread_there(alice_there: Person) -> str:
    return alice_there.new_thread("story")


def test_nobody_can_open_sockets_without_end(site: Site, alice_there: Person, thread_there: str) -> None:
    dora = site.person("dora")
    thread = dora.new_thread()
    tabs = [dora.tab(thread) for _ in range(100)]
    for tab in tabs:  # let in, and not only connected
        assert tab.receive()["type"] == "sync"
    with dora.tab(thread) as refused:
        assert refused.closed() == 4429
    with alice_there.tab(thread_there) as other:
        assert other.receive()["type"] == "sync"
    for tab in tabs:
        tab.socket.close()
    time.sleep(0.5)
    with dora.tab(thread) as again:
        assert again.receive()["type"] == "sync"


def test_sockets_leave_no_subscription_behind(site: Site) -> None:
    fiona = site.person("fiona")
    threads = [fiona.new_thread() for _ in range(5)]
    with redis.Redis.from_url(site.env["REDIS_URL"]) as broker:
        subscribed = lambda: {name.decode() for name in broker.pubsub_channels("asgi*")}  # noqa: E731
        before = subscribed()
        tabs = [fiona.tab(thread) for thread in threads for _ in range(4)]
        for tab in tabs:
            assert tab.receive()["type"] == "sync"
        assert len(subscribed() - before) == len(threads) + 1, "a group for each thread, and one of hers"
        for number, tab in enumerate(tabs):
            tab.socket.close() if number % 2 else tab.socket.socket.shutdown(socket.SHUT_RDWR)  # one with a word, one without
        until(lambda: subscribed() <= before | {"asgi__group__anchor"}, 20)
        with fiona.tab(threads[0]) as again:
            assert again.receive()["type"] == "sync"
            run = fiona.ask(threads[0], "[[text=Hello]]")
            again.until(lambda: again.ended(run))


def test_a_flood_and_a_huge_frame_end_only_their_own_socket(site: Site, alice_there: Person, thread_there: str) -> None:
    edgar = site.person("edgar")
    thread = edgar.new_thread()
    with alice_there.tab(thread_there) as other:
        run = alice_there.ask(thread_there, "[[tokens=150 rate=50]]Go")
        other.until(lambda: other.text(run))
        for _ in range(5):
            flood = edgar.tab(thread)
            flood.receive()
            try:
                for _ in range(2000):
                    flood.socket.send('{"type": "sync", "version": null}')
            except ConnectionClosed:
                pass
            assert closed(flood.socket, 10) == 4429
        huge = edgar.tab(thread)
        huge.receive()
        # Not read to its end: whether the code still arrives is a matter of luck.
        with pytest.raises(ConnectionClosed):
            huge.socket.send("x" * 10_000_000)
            while True:
                huge.socket.recv(timeout=10)
        other.until(lambda: other.ended(run))
        assert other.text(run) == "".join(f"w{n} " for n in range(150))


def large_thread(person: Person, megabytes: int) -> str:
    """A thread whose newest page is that large."""
    thread = person.new_thread()
    with person.tab(thread) as tab:
        run = person.ask(thread, "[[text=Long]]")
        tab.until(lambda: tab.ended(run))
    text = "jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat('word ', %s)))"
    sql = f"UPDATE threads_message SET content = {text} WHERE thread_id = %s AND role = 'assistant'"
    person.site.query(sql, megabytes * 200_000, thread)
    return thread


def line_to(person: Person, thread: str) -> socket.socket:
    """A socket's bare connection, of which nothing has been read but the handshake."""
    address = urlsplit(person.site.url)
    line = socket.socket()
    line.settimeout(20)
    line.connect((address.hostname, address.port))
    headers = f"Host: {address.netloc}\r\nOrigin: {person.site.url}\r\nCookie: {person.cookie()}\r\n"
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    line.sendall(f"GET /ws/threads/{thread}/ HTTP/1.1\r\n{headers}{upgrade}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(1)
    assert answer.startswith(b"HTTP/1.1 101")
    return line


def test_a_slow_line_gets_a_large_page(site: Site) -> None:
    with closing(line_to(frida := site.person("frida"), large_thread(frida, 3))) as line:
        head = line.recv(10, socket.MSG_WAITALL)
        assert head[:2] == b"\x81\x7f", "one text frame with a length of 64 bits"
        rest = int.from_bytes(head[2:])
        assert rest > 3_000_000
        time.sleep(3)
        while rest > 0:
            rest -= len(line.recv(rest))
        ping = line.recv(2, socket.MSG_WAITALL)
        assert ping[0] == 0x81, "and stays open: a text frame, not a close"


def test_who_asks_and_never_reads_is_dropped(site: Site, alice_there: Person, thread_there: str) -> None:
    frida = site.person("frida")
    with closing(line_to(frida, large_thread(frida, 3))) as line:
        request = b'{"type": "sync", "version": null}'
        frame = bytes([0x81, 0x80 | len(request), 0, 0, 0, 0]) + request
        with pytest.raises(ConnectionError):
            for _ in range(60):  # slower than a flood
                line.sendall(frame)
                time.sleep(0.15)
    with alice_there.tab(thread_there) as other:
        assert other.receive()["type"] == "sync"


def test_odd_headers_are_nobodys(site: Site, thread_there: str) -> None:
    url = f"{site.url.replace('http', 'ws', 1)}/ws/threads/{thread_there}/"
    for cookie in (
        "sessionid=a%00b",
        "sessionid=\x01\x02",
        'sessionid="',
        "=;=;",
        "sessionid=" + "a" * 4000,
        "csrftoken=a[b; sessionid=nobody0",
    ):
        with connect(url, additional_headers={"Cookie": cookie, "Origin": site.url}) as odd:
            assert closed(odd, 5) == 4401
    for origin in ("null", "http://evil.example", "http://127.0.0.1.example"):
        with connect(url, additional_headers={"Cookie": site.person("alice").cookie(), "Origin": origin}) as odd:
            assert closed(odd, 5) == 4403


def test_a_cookie_beside_ones_that_python_cannot_read_counts(site: Site, alice_there: Person, thread_there: str) -> None:
    url = f"{site.url.replace('http', 'ws', 1)}/ws/threads/{thread_there}/"
    with connect(url, additional_headers={"Cookie": f"a[0]=1; {alice_there.cookie()}", "Origin": site.url}) as tab:
        assert json.loads(tab.recv(timeout=5))["type"] == "sync"


def test_a_person_cannot_come_and_go_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, now, gerd, other = Crowd(), 0.0, uuid4(), uuid4()
    monkeypatch.setattr("threads.caps.time.monotonic", lambda: now)

    def comes_and_goes(person: UUID) -> bool:
        if came := crowd.enter(person):
            crowd.leave(person)
        return came

    assert sum(comes_and_goes(gerd) for _ in range(400)) == 300
    assert comes_and_goes(other)
    now = 10.1
    assert comes_and_goes(gerd)
