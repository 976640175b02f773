"""What Daphne's sockets may send.

autobahn has one limit for the messages that come in and those that go out. Browsers send us small ones only, but the newest page of a
thread may be many megabytes, and over Daphne's usual limit of one the page would never get it.
"""

from typing import Any

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol


class SendingProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """Limits what comes in, not what goes out."""

    maxMessagePayloadSize: int

    def sendMessage(self, *args: Any, **options: Any) -> None:
        """Send a message of any size."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*args, **options)
        finally:
            self.maxMessagePayloadSize = limit


def allow_large_messages() -> None:
    """From now on, for the server of this process; call before it listens."""
    WebSocketFactory.protocol = SendingProtocol
