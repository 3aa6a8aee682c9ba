"""The only place that knows what differs between SQLite and PostgreSQL."""

import functools
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
_LOCK_PATIENCE_S = 5.0
_LOCK_RETRY_S = 0.001
_BUSY_TIMEOUT = f"PRAGMA busy_timeout={_LOCK_PATIENCE_S * 1_000:.0f}"
# In pages: a checkpoint stops the writer for its time, so it comes every 32 MB and not every four.
_CHECKPOINT = "PRAGMA wal_autocheckpoint=8000"
_SQLITE_POLL_S = 0.05


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
            create_engine(url, pool_size=5, max_overflow=40, pool_timeout=_LOCK_PATIENCE_S)
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

    return engine


def _begin_immediate(connection: Connection) -> None:
    # SQLite's own busy handler soon sleeps for 100 ms at a time, which a commit never takes.
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + _LOCK_PATIENCE_S
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


def connect_checkpoints(address: str) -> Engine:
    """An engine for DBOS's own tables at `address`, as its SQLite support expects connections.

    On SQLite a commit does not wait for the disk: our tables are the truth, and a checkpoint that
    a power failure loses is made again from them.
    """
    if make_url(address).get_backend_name() != "sqlite":
        return connect(address, limited=False)
    engine = create_engine(address)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "busy_timeout=30000",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def serialize(connection: Connection, what: str) -> None:
    """Let only one transaction at a time go on with `what`; SQLite's write lock does so anyway."""
    if connection.dialect.name == "postgresql":
        rows(connection, "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", what)


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


def notify_stage_waiting(connection: Connection) -> None:
    """Tell engines, once this transaction commits, that a stage waits for one of them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("NOTIFY hookline_stage_waiting")


def listener(engine: Engine) -> Callable[[float], None]:
    """A function that waits up to so many seconds for the news of `notify_stage_waiting`."""
    return _sqlite_listener(engine) if engine.dialect.name == "sqlite" else _listen(engine)


def _sqlite_listener(engine: Engine) -> Callable[[float], None]:
    seen = None
    connection: Any = None

    def version() -> int | None:
        # The pragma counts the commits of other connections, so it has to be asked of the same one.
        nonlocal connection
        try:
            connection = connection or engine.raw_connection()
            return int(connection.execute("PRAGMA data_version").fetchone()[0])
        except (sqlite3.Error, DBAPIError):
            return None

    def wait(seconds: float) -> None:
        # SQLite sends no notice, but to ask for the count costs microseconds.
        nonlocal seen
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = version()
            if found is not None and found != seen:
                seen = found
                return
            time.sleep(_SQLITE_POLL_S)

    return wait


def _listen(engine: Engine) -> Callable[[float], None]:
    import psycopg  # noqa: PLC0415 - an installation on SQLite has no use for its memory

    from hookline.store.postgresql import network  # noqa: PLC0415 - the same

    _, arguments = engine.dialect.create_connect_args(engine.url)
    listening: psycopg.Connection[Any] | None = None

    def wait(seconds: float) -> None:
        nonlocal listening
        try:
            if listening is None:
                listening = psycopg.connect(**network(engine.url), **arguments, autocommit=True)
                listening.execute("LISTEN hookline_stage_waiting")
            for _ in listening.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.OperationalError:
            listening = None
            time.sleep(seconds)

    return wait
