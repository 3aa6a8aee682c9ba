"""Stands before a mock of GitHub's API: records each request, and answers some as a test says."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """A request: `body` is its JSON, `status` what it was answered with."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    status: int


@dataclass(frozen=True)
class Answer:
    """An answer that the mock would not give; `meanwhile` runs before it is sent."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None

    @property
    def content(self) -> bytes:
        """The body as bytes: JSON unless it is bytes already."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


class DrippingServer:
    """A server on 127.0.0.1 that begins an answer, and then sends a byte each so often."""

    def __init__(self, begin: bytes, pause: float = 0.2) -> None:
        self._begin = begin
        self._pause = pause
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        self.callers = 0
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.callers += 1
                thread = threading.Thread(target=self._drip, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(self._begin)
            while not self._closing.wait(self._pause):
                connection.sendall(b"x")


class GitHubApi:
    """A server on 127.0.0.1 that forwards to the mock at port `upstream`.

    What `answers` holds is taken first, in its order, for whatever is asked.
    """

    def __init__(self, upstream: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if tls is not None:
            self.url = self.url.replace("http", "https")
            # The shake of hands is the handler's, whose failure is one request's.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def lines(self) -> list[str]:
        """The requests so far, as `METHOD path`."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def forget(self) -> None:
        """Forget what was asked, and what was to be answered."""
        self.asked.clear()
        self.answers.clear()

    def _answer(self, handler: BaseHTTPRequestHandler) -> Answer:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        answer = self.answers.pop(0) if self.answers else self._forwarded(handler, body)
        self.asked.append(
            Asked(
                handler.command,
                handler.path,
                {name.lower(): value for name, value in handler.headers.items()},
                json.loads(body) if body else None,
                answer.status,
            )
        )
        answer.meanwhile()
        return answer

    def _forwarded(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=30)
        try:
            # Prism finds GitHub's own media type in no answer of the description.
            headers = {**dict(handler.headers), "Accept": "application/json"}
            connection.request(handler.command, handler.path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                answer = api._answer(self)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing: the records tell more."""

        return Handler
