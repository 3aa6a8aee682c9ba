"""The bounds of the HTTP protocol, on real sockets, with short time limits."""

import asyncio
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from hookline.model import Verdict
from hookline.receiver import endpoint, protocol
from hookline.receiver.budget import Budget
from hookline.receiver.judge import Request
from hookline.receiver.protocol import BoundedProtocol
from hookline.receiver.refusal import Refused

BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
WHOLE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

Peer = Callable[[int], Any]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_S", 0.4)
    monkeypatch.setattr(protocol, "LINGER_S", 0.3)


class App:
    """Answers after `wait` seconds, having read the body if `reads`; notes what it received."""

    def __init__(self, *, reads: bool = True, wait: float = 0.0, closes: bool = False) -> None:
        self.reads, self.wait, self.closes = reads, wait, closes
        self.received: list[str] = []
        self.headers: list[Any] = []
        self.size = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = self.reads
        while more:
            message = await receive()
            self.received.append(message["type"])
            self.size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.headers += scope["headers"]
        await asyncio.sleep(self.wait)
        headers = [(b"content-length", b"2"), *([(b"connection", b"close")] * self.closes)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


def serve(app: App, peer: Peer) -> Any:
    """What `peer`, given the port, returns; the app is served meanwhile."""

    async def run() -> Any:
        config = uvicorn.Config(app, http=BoundedProtocol, ws="none", lifespan="off")
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()

        def made() -> asyncio.Protocol:
            return BoundedProtocol(config=config, server_state=state, app_state={})

        server = await loop.create_server(made, "127.0.0.1", 0)
        work: Awaitable[Any] = asyncio.to_thread(peer, server.sockets[0].getsockname()[1])
        try:
            return await work
        finally:
            server.close()
            # The server's ends of the connections learn that they are closed.
            await asyncio.sleep(0.05)

    return asyncio.run(run())


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def seconds_until_closed(peer: socket.socket, drip: bytes = b"") -> float:
    """How long the server keeps a connection on which `drip` is sent again and again."""
    began = time.monotonic()
    peer.settimeout(0.02)
    while time.monotonic() - began < 3:
        try:
            peer.sendall(drip)
            if peer.recv(65_536) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("begin", "drip", "least", "most"),
    [
        (b"", b"", 0.15, 0.5),
        (b"POST / HTTP/1.1\r\n", b"X: y\r\n", 0.15, 0.5),
        (b"\r\n", b"\r\n", 0.15, 0.5),
        (b"POST /", b"x", 0.15, 0.5),
        (BODY, b"", 0.35, 0.8),
        (BODY, b"x", 0.35, 0.8),
    ],
)
def test_a_slow_sender_is_given_up(begin: bytes, drip: bytes, least: float, most: float) -> None:
    def peer(port: int) -> float:
        with connected(port) as sending:
            sending.sendall(begin)
            return seconds_until_closed(sending, drip)

    app = App()
    assert least < serve(app, peer) < most
    assert app.received.count("http.disconnect") == (begin == BODY)


def test_t12_a_sender_whose_body_does_not_come_is_told_so() -> None:
    def peer(port: int) -> bytes:
        with connected(port) as sending:
            sending.sendall(BODY)
            return b"".join(iter(lambda: sending.recv(65_536), b""))

    answer = serve(App(), peer)
    head, _, text = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"content-length: %d\r\n" % len(text) in head


@pytest.mark.parametrize("drip", [b"\r\n", b"P"])
def test_a_kept_connection_is_not_held_by_dripping(drip: bytes) -> None:
    def peer(port: int) -> float:
        with connected(port) as sending:
            sending.sendall(WHOLE)
            assert sending.recv(65_536).endswith(b"ok")
            return seconds_until_closed(sending, drip)

    assert serve(App(), peer) < 0.6


def test_a_pipelining_sender_is_not_blamed_for_our_slowness() -> None:
    def peer(port: int) -> bytes:
        with connected(port) as sending:
            sending.sendall(WHOLE + WHOLE + WHOLE[:20])
            received = b""
            while received.count(b"ok") < 2 and (data := sending.recv(65_536)):
                received += data
            sending.sendall(WHOLE[20:])
            while received.count(b"ok") < 3 and (data := sending.recv(65_536)):
                received += data
            return received

    assert serve(App(wait=0.5), peer).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("method", [b"HEAD", b"POST"])
