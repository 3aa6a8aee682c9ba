"""Rule executions: what each rule of a condition was given, and what it found."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select, update

from hookline.model import ActionStatus, ConditionType
from hookline.store import dialect, executed
from hookline.store.executed import Wanted
from hookline.store.tables import rule_executions

# What names a rule of a pipeline.
_RULE = ("stage_name", "condition_type", "rule_name")


@dataclass(frozen=True, slots=True)
class RuleExecution:
    """One run of a rule. Times are epoch seconds; artifacts are name → key in the store.

    `resolved` holds the configuration values that had references to variables, with their values.
    `turn` is the turn of the stage that runs it. One that waits is run by nobody, and fails when
    it still does at `waits_until`.
    """

    id: str
    stage_execution_id: str
    execution_id: str
    pipeline_id: int
    pipeline_version: int
    stage_name: str
    condition_type: ConditionType
    rule_name: str
    status: ActionStatus
    turn: int
    started_at: float
    updated_at: float
    inputs: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    resolved: Mapping[str, str] = field(default_factory=dict)
    waits_until: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it goes on without an engine."""
        return self.status is ActionStatus.IN_PROGRESS and self.waits_until is not None


def start(connection: Connection, execution: RuleExecution) -> None:
    """Note that a rule runs; a second try of the same one replaces the first's row."""
    dialect.insert_or_replace(
        connection,
        rule_executions,
        ["id"],
        {
            "id": execution.id,
            "stage_execution_id": execution.stage_execution_id,
            "execution_id": execution.execution_id,
            "pipeline_id": execution.pipeline_id,
            "pipeline_version": execution.pipeline_version,
            "stage_name": execution.stage_name,
            "condition_type": execution.condition_type.value,
            "rule_name": execution.rule_name,
            "status": execution.status.value,
            "turn": execution.turn,
            "inputs": dict(execution.inputs),
            "resolved": dict(execution.resolved),
            "started_at": execution.started_at,
            "updated_at": execution.updated_at,
        },
    )


def wait_for(connection: Connection, rule_execution_id: str, until: float) -> None:
    """Note that a rule goes on without an engine, at most until `until` in epoch seconds."""
    _update(connection, rule_execution_id, waits_until=until)


def finish(connection: Connection, rule_execution_id: str, **values: Any) -> None:
    """Set the last `status` and what a rule found, unless it has ended already."""
    _update(connection, rule_execution_id, **values)


def _update(connection: Connection, rule_execution_id: str, **values: Any) -> None:
    connection.execute(
        update(rule_executions)
        .where(
            rule_executions.c.id == rule_execution_id,
            rule_executions.c.status == ActionStatus.IN_PROGRESS.value,
        )
        .values(updated_at=time.time(), **values)
    )


def waiting(connection: Connection) -> Sequence[RuleExecution]:
    """All rule executions that go on without an engine."""
    query = select(rule_executions).where(
        rule_executions.c.status == ActionStatus.IN_PROGRESS.value,
        rule_executions.c.waits_until.is_not(None),
    )
    return [_rule_execution(row) for row in connection.execute(query)]


def existing(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of `ids` that are there."""
    query = select(rule_executions.c.id).where(rule_executions.c.id.in_(ids))
    return set(connection.execute(query).scalars())


def find(connection: Connection, rule_execution_id: str) -> RuleExecution | None:
    """A rule execution by its id."""
    query = select(rule_executions).where(rule_executions.c.id == rule_execution_id)
    row = connection.execute(query).first()
    return None if row is None else _rule_execution(row)


def of_stages(
    connection: Connection, stage_execution_ids: Collection[str]
) -> Sequence[RuleExecution]:
    """The rule executions of passages through stages, the oldest first."""
    query = (
        select(rule_executions)
        .where(rule_executions.c.stage_execution_id.in_(stage_execution_ids))
        .order_by(rule_executions.c.started_at)
    )
    return [_rule_execution(row) for row in connection.execute(query)]


def of_execution(connection: Connection, execution_id: str) -> Sequence[RuleExecution]:
    """All rule executions of an execution, the oldest first."""
    query = (
        select(rule_executions)
        .where(rule_executions.c.execution_id == execution_id)
        .order_by(rule_executions.c.started_at)
    )
    return [_rule_execution(row) for row in connection.execute(query)]


def page(
    connection: Connection,
    pipeline_id: int,
    wanted: Wanted,
    before: tuple[float, str] | None,
    limit: int,
) -> list[RuleExecution]:
    """Up to `limit` rule executions, the newest first.

    `before` is (started_at, id) of the last one seen.
    """
    rows = executed.page(
        connection,
        rule_executions,
        _RULE,
        pipeline_id,
        wanted=wanted,
        before=before,
        limit=limit,
    )
    return [_rule_execution(row) for row in rows]


def _rule_execution(row: Row[Any]) -> RuleExecution:
    return RuleExecution(
        id=row.id,
        stage_execution_id=row.stage_execution_id,
        execution_id=row.execution_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        stage_name=row.stage_name,
        condition_type=ConditionType(row.condition_type),
        rule_name=row.rule_name,
        status=ActionStatus(row.status),
        turn=row.turn,
        started_at=row.started_at,
        updated_at=row.updated_at,
        inputs=row.inputs,
        summary=row.summary,
        error_code=row.error_code,
        error_message=row.error_message,
        resolved=row.resolved or {},
        waits_until=row.waits_until,
    )
