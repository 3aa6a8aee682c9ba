"""HTTP/1.1 as uvicorn and httptools speak it, with the bounds that the open internet needs."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_COUNT = 100
HEADER_BYTES = 32_768
HEADER_TIMEOUT_S = 10.0

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 44\r\nconnection: close\r\n\r\n"
    b"The request has too many or too long headers"
)


class HeadersTooLargeError(Exception):
    """A request has more headers, or longer ones, than are taken."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses more than 100 headers or 32 KB of them, and gives a request 10 s to send them all.

    Memory that a sender can take before it is known is bounded so.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own annotation
        """Begin to count and to wait."""
        self._count = self._bytes = 0
        self._begun: float | None = self.loop.time()
        self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self._check_time)
        self._one_write = OneWrite(transport)
        super().connection_made(self._one_write)  # type: ignore[arg-type] # it acts as one

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._count = self._bytes = 0
        self._begun = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line's part."""
        self._take(0, len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._take(1, len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._begun = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Send the head of an answer that had no body, as to HEAD."""
        self._one_write.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell a sender of too many headers so, and others that they speak no HTTP."""
        if self._is_over():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _take(self, count: int, size: int) -> None:
        self._count += count
        self._bytes += size
        if self._is_over():
            raise HeadersTooLargeError

    def _is_over(self) -> bool:
        return self._count > HEADER_COUNT or self._bytes > HEADER_BYTES

    def _check_time(self) -> None:
        if self._begun is not None and self.loop.time() - self._begun >= HEADER_TIMEOUT_S:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self._check_time)


class OneWrite:
    """A transport that sends a response's head together with what follows it.

    uvicorn writes the head and the body one by one, which costs a system call and a packet more.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, or keep it when it is the head of a final response."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send what is kept."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Send what is kept, and close."""
        self.flush()
        self._transport.close()
