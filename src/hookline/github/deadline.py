"""A deadline for a series of calls of GitHub's API, however slowly the answers arrive.

A socket's time-out starts anew with each byte: a server that sends slowly never reaches it.
"""

import math
import socket
import threading
import time
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_current: ContextVar["Deadline"] = ContextVar("deadline")


class Deadline:
    """A context manager: its thread's new connections end at `moment` on the monotonic clock."""

    def __init__(self, moment: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.moment = moment
        self.is_over = False
        self._timer = threading.Timer(max(0.0, moment - time.monotonic()), self._end)
        self._timer.daemon = True
        self._token: Token[Deadline] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._timer.start()
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching the connections."""
        self._timer.cancel()
        if self._token is not None:
            _current.reset(self._token)
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> None:
        """End `connection` at the deadline. Raises TimeoutError if that has passed."""
        with self._lock:
            # A duplicate: wrapping it for TLS detaches the original.
            self._sockets.append(connection.dup())
            if self.is_over:
                connection.close()
                raise TimeoutError

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for connection in self._sockets:
                # Wakes whoever reads from it or is in its TLS handshake.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def is_over() -> bool:
    """Whether this thread's deadline has ended its connections: answers may be truncated."""
    deadline = _current.get(None)
    return deadline is not None and deadline.is_over


def seconds_left() -> float:
    """Seconds to this thread's deadline, or infinity. Raises TimeoutError if it has passed."""
    deadline = _current.get(None)
    left = math.inf if deadline is None else deadline.moment - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _watched(connection: socket.socket) -> socket.socket:
    deadline = _current.get(None)
    if deadline is not None:
        deadline.watch(connection)
    return connection


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        seconds_left()
        return _watched(super()._new_conn())


class _SecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        seconds_left()
        return _watched(super()._new_conn())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class WatchedAdapter(HTTPAdapter):
    """Makes connections that end at the deadline of their thread, through a proxy as well."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See HTTPAdapter."""
        super().init_poolmanager(*arguments, **options)
        _watch_all_of(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """See HTTPAdapter."""
        manager = super().proxy_manager_for(*arguments, **options)
        _watch_all_of(manager)
        return manager


def _watch_all_of(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
