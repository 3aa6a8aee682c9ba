"""A migrated database of each kind, and a node over it."""

import pytest

from hookline.store.database import Database
from support.node import TestNode


@pytest.fixture
def node(database: Database) -> TestNode:
    return TestNode(database)
