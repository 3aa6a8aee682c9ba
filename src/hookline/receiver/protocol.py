"""HTTP/1.1 by uvicorn and httptools, with the limits that a server on the internet needs."""

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
# Longer than the receiver's own time-out, which sends an answer.
BODY_TIMEOUT_S = 40.0
LINGER_S = 5.0
FAREWELL_S = 1.0
_DESCRIPTORS = 16_384
# The parser reports a header once it is complete. Until then its raw bytes are counted, including
# the separators between names and values.
_RAW_HEADER_BYTES = 2 * HEADER_BYTES

SHED = "hookline.shed"
"""The scope's key that marks a request answered with 503 before all of it had arrived."""

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
    """A request has too many or too long headers."""


@functools.cache
def connection_limit() -> int:
    """How many connections of this process may wait for their senders.

    Half of the limit on open files, so that new connections always find room. The default soft
    limit is low, so it is raised first.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return enough // 2


class BoundedProtocol(HttpToolsProtocol):
    """Limits the headers of a request to 100 and 32 KB, and the time that a sender may take.

    A request has 10 s for its headers and 40 s for its body, whether or not the application reads
    it. This bounds the memory and connections that an unauthenticated sender can hold. A sender
    that is answered before it has sent everything can still read the answer: what it sends is
    discarded for 5 s. With too many connections, the one that has been waited for longest is
    closed. When the server stops, requests that have begun, or begin within 1 s, are answered.
    """

    # The connections that wait for their senders, the longest first.
    _waiting: ClassVar[dict["BoundedProtocol", None]] = {}
    # The memory that the requests of all connections may hold together.
    budget: ClassVar[Budget] = Budget(256_000_000)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own annotation
        """Start the counters and the header time-out."""
        self._count = self._bytes = self._unparsed = 0
        self._in_headers = self._is_new = self._is_repeating = self._is_leaving = False
        # When the sender's time is up; None while nothing is expected of it.
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
        """Stop waiting, and release what no application will read."""
        self._timer.cancel()
        for request in (self._request, *(app for _, app in self.pipeline)):
            if isinstance(request, Request) and not request.begun:
                request.release()
        self._waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and limit what the parser buffers of an unfinished header."""
        if self._output.is_closing():
            return
        self._is_new = False
        self._parse(data)
        if not self._output.is_closing():
            self._bound(data)

    def _bound(self, data: bytes) -> None:
        if self._in_headers:
            # Data in which a request begins may hold bytes of what precedes it.
            self._unparsed += 0 if self._is_new else len(data)
            self._hold(len(data))
            if self._unparsed > _RAW_HEADER_BYTES:
                self._refuse_headers()
        elif self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            # Only line ends so far: the next request has not begun.
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

        The parser takes everything after the headers for the other protocol. So a new parser takes
        over, which is given only those headers that tell the length of the body.
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
        """Answer requests that were complete when the sender closed its side, then close."""
        if self._output.is_closing() or self.cycle is None or self.cycle.response_complete:
            return False
        if self._deadline is not None and not self._in_headers:
            # The newest request lacks part of its body.
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
        # uvicorn calls `app` once the headers are complete.
        self._request = self.app = Request(self._application, self.budget)
        self._deadline = self.loop.time() + HEADER_TIMEOUT_S
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the URL towards the size of the headers."""
        if self._is_repeating:
            return
        self._take(0, len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. Trailers are ignored, as proxies do not check them."""
        if self._is_repeating:
            return
        self._take(1, len(name) + len(value))
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are complete."""
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
        """The request is complete, except for a body that follows a request to upgrade."""
        if self.parser.should_upgrade():
            return
        self._deadline = None
        self._waiting.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send a head without a body too: the answer to HEAD."""
        self._output.flush()
        if not self._output.is_closing():
            self._waiting[self] = None
        super().on_response_complete()

    def shutdown(self) -> None:
        """Answer the request in progress, or one that begins soon, as the last before a stop."""
        self._is_leaving = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._is_idle():
            self.loop.call_later(FAREWELL_S, self._leave)

    def _leave(self) -> None:
        if self._is_idle():
            # A sender that has never sent anything is not waited for.
            leave = self._output.end if self.cycle is None else self._output.close
            leave()

    def _is_idle(self) -> bool:
        """Whether everything received has been answered."""
        return not self._in_headers and (self.cycle is None or self.cycle.response_complete)

    def send_400_response(self, msg: str) -> None:
        """Answer 431 where the headers are over the limits, and 400 otherwise."""
        if self._is_over():
            self._refuse_headers()
        else:
            super().send_400_response(msg)

    def _hold(self, size: int) -> None:
        """Count bytes; over the limit, answer 503 to the incomplete requests that hold the most.

        None of these is authenticated, since that takes the whole body. Frees somewhat more than
        necessary, so that not every packet of a flood causes a scan of all connections.
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
        """Whether it holds an incomplete request, and no answer is due or has begun."""
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
        """Whether to go on reading from the sender after closing; starts the time-out if so."""
        if self._deadline is None:
            return False
        self._deadline = self.loop.time() + LINGER_S
        self.flow.resume_reading()
        self._timer.cancel()
        self._timer = self.loop.call_later(LINGER_S, self._output.end)
        return True

    def _owes_an_answer(self) -> bool:
        """Whether a request before the incoming one is still unanswered."""
        return self._in_headers and self.cycle is not None and not self.cycle.response_complete

    def _give_up(self) -> None:
        if not self._in_headers and self.cycle is not None and not self.cycle.response_started:
            self._output.write(_TOO_SLOW)
            self._output.flush()
        self._output.end()

    def _check_time(self) -> None:
        now = self.loop.time()
        if self._deadline is not None and (self.flow.read_paused or self._owes_an_answer()):
            # The delay is ours.
            self._deadline = now + HEADER_TIMEOUT_S
        if self._deadline is not None and now >= self._deadline:
            self._give_up()
            return
        wait = HEADER_TIMEOUT_S if self._deadline is None else self._deadline - now
        self._timer = self.loop.call_later(min(wait, HEADER_TIMEOUT_S), self._check_time)


class OneWrite:
    """A transport that sends a response's head and body in one write.

    uvicorn writes them separately, at the cost of another system call and packet. `must_linger`
    tells whether the sender is still sending: closing at once would lose the answer.
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
        """Whether it is closed or closing."""
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send `data`, or keep it when it is the head of a final response.

        Once it is closing, data is dropped: earlier requests may still produce answers.
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
