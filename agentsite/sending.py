"""What Daphne's sockets may send, and how much may wait for a browser that does not read.

autobahn has one limit for the messages that come in and those that go out. Browsers send us small ones only, but the newest page of a
thread may be many megabytes, and over Daphne's usual limit of one the page would never get it.
"""

import logging
from typing import Any

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

logger = logging.getLogger(__name__)
# Besides what was already under way when the line filled up.
MAX_UNSENT_BYTES = 8_000_000


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
        """Send a message of any size, unless too much waits already."""
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
