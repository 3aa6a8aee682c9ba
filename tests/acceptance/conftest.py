"""What is killed and cut off here keeps its promises on a disk that is synced, too."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.postgres import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with closing(Cluster()) as cluster:
        yield cluster
