"""A pipeline with many past executions, and everything that people and nodes ask of it."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select, update

from hookline.actions.provider import ActionResult
from hookline.api.codepipeline.operations import operations
from hookline.api.dependencies import Dependencies
from hookline.api.pagination import PageTokens
from hookline.api.sigv4 import Caller
from hookline.config import Settings
from hookline.errors import InvalidApprovalTokenException
from hookline.executions.clock import end_waits, proceed_idle
from hookline.executions.finish import Outcome, finish
from hookline.executions.retention import forget
from hookline.model import DEFAULT_LABEL, Scope, SourceRevision, first_id_at, new_id
from hookline.sealing import Seal
from hookline.store import action_executions, action_logs, dialect, tables
from hookline.store.action_logs import Part, open_log
from hookline.store.database import Database
from hookline.store.node_state import NodeState

from .node import DONE, FAILED, TestNode
from .tenant import commands, declaration, source

SCOPE = Scope("000000000000", "us-east-1")
GROWING: Mapping[str, Table] = {
    table.name: table
    for table in tables.metadata.sorted_tables
    if "execution_id" in table.columns or table in {tables.executions, tables.action_log_chunks}
}
"""The tables that have rows for each execution, by name."""
_FILLED = [
    table
    for name, table in GROWING.items()
    if name not in {"hookline_deliveries", "hookline_dedupe", "hookline_discarded_artifacts"}
]
_PAUSE_S = 10.0
_DAY_S = 86_400.0
_BATCH = 500
_NOTHING_PASSED = "Release"


class Rehearsal(Database):
    """A database to which nothing is written in the end, so that all can be done again."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is rolled back."""
        with super().write() as connection:
            yield connection
            connection.rollback()


