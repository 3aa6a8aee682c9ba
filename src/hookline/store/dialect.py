"""The only place that knows what differs between SQLite and PostgreSQL."""

import functools
import os
import select
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import orjson
from sqlalchemy import (
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from hookline.errors import SettingsError, StoreUnavailableError
from hookline.store import outages

# GitHub waits ten seconds for an answer.
_LOCK_TIMEOUT_S = 5.0
_LOCK_RETRY_S = 0.001
_BUSY_TIMEOUT = f"PRAGMA busy_timeout={_LOCK_TIMEOUT_S * 1_000:.0f}"
# In pages: a checkpoint stops the writer for its time, so it comes every 32 MB and not every four.
_CHECKPOINT = "PRAGMA wal_autocheckpoint=8000"
# As much as a pipe holds.
_NOTICES = 65_536
_LOCKED = "The store can't be used now (database is locked). Try again."


def connect(address: str, *, limited: bool = True) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`.

    Without `limited`, statements may take as long as they need. Raises SettingsError for any other
    address; the address itself, which may hold a password, is not repeated.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise SettingsError(_ADDRESS_HELP) from error
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return _sqlite(
            create_engine(url, pool_size=5, max_overflow=40, pool_timeout=_LOCK_TIMEOUT_S)
        )
    if url.get_backend_name() == "postgresql":
        from hookline.store import postgresql  # noqa: PLC0415 - see there

        return postgresql.connect(url, limited=limited)
    raise SettingsError(_ADDRESS_HELP)


_ADDRESS_HELP = (
    "database_url can't be used: give sqlite:////path/to/file or "
    "postgresql://user:password@host/database, or leave it empty"
)


def _sqlite(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN would come too late and too weak: see _begin.
        connection.isolation_level = None
        for pragma in (
            # The first touch of the file needs a lock that others hold while they open or close it.
            _BUSY_TIMEOUT,
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            _CHECKPOINT,
        ):
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that later writes can fail with "database is locked" at once.
        if connection.get_execution_options().get("write", False):
            _begin_immediate(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "checkin")
    def _notify(_connection: Any, record: Any) -> None:
        # The transaction has ended. Where it has not committed, a notice too many does no harm.
        if record.info.pop(_NOTICE, False):
            _wake(_pipe_of(engine))

    return engine


def _begin_immediate(connection: Connection) -> None:
    # SQLite's own busy handler soon sleeps for 100 ms at a time, which a commit never takes.
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if not outages.is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_LOCK_RETRY_S)
            else:
                return
    finally:
        driver.execute(_BUSY_TIMEOUT)


class Writers:
    """Lets the threads of one process write to SQLite one after the other.

    SQLite wakes nobody when its lock is free, so each waits by asking again, and many threads that
    ask keep the one that has the lock from going on. PostgreSQL needs none of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._lock = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this thread's turn. Raises StoreUnavailableError where it does not come."""
        if self._lock is None:
            yield
            return
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            raise StoreUnavailableError(_LOCKED)
        try:
            yield
        finally:
            self._lock.release()


def now(connection: Connection) -> float:
    """The time by the one clock that all nodes share, in epoch seconds."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(rows(connection, "SELECT extract(epoch FROM clock_timestamp())")[0][0])


def serialize(connection: Connection, what: str) -> None:
    """Lock `what` until the transaction ends; SQLite's write lock does so anyway."""
    if connection.dialect.name == "postgresql":
        rows(connection, "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", what)


class Hold(Protocol):
    """A claim to a name that one process at a time can have, until it closes it or dies."""

    def acquire(self) -> bool:
        """Whether this process has it, now or again. Raises SQLAlchemy's DBAPIError."""

    def close(self) -> None:
        """Let others have it."""


def hold(engine: Engine, what: str) -> Hold:
    """A hold of `what`. On SQLite, the lock of the data folder already covers it."""
    return _HeldAnyway() if engine.dialect.name == "sqlite" else _AdvisoryLock(engine, what)


class _HeldAnyway:
    def acquire(self) -> bool:
        return True

    def close(self) -> None:
        pass


class _AdvisoryLock:
    # A lock of the session: the server lets go of it when the connection ends, however it ends.

    def __init__(self, engine: Engine, what: str) -> None:
        self._engine = engine
        self._what = what
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        if self._is_held():
            return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            for setting in _KEEPALIVES:
                connection.exec_driver_sql(setting)
            statement = "SELECT pg_try_advisory_lock(hashtextextended(?, 0))"
            [(acquired,)] = rows(connection, statement, self._what)
        except DBAPIError:
            connection.invalidate()
            connection.close()
            raise
        if not acquired:
            connection.close()
            return False
        self._connection = connection
        return True

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except DBAPIError:
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._connection is not None:
            # Not back into the pool, where it would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


# So that the server soon lets go of what a machine held that has lost its power.
_KEEPALIVES = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 3",
    "SET tcp_keepalives_count = 3",
)


def insert_or_replace(
    connection: Connection, table: Table, keys: Sequence[str], values: Mapping[str, Any]
) -> None:
    """Insert a row, or where one with the same `keys` exists, set its other columns."""
    statement = _insert(connection, table).values(**values)
    others = {name: statement.excluded[name] for name in values if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=others))


def claim(
    connection: Connection, table: Table, claims: Sequence[tuple[bytes, str, float]], expired: float
) -> set[bytes]:
    """Insert `claims` of (key, execution_id, received_at); the keys that were free.

    A key is free when it is absent or was received before `expired` (epoch seconds). Among
    concurrent transactions exactly one gets a key: the others wait for its commit.
    """
    if not claims:
        return set()
    marks = ", ".join(["(?, ?, ?)"] * len(claims))
    # One order of keys for all, so that two transactions never wait for each other.
    values = [value for claim in sorted(claims) for value in claim]
    claimed = rows(
        connection,
        f"INSERT INTO {table.name} (key, execution_id, received_at) VALUES {marks} "  # noqa: S608 - our own names
        "ON CONFLICT (key) DO UPDATE SET execution_id = excluded.execution_id, "
        f"received_at = excluded.received_at WHERE {table.name}.received_at < ? RETURNING key",
        *values,
        expired,
    )
    return {bytes(key) for (key,) in claimed}


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def rows(connection: Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement of the receiving path as the driver takes it, with `?` for each value."""
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    result = connection.exec_driver_sql(statement, values)
    return [tuple(row) for row in result] if result.returns_rows else []


def for_update(connection: Connection) -> str:
    """The words that lock the rows a SELECT reads; SQLite's write transactions lock all."""
    return "" if connection.dialect.name == "sqlite" else " FOR UPDATE"


def insert_rows(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    values: list[tuple[Any, ...]],
) -> None:
    """Insert many rows of values that the driver takes as they are.

    SQLAlchemy would work on each value of each row; the receiving path can't afford that.
    """
    if values:
        connection.exec_driver_sql(_insert_text(connection.dialect.name, table, columns), values)


@functools.cache
def _insert_text(dialect_name: str, table: Table, columns: tuple[str, ...]) -> str:
    mark = "?" if dialect_name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names


def check_writable(connection: Connection) -> None:
    """Raise StoreUnavailableError where a transaction could not write, as far as can be told.

    A database that gave way to another takes no writes, nor does a disk mounted read-only.
    """
    if connection.dialect.name == "sqlite":
        writable = os.access(str(connection.engine.url.database), os.W_OK)
    else:
        [(read_only,)] = rows(connection, "SELECT current_setting('transaction_read_only')")
        writable = read_only == "off"
    if not writable:
        # The next connection may lead to the server that took over.
        connection.invalidate()
        raise StoreUnavailableError("The store can only be read now. Try again.")


def json_text(value: Any) -> str:
    """A value as `tables.Json` keeps it, for a statement that the driver takes as it is."""
    return orjson.dumps(value).decode()


def notify_nodes(connection: Connection) -> None:
    """Tell the nodes, once this transaction commits, that there may be work for them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("NOTIFY hookline_nodes")
    else:
        connection.info[_NOTICE] = True


class Listener(Protocol):
    """Waits for what `notify_nodes` tells."""

    def wait(self, seconds: float) -> None:
        """Return when there may be work, at the latest after `seconds`."""

    def wake(self) -> None:
        """Let `wait` return, or the next one at once. For other threads."""

    def close(self) -> None:
        """Give back what it holds."""


def listener(engine: Engine) -> Listener:
    """A listener of a database."""
    return _SqliteListener(engine) if engine.dialect.name == "sqlite" else _PostgresListener(engine)


_NOTICE = "hookline_notice"


def _pipe_of(engine: Engine) -> Path:
    database = Path(str(engine.url.database)).absolute()
    # Hidden, and not of the database's name: `cp hookline.db* backup` would wait for it for ever.
    return database.with_name(f".{database.stem}-nodes")


def _wake(pipe: Path) -> None:
    """Wake the listener of a pipe, if there is one."""
    with suppress(OSError):
        # By its path: a descriptor could be another file's after the listener was closed.
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"\0")
        finally:
            os.close(descriptor)


class _SqliteListener:
    # SQLite sends no notice, so whoever has committed writes to a named pipe beside the database.

    def __init__(self, engine: Engine) -> None:
        self._pipe = _pipe_of(engine)
        try:
            # Whatever is there is of a process that was killed, or of a copy of the folder.
            self._pipe.unlink(missing_ok=True)
            os.mkfifo(self._pipe, 0o600)
            # For writing, too: a pipe without writers would be readable all the time.
            self._descriptor = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            # A file system without pipes. The node looks for work all the same.
            self._descriptor = os.eventfd(0)
        # What came before is not known.
        self.wake()

    def wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(seconds * 1_000):
            os.read(self._descriptor, _NOTICES)

    def wake(self) -> None:
        _wake(self._pipe)

    def close(self) -> None:
        self._pipe.unlink(missing_ok=True)
        os.close(self._descriptor)


class _PostgresListener:
    def __init__(self, engine: Engine) -> None:
        import psycopg  # noqa: PLC0415 - an installation on SQLite has no use for its memory

        self._psycopg = psycopg
        self._engine = engine
        self._connection: psycopg.Connection[Any] | None = None

    def _connect(self) -> Any:
        from hookline.store.postgresql import network  # noqa: PLC0415 - the same

        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        connection = self._psycopg.connect(
            **network(self._engine.url), **arguments, autocommit=True
        )
        try:
            connection.execute("LISTEN hookline_nodes")
        except self._psycopg.Error:
            connection.close()
            raise
        return connection

    def wait(self, seconds: float) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
                return
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except self._psycopg.Error:
            # Such as a server that only reads. The node looks for work all the same.
            self.close()
            time.sleep(seconds)

    def wake(self) -> None:
        # Of what other connections of this process commit, too, the server has told this one.
        pass

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
