"""Fetching what a person or a model chose: no spelling, name, redirect or trick leads into our own network, or keeps us busy.

A listener on all addresses of this machine counts who connects. To tests that need a public server 127.0.0.2 is one, and its port is
allowed; made-up names are looked up in a dictionary. Nothing here reaches the Internet.
"""

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agents import fetching
from agents.addresses import is_public
from agents.errors import ToolError
from agents.fetching import Fetched, fetch
from tests.site import until

PUBLIC = "127.0.0.2"
REFUSED = "no host of the public Internet|no URL"


class Web:
    """A server on all addresses of this machine: `answers` by path, as bytes or as a function of the socket. Counts connections."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, bytes | Callable[[socket.socket], None]] = {}
        self.requests: list[str] = []
        self._accepted: list[int] = []
        self._probes: set[int] = set()
        self._context = context
        dual = socket.has_dualstack_ipv6()
        self._listener = socket.create_server(("", 0), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, path: str = "/", host: str = "public.test") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def says(self, path: str, body: bytes = b"hello", status: str = "200 OK", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answers[path] = "\r\n".join([*lines, "", ""]).encode() + body

    @property
    def hits(self) -> int:
        """How many have connected. A connection of our own comes last, so that none before it is missed."""
        with socket.create_connection(("127.0.0.1", self.port)) as probe:
            port = probe.getsockname()[1]
            self._probes.add(port)
            until(lambda: port in self._accepted)
        return sum(port not in self._probes for port in self._accepted)

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            self._accepted.append(peer[1])
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connection, server_side=True) if self._context else connection as connection:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    if not (more := connection.recv(65536)):
                        return
                    request += more
                self.requests.append(request.decode())
                answer = self.answers.get(request.decode().split(" ")[1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                answer(connection) if callable(answer) else connection.sendall(answer)
        except OSError:
            pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, names: Any) -> Iterator[Web]:
    with Web() as web:
        web.says("/")
        monkeypatch.setattr(fetching, "PORTS", {80, 443, web.port})
        yield web


Names = dict[str, list[Any]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What each name is looked up as, one answer after the other, the last one for ever."""
    names: Names = {"public.test": [[PUBLIC]], "localhost": [["127.0.0.1", "::1"]]}
    look_up = socket.getaddrinfo

    def looked_up(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host.endswith(".localhost"):
            host = "localhost"
        if host not in names:
            return look_up(host, port, *args, **more | {"flags": socket.AI_NUMERICHOST})
        answers = names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [each for address in found for each in look_up(address, port, *args, **more | {"flags": socket.AI_NUMERICHOST})]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return names


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch, names: Names) -> Names:
    """127.0.0.2 counts as public, and public.test is its name."""
    monkeypatch.setattr(fetching, "is_public", lambda address: str(address) == PUBLIC or is_public(address))
    return names


# --- Where it leads ------------------------------------------------------------------------------------------------------

