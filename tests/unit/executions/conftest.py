"""A migrated database of each kind, and a node over it."""

from collections.abc import Iterator

import pytest

from hookline.store.database import Database
from support.node import TestNode


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def node(database: Database) -> TestNode:
    return TestNode(database)
