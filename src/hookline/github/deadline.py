"""The end of an undertaking with GitHub's API, however slowly its answers come.

A time-out of a socket counts from byte to byte: a server that drips would never meet it.
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
    """Inside a `with` block, all connections that this thread makes end at a monotonic moment."""

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
        """Let go of the connections."""
        self._timer.cancel()
        if self._token is not None:
            _current.reset(self._token)
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> None:
        """End `connection` at the deadline. Raises TimeoutError when that is over."""
        with self._lock:
            # A copy: TLS takes the original away.
            self._sockets.append(connection.dup())
            if self.is_over:
                connection.close()
                raise TimeoutError

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for connection in self._sockets:
                # Whoever reads from it, or shakes hands over it, is told that it ended.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def is_over() -> bool:
    """Whether this thread's connections were ended: what they gave may be cut short."""
    deadline = _current.get(None)
    return deadline is not None and deadline.is_over


def seconds_left() -> float:
    """Seconds until this thread's deadline, if it has one. Raises TimeoutError when it is over."""
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