HERE = [
    # Plain, short, as one number, octal, hexadecimal, mixed.
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "127.1", "127.0.1", "127.65535", "2130706433", "2130706434", "017700000001",
    "0177.0.0.1", "0177.1", "0177.0.1", "0177.0000.0000.0001", "00000177.0.0.1", "0x7f.0.0.1", "0x7f.1", "0x7f.0.1", "0x7f000001", "0X7F000001",
    "0x7F.0x0.0x0.0x1", "0x7f.0x0.1", "0x07f.1", "0x0000007f000001", "127.0x1", "127.01", "127.0.0.01", "0x7f.0.0.01", "127.000.000.001",
    "0", "00", "0x0", "0.0.0.0", "0.0", "0.0.0", "0.0.0.1", "0.1", "00.00.00.00", "0x0.0x0.0x0.0x0", "4294967295", "4294967296", "6425673729",
    "383.0.0.1", "127.0.0.257", "127.0.0.1.1",
    # Dots, cases, encodings.
    "127.0.0.1.", "127.1.", "2130706433.", "127.0.0.1..", ".127.0.0.1", "127..0.0.1", "127.0.0.%31", "%31%32%37.0.0.1", "%6c%6f%63alhost",
    "localhost%00", "localhost%0d%0a", "127.0.0.1%20", "127.0.0.1%2f", "127.0.0.1%23", "127.0.0.1%00.example.com", "１２７.０.０.１",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "l\u00adocalhost", "١٢٧.٠.٠.١",
    # Names.
    "localhost", "LOCALHOST", "LocalHost", "localhost.", "a.localhost", "A.B.LOCALHOST.", "127.0.0.1.nip.io", "7f000001.nip.io",
    "internal.test", "INTERNAL.test", "six.test", "mixed.test", "mixed-six.test", "mapped.test", "empty.test", "unknown.test",
    # IPv6.
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0001]", "[0::1]", "[::]", "[0::0]", "[::0.0.0.1]",
    "[::127.0.0.1]", "[::7f00:1]", "[::ffff:127.0.0.1]", "[::FFFF:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::ffff:0.0.0.0]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]",
    "[2001:0:7f00:1::]", "[::1%lo]", "[::1%25lo]", "[::1%1]", "[::1%251]", "[fe80::1%25lo]", "[::1].", "[[::1]]", "[127.0.0.1]", "[::1", "::1", "[]",
    "[v1.1]", "[::ffff:127.1]", "[localhost]",
    # Half a URL inside of a host.
    "localhost\\", "127.0.0.1\\@public.test", "\\127.0.0.1", "public.test@127.0.0.1", "public.test:80@127.0.0.1", "@127.0.0.1", "", " 127.0.0.1",
    "127.0.0.1 ", "127.0.0.1,public.test", "public.test;127.0.0.1", "127.0.0.1\tpublic.test", "127.0.0.1#", "127.0.0.1?", "127.0.0.1/",
]  # fmt: skip


@pytest.fixture
def misleading(names: Names) -> None:
    names |= {"127.0.0.1.nip.io": [["127.0.0.1"]], "7f000001.nip.io": [["127.0.0.1"]], "internal.test": [["127.0.0.1"]]}
    names |= {"six.test": [["::1"]], "mapped.test": [["::ffff:127.0.0.1"]], "empty.test": [[]], "public.test": [["127.0.0.1"]]}
    names |= {"mixed.test": [["93.184.215.14", "127.0.0.1"]], "mixed-six.test": [["93.184.215.14", "::1"]]}


def test_there_are_many_spellings() -> None:
    assert len(set(HERE)) >= 80


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HERE)
def test_no_spelling_leads_to_this_machine(web: Web, misleading: None, host: str, scheme: str) -> None:
    with pytest.raises(ToolError):
        fetch(f"{scheme}://{host}:{web.port}/", seconds=3)
    assert web.hits == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "0", "localhost", "internal.test", "mixed.test", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_without_the_check_they_would_lead_there(
    web: Web, misleading: None, monkeypatch: pytest.MonkeyPatch, host: str, names: Names
) -> None:
    """So that the test above cannot pass for the wrong reason."""
    names["mixed.test"] = [["127.0.0.1", "127.0.0.1"]]
    monkeypatch.setattr(fetching, "is_public", lambda address: True)
    assert fetch(web.url(host=host)).text == "hello"
    assert web.hits == 1


def test_the_check_is_what_refuses_them(web: Web, misleading: None) -> None:
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "0", "localhost", "internal.test", "mixed.test", "mapped.test", "[::1]", "[::]"):
        with pytest.raises(ToolError, match="no host of the public Internet"):
            fetch(web.url(host=host))


NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "168.63.129.16",
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::8.8.8.8", "::ffff:8.8.8.8", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:808:808::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:a00:1::1",
    "2002:808:808::1", "3ffe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%lo", "febf::1", "fec0::1",
    "ff02::1", "ff0e::1", "2606:4700::1%lo",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


