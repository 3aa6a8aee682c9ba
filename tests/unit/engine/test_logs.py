"""What actions write is in the store a second later, once and whole (on both databases)."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event, make_url

from hookline.actions.log import ActionLog, Mask
from hookline.engine.logs import RunningLogs
from hookline.errors import StoreUnavailableError
from hookline.executions.nodes import release
from hookline.model import new_id
from hookline.store import action_executions, action_logs
from hookline.store.action_executions import ActionExecution
from hookline.store.action_logs import CHUNK, open_log
from hookline.store.database import Database
from support.node import TestNode
from support.postgres import Cluster
from support.proxy import Proxy
from support.server import until


@pytest.fixture
def node(database: Database) -> TestNode:
    return TestNode(database)


def begin(database: Database) -> None:
    """Insert an action execution that a node may take."""
    new = ActionExecution(new_id(), new_id(), new_id(), 1, 1, "Build", "Make", 0.0, 0.0)
    with database.write() as connection:
        action_executions.insert(connection, [new])


def written(database: Database, held: ActionExecution) -> bytes:
    return b"".join(open_log(database, held.id))


class Writing:
    """The logs of a node instance, with the thread that writes them."""

    def __init__(self, database: Database, instance: str) -> None:
        self.logs = RunningLogs(database, instance)
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self.logs.run, args=(self.stop,))
        self._thread.start()

    def close(self) -> None:
        self.stop.set()
        self.logs.note_unwritten()
        self._thread.join()


@pytest.fixture
def writing(database: Database, node: TestNode) -> Iterator[Writing]:
    writing = Writing(database, node.instance)
    yield writing
    writing.close()


def commits(database: Database) -> Callable[[], int]:
    seen: list[object] = []
    event.listen(database.engine, "commit", seen.append)
    return lambda: len(seen)


def test_a_log_can_be_followed_while_its_action_runs(
    database: Database, node: TestNode, writing: Writing
) -> None:
    begin(database)
    held = node.take_one()
    sink = writing.logs.open(held, threading.Event())
    for line in (b"one\n", b"two\n"):
        before = written(database, held)
        sink.append(line)
        assert until(lambda: written(database, held) == before + line, 5)  # noqa: B023 - at once
    assert writing.logs.close(held) is None


def test_a_short_action_costs_no_transaction_of_its_own(database: Database, node: TestNode) -> None:
    begin(database)
    held = node.take_one()
    logs = RunningLogs(database, node.instance)
    count = commits(database)
    sink = logs.open(held, threading.Event())
    sink.append(b"one\n")
    sink.append(b"two\n")
    rest = logs.close(held)
    assert rest is not None
    assert (rest.start, rest.data) == (0, b"one\ntwo\n")
    assert count() == 0


def test_all_of_much_output_is_written_once_and_little_is_kept(
    database: Database, node: TestNode, writing: Writing
) -> None:
    begin(database)
    held = node.take_one()
    data = random.Random(2).randbytes(3_000_000)  # noqa: S311 - the same each time
    sink = writing.logs.open(held, threading.Event())
    for start in range(0, len(data), 50_000):
        sink.append(data[start : start + 50_000])
        assert sink.length == start + 50_000
        assert sink.length - len(written(database, held)) < 5 * CHUNK
    rest = writing.logs.close(held)
    if rest is not None:
        with database.write() as connection:
            action_logs.append(connection, rest)
    assert written(database, held) == data


def test_the_next_attempt_goes_on_where_the_log_ends(
    database: Database, node: TestNode, writing: Writing
) -> None:
    begin(database)
    first = node.take_one()
    with ActionLog(writing.logs.open(first, threading.Event()), Mask([]), 1_000) as log:
        log.line("begun")
        assert until(lambda: written(database, first))
    with database.write() as connection:
        assert release(connection, first)
    second = node.take_one()
    assert second.attempt == 2
    logs = RunningLogs(database, node.instance)
    with ActionLog(logs.open(second, threading.Event()), Mask([]), 1_000) as log:
        log.line("again")
    rest = logs.close(second)
    assert rest is not None
    assert rest.start == len(b"begun\n")
    again = b"[an earlier try was interrupted; the action starts again]\nagain\n"
    assert rest.data == again


def test_x5_a_node_that_has_lost_an_action_writes_nothing_more_into_its_log(
    database: Database, node: TestNode, writing: Writing
) -> None:
    begin(database)
    held, stop = node.take_one(), threading.Event()
    sink = writing.logs.open(held, stop)
    sink.append(b"mine\n")
    assert until(lambda: written(database, held))
    assert node.lose() == 1
    other = TestNode(database)
    taken = other.take_one()
    theirs = Writing(database, other.instance)
    theirs.logs.open(taken, threading.Event()).append(b"theirs\n")
    sink.append(b"late\n")
    assert until(lambda: written(database, held) == b"mine\ntheirs\n", 5)
    # Much of it waits until the action is told to stop, and so does no other's log.
    late = threading.Thread(target=sink.append, args=(b"x" * 10 * CHUNK,))
    late.start()
    begin(database)
    another = node.take_one()
    writing.logs.open(another, threading.Event()).append(b"another's\n")
    assert until(lambda: written(database, another) == b"another's\n", 5)
    assert late.is_alive()
    stop.set()
    late.join(5)
    assert not late.is_alive()
    sink.append(b"still\n")
    theirs.close()
    assert written(database, held) == b"mine\ntheirs\n"


def test_x5_nor_one_that_has_taken_it_again(
    database: Database, node: TestNode, writing: Writing
) -> None:
    begin(database)
    held = node.take_one()
    sink = writing.logs.open(held, threading.Event())
    with database.write() as connection:
        release(connection, held)
    assert node.take_one().attempt == 2
    sink.append(b"late\n")
    time.sleep(1.5)
    assert written(database, held) == b""


@pytest.fixture
def proxied(cluster: Cluster) -> Iterator[tuple[Database, Database, Proxy]]:
    """A database, and the same one behind a network that can break."""
    address = make_url(cluster.create_database())
    with Proxy(address.port or 0) as proxy:
        direct = Database(address.render_as_string(hide_password=False))
        direct.migrate()
        behind = Database(address.set(port=proxy.port).render_as_string(hide_password=False))
        yield direct, behind, proxy
        behind.close()
        direct.close()


def test_what_could_not_be_written_follows_when_the_store_is_back(
    proxied: tuple[Database, Database, Proxy],
) -> None:
    direct, behind, proxy = proxied
    node = TestNode(direct)
    begin(direct)
    held, stop = node.take_one(), threading.Event()
    writing = Writing(behind, node.instance)
    sink = writing.logs.open(held, stop)
    data = random.Random(3).randbytes(40 * CHUNK)  # noqa: S311 - the same each time
    sink.append(data[:100])
    assert until(lambda: written(direct, held) == data[:100], 5)
    proxy.swallow()

    def write() -> None:
        for start in range(100, len(data), CHUNK):
            sink.append(data[start : start + CHUNK])

    thread = threading.Thread(target=write)
    thread.start()
    # The writer waits once so much is kept, and goes on by itself.
    assert until(lambda: sink.length >= 4 * CHUNK, 5)
    time.sleep(7)
    assert sink.length <= 6 * CHUNK
    proxy.forward()
    thread.join(60)
    assert not thread.is_alive()
    rest = writing.logs.close(held)
    if rest is not None:
        with direct.write() as connection:
            action_logs.append(connection, rest)
    writing.close()
    assert written(direct, held) == data


def test_a_stop_ends_the_wait_for_the_store_and_leaves_no_gap(
    proxied: tuple[Database, Database, Proxy],
) -> None:
    direct, behind, proxy = proxied
    node = TestNode(direct)
    begin(direct)
    held, stop = node.take_one(), threading.Event()
    logs = RunningLogs(behind, node.instance)
    sink = logs.open(held, stop)
    with behind.read():
        pass
    proxy.swallow()
    data = random.Random(4).randbytes(8 * CHUNK)  # noqa: S311 - the same each time
    stop.set()
    for start in range(0, len(data), CHUNK):
        sink.append(data[start : start + CHUNK])
    rest = logs.close(held)
    assert rest is not None
    assert rest.data == data[: len(rest.data)]
    assert 4 * CHUNK <= len(rest.data) < 6 * CHUNK
    with pytest.raises(StoreUnavailableError):
        RunningLogs(behind, node.instance).open(replace(held, attempt=2), stop)