class History:
    """A database with one pipeline, `count` clones of an execution of it, and two new ones.

    All executions failed in the last stage, but for the newest, which is in the first.
    """

    def __init__(self, url: str, folder: Path, count: int) -> None:
        self.database = Database(url)
        self.database.migrate()
        self._node = TestNode(self.database)
        self._folder = folder
        call = self._caller(self.database)
        rule = {
            "name": "Checked",
            "ruleTypeId": {
                "category": "Rule",
                "owner": "AWS",
                "provider": "VariableCheck",
                "version": "1",
            },
            "configuration": {"Variable": "a", "Operator": "EQ", "Value": "a"},
        }
        declared = declaration(
            "p",
            source(),
            ("Build", commands("Make", "true"), commands("Test", "true")),
            (_NOTHING_PASSED, commands("Ship", "false")),
            pipelineType="V2",
        )
        declared["stages"][1]["onSuccess"] = {"conditions": [{"result": "FAIL", "rules": [rule]}]}
        call("CreatePipeline", pipeline=declared)
        template = self._run(call)
        self.oldest = time.time() - (count + 1) * _PAUSE_S
        with self.database.write() as connection:
            self._backdate(connection)
            self._clone(connection, template, count)
        self.failed = self._run(call)
        self.revision = _commit(self.failed)
        self.open: str = call("StartPipelineExecution", name="p")["pipelineExecutionId"]
        self._analyze()
        self.rehearsal = Rehearsal(url)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
        self.rehearsal.close()

    def _caller(self, database: Database) -> Callable[..., Any]:
        dependencies = Dependencies(
            database,
            Seal([b"k" * 32]),
            NodeState(self._folder / "state"),
            Settings(),
            PageTokens(b"key"),
        )
        handlers, caller = operations(dependencies), Caller(SCOPE)

        def call(operation: str, /, **parameters: Any) -> Any:
            return handlers[operation](caller, parameters)

        return call

    def _run(self, call: Callable[..., Any]) -> str:
        execution_id: str = call("StartPipelineExecution", name="p")["pipelineExecutionId"]
        self._fetched = ActionResult("done", revision=SourceRevision("App", _commit(execution_id)))
        self._do(App=self._fetched)
        self._do(Make=DONE, Test=DONE)
        self._do(Checked=DONE)
        self._do(Ship=FAILED)
        return execution_id

    def _do(self, **outcomes: Outcome) -> None:
        tasks = self._node.take()
        assert tasks.keys() == outcomes.keys()
        for name, task in tasks.items():
            with self.database.write() as connection:
                action_logs.append(connection, Part(task.id, 0, b"a line\n"))
            assert self._node.finish(task, outcomes[name])
            self._logged = task.id

    def _backdate(self, connection: Connection) -> None:
        created = {"created_at": self.oldest - _DAY_S}
        connection.execute(update(tables.pipelines).values(created))
        connection.execute(update(tables.pipeline_versions).values(created))

    def _clone(self, connection: Connection, template: str, count: int) -> None:
        rows = {table.name: _rows_of(connection, table, template) for table in _FILLED}
        [(started_at,)] = connection.execute(
            select(tables.executions.c.started_at).where(tables.executions.c.id == template)
        )
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            clones: dict[str, list[tuple[Any, ...]]] = {name: [] for name in rows}
            for number in numbers:
                shift = self.oldest + number * _PAUSE_S - started_at
                _add_clone(clones, rows, _Clone(template, started_at, shift))
            for table in _FILLED:
                names = tuple(rows[table.name][0]) if rows[table.name] else ()
                dialect.insert_rows(connection, table, names, clones[table.name])

    def _analyze(self) -> None:
        if self.database.engine.dialect.name == "postgresql":
            with self.database.write() as connection:
                connection.exec_driver_sql("ANALYZE")

    def operations(self) -> Mapping[str, Callable[[], object]]:
        """What people ask, and what servers do by themselves, by name; nothing of it lasts."""
        return {**self._reads(), **self._writes(), **self._own()}

    def _reads(self) -> dict[str, Callable[[], object]]:
        call = self._caller(self.rehearsal)

        def listed(operation: str, **filters: Any) -> Callable[[], object]:
            more = {"filter": filters} if filters else {}
            return lambda: call(operation, pipelineName="p", maxResults=10, **more)

        def passed(stage: str) -> Callable[[], object]:
            return listed("ListPipelineExecutions", succeededInStage={"stageName": stage})

        def second_page(operation: str, **more: Any) -> Callable[[], object]:
            first = {"pipelineName": "p", "maxResults": 5, **more}
            token = call(operation, **first)["nextToken"]
            return lambda: call(operation, **first, nextToken=token)

        one = {"pipelineExecutionId": self.failed}
        latest = {"latestInPipelineExecution": {**one, "startTimeRange": "Latest"}}
        every = {"latestInPipelineExecution": {**one, "startTimeRange": "All"}}
        return {
            "GetPipelineState": lambda: call("GetPipelineState", name="p"),
            "GetPipelineExecution": lambda: call("GetPipelineExecution", pipelineName="p", **one),
            "ListPipelineExecutions": listed("ListPipelineExecutions"),
            "ListPipelineExecutions, second page": second_page("ListPipelineExecutions"),
            "ListPipelineExecutions, succeededInStage": passed("Build"),
            "ListPipelineExecutions, succeededInStage, second page": second_page(
                "ListPipelineExecutions", filter={"succeededInStage": {"stageName": "Build"}}
            ),
            "ListPipelineExecutions, succeededInStage that nothing passed": passed(_NOTHING_PASSED),
            "ListActionExecutions": listed("ListActionExecutions"),
            "ListActionExecutions, second page": second_page("ListActionExecutions"),
            "ListActionExecutions, of an execution": listed("ListActionExecutions", **one),
            "ListActionExecutions, latest of an execution": listed(
                "ListActionExecutions", **latest
            ),
            "ListActionExecutions, all of an execution": listed("ListActionExecutions", **every),
            "ListRuleExecutions": listed("ListRuleExecutions"),
            "ListRuleExecutions, second page": second_page("ListRuleExecutions"),
            "ListRuleExecutions, of an execution": listed("ListRuleExecutions", **one),
            "ListRuleExecutions, latest of an execution": listed("ListRuleExecutions", **latest),
        }

    def _writes(self) -> dict[str, Callable[[], object]]:
        call = self._caller(self.rehearsal)

        def put(commit: str) -> object:
            revision = {"revisionId": commit, "revisionChangeId": "1", "created": 1.0}
            place = {"pipelineName": "p", "stageName": "Source", "actionName": "App"}
            return call("PutActionRevision", **place, actionRevision=revision)

        def on_stage(operation: str, stage: str, **more: Any) -> Callable[[], object]:
            return lambda: call(operation, pipelineName="p", stageName=stage, **more)

        def approve() -> None:
            result = {"status": "Approved", "summary": ""}
            with suppress(InvalidApprovalTokenException):
                place = {"pipelineName": "p", "stageName": "Build", "actionName": "Make"}
                call("PutApprovalResult", **place, result=result, token=new_id())

        inbound = {"transitionType": "Inbound"}
        return {
            "StartPipelineExecution": lambda: call("StartPipelineExecution", name="p"),
            "StartPipelineExecution, with a token": lambda: call(
                "StartPipelineExecution", name="p", clientRequestToken="a"
            ),
            "PutActionRevision": lambda: put("e" * 40),
            "PutActionRevision, of a known revision": lambda: put(self.revision),
            "StopPipelineExecution": lambda: call(
                "StopPipelineExecution", pipelineName="p", pipelineExecutionId=self.open
            ),
            "RetryStageExecution": on_stage(
                "RetryStageExecution",
                _NOTHING_PASSED,
                pipelineExecutionId=self.failed,
                retryMode="FAILED_ACTIONS",
            ),
            "RollbackStage": on_stage(
                "RollbackStage", "Build", targetPipelineExecutionId=self.failed
            ),
            "PutApprovalResult": approve,
            "DisableStageTransition": on_stage(
                "DisableStageTransition", "Build", **inbound, reason="why"
            ),
            "EnableStageTransition": on_stage("EnableStageTransition", "Build", **inbound),
            "DeletePipeline": lambda: call("DeletePipeline", name="p"),
        }

    def _own(self) -> dict[str, Callable[[], object]]:
        database, node = self.rehearsal, TestNode(self.database)
        rehearsed = TestNode(self.rehearsal)

        def forgotten(before: float) -> object:
            with database.write() as connection:
                return forget(connection, before, None, 10)

        def finish_one() -> None:
            with database.write() as connection:
                [held] = action_executions.take(connection, node.instance, [DEFAULT_LABEL], 1)
                assert finish(connection, held, self._fetched)

        def write_logs() -> None:
            with database.write() as connection:
                [held] = action_executions.take(connection, node.instance, [DEFAULT_LABEL], 1)
                assert action_executions.hold(connection, node.instance, [held.id])
                part = Part(held.id, action_logs.length(connection, held.id), b"a line\n")
                action_logs.append(connection, part)

        def lost() -> object:
            with database.read() as connection:
                return action_executions.lost(connection, [node.instance])

        return {
            "a node takes an action": rehearsed.take,
            "a node finishes an action": finish_one,
            "a node writes logs": write_logs,
            "a log is read": lambda: list(open_log(database, self._logged, 2)),
            "a node looks for those of lost nodes": lost,
            "a node looks for waits that are over": lambda: end_waits(database),
            "a node looks for idle stages": lambda: proceed_idle(database),
            "retention, nothing is old": lambda: forgotten(self.oldest - _DAY_S),
            "retention, all is old": lambda: forgotten(time.time() + _DAY_S),
        }