PUBLIC_ONES = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.169.0.1", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC_ONES)
def test_what_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address) or (address.is_global and not address.is_multicast)


def test_the_port_is_one_of_two(names: Names) -> None:
    with Web() as web:
        for port in (web.port, 0, 22, 25, 6379, 5432, 8080, 65535):
            with pytest.raises(ToolError, match="ports 80 and 443"):
                fetch(f"http://127.0.0.1:{port}/")
        for port in ("80:90", "-1", "http", "70000", "٨١"):
            with pytest.raises(ToolError):
                fetch(f"http://127.0.0.1:{port}/")
        assert web.hits == 0


NOT_HTTP = [
    "file:///etc/passwd", "ftp://public.test/", "gopher://127.0.0.1:6379/_INFO", "data:text/plain,hello", "javascript:alert(1)", "dict://127.0.0.1/",
    "unix:///run/socket", "http+unix://%2Frun%2Fsocket/", "ws://public.test/", "jar:http://public.test/", "view-source:http://public.test/",
    "//public.test/", "public.test", "/", "", "http:", "http:public.test", "http:/public.test", "http:///public.test", "mailto:a@public.test",
]  # fmt: skip


@pytest.mark.parametrize("url", NOT_HTTP)
def test_only_http(web: Web, public: Names, url: str) -> None:
    with pytest.raises(ToolError):
        fetch(url)
    assert web.hits == 0


@pytest.mark.parametrize("bad", ["\r\n", "\n", "\r", "\0", "\t", "\x7f", " HTTP/1.1\r\nX: y\r\n\r\n"])
@pytest.mark.parametrize(
    "where",
    ["http://public{}.test:{port}/", "http://public.test:{port}/{}x", "http://public.test:{port}/?q={}x", "http://public.test:{port}{}/"],
)
def test_nothing_is_injected_into_the_request(web: Web, public: Names, where: str, bad: str) -> None:
    with pytest.raises(ToolError, match=REFUSED):
        fetch(where.format(bad, port=web.port))
    assert web.hits == 0


def test_what_is_percent_encoded_stays_so(web: Web, public: Names) -> None:
    web.says("/%0d%0aX:%20y?a=%00&b=%C3%A4%20c")
    fetch(web.url("/%0d%0aX:%20y?a=%00&b=ä c#part"))
    assert web.requests[0].splitlines()[0] == "GET /%0d%0aX:%20y?a=%00&b=%C3%A4%20c HTTP/1.1"


@pytest.mark.parametrize("credentials", ["user:hunter2", "user", ":hunter2", "user:hunter2@evil", "hunter2%40"])
def test_credentials_are_refused_and_not_repeated(web: Web, public: Names, credentials: str) -> None:
    with pytest.raises(ToolError, match="user or password") as refused:
        fetch(f"http://{credentials}@public.test:{web.port}/")
    assert "hunter2" not in str(refused.value)
    assert web.hits == 0


def test_errors_repeat_no_more_than_the_host(web: Web, public: Names) -> None:
    for url in (
        web.url("/?key=hunter2", "127.0.0.1"),
        "http://public.test:22/?key=hunter2",
        "ftp://x/?key=hunter2",
        "http://[?key=hunter2",
    ):
        with pytest.raises(ToolError) as refused:
            fetch(url)
        assert "hunter2" not in str(refused.value)


def test_a_url_has_an_end(web: Web, public: Names) -> None:
    for length in (9_000, 1_000_000):
        with pytest.raises(ToolError, match="no URL"):
            fetch(web.url("/" + "a" * length))


# --- Names that change ---------------------------------------------------------------------------------------------------


