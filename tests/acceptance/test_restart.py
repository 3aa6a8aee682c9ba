"""A restart: load balancers are told first, and what has connected is answered."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psutil
import pytest

from support.command_line import run_program
from support.sending import Reply, push_event, send, signed
from support.server import Server, is_alive, until
from support.tenant import SECRET, Tenant

MakeServer = Callable[..., Server]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        yield listener


class Connection:
    """A sender that keeps its connection, and opens another when it is told that it was the last.

    It does not try anything again.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            self._parts.hostname or "", self._parts.port, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def push(self, n: int) -> Reply:
        body = json.dumps(push_event(n=n)).encode()
        path = f"{self._parts.path}?{self._parts.query}"
        self._connection.request("POST", path, body, signed(SECRET, body))
        response = self._connection.getresponse()
        content = json.load(response)
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)


class Load:
    """Deliveries without a pause, on new connections and on kept ones."""

    def __init__(self, webhook: Any) -> None:
        self._url = webhook["url"]
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number, number % 2 == 0))
            for number in range(6)
        ]
        self.replies: list[Reply] = []
        self.errors: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join()

    def go_on(self) -> None:
        """Wait for some more replies."""
        before = len(self.replies)
        assert until(lambda: len(self.replies) > before + 50), self.errors

    def _send(self, number: int, kept: bool) -> None:  # noqa: FBT001 - a private thread's target
        count = 0
        while not self._end.is_set():
            with Connection(self._url) as connection:
                while not self._end.is_set():
                    count += 1
                    try:
                        self.replies.append(connection.push(number * 1_000_000 + count))
                    except (OSError, http.client.HTTPException) as error:
                        self.errors.append(repr(error))
                        break
                    if not kept:
                        break


def unmatched(tenant: Tenant) -> Any:
    """A webhook that takes what is sent, and starts nothing."""
    no_such = [{"jsonPath": "$.ref", "matchEquals": "refs/heads/no-such"}]
    return tenant.webhook(tenant.idle_pipeline(), filters=no_such)


def test_t12_a_restart_with_sockets_from_systemd_refuses_nothing(
    make_server: MakeServer, github: Path, listening: socket.socket
) -> None:
    server = make_server()
    server.options = ["--workers", "2"]
    server.sockets = {"api": listening}
    server.start()
    assert server.port == listening.getsockname()[1]
    tenant = Tenant(server, github)
    load = Load(unmatched(tenant))
    with load.running():
        for _ in range(2):
            load.go_on()
            assert server.stop() == 0
            # Whoever comes now waits in the kernel.
            server.start()
        load.go_on()
    assert load.errors == []
    assert {(reply.status, reply.outcome) for reply in load.replies} == {(200, "filtered")}
    ids = {reply.delivery_id for reply in load.replies}
    assert len(ids) == len(load.replies)
    last = load.replies[-1].delivery_id
    assert until(lambda: ids <= {each.id for each in server.deliveries(last)})


def test_t12_a_delivery_that_comes_while_no_server_runs_is_answered_by_the_next(
    make_server: MakeServer, github: Path, listening: socket.socket
) -> None:
    server = make_server()
    server.sockets = {"api": listening}
    server.start()
    with Connection(unmatched(Tenant(server, github))["url"]) as waiting:
        assert server.stop() == 0
        sender = threading.Thread(target=lambda: replies.append(waiting.push(1)))
        replies: list[Reply] = []
        sender.start()
        server.start()
        sender.join()
    assert [reply.status for reply in replies] == [200]


def test_the_receivers_socket_has_the_trigger_urls_alone(
    make_server: MakeServer, github: Path, listening: socket.socket
) -> None:
    server = make_server()
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        # In another order than the server's own.
        server.sockets = {"receiver": receiver, "api": listening}
        server.start()
        webhook = unmatched(Tenant(server, github))
        port = receiver.getsockname()[1]
        assert webhook["url"].startswith(f"http://127.0.0.1:{port}/trigger")
        assert send(f"http://127.0.0.1:{port}/healthz", method="GET").status == 404
        assert send(f"{server.url}/healthz", method="GET").status == 200
        with Connection(webhook["url"]) as connection:
            assert connection.push(1).outcome == "filtered"