def test_an_answer_without_a_body_is_sent_at_once(method: bytes) -> None:
    def peer(port: int) -> float:
        with connected(port) as sending:
            sending.sendall(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            began = time.monotonic()
            assert sending.recv(65_536).startswith(b"HTTP/1.1 200")
            return time.monotonic() - began

    assert serve(App(), peer) < 0.1


def test_one_that_is_answered_early_can_read_the_answer_and_then_is_cut_off() -> None:
    def peer(port: int) -> tuple[bytes, float]:
        with connected(port) as sending:
            sending.sendall(BODY)
            for _ in range(10):
                sending.sendall(b"x" * 50_000)
                time.sleep(0.01)
            received = b""
            while data := sending.recv(65_536):
                received += data
            return received, seconds_until_closed(sending, b"x")

    received, kept = serve(App(reads=False, closes=True), peer)
    assert received.endswith(b"ok")
    assert kept < 0.5


def test_a_whole_request_is_closed_at_once() -> None:
    def peer(port: int) -> float:
        with connected(port) as sending:
            sending.sendall(WHOLE)
            return seconds_until_closed(sending)

    assert serve(App(closes=True), peer) < 0.2


def test_headers_behind_the_body_are_ignored() -> None:
    sent = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n"

    def peer(port: int) -> bytes:
        with connected(port) as sending:
            sending.sendall(sent)
            return sending.recv(65_536)

    app = App()
    assert serve(app, peer).endswith(b"ok")
    assert dict(app.headers) == {b"transfer-encoding": b"chunked"}


def test_headers_that_come_in_many_small_pieces_are_accepted() -> None:
    sent = b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 300) for n in range(90))

    def peer(port: int) -> bytes:
        with connected(port) as sending:
            for start in range(0, len(sent), 1_000):
                sending.sendall(sent[start : start + 1_000])
            sending.sendall(b"Content-Length: 2\r\n\r\n{}")
            return sending.recv(65_536)

    assert serve(App(), peer).endswith(b"ok")


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000


def everything(sending: socket.socket) -> bytes:
    return b"".join(iter(lambda: sending.recv(65_536), b""))


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (WHOLE, 1),
        (CHUNKED, 1),
        (LARGE, 1),
        (WHOLE * 3, 3),
        (LARGE * 2, 2),
        (WHOLE + b"POST / HTTP", 1),
        (WHOLE.replace(b"Host", b"Connection: close\r\nHost"), 1),
        (BODY, 0),
        (b"POST / HTTP", 0),
        (b"", 0),
    ],
)
def test_one_that_shuts_its_sending_side_gets_what_it_is_owed(sent: bytes, answers: int) -> None:
    def peer(port: int) -> bytes:
        with connected(port) as sending:
            sending.sendall(sent)
            sending.shutdown(socket.SHUT_WR)
            return everything(sending)

    assert serve(App(wait=0.05), peer).count(b"HTTP/1.1 200") == answers


def test_a_kept_connection_ends_when_its_sender_shuts_its_side() -> None:
    def peer(port: int) -> float:
        with connected(port) as sending:
            sending.sendall(WHOLE)
            assert sending.recv(65_536).endswith(b"ok")
            sending.shutdown(socket.SHUT_WR)
            return seconds_until_closed(sending)

    assert serve(App(), peer) < 0.15


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("request_", [WHOLE, CHUNKED, LARGE])
def test_a_wish_for_another_protocol_does_not_cost_the_body(request_: bytes, pause: float) -> None:
    head, _, body = request_.replace(b"\r\n", b"\r\n" + UPGRADE, 1).partition(b"\r\n\r\n")

    def peer(port: int) -> bytes:
        with connected(port) as sending:
            sending.sendall(head + b"\r\n\r\n")
            time.sleep(pause)
            sending.sendall(body + WHOLE)
            received = b""
            while received.count(b"ok") < 2 and (data := sending.recv(65_536)):
                received += data
            return received

    app = App()
    assert serve(app, peer).count(b"HTTP/1.1 200") == 2
    whole = {WHOLE: 2, CHUNKED: 2, LARGE: 500_000}[request_]
    assert app.size == whole + 2
    assert (b"upgrade", b"h2c") in app.headers


