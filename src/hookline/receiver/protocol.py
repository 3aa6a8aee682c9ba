"""HTTP/1.1 as uvicorn and httptools speak it, with the bounds that the open internet needs."""

import asyncio
import functools
import resource
from collections.abc import Callable
from typing import Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.receiver.budget import Budget, Request

HEADER_COUNT = 100
HEADER_BYTES = 32_768
HEADER_TIMEOUT_S = 10.0
# Somewhat more than the receiver's own time limit, which ends with an answer.
BODY_TIMEOUT_S = 40.0
LINGER_S = 5.0
FAREWELL_S = 1.0
_DESCRIPTORS = 16_384
# The parser shows a header when it is complete; until then its bytes are counted as they come,
# with those between names and values.
_RAW_HEADER_BYTES = 2 * HEADER_BYTES

SHED = "hookline.shed"
"""The key of a scope whose request was answered 503 before it was whole."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 44\r\nconnection: close\r\n\r\n"
    b"The request has too many or too long headers"
)

_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 32\r\nconnection: close\r\n\r\n"
    b"The request's body took too long"
)

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 41\r\nconnection: close\r\n\r\n"
    b"Too much is being received; try it again."
)


class HeadersTooLargeError(Exception):
    """A request has more headers, or longer ones, than are taken."""


@functools.cache
def connection_limit() -> int:
    """How many connections this process keeps that wait for their senders.

    It is half of what the process may open, so that there is always room for new ones. Systems
    set that low, for programs of another time, and let it be raised.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return enough // 2


