"""Condition executions: what became of each condition of a stage that was asked."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from hookline.model import ConditionStatus, ConditionType
from hookline.store import dialect, executed
from hookline.store.tables import condition_executions


@dataclass(frozen=True, slots=True)
class ConditionExecution:
    """One check of a condition, in one passage through its stage. Times are epoch seconds."""

    stage_execution_id: str
    type: ConditionType
    execution_id: str
    pipeline_id: int
    stage_name: str
    status: ConditionStatus
    started_at: float
    updated_at: float
    summary: str | None = None


def put(connection: Connection, execution: ConditionExecution) -> None:
    """Keep a condition execution as it is now."""
    dialect.insert_or_replace(
        connection,
        condition_executions,
        ["stage_execution_id", "type"],
        {
            "stage_execution_id": execution.stage_execution_id,
            "type": execution.type.value,
            "execution_id": execution.execution_id,
            "pipeline_id": execution.pipeline_id,
            "stage_name": execution.stage_name,
            "status": execution.status.value,
            "summary": execution.summary,
            "started_at": execution.started_at,
            "updated_at": execution.updated_at,
        },
    )


def finish(
    connection: Connection,
    stage_execution_id: str,
    kind: ConditionType,
    status: ConditionStatus,
    summary: str | None,
) -> None:
    """Note how a check of a condition ended."""
    connection.execute(
        update(condition_executions)
        .where(
            condition_executions.c.stage_execution_id == stage_execution_id,
            condition_executions.c.type == kind.value,
        )
        .values(status=status.value, summary=summary, updated_at=time.time())
    )


def of_stage(
    connection: Connection, stage_execution_id: str
) -> dict[ConditionType, ConditionExecution]:
    """The conditions that were asked in one passage through a stage."""
    query = select(condition_executions).where(
        condition_executions.c.stage_execution_id == stage_execution_id
    )
    return {ConditionType(row.type): _execution(row) for row in connection.execute(query)}


def latest(
    connection: Connection, pipeline_id: int, stage_name: str, kind: ConditionType
) -> ConditionExecution | None:
    """The newest check of a condition of a stage of a pipeline."""
    row = executed.newest(
        connection,
        condition_executions,
        condition_executions.c.pipeline_id == pipeline_id,
        condition_executions.c.stage_name == stage_name,
        condition_executions.c.type == kind.value,
        tie="stage_execution_id",
    )
    return None if row is None else _execution(row)


def _execution(row: Row[Any]) -> ConditionExecution:
    return ConditionExecution(
        stage_execution_id=row.stage_execution_id,
        type=ConditionType(row.type),
        execution_id=row.execution_id,
        pipeline_id=row.pipeline_id,
        stage_name=row.stage_name,
        status=ConditionStatus(row.status),
        started_at=row.started_at,
        updated_at=row.updated_at,
        summary=row.summary,
    )