def test_beyond_the_budget_those_who_send_most_are_asked_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT_S", 20)
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_S", 20)
    monkeypatch.setattr(protocol, "LINGER_S", 1)
    monkeypatch.setattr(BoundedProtocol, "budget", Budget(2_000_000))

    def peer(port: int) -> tuple[list[bytes], int, bytes]:
        with ExitStack() as stack:
            crowd = [stack.enter_context(connected(port)) for _ in range(10)]
            held = 0
            for number, sending in enumerate(crowd):
                sending.sendall(BODY + b"x" * (100_000 * number))
                time.sleep(0.05)
                held = max(held, BoundedProtocol.budget.used)
            with connected(port) as sending:
                sending.sendall(WHOLE)
                answer = sending.recv(65_536)
            shed = []
            for sending in crowd:
                sending.settimeout(0.1)
                with suppress(TimeoutError):
                    shed.append(everything(sending))
            return shed, held, answer

    shed, held, answer = serve(App(), peer)
    assert answer.endswith(b"ok")
    assert 0 < len(shed) < 10
    for text in shed:
        head, _, body = text.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in head
        assert b"content-length: %d\r\n" % len(body) in head
    assert held <= 2_000_000
    assert BoundedProtocol.budget.used == 0


@pytest.mark.parametrize("sent", [WHOLE * 3, LARGE * 2, BODY, b"POST / HTTP", b"", WHOLE + BODY])
def test_nothing_counts_when_all_are_gone(sent: bytes) -> None:
    def peer(port: int) -> None:
        for _ in range(5):
            with connected(port) as sending:
                sending.sendall(sent)
            with connected(port) as sending:
                sending.sendall(sent)
                sending.shutdown(socket.SHUT_WR)
                with suppress(OSError):
                    everything(sending)

    serve(App(wait=0.01), peer)
    assert BoundedProtocol.budget.used == 0


@pytest.mark.parametrize("begin", [b"", b"POST / HTTP/1.1\r\n", BODY, WHOLE])
def test_many_that_keep_us_waiting_do_not_keep_others_out(
    monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(protocol, "connection_limit", lambda: 20)

    def peer(port: int) -> tuple[bytes, int]:
        crowd = [connected(port) for _ in range(50)]
        for sending in crowd:
            # Some are closed already.
            with suppress(OSError):
                sending.sendall(begin)
        with connected(port) as sending:
            sending.sendall(WHOLE)
            received = sending.recv(65_536)
        left = len(BoundedProtocol._waiting)
        for sending in crowd:
            sending.close()
        return received, left

    received, left = serve(App(), peer)
    assert received.endswith(b"ok")
    # Those that are being answered just now are not counted when they come.
    assert left <= 40
    assert not BoundedProtocol._waiting


def test_as_many_files_as_connections_need_may_be_opened() -> None:
    protocol.connection_limit.cache_clear()
    limit = protocol.connection_limit()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < 2 * limit <= soft


def test_t12_a_slow_body_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_BODY_TIMEOUT_S", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(5)
        return {}

    request = Request({}, "", received_at=0.0, began=0.0)

    async def read() -> None:
        with pytest.raises(Refused) as caught:
            await endpoint._read_rest(b"{", request, never, 100)
        assert caught.value.verdict is Verdict.TOO_SLOW

    asyncio.run(read())


def test_t14_giving_up_on_a_body_is_recorded_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_BODY_TIMEOUT_S", 0.05)
    began = time.perf_counter()
    request = Request({}, "", received_at=0.0, began=began)
    assert endpoint._hung_up(request).verdict is Verdict.NOT_JSON
    time.sleep(0.06)
    assert endpoint._hung_up(request).verdict is Verdict.TOO_SLOW