class _Clone:
    """Maps the values of a template's row to those of a clone that began `shift` seconds later."""

    def __init__(self, template: str, started_at: float, shift: float) -> None:
        self._shift = shift
        self._prefix = first_id_at(started_at + shift)
        self._ids = {template: self._new_id()}
        self._commits = {_commit(template): _commit(self._ids[template])}

    def _new_id(self) -> str:
        return f"{self._prefix}{new_id()[len(self._prefix) :]}"

    def row(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(self._value(name, value) for name, value in row.items())

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name == "id" or name.endswith("execution_id"):
            return self._ids.setdefault(value, self._new_id())
        if name == "key":
            return hashlib.sha256(self._prefix.encode()).digest()
        if name.endswith("_at"):
            return value + self._shift
        if name == "source_revisions":
            for old, new in self._commits.items():
                value = value.replace(old, new)
        return value


def _commit(execution_id: str) -> str:
    """The commit that an execution fetches."""
    return execution_id.replace("-", "") + "0" * 8


_CONDITIONS = {
    tables.executions: "id = ?",
    tables.action_log_chunks: "action_execution_id IN "
    "(SELECT id FROM hookline_action_executions WHERE execution_id = ?)",
}


def _rows_of(connection: Connection, table: Table, execution_id: str) -> list[dict[str, Any]]:
    """The rows of an execution as the driver gives them."""
    condition = _CONDITIONS.get(table, "execution_id = ?")
    names = [name for name in table.columns.keys() if name != "sequence"]  # noqa: SIM118 - no dict
    statement = f"SELECT {', '.join(names)} FROM {table.name} WHERE {condition}"  # noqa: S608 - our own names
    found = dialect.rows(connection, statement, execution_id)
    return [dict(zip(names, row, strict=True)) for row in found]


def _add_clone(
    clones: dict[str, list[tuple[Any, ...]]],
    rows: Mapping[str, list[dict[str, Any]]],
    clone: _Clone,
) -> None:
    for name, of_template in rows.items():
        clones[name] += [clone.row(row) for row in of_template]