class BoundedProtocol(HttpToolsProtocol):
    """Refuses more than 100 headers or 32 KB of them, and waits for a sender only so long.

    A request has 10 s to send its headers and 40 s for its body, whether somebody reads it or not.
    Memory and connections that a sender can take before it is known are bounded so. One that is
    answered before it has sent all can still read the answer: what it sends is thrown away for 5 s.
    When there are too many connections, the one that has kept us waiting longest is closed.
    When the server stops, a request that has begun to come, or does within 1 s, is still answered.
    """

    # The connections whose senders are awaited, since when in their order.
    _waiting: ClassVar[dict["BoundedProtocol", None]] = {}
    # What requests may hold in memory, all connections together.
    budget: ClassVar[Budget] = Budget(256_000_000)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own annotation
        """Begin to count and to wait."""
        self._count = self._bytes = self._unparsed = 0
        self._in_headers = self._is_new = self._is_repeating = self._is_leaving = False
        # Until when the sender must have sent what is awaited; None while nothing is.
        self._deadline: float | None = self.loop.time() + HEADER_TIMEOUT_S
        self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self._check_time)
        self._output = OneWrite(transport, self._linger)
        super().connection_made(self._output)  # type: ignore[arg-type] # it acts as one
        self._application: Any = self.app
        self._request = Request(self._application, self.budget)
        self._waiting[self] = None
        while len(self._waiting) > connection_limit():
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest._output.end()  # noqa: SLF001 - one of us

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, and hold nothing that nobody reads."""
        self._timer.cancel()
        for request in (self._request, *(app for _, app in self.pipeline)):
            if isinstance(request, Request) and not request.begun:
                request.release()
        self._waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and bound what the parser keeps of a header that has no end yet."""
        if self._output.is_closing():
            return
        self._is_new = False
        self._parse(data)
        if not self._output.is_closing():
            self._bound(data)

    def _bound(self, data: bytes) -> None:
        if self._in_headers:
            # What came before a request's first byte is not its own.
            self._unparsed += 0 if self._is_new else len(data)
            self._hold(len(data))
            if self._unparsed > _RAW_HEADER_BYTES:
                self._refuse_headers()
        elif self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            # Line ends in front of a request, which is yet to begin.
            self._deadline = self.loop.time() + HEADER_TIMEOUT_S

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Stay with HTTP/1.1, as RFC 9110 (7.8) allows: read the request's body all the same.

        The parser takes what follows the headers for the other protocol's. So another parser goes
        on, which is told of the headers only how long the body is.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lengths = [
            name + b": " + value + b"\r\n"
            for name, value in self.headers
            if name in {b"content-length", b"transfer-encoding"}
        ]
        self._is_repeating = True
        self._parse(b"POST / HTTP/1.1\r\n" + b"".join(lengths) + b"\r\n")
        self._is_repeating = False
        if rest:
            self._parse(rest)

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's own annotation
        """Answer what came whole before the sender shut its side, and close then."""
        if self._output.is_closing() or self.cycle is None or self.cycle.response_complete:
            return False
        if self._deadline is not None and not self._in_headers:
            # It is the newest request that lacks a part of its body.
            return False
        self._deadline = None
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._is_repeating:
            return
        self._count = self._bytes = self._unparsed = 0
        self._in_headers = self._is_new = True
        # uvicorn gives the request to `app` when its headers are there.
        self._request = self.app = Request(self._application, self.budget)
        self._deadline = self.loop.time() + HEADER_TIMEOUT_S
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line's part."""
        if self._is_repeating:
            return
        self._take(0, len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. One behind the body is ignored: proxies do not look there."""
        if self._is_repeating:
            return
        self._take(1, len(name) + len(value))
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        if self._is_repeating:
            return
        self._in_headers = False
        self._deadline = self.loop.time() + BODY_TIMEOUT_S
        super().on_headers_complete()
        if self._is_leaving:
            self.cycle.keep_alive = False
        self._hold(max(0, self._bytes - self._request.held))

    def on_body(self, body: bytes) -> None:
        """Count a part of the body."""
        if not self.cycle.response_complete and not self._output.is_closing():
            super().on_body(body)
            self._hold(len(body))

    def on_message_complete(self) -> None:
        """The whole request is there, except for a body that follows a request to upgrade."""
        if self.parser.should_upgrade():
            return
        self._deadline = None
        self._waiting.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send also a head that nothing follows: the answer to HEAD."""
        self._output.flush()
        if not self._output.is_closing():
            self._waiting[self] = None
        super().on_response_complete()

    def shutdown(self) -> None:
        """Take the request that comes, or comes soon, as the last one: the server stops."""
        self._is_leaving = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._is_idle():
            self.loop.call_later(FAREWELL_S, self._leave)

    def _leave(self) -> None:
        if self._is_idle():
            # Of who has not sent anything, nothing more is awaited.
            leave = self._output.end if self.cycle is None else self._output.close
            leave()

    def _is_idle(self) -> bool:
        """Whether nothing has come that is not yet answered."""
        return not self._in_headers and (self.cycle is None or self.cycle.response_complete)

    def send_400_response(self, msg: str) -> None:
        """Tell a sender of too many headers so, and others that they speak no HTTP."""
        if self._is_over():
            self._refuse_headers()
        else:
            super().send_400_response(msg)

    def _hold(self, size: int) -> None:
        """Count bytes; where they are too many, those who send most are asked to come again.

        None of them is authenticated, since that takes the whole body. Somewhat more is freed than
        must be, so that not each packet of a flood has all connections looked through.
        """
        self._request.hold(size)
        if not self.budget.exceeded:
            return
        enough = self.budget.limit - self.budget.limit // 16
        sending = [each for each in self._waiting if each._may_be_shed()]  # noqa: SLF001 - one of us
        for each in sorted(sending, key=lambda each: each._request.held, reverse=True):  # noqa: SLF001 - the same
            each._shed()  # noqa: SLF001 - the same
            if self.budget.used <= enough:
                break

    def _may_be_shed(self) -> bool:
        """Whether it holds what is not whole yet, and nothing is or has been answered."""
        if self._deadline is None or self._output.is_closing() or not self._request.held:
            return False
        if self._in_headers:
            return not self._owes_an_answer()
        return not self.pipeline and not self.cycle.response_started

    def _shed(self) -> None:
        self._request.release()
        if not self._in_headers:
            cast("dict[str, Any]", self.scope)[SHED] = True
            self.cycle.disconnected = True
            self.cycle.body = bytearray()
            self.cycle.message_event.set()
        self._output.write(_BUSY)
        self._output.close()

    def _refuse_headers(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _take(self, count: int, size: int) -> None:
        self._count += count
        self._bytes += size
        if self._is_over():
            raise HeadersTooLargeError

    def _is_over(self) -> bool:
        return self._count > HEADER_COUNT or self._bytes > HEADER_BYTES

    def _linger(self) -> bool:
        """Whether the sender is still to be listened to; if so, for how long."""
        if self._deadline is None:
            return False
        self._deadline = self.loop.time() + LINGER_S
        self.flow.resume_reading()
        self._timer.cancel()
        self._timer = self.loop.call_later(LINGER_S, self._output.end)
        return True

    def _owes_an_answer(self) -> bool:
        """Whether an earlier request than the one that comes in is not yet answered."""
        return self._in_headers and self.cycle is not None and not self.cycle.response_complete

    def _give_up(self) -> None:
        if not self._in_headers and self.cycle is not None and not self.cycle.response_started:
            self._output.write(_TOO_SLOW)
            self._output.flush()
        self._output.end()

    def _check_time(self) -> None:
        now = self.loop.time()
        if self._deadline is not None and (self.flow.read_paused or self._owes_an_answer()):
            # It is we who are slow.
            self._deadline = now + HEADER_TIMEOUT_S
        if self._deadline is not None and now >= self._deadline:
            self._give_up()
            return
        wait = HEADER_TIMEOUT_S if self._deadline is None else self._deadline - now
        self._timer = self.loop.call_later(min(wait, HEADER_TIMEOUT_S), self._check_time)


class OneWrite:
    """A transport that sends a response's head together with what follows it.

    uvicorn writes the head and the body one by one, which costs a system call and a packet more.
    Closing it while the sender still sends would take the answer from it: `must_linger` says so.
    """

    __slots__ = ("_head", "_is_closing", "_must_linger", "_transport")

    def __init__(self, transport: asyncio.Transport, must_linger: Callable[[], bool]) -> None:
        self._transport = transport
        self._must_linger = must_linger
        self._is_closing = False
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether it is closed, or is about to be."""
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send `data`, or keep it when it is the head of a final response.

        A sender that is gone gets nothing, though several of its requests may still be answered.
        """
        if self.is_closing():
            return
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send what is kept."""
        if self._head and not self.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def close(self) -> None:
        """Send what is kept, and close, at once or when the sender does."""
        self.flush()
        if self.is_closing():
            return
        if self._must_linger():
            self._is_closing = True
            self._transport.write_eof()
        else:
            self._transport.close()

    def end(self) -> None:
        """Close, whatever the sender does."""
        self._transport.close()
