"""Logs are read as they were written, from any byte on (on both databases)."""

import random
from typing import Any

import pytest
from sqlalchemy import event

from hookline.model import new_id
from hookline.store import action_logs, compression
from hookline.store.action_logs import CHUNK, Part, open_log
from hookline.store.database import Database

SIZE = 40 * CHUNK + 123


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(1).randbytes(SIZE)  # noqa: S311 - the same each time


@pytest.fixture
def log(database: Database, data: bytes) -> str:
    """A log in parts of all sizes, beside others; its id."""
    identifier, start = new_id(), 0
    sizes = [1, 7, CHUNK - 8, CHUNK, CHUNK + 1, 5 * CHUNK, SIZE]
    with database.write() as connection:
        for size in sizes:
            part = data[start : start + size]
            action_logs.append(connection, Part(identifier, start, part))
            start += len(part)
        action_logs.append(connection, Part(new_id(), 0, b"another's"))
    assert start == SIZE
    return identifier


def test_a_log_is_read_from_any_byte_on(database: Database, log: str, data: bytes) -> None:
    edges = [0, 1, 8, CHUNK, 2 * CHUNK]
    offsets = [*edges, *(edge + 1 for edge in edges), SIZE - 1, SIZE, SIZE + 1, 2**60]
    for offset in offsets:
        assert b"".join(open_log(database, log, offset)) == data[offset:]
    with database.read() as connection:
        assert action_logs.length(connection, log) == SIZE
        assert action_logs.length(connection, new_id()) == 0
    assert list(open_log(database, new_id())) == []


def test_a_log_is_read_in_small_pieces_and_nothing_before_the_offset(
    database: Database, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counting(compressed: bytes) -> bytes:
        found = compression.decompress(compressed)
        read.append(len(found))
        return found

    monkeypatch.setattr("hookline.store.action_logs.decompress", counting)
    pieces = open_log(database, log)
    assert len(next(pieces)) == read[0] == 1
    # One at a time, however many were fetched.
    assert len(read) == 1
    read.clear()
    assert len(b"".join(open_log(database, log, SIZE - 5))) == 5
    assert sum(read) <= CHUNK


def test_no_transaction_is_open_while_a_reader_takes_its_time(database: Database, log: str) -> None:
    ended: list[Any] = []
    event.listen(database.engine, "checkin", lambda *arguments: ended.append(arguments))
    pieces = open_log(database, log)
    next(pieces)
    assert ended
    with database.write() as connection:
        action_logs.append(connection, Part(log, SIZE, b"more"))
    assert b"".join(pieces).endswith(b"more")


def test_what_may_have_been_written_is_written_again_with_more(database: Database) -> None:
    identifier = new_id()
    data = bytes(range(256)) * 1_024
    for end in (10, 10, CHUNK, 2 * CHUNK + 5, 3 * CHUNK + 1, len(data)):
        with database.write() as connection:
            action_logs.append(connection, Part(identifier, 0, data[:end]))
        assert b"".join(open_log(database, identifier)) == data[:end]
    with database.write() as connection:
        action_logs.append(connection, Part(identifier, len(data), b""))
    assert b"".join(open_log(database, identifier)) == data
