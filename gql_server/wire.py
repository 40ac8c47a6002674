"""uvicorn's two protocols, with what a server on the internet needs besides."""

import contextlib

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's address and headers, with what came in the same packet."""
OF_A_CHUNK = 12
"""Bytes that go with each piece of a body that is sent in pieces."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
)
_REASON = (
    b'{"errors":[{"message":"A request has at most %d bytes of headers and address.",'
    b'"extensions":{"code":"TOO_LARGE"}}]}'
) % LARGEST_HEAD


class Requests(HttpToolsProtocol):
    """HTTP, with a bound for what comes before a body and between its pieces: httptools has none.

    Whoever sends a header without an end would else have all of it kept, before anybody is asked for a key.
    """

    _beside = 0
    """Bytes that were no body's, since the last request was whole."""

    def data_received(self, data: bytes) -> None:
        """Read on, or end it with 431."""
        self._beside += len(data)
        super().data_received(data)
        if self._beside > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE % (len(_REASON), _REASON))
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """A piece of a body, which has a bound of its own."""
        self._beside = max(0, self._beside - len(body) - OF_A_CHUNK)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows is another request."""
        self._beside = 0
        super().on_message_complete()


class Frames(WebSocketsSansIOProtocol):
    """Websockets, without an exception for what comes together with a goodbye."""

    def send_receive_event_to_app(self) -> None:
        """Hand on a message. Where it cannot be read, uvicorn says goodbye, which it can do only once."""
        with contextlib.suppress(InvalidState):
            super().send_receive_event_to_app()
