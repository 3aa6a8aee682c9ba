"""One database for all: connections, transactions and the schema's version."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hookline.errors import SchemaError, StoreUnavailableError
from hookline.store import dialect, outages

# The newest migration: a start with this version in the database needs no Alembic, which is slow
# to import.
SCHEMA_VERSION = "0006"
_VERSION_TABLE = "hookline_schema_version"
_log = structlog.get_logger()
_Item = TypeVar("_Item")


class Database:
    """A database at one address. `read` and `write` give a connection in a transaction.

    A server keeps to limits of time. A command that may read a lot does without: not `limited`.
    """

    def __init__(self, address: str, *, limited: bool = True) -> None:
        self.engine = dialect.connect(address, limited=limited)
        self._writers = dialect.Writers(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises StoreUnavailableError."""
        with self.outages(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end, or not at all. Raises StoreUnavailableError.

        On SQLite it takes the write lock at once and waits for it up to five seconds.
        """
        with (
            self.outages(),
            self._writers.turn(),
            self.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def write_each(
        self, items: Mapping[str, _Item], write: Callable[[Connection, _Item], object], failure: str
    ) -> None:
        """Call `write` for each of the items, by id, in a transaction of its own.

        One that raises is logged as a `failure`, and the next one follows. Raises
        StoreUnavailableError.
        """
        for identifier, item in items.items():
            try:
                with self.write() as connection:
                    write(connection, item)
            except StoreUnavailableError:
                raise
            except Exception:  # noqa: BLE001 - a fault in one must not hold up the others
                _log.exception(failure, id=identifier)

    def migrate(self) -> None:
        """Bring the schema to SCHEMA_VERSION. Several processes may do it at once.

        Raises SchemaError when it is a newer version's.
        """
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        from alembic import command  # noqa: PLC0415 - slow, and needed on a first start only
        from alembic.config import Config  # noqa: PLC0415 - the same
        from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {item.revision for item in ScriptDirectory.from_config(config).walk_revisions()}
        if version is not None and version not in known:
            raise SchemaError(
                f"The database has schema {version}, which a newer version of Hookline has made; "
                f"this one knows {SCHEMA_VERSION} at most. Start the newer version, or restore a "
                "backup from before it."
            )
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _version(self) -> str | None:
        with self.read() as connection:
            if not inspect(connection).has_table(_VERSION_TABLE):
                return None
            return connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608 - our own name

    @contextmanager
    def outages(self) -> Iterator[None]:
        """Raise StoreUnavailableError for what the driver raises when the store is away."""
        try:
            yield
        except DBAPIError as error:
            reason = outages.reason_of(error, self.engine.url)
            if reason is None:
                raise
            raise StoreUnavailableError(reason) from error
        except PoolTimeoutError as error:
            raise StoreUnavailableError from error

    @property
    def is_shared(self) -> bool:
        """Whether several machines can use it."""
        return self.engine.dialect.name != "sqlite"

    def hold(self, what: str) -> "Hold":
        """A name that one process of all at this database can have."""
        return Hold(self, what)

    def listener(self) -> dialect.Listener:
        """What waits until there may be work for a node."""
        return dialect.listener(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


class Hold:
    """A claim to a name, until it is closed or its process dies."""

    def __init__(self, database: Database, what: str) -> None:
        self._database = database
        self._hold = dialect.hold(database.engine, what)

    def acquire(self) -> bool:
        """Whether this process has it now. Raises StoreUnavailableError."""
        with self._database.outages():
            return self._hold.acquire()

    def close(self) -> None:
        """Let others have it."""
        self._hold.close()
