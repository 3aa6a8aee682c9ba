"""Whatever is asked costs the same after many executions as after few: each is an index look-up."""

import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import psycopg
import pytest
from sqlalchemy import event

from hookline.store.database import Database
from support.growth import GROWING, History

FEW, MANY = 30, 3_000
# What is in progress is few, however much is past.
_PARTIAL = re.compile(r"_(?:active|in_progress|waiting|runnable|owned|open)\b")
_EXPLAINED = ("SELECT", "UPDATE", "DELETE", "INSERT")


class Work(ABC):
    """What statements cost, and which of them read a whole table that grows."""

    def __init__(self, database: Database) -> None:
        self.amount = 0
        self.scans: set[str] = set()
        event.listen(database.engine, "before_cursor_execute", self._before)

    @abstractmethod
    def _before(self, _: object, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        """Look at a statement before it is executed; the last of `more` is whether many times."""


class SqliteWork(Work):
    """Counts the steps of SQLite's virtual machine, and looks at each statement's query plan."""

    def _before(self, _: object, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        driver: sqlite3.Connection = cursor.connection
        driver.set_progress_handler(None, 1)
        if not more[-1] and statement.startswith(_EXPLAINED):
            plan = driver.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            self.scans |= {f"{detail}: {statement}" for *_, detail in plan if _is_scan(detail)}
        driver.set_progress_handler(self._count, 1)

    def _count(self) -> int:
        self.amount += 1
        return 0


def _is_scan(detail: str) -> bool:
    scanned = re.match(r"SCAN (\w+)", detail)
    return scanned is not None and scanned[1] in GROWING and not _PARTIAL.search(detail)


class PostgresqlWork(Work):
    """Counts the rows that PostgreSQL reads, and looks at each statement's query plan."""

    def _before(self, _: object, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        inserts_values = statement.startswith("INSERT") and "SELECT" not in statement
        if more[-1] or inserts_values or not statement.startswith(_EXPLAINED):
            return
        driver: psycopg.Connection[Any] = cursor.connection
        with driver.cursor() as own:
            own.execute(b"SAVEPOINT explained")
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            [(plan,)] = own.execute(explain.encode(), values).fetchall()
            own.execute(b"ROLLBACK TO SAVEPOINT explained")
        plan = orjson.loads(plan) if isinstance(plan, str) else plan
        for node in _nodes(plan[0]["Plan"]):
            self._look_at(node, statement)

    def _look_at(self, node: dict[str, Any], statement: str) -> None:
        if "Scan" not in node["Node Type"]:
            return
        removed = (value for name, value in node.items() if name.startswith("Rows Removed by"))
        read = node["Actual Loops"] * (node["Actual Rows"] + sum(removed))
        self.amount += read
        # A table without rows has no better plan.
        if read and node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING:
            self.scans.add(f"{node['Relation Name']}: {statement}")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@pytest.fixture(scope="module")
def histories(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[History, History]]:
    with ExitStack() as stack:
        made = []
        for count in (FEW, MANY):
            history = History(make_database(), tmp_path_factory.mktemp("state"), count)
            stack.callback(history.close)
            made.append(history)
        yield made[0], made[1]


def work(history: History) -> Work:
    kinds: dict[str, type[Work]] = {"sqlite": SqliteWork, "postgresql": PostgresqlWork}
    return kinds[history.database.engine.dialect.name](history.rehearsal)


def test_all_operations_cost_the_same_after_many_executions(
    histories: tuple[History, History],
) -> None:
    few, many = ((history.operations(), work(history)) for history in histories)
    grown = {}
    for name, operation in many[0].items():
        before = few[1].amount, many[1].amount
        few[0][name]()
        operation()
        costs = few[1].amount - before[0], many[1].amount - before[1]
        if costs[1] > 2 * costs[0]:
            grown[name] = costs
    assert grown == {}
    assert many[1].scans == set()
