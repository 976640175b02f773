"""What we need of Daphne besides: large messages, a limit on what waits for a browser that does not read, and a good end.

autobahn has one limit for the messages that come in and those that go out. Browsers send us small ones only, but the newest page of a
thread may be many megabytes, and over Daphne's usual limit of one the page would never get it.

Daphne, told to end, cancels what it is doing and does not wait. A request whose thread waits for the event loop at that moment would
wait for ever, and with it the process: listening no more, and never gone.
"""

import asyncio
import logging
import sys
from importlib import import_module
from typing import Any

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.defer import Deferred

logger = logging.getLogger(__name__)
# Besides what was already under way when the line filled up.
MAX_UNSENT_BYTES = 8_000_000
# Longer than a request may wait for the database and its connections.
LAST_SECONDS = 20.0


class SendingProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """Limits what comes in, not what goes out, but drops who is sent more than they read: nothing else would bound the buffer.

    As a producer (`twisted.internet.interfaces.IPushProducer`) it is told when the line is full and when all was sent.
    """

    maxMessagePayloadSize: int
    unsent: int | None = None

    def connectionMade(self) -> None:
        """Take the place of the HTTP channel that the connection was, which would be told otherwise."""
        super().connectionMade()
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """The line is full: count from here. Said again with every write."""
        self.unsent = self.unsent or 0

    def resumeProducing(self) -> None:
        """All was sent. A connection that is to be closed waits until it has no producer."""
        self.unsent = None
        if self.transport.disconnecting:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone, and its buffer with it."""

    def sendMessage(self, payload: bytes, *args: Any, **options: Any) -> None:
        """Send a message of any size, unless too much waits already. Who has just left is not sent any, and the consumer soon hears of
        it."""
        if self.state != self.STATE_OPEN:
            return
        if self.unsent is not None:
            self.unsent += len(payload)
            if self.unsent > MAX_UNSENT_BYTES:
                logger.info("a socket is dropped that did not read %d bytes", self.unsent)
                self.dropConnection(abort=True)
                return
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **options)
        finally:
            self.maxMessagePayloadSize = limit


def allow_large_messages() -> None:
    """From now on, for the server of this process; call before it listens."""
    WebSocketFactory.protocol = SendingProtocol


class Requests:
    """The HTTP application, whose requests are answered even if the server is told to end meanwhile. Later ones have to come again."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._open: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request in a task that only we cancel: when the server leaves, or long after the browser did."""
        if self._leaving:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1"), (b"connection", b"close")]})
            await send({"type": "http.response.body"})
            return
        task = asyncio.create_task(self._application(scope, receive, send))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=LAST_SECONDS)
            task.cancel()
            raise

    async def finish(self) -> None:
        """Take no more requests, and wait for what is being answered."""
        self._leaving = True
        if self._open:
            await asyncio.wait(self._open, timeout=LAST_SECONDS)

    def finish_before_the_end(self) -> None:
        """Let Daphne, if that is what runs here, wait for `finish`."""
        if "daphne.server" not in sys.modules:
            return
        reactor: Any = import_module("twisted.internet.reactor")  # whoever imports it first decides which one it is
        reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(self.finish())))