def test_a_name_that_says_something_else_the_next_time_is_asked_once(web: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener hears on 127.0.0.1 too: who came there would be seen by the address it came to."""
    arrived: list[str] = []

    def answer(connection: socket.socket) -> None:
        arrived.append(connection.getsockname()[0].removeprefix("::ffff:"))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    web.answers["/"] = answer
    public["rebinding.test"] = [[PUBLIC], ["127.0.0.1"]]
    fetch(web.url(host="rebinding.test"))
    assert (arrived, public["rebinding.test"]) == ([PUBLIC], [["127.0.0.1"]])
    with pytest.raises(ToolError, match=REFUSED):
        fetch(web.url(host="rebinding.test"))
    assert web.hits == 1


def test_a_name_that_changes_between_redirects_is_refused(web: Web, public: Names) -> None:
    """Each redirect opens a connection of its own, as the server closes the one before."""
    web.says("/", status="302 Found", Location="/again")
    web.says("/again")
    public["rebinding.test"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(ToolError, match=REFUSED):
        fetch(web.url(host="rebinding.test"))
    assert web.hits == 1


def test_all_addresses_of_a_name_must_be_public(web: Web, public: Names) -> None:
    for others in (["127.0.0.1"], ["::1"], ["10.0.0.1"], ["169.254.169.254"]):
        for found in ([PUBLIC, *others], [*others, PUBLIC]):
            public["several.test"] = [found]
            with pytest.raises(ToolError, match=REFUSED):
                fetch(web.url(host="several.test"))
    assert web.hits == 0


def test_names_of_our_own_network_are_not_told_from_those_that_do_not_exist(web: Web, public: Names) -> None:
    public["intranet"] = [["10.0.0.1"]]
    told = []
    for host in ("intranet", "nonsense"):
        with pytest.raises(ToolError) as refused:
            fetch(web.url(host=host))
        told.append(str(refused.value).replace(host, "…"))
    assert told[0] == told[1]


def test_the_next_address_is_tried_where_one_is_dead(web: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "is_public", lambda address: True)
    public["several.test"] = [["255.255.255.255", PUBLIC]]
    assert fetch(web.url(host="several.test")).text == "hello"
    public["dead.test"] = [["255.255.255.255"]]
    with pytest.raises(ToolError, match=r"dead\.test could not be read"):
        fetch(web.url(host="dead.test"))


# --- Redirects -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:{}/", "//127.1:{}/", "http://2130706433:{}/", "http://[::1]:{}/x", "http://localhost:{}/"],
)
def test_redirects_lead_nowhere_else(web: Web, public: Names, status: str, target: str) -> None:
    web.says("/", status=status, Location=target.format(web.port))
    with pytest.raises(ToolError, match=REFUSED):
        fetch(web.url())
    assert web.hits == 1


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "gopher://127.0.0.1/", "http://public.test:22/", "http://user:hunter2@public.test/", "http://[", "http://a\tb/"],
)
def test_redirects_are_checked_like_any_url(web: Web, public: Names, target: str) -> None:
    web.says("/", status="302 Found", Location=target)
    with pytest.raises(ToolError) as refused:
        fetch(web.url())
    assert (web.hits, "hunter2" in str(refused.value)) == (1, False)


def test_five_redirects_are_followed_and_no_more(web: Web, public: Names) -> None:
    for n in range(6):
        web.says(f"/{n}", status="302 Found", Location=f"/{n + 1}?a=b#c")
        web.answers[f"/{n}?a=b"] = web.answers[f"/{n}"]
    web.says("/6?a=b")
    assert fetch(web.url("/1")).url == web.url("/6?a=b")
    assert len(web.requests) == 6
    with pytest.raises(ToolError, match="more than 5 times"):
        fetch(web.url("/0"))
    assert len(web.requests) == 12


def test_a_loop_ends(web: Web, public: Names) -> None:
    web.says("/", status="302 Found", Location="/")
    with pytest.raises(ToolError, match="more than 5 times"):
        fetch(web.url())
    assert len(web.requests) == 6


def test_a_redirect_without_a_target_is_an_answer(web: Web, public: Names) -> None:
    web.says("/", b"well", status="302 Found")
    assert (fetch(web.url()).status, fetch(web.url()).text) == (302, "well")


# --- What is sent --------------------------------------------------------------------------------------------------------


def test_nothing_is_told_about_us(web: Web, public: Names) -> None:
    web.says("/", status="302 Found", Location=web.url("/next"), Set_Cookie="a=b", Set_Cookie2="c=d")
    web.says("/next")
    fetch(web.url())
    for request in web.requests:
        _, *headers = request.strip().split("\r\n")
        assert headers == [f"Host: public.test:{web.port}", "User-Agent: agentsite", "Accept: */*", "Accept-Encoding: gzip"]


def test_proxies_of_the_environment_are_not_asked(web: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    with Web() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        assert fetch(web.url()).text == "hello"
        assert proxy.hits == 0


@pytest.fixture
def certified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, public: Names) -> Iterator[Web]:
    """A public server with a certificate for secure.test, which we trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.test")]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.test")]), critical=False)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(certificate + private)
    (tmp_path / "certificate.pem").write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    public["secure.test"] = public["other.test"] = [[PUBLIC]]
    with Web(context) as web:
        context.sni_callback = lambda _socket, name, _context: web.requests.append(f"SNI {name}")
        web.says("/")
        monkeypatch.setattr(fetching, "PORTS", {80, 443, web.port})
        yield web


