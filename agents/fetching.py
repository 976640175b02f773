"""Fetching: the one way out to a URL that a person or a model chose. It must not lead into our own network.

A name is looked up once, each of its addresses is checked, and the connection goes to an address that was checked: what the name says
a moment later has no effect. This happens where connections are opened, so that redirects cannot pass by it.
"""

import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from ipaddress import ip_address
from typing import Any

import httpcore2
from httpx2 import URL, InvalidURL

from agents.addresses import is_public
from agents.errors import ToolError

MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
MAX_URL = 8000
PORTS = {80, 443}
DEFAULT_PORTS = {"http": 80, "https": 443}
# A name, or an address without brackets; no scope (%lo), nothing percent-encoded.
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+")
# One address of several may be dead.
CONNECT_SECONDS = 5
PIECE = 65536
# No others: some that Python knows take quadratic time (punycode, idna) or are no text.
CHARSET = re.compile(r"utf-?(8|16|32)([bl]e)?|us-ascii|latin-?1|iso-?8859-\d+|windows-\d+|koi8-[ru]|gb\w+|big5|euc-\w+|shift_jis", re.I)
META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([\w-]{1,40})", re.I)
# The system's resolver knows no time limit.
LOOKUPS = ThreadPoolExecutor(16, thread_name_prefix="lookup")


@dataclass(frozen=True)
class Fetched:
    """What came: the URL after all redirects, the HTTP status, the media type (lower case, no parameters), and the decompressed body.

    charset: as the header has it; empty if it says nothing.
    """

    url: str
    status: int
    media_type: str
    content: bytes
    charset: str = ""

    @property
    def text(self) -> str:
        """The body as text, by its header, its <meta>, or as UTF-8; what does not fit is replaced."""
        found = META_CHARSET.search(self.content[:1024])
        charset = self.charset or (found[1].decode() if found else "")
        try:
            return self.content.decode(charset if CHARSET.fullmatch(charset) else "utf-8", "replace").removeprefix("\ufeff")
        except LookupError:
            return self.content.decode("utf-8", "replace")


class _Clock:
    """How long a fetch may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def rest(self) -> float:
        """Seconds that are left; ToolError if there are none."""
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise self.over()
        return rest

    def over(self) -> ToolError:
        """What is said when there are none."""
        return ToolError(f"It took longer than {self.seconds:g} seconds.")


def fetch(url: str, *, seconds: float = 20, max_bytes: int = 2_000_000) -> Fetched:
    """GET a page of the public Internet: http and https on their own ports, at most 5 redirects, never from https back to http.

    `seconds` is for all of it, `max_bytes` for the decompressed body. Nothing is sent along: no cookies, no Referer, no proxy of the
    environment. ToolError if it is refused, fails, is too slow or too large; it names the host, and no more of the URL.
    """
    clock = _Clock(seconds)
    checked = _checked(url)
    try:
        with httpcore2.ConnectionPool(network_backend=_Door(clock)) as pool:
            return _follow(pool, checked, max_bytes)
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ConnectTimeout, zlib.error) as error:
        raise ToolError(f"{_host(checked)} could not be read.") from error
    except httpcore2.TimeoutException as error:
        raise clock.over() from error


def _follow(pool: httpcore2.ConnectionPool, url: URL, max_bytes: int) -> Fetched:
    for _ in range(MAX_REDIRECTS + 1):
        target = httpcore2.URL(scheme=url.raw_scheme, host=_host(url), port=_port(url), target=url.raw_path)
        with pool.stream("GET", target, headers=_headers(url)) as response:
            location = _header(response, b"location")
            if response.status not in REDIRECTS or not location:
                return _fetched(url, response, max_bytes)
        url = _redirected(url, location)
    raise ToolError(f"It was redirected more than {MAX_REDIRECTS} times.")


# --- URLs ----------------------------------------------------------------------------------------------------------------


def _checked(text: str, base: URL | None = None) -> URL:
    """The URL, if it may be asked at all; relative to `base`, if that is given. Where it leads is seen when it is connected."""
    try:
        url = base.join(text) if base else URL(text.strip())
    except (InvalidURL, ValueError) as error:
        raise ToolError("That is no URL.") from error
    if url.scheme not in DEFAULT_PORTS:
        raise ToolError("Only http:// and https:// can be fetched.")
    if url.userinfo:
        raise ToolError("A URL with a user or password is not fetched.")
    if len(str(url)) > MAX_URL or not HOST.fullmatch(_host(url)):
        raise ToolError("That is no URL.")
    if _port(url) not in PORTS:
        raise ToolError("Only the ports 80 and 443 can be fetched.")
    return url.copy_with(host=_host(url), fragment=None)


def _redirected(url: URL, location: str) -> URL:
    target = _checked(location, url)
    # Whoever asked for https wants nobody on the way to read along or to change the answer.
    if url.scheme == "https" and target.scheme == "http":
        raise ToolError(f"{_host(url)} leads from https to http, which is not followed.")
    return target


def _host(url: URL) -> str:
    """Its name as it is looked up and as its certificate has it: lower case, IDNA, no final dot."""
    return url.raw_host.decode("ascii").removesuffix(".")


def _port(url: URL) -> int:
    return DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def _headers(url: URL) -> list[tuple[str, str]]:
    return [("Host", url.netloc.decode("ascii")), ("User-Agent", "agentsite"), ("Accept", "*/*"), ("Accept-Encoding", "gzip")]


# --- Connections ---------------------------------------------------------------------------------------------------------


class _Door(httpcore2.NetworkBackend):
    """Opens connections to public addresses only."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore2.NetworkStream:
        """A connection to the first address of the host that takes one; ToolError unless all its addresses are public."""
        del timeout, local_address, socket_options
        *others, last = _public_addresses(host, port, self._clock)
        for address in others:
            try:
                return self._connect(address, port)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore2.NetworkStream:
        timeout = min(CONNECT_SECONDS, self._clock.rest())
        return _TimedStream(httpcore2.SyncBackend().connect_tcp(address, port, timeout=timeout), self._clock)


