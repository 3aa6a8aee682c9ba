"""Connections to PostgreSQL that give up on a server, or a network, that does not answer.

Apart from `dialect`, since an installation on SQLite has no use for psycopg's memory.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from hookline.store import outages

# In order: the server ends a statement, then the client stops waiting for an answer. A
# transaction of several slow statements must end within the minute that `Pulse` allows.
_STATEMENT_LIMIT_S = 4.0
_ANSWER_LIMIT_S = 5.0
_CONNECT_LIMIT_S = 3
_POOL_LIMIT_S = 5.0
# A process that froze in a transaction must not keep its locks once its node is considered lost.
_IDLE_LIMIT_S = 15
# For what neither of both sees: a machine, or a network, that went away.
_NETWORK: dict[str, Any] = {
    "connect_timeout": _CONNECT_LIMIT_S,
    "tcp_user_timeout": 5_000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# psycopg's own default: how often a wait looks for Ctrl-C, in seconds.
_WAIT_INTERVAL = 0.1

T = TypeVar("T")


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for five seconds.

    `statement_timeout` is the server's: it does not help where the server itself, or a proxy
    before it, takes what is sent and answers nothing.
    """

    def wait(
        self, gen: PQGen[T], interval: float = _WAIT_INTERVAL, timeout: float | None = None
    ) -> T:
        """See psycopg. Raises OperationalError when the time is over."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, _ANSWER_LIMIT_S)
        except psycopg.OperationalError as error:
            if error.sqlstate is None:
                # Not the server's words: what it says later would answer another statement.
                self.close()
            raise


def connect(url: URL, *, limited: bool) -> Engine:
    """An engine for PostgreSQL. Where it is `limited`, nothing waits for the server for long."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=5,
        max_overflow=40,
        pool_timeout=_POOL_LIMIT_S,
        pool_pre_ping=True,
        connect_args=network(url),
    )

    @event.listens_for(engine, "handle_error")
    def _leave_read_only_server(context: ExceptionContext) -> None:
        # It is not going to be the primary again: a new connection may find the one that is.
        if getattr(context.original_exception, "sqlstate", None) == outages.READ_ONLY:
            context.is_disconnect = True

    if limited:
        _limit(engine)
    return engine


def network(url: URL) -> dict[str, Any]:
    """Parameters of libpq for a network that fails, less those that the address itself has."""
    return {name: value for name, value in _NETWORK.items() if name not in url.query}


def _limit(engine: Engine) -> None:
    @event.listens_for(engine, "do_connect")
    def _connect(
        _dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
    ) -> LimitedConnection:
        return LimitedConnection.connect(*arguments, **parameters)

    @event.listens_for(engine, "connect")
    def _configure(connection: LimitedConnection, _record: Any) -> None:
        # By statements, as poolers such as PgBouncer refuse them as options of a connection.
        connection.execute(
            f"SET statement_timeout = {_STATEMENT_LIMIT_S * 1_000:.0f}; "
            f"SET idle_in_transaction_session_timeout = {_IDLE_LIMIT_S * 1_000}"
        )
        connection.commit()
