"""When a key was last used: kept to the minute, beside the calls, whatever happens."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from hookline.api.last_used import INTERVAL, LastUsed
from hookline.model import Credential
from hookline.sealing import Seal
from hookline.store import credentials
from hookline.store.database import Database
from support import sqlite

SEAL = Seal([b"k" * 32])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(sqlite.create_database(tmp_path / "hookline.db"))) as database:
        yield database


@pytest.fixture
def key(database: Database) -> Credential:
    with database.write() as connection:
        return credentials.create(
            connection, SEAL, "000000000000", read_only=True, description="of the tests"
        )


def finish(noted: LastUsed) -> None:
    noted._thread.submit(lambda: None).result()
    noted.close()


def found(database: Database, key: Credential) -> Credential:
    with database.read() as connection:
        credential = credentials.find(connection, SEAL, key.access_key_id)
    assert credential is not None
    return credential


def test_w5_a_use_is_kept_at_most_once_a_minute(database: Database, key: Credential) -> None:
    clock = [1_000_000.0]
    noted = LastUsed(database, lambda: clock[0])
    for later in (0.0, 1.0, INTERVAL - 1):
        clock[0] = 1_000_000.0 + later
        noted.note(key.access_key_id)
    noted.note("AKIAUNKNOWN")
    finish(noted)
    assert found(database, key).last_used == 1_000_000.0
    noted.note("AKIALATE")


def test_w5_after_a_minute_a_use_is_kept_again(database: Database, key: Credential) -> None:
    clock = [1_000_000.0]
    noted = LastUsed(database, lambda: clock[0])
    noted.note(key.access_key_id)
    clock[0] += INTERVAL
    noted.note(key.access_key_id)
    finish(noted)
    assert found(database, key).last_used == 1_000_000.0 + INTERVAL


def test_w5_a_later_use_seen_by_another_process_stays(database: Database, key: Credential) -> None:
    with database.write() as connection:
        credentials.touch(connection, key.access_key_id, 9.0)
        credentials.touch(connection, key.access_key_id, 8.0)
    assert found(database, key).last_used == 9.0


def test_w5_a_failure_is_ignored(database: Database, key: Credential) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TABLE hookline_credentials"))
    noted = LastUsed(database)
    noted.note(key.access_key_id)
    finish(noted)


def test_w5_a_key_is_disabled_and_enabled_and_says_what_it_may(
    database: Database, key: Credential
) -> None:
    assert (key.read_only, key.disabled, key.description) == (True, False, "of the tests")
    for disabled in (True, False):
        with database.write() as connection:
            credentials.set_disabled(connection, key.access_key_id, disabled=disabled)
        assert found(database, key).disabled is disabled
    assert not key.is_full
    with database.write() as connection:
        other = credentials.create(connection, SEAL, "000000000000")
        assert other.is_full
        credentials.set_disabled(connection, other.access_key_id, disabled=True)
    assert not found(database, other).is_full
