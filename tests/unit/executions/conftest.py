"""A migrated database of each kind, and the journal of one node over it."""

from collections.abc import Iterator

import pytest

from hookline.executions.journal import StoreJournal
from hookline.sealing import Seal
from hookline.store.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def journal(database: Database) -> StoreJournal:
    return StoreJournal(database, Seal([b"k" * 32]), "node")