def test_what_systemd_passes_is_closed_to_the_engine(
    make_server: MakeServer, listening: socket.socket
) -> None:
    server = make_server()
    server.sockets = {"api": listening}
    server.start()
    for role, listens in (("worker", True), ("recorder", False), ("engine", False)):
        [process] = server.children(role)
        ports = {item.laddr.port for item in process.net_connections() if item.status == "LISTEN"}
        assert (server.port in ports) is listens


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hookline.socket", "has the name 'hookline.socket'. Set FileDescriptorName=api"),
        ("api", "is none on which TCP connections are accepted"),
    ],
)
def test_serve_says_which_socket_from_systemd_cannot_be_used(
    make_server: MakeServer, name: str, words: str
) -> None:
    server = make_server()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as idle:
        server.sockets = {name: idle}
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
    [line] = server.output.splitlines()
    assert words in line


def test_w5_no_verify_credentials_is_refused_on_a_socket_that_others_reach(
    make_server: MakeServer,
) -> None:
    server = make_server()
    server.options = ["--no-verify-credentials"]
    with socket.create_server(("0.0.0.0", 0)) as open_to_all:  # noqa: S104 - refused
        server.sockets = {"api": open_to_all}
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
    assert "loopback" in server.output


def test_sockets_that_are_for_another_process_are_let_be(make_server: MakeServer) -> None:
    server = make_server()
    environment = {**server.environment, "LISTEN_PID": "1", "LISTEN_FDS": "1"}
    done = run_program(
        *("serve", "--port", "0", "--host", "192.0.2.1"),
        environment=environment,
        folder=server.log.parent,
    )
    assert "can't listen on 192.0.2.1" in done.stderr


def test_healthz_is_503_while_deliveries_are_still_answered(
    make_server: MakeServer, github: Path
) -> None:
    server = make_server(drain="4").start()
    webhook = unmatched(Tenant(server, github))
    with Connection(webhook["url"]) as kept:
        assert "connection" not in kept.push(1).headers
        stopped_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: health(server) == 503, 2)
        told = send(f"{server.url}/healthz", method="GET")
        assert (told.status, told.content["status"]) == (503, "draining")
        reply = kept.push(2)
        assert (reply.status, reply.outcome) == (200, "filtered")
        # So that its next request goes to another server.
        assert reply.headers["connection"] == "close"
        assert kept.push(3).status == 200
    assert server.process.wait(30) == 0
    assert time.monotonic() - stopped_at >= 4


def health(server: Server) -> int:
    with suppress(OSError, http.client.HTTPException):
        return send(f"{server.url}/healthz", method="GET").status
    return 0


def test_a_second_signal_ends_the_drain(make_server: MakeServer) -> None:
    server = make_server(drain="600").start()
    server.process.send_signal(signal.SIGTERM)
    assert until(lambda: health(server) == 503)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0


def test_who_interrupts_the_server_does_not_wait_for_the_drain(make_server: MakeServer) -> None:
    server = make_server(drain="600").start()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0


def test_a_worker_that_dies_during_the_drain_is_replaced(make_server: MakeServer) -> None:
    server = make_server(drain="600").start()
    [worker] = server.children("worker")
    server.process.send_signal(signal.SIGTERM)
    worker.kill()
    assert until(lambda: not is_alive(worker) and health(server) == 503)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0


@pytest.mark.parametrize("sent_before", [b"", b"POST "])
def test_a_connection_that_was_accepted_is_answered_after_the_stop(
    make_server: MakeServer, github: Path, sent_before: bytes
) -> None:
    server = make_server().start()
    parts = urlsplit(unmatched(Tenant(server, github))["url"])
    body = json.dumps(push_event()).encode()
    lines = [f"POST {parts.path}?{parts.query} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in signed(SECRET, body).items()]
    request = "\r\n".join([*lines, "", ""]).encode() + body
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(sent_before)
        [worker] = server.children("worker")
        assert until(lambda: accepted(worker, connection))
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: refused(server))
        connection.sendall(request.removeprefix(sent_before))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert server.process.wait(30) == 0


def accepted(worker: psutil.Process, connection: socket.socket) -> bool:
    mine = connection.getsockname()[1]
    return any(item.raddr and item.raddr.port == mine for item in worker.net_connections())


def refused(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return True
    return False