def test_the_certificate_is_the_names_and_not_the_addresss(certified: Web) -> None:
    assert fetch(certified.url(host="secure.test")).text == "hello"
    assert fetch(certified.url(host="SECURE.test.")).text == "hello"
    assert certified.requests[0] == certified.requests[2] == "SNI secure.test"
    for host in ("other.test", PUBLIC):
        with pytest.raises(ToolError, match="could not be read"):
            fetch(certified.url(host=host))
    assert sum(request.startswith("GET") for request in certified.requests) == 2


def test_a_certificate_that_nobody_vouches_for_is_refused(certified: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ToolError, match="could not be read"):
        fetch(certified.url(host="secure.test"))
    assert certified.requests == ["SNI secure.test"]


def test_there_is_no_way_back_from_https_to_http(certified: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    with Web() as plain:
        monkeypatch.setattr(fetching, "PORTS", {plain.port, certified.port})
        certified.says("/", status="302 Found", Location=plain.url())
        with pytest.raises(ToolError, match="from https to http"):
            fetch(certified.url(host="secure.test"))
        assert plain.hits == 0
        certified.says("/end")
        plain.says("/", status="302 Found", Location=certified.url("/end", "secure.test"))
        assert fetch(plain.url()).url == certified.url("/end", "secure.test")


# --- Too much, too slow --------------------------------------------------------------------------------------------------


def packed(size: int) -> bytes:
    """So many zeros, in very few bytes."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()


def test_a_bomb_is_left_at_the_limit(web: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    unpacked = fetching._unpacked

    def watched(*args: Any) -> Iterator[bytes]:
        for piece in unpacked(*args):
            seen.append(len(piece))
            yield piece

    monkeypatch.setattr(fetching, "_unpacked", watched)
    web.says("/", packed(200_000_000), Content_Encoding="gzip")
    with pytest.raises(ToolError, match="larger than 100,000 bytes"):
        fetch(web.url(), max_bytes=100_000)
    assert sum(seen) <= 100_000 + fetching.PIECE


def test_only_one_layer_of_one_compression(web: Web, public: Names) -> None:
    for encoding in ("gzip, gzip", "gzip,gzip", "br", "deflate", "zstd", "compress", "nonsense"):
        web.says("/", gzip.compress(packed(1_000_000)), Content_Encoding=encoding)
        with pytest.raises(ToolError, match="not asked for"):
            fetch(web.url())
    web.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(ToolError, match="not asked for"):
        fetch(web.url())


def test_what_is_packed_is_unpacked(web: Web, public: Names) -> None:
    text = "".join(f"line {n}\n" for n in range(100_000))
    web.says("/", gzip.compress(text.encode()), Content_Encoding="GZIP", Content_Type="text/plain")
    assert fetch(web.url()).text == text
    web.says("/", b"no gzip at all", Content_Encoding="gzip")
    with pytest.raises(ToolError, match="could not be read"):
        fetch(web.url())


@pytest.mark.parametrize("head", [b"Content-Length: 300000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_what_is_too_large_is_left(web: Web, public: Names, head: bytes) -> None:
    body = b"a" * 300_000
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if b"chunked" in head else body
    web.answers["/"] = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + whole
    with pytest.raises(ToolError, match="larger than 299,999 bytes"):
        fetch(web.url(), max_bytes=299_999)
    assert len(fetch(web.url(), max_bytes=300_000).content) == 300_000


def drip(before: bytes, each: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(before)
        for _ in range(100):
            time.sleep(0.1)
            connection.sendall(each)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        drip(OK + b"Content-Length: 1000\r\n\r\n", b"a"),
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        drip(OK, b"X: y\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
        drip(b"", b""),
    ],
    ids=["body", "chunks", "headers", "continue", "empty blocks", "nothing"],
)
def test_who_drips_is_left_in_time(web: Web, public: Names, answer: Callable[[socket.socket], None]) -> None:
    web.answers["/"] = answer
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"longer than 0\.7 seconds"):
        fetch(web.url(), seconds=0.7)
    assert time.monotonic() - began < 2


def test_redirects_share_the_time(web: Web, public: Names) -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    web.answers["/"] = slowly
    with pytest.raises(ToolError, match=r"longer than 0\.7 seconds"):
        fetch(web.url(), seconds=0.7)


def test_a_handshake_has_no_more_time(web: Web, public: Names) -> None:
    """It waits for an answer to its TLS greeting, which no plain server gives."""
    began = time.monotonic()
    with pytest.raises(ToolError):
        fetch(web.url().replace("http:", "https:"), seconds=0.7)
    assert time.monotonic() - began < 2


def test_a_look_up_has_no_more_time(web: Web, public: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: time.sleep(1.5))
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"longer than 0\.3 seconds"):
        fetch(web.url(), seconds=0.3)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", OK + b"A: " + b"b" * 200_000, b"\0" * 1000]
)
def test_what_is_no_answer_is_an_error(web: Web, public: Names, answer: bytes) -> None:
    web.answers["/"] = answer
    with pytest.raises(ToolError, match=r"public\.test could not be read"):
        fetch(web.url(), seconds=5)


# --- What comes ----------------------------------------------------------------------------------------------------------


def test_what_comes(web: Web, public: Names) -> None:
    web.says("/", "grün".encode("latin-1"), status="404 Not Found", Content_Type='Text/HTML; Charset="ISO-8859-1"')
    found = fetch(web.url("/#top"))
    assert found == Fetched(web.url(), 404, "text/html", b"gr\xfcn", "iso-8859-1")
    assert found.text == "grün"
    web.says("/", b"\0\1")
    assert fetch(web.url()).media_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("grün".encode(), "", "grün"), ("\ufeffgrün".encode(), "utf-8", "grün"), ("grün".encode("utf-16"), "utf-16", "grün"),
        (b"<meta charset=windows-1252>gr\xfcn", "", "<meta charset=windows-1252>grün"), (b"\xff\xfe\xfd", "utf-8", "\ufffd" * 3),
        (b'<meta http-equiv="x" content="text/html; charset=iso-8859-15">\xa4', "", '<meta http-equiv="x" content="text/html; charset=iso-8859-15">€'),
        ("日本".encode("shift_jis"), "shift_jis", "日本"), (b"abc", "punycode", "abc"), (b"abc", "idna", "abc"), (b"YWJj", "base64", "YWJj"),
        (b"\\x41", "unicode_escape", "\\x41"), (b"abc", "nonsense", "abc"), (b"abc", "iso-8859-99", "abc"), (b"abc", "undefined", "abc"),
    ],
)  # fmt: skip
def test_text_has_the_charset_it_says(content: bytes, charset: str, text: str) -> None:
    assert Fetched("", 200, "text/html", content, charset).text == text
