"""One database for all: connections, transactions and the schema's version."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hookline.errors import StoreUnavailableError
from hookline.store import dialect

# The newest migration: a start with this version in the database needs no Alembic, which is slow
# to import.
SCHEMA_VERSION = "0001"


class Database:
    """A database at one address. `read` and `write` give a connection in a transaction."""

    def __init__(self, address: str) -> None:
        self.engine = dialect.connect(address)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises StoreUnavailableError."""
        with _unavailable(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end, or not at all. Raises StoreUnavailableError.

        On SQLite it takes the write lock at once and waits for it up to five seconds.
        """
        with (
            _unavailable(),
            self.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def migrate(self) -> None:
        """Bring the schema to SCHEMA_VERSION. Several processes may do it at once."""
        if self._version() == SCHEMA_VERSION:
            return
        from alembic import command  # noqa: PLC0415 - slow, and needed on a first start only
        from alembic.config import Config  # noqa: PLC0415 - the same

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _version(self) -> str | None:
        try:
            with self.engine.connect() as connection, connection.begin():
                return connection.execute(
                    text("SELECT version_num FROM hookline_schema_version")
                ).scalar()
        except DBAPIError as error:
            if dialect.is_missing_table(error):
                return None
            raise StoreUnavailableError(_reason(error)) from error

    def stage_listener(self) -> Callable[[float], None]:
        """A function that waits so many seconds, or less when a stage may wait for an engine."""
        return dialect.listener(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StoreUnavailableError(_reason(error)) from error
    except PoolTimeoutError as error:
        raise StoreUnavailableError from error


def _reason(error: DBAPIError) -> str:
    # Only the driver's words: the statement's parameters may hold what nobody should read.
    return f"The store can't be used now ({str(error.orig).strip().splitlines()[0]}). Try again."
