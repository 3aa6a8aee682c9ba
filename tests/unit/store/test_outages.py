"""Which errors mean that the store can't be used now, said by the databases themselves."""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from hookline.errors import StoreUnavailableError
from hookline.store.database import Database
from support import sqlite
from support.postgres import Cluster
from support.proxy import Proxy


@pytest.fixture
def postgresql(cluster: Cluster) -> Iterator[Database]:
    database = Database(cluster.create_database())
    yield database
    database.close()


@pytest.fixture
def file_database(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite.create_database(tmp_path / "hookline.db"))
    yield database
    database.close()


def run(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute(text(statement))


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"


@pytest.mark.parametrize(
    "sqlstate",
    [
        "08006",  # connection failure
        "25006",  # read-only transaction
        "25P03",  # idle for too long in a transaction
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53100",  # disk full
        "53200",  # out of memory
        "53300",  # too many connections
        "55P03",  # lock not available
        "57014",  # statement_timeout
        "57P01",  # admin shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now
        "58030",  # I/O error
        "XX001",  # damaged
    ],
)
def test_t12_what_passes_is_unavailable_by_its_sqlstate(
    postgresql: Database, sqlstate: str
) -> None:
    with pytest.raises(StoreUnavailableError):
        run(postgresql, raising(sqlstate))
    run(postgresql, "SELECT 1")


@pytest.mark.parametrize("sqlstate", ["22012", "23505", "25001", "42601", "42703", "XX000"])
def test_a_fault_of_a_statement_is_no_outage(postgresql: Database, sqlstate: str) -> None:
    with pytest.raises(DBAPIError):
        run(postgresql, raising(sqlstate))


def test_t12_a_read_only_server_is_left_for_the_one_that_took_over(
    postgresql: Database, cluster: Cluster
) -> None:
    name = str(postgresql.engine.url.database)
    with cluster.read_only(name), pytest.raises(StoreUnavailableError, match="read-only"):
        run(postgresql, "CREATE TABLE any_name ()")
    # The connection that was made meanwhile would be read-only for ever.
    run(postgresql, "CREATE TABLE any_name ()")


def test_t12_a_server_that_takes_what_is_sent_and_answers_nothing_is_unavailable(
    cluster: Cluster,
) -> None:
    address = make_url(cluster.create_database())
    with Proxy(address.port or 0) as proxy:
        behind = address.set(port=proxy.port).render_as_string(hide_password=False)
        database = Database(behind)
        run(database, "SELECT 1")
        proxy.swallow()
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                run(database, "SELECT 1")
            # One that was open, and then a new one.
            assert time.monotonic() - began < 10
        proxy.forward()
        run(database, "SELECT 1")
        database.close()


def test_t12_the_server_ends_a_statement_that_takes_too_long(postgresql: Database) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="statement timeout"):
        run(postgresql, "SELECT pg_sleep(30)")
    assert time.monotonic() - began < 8


def test_a_command_may_take_its_time(cluster: Cluster) -> None:
    database = Database(cluster.create_database(), limited=False)
    run(database, "SELECT pg_sleep(6)")
    database.close()


def test_t12_a_damaged_file_is_unavailable_and_named(file_database: Database) -> None:
    file = Path(str(file_database.engine.url.database))
    file_database.close()
    size = file.stat().st_size
    file.write_bytes(b"\0" * size)
    with pytest.raises(StoreUnavailableError) as caught:
        file_database.migrate()
    assert f"The file {file} is damaged (" in caught.value.message
    assert "backup" in caught.value.message


def test_t12_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnavailableError, match="unable to open database file"):
        run(database, "SELECT 1")
    database.close()


def test_t12_a_file_that_was_emptied_is_unavailable(file_database: Database) -> None:
    file = Path(str(file_database.engine.url.database))
    file_database.close()
    os.truncate(file, 0)
    with pytest.raises(StoreUnavailableError):
        run(file_database, "DELETE FROM hookline_tags")


def test_a_wrong_statement_of_sqlite_is_no_outage(file_database: Database) -> None:
    with pytest.raises(DBAPIError):
        run(file_database, "SELECT nonsense")


def test_t12_a_lock_that_is_held_is_waited_for_and_then_unavailable(
    file_database: Database,
) -> None:
    holder = sqlite3.connect(str(file_database.engine.url.database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="locked"):
        run(file_database, "DELETE FROM hookline_tags")
    assert 4 < time.monotonic() - began < 8
    holder.close()
