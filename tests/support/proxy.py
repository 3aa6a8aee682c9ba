"""A TCP proxy in front of a real server, which can stop to forward, as a broken network does."""

import socket
import threading
from contextlib import suppress
from typing import Self

_PART = 65_536


class Proxy:
    """Forwards connections to a port of 127.0.0.1, until it swallows what they send."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._forwards = threading.Event()
        self._forwards.set()
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def swallow(self) -> None:
        """Accept connections and take what they send, but forward nothing any more."""
        self._forwards.clear()

    def forward(self) -> None:
        """Forward again, also what was held back."""
        self._forwards.set()

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on all."""
        self._closing = True
        self._forwards.set()
        for connection in (self._listener, *self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._closing:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                self._open.append(connection)
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open.append(server)
                self._start(connection, server)
                self._start(server, connection)

    def _start(self, source: socket.socket, target: socket.socket) -> None:
        thread = threading.Thread(target=self._pump, args=(source, target))
        self._threads.append(thread)
        thread.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PART):
                self._forwards.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
