"""Condition executions: what became of each condition of a stage that was asked."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from hookline.model import ConditionStatus, ConditionType
from hookline.store import dialect
from hookline.store.mapping import Mapper
from hookline.store.tables import condition_executions


@dataclass(frozen=True, slots=True)
class ConditionExecution:
    """One check of a condition, in one run of its stage. Times are epoch seconds."""

    stage_execution_id: str
    type: ConditionType
    execution_id: str
    pipeline_id: int
    stage_name: str
    status: ConditionStatus
    started_at: float
    updated_at: float
    summary: str | None = None


_CONDITION_EXECUTIONS = Mapper(condition_executions, ConditionExecution)


def put(connection: Connection, execution: ConditionExecution) -> None:
    """Keep a condition execution as it is now."""
    dialect.insert_or_replace(
        connection,
        condition_executions,
        ["stage_execution_id", "type"],
        _CONDITION_EXECUTIONS.columns(execution),
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
    """The conditions that were asked in one run of a stage."""
    query = select(condition_executions).where(
        condition_executions.c.stage_execution_id == stage_execution_id
    )
    return {
        ConditionType(row.type): _CONDITION_EXECUTIONS.value(row)
        for row in connection.execute(query)
    }


def latest(
    connection: Connection, pipeline_id: int, stage_name: str, kind: ConditionType
) -> ConditionExecution | None:
    """The newest check of a condition of a stage of a pipeline."""
    return _CONDITION_EXECUTIONS.newest(
        connection,
        condition_executions.c.pipeline_id == pipeline_id,
        condition_executions.c.stage_name == stage_name,
        condition_executions.c.type == kind.value,
        tie="stage_execution_id",
    )