def _public_addresses(host: str, port: int, clock: _Clock) -> list[str]:
    """The addresses of the host. The error is the same for names that do not exist: which ones our own network has is nobody's business."""
    try:
        found = LOOKUPS.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(clock.rest())
    except TimeoutError as error:
        raise clock.over() from error
    except (OSError, UnicodeError):
        found = []
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses or not all(is_public(ip_address(address)) for address in addresses):
        raise ToolError(f"{host[:100]} is no host of the public Internet.")
    return addresses


class _TimedStream(httpcore2.NetworkStream):
    """A connection that ends with its time, however slowly the other side drips."""

    def __init__(self, stream: httpcore2.NetworkStream, clock: _Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes."""
        del timeout
        return self._stream.read(max_bytes, self._clock.rest())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        del timeout
        self._stream.write(buffer, self._clock.rest())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same connection, encrypted; the certificate must have the host's name, not the address."""
        del timeout
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._clock.rest()), self._clock)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about it."""
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        """End it."""
        self._stream.close()


# --- Answers -------------------------------------------------------------------------------------------------------------


def _fetched(url: URL, response: httpcore2.Response, max_bytes: int) -> Fetched:
    kind = Message()
    kind["Content-Type"] = _header(response, b"content-type") or "application/octet-stream"
    content = _limited(_unpacked(response.iter_stream(), _header(response, b"content-encoding").lower()), max_bytes)
    return Fetched(str(url), response.status, kind.get_content_type(), content, kind.get_content_charset() or "")


def _header(response: httpcore2.Response, name: bytes) -> str:
    return ", ".join(value.decode("utf-8", "replace") for key, value in response.headers if key.lower() == name)


def _unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Decompressed, in small pieces, so that a bomb can be left at any of them."""
    if encoding not in ("", "identity", "gzip"):
        # One layer only: in a second one 64 KB may become gigabytes of nothing, which no limit of size or time would notice.
        raise ToolError("It is compressed in a way that was not asked for.")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        if encoding != "gzip":
            yield chunk
            continue
        while chunk and not unpack.eof:
            yield unpack.decompress(chunk, PIECE)
            chunk = unpack.unconsumed_tail
    yield unpack.flush()


def _limited(pieces: Iterable[bytes], max_bytes: int) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > max_bytes:
            raise ToolError(f"It is larger than {max_bytes:,} bytes.")
    return bytes(content)
