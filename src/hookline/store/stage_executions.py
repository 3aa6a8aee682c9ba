"""Stage executions: the runs of stages in pipeline executions."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select, update

from hookline.model import ActionStatus, RetryTrigger, StageStatus
from hookline.store import dialect
from hookline.store.mapping import Mapper
from hookline.store.tables import action_executions, is_in_progress, stage_executions


@dataclass(frozen=True, slots=True)
class StageExecution:
    """One run of a stage in an execution. Times are epoch seconds.

    `done_before` are the actions that a retry leaves as they ended before; `retries` says how often
    failed actions were retried while others of the stage still ran. One with `entry_overridden`
    does not check its entry condition.
    """

    id: str
    execution_id: str
    pipeline_id: int
    stage_name: str
    started_at: float
    updated_at: float
    status: StageStatus = StageStatus.IN_PROGRESS
    done_before: frozenset[str] = frozenset()
    retries: int = 0
    retry_trigger: RetryTrigger | None = None
    entry_overridden: bool = False


_STAGE_EXECUTIONS = Mapper(
    stage_executions,
    StageExecution,
    encoded={"done_before": lambda names: dialect.json_text(sorted(names)) if names else None},
)


def insert(connection: Connection, entered: Sequence[StageExecution]) -> None:
    """Add stage executions."""
    _STAGE_EXECUTIONS.insert(connection, entered)


def count_retry(connection: Connection, stage_execution_id: str) -> None:
    """Note that failed actions are retried while others of the stage still run."""
    _update(connection, stage_execution_id, retries=stage_executions.c.retries + 1)


def override_entry(connection: Connection, stage_execution_id: str) -> None:
    """Let a stage that has not ended continue without its entry condition."""
    _update(connection, stage_execution_id, entry_overridden=True)


def _update(connection: Connection, stage_execution_id: str, **values: Any) -> None:
    connection.execute(
        update(stage_executions).where(stage_executions.c.id == stage_execution_id).values(**values)
    )


def in_progress(connection: Connection, pipeline_id: int) -> list[StageExecution]:
    """The stage executions of a pipeline that have not ended."""
    query = select(stage_executions).where(
        stage_executions.c.pipeline_id == pipeline_id, is_in_progress
    )
    return _STAGE_EXECUTIONS.all(connection, query)


def of_execution_in_progress(connection: Connection, execution_id: str) -> list[StageExecution]:
    """The stage executions of a pipeline execution that have not ended."""
    query = select(stage_executions).where(
        stage_executions.c.execution_id == execution_id, is_in_progress
    )
    return _STAGE_EXECUTIONS.all(connection, query)


def idle(connection: Connection) -> list[str]:
    """The ids of stage executions in progress without an action or rule in progress."""
    has_action = exists().where(
        action_executions.c.stage_execution_id == stage_executions.c.id,
        action_executions.c.status == ActionStatus.IN_PROGRESS.value,
    )
    query = select(stage_executions.c.id).where(is_in_progress, ~has_action)
    return list(connection.execute(query).scalars())


def find(connection: Connection, stage_execution_id: str) -> StageExecution | None:
    """A stage execution by its id."""
    query = select(stage_executions).where(stage_executions.c.id == stage_execution_id)
    return _STAGE_EXECUTIONS.first(connection, query)


def finish(connection: Connection, stage_execution_id: str, status: StageStatus) -> None:
    """Give a stage execution its last status."""
    _update(connection, stage_execution_id, status=status.value, updated_at=time.time())


def latest(connection: Connection, pipeline_id: int, stage_name: str) -> StageExecution | None:
    """The newest stage execution of a stage of a pipeline."""
    return _STAGE_EXECUTIONS.newest(
        connection,
        stage_executions.c.pipeline_id == pipeline_id,
        stage_executions.c.stage_name == stage_name,
    )


def attempts(
    connection: Connection, execution_ids: Collection[str]
) -> dict[tuple[str, str], list[StageExecution]]:
    """All stage executions of the executions, newest first, by execution id and stage name."""
    query = (
        select(stage_executions)
        .where(stage_executions.c.execution_id.in_(execution_ids))
        .order_by(stage_executions.c.started_at.desc(), stage_executions.c.id.desc())
    )
    found: dict[tuple[str, str], list[StageExecution]] = {}
    for row in connection.execute(query):
        found.setdefault((row.execution_id, row.stage_name), []).append(
            _STAGE_EXECUTIONS.value(row)
        )
    return found
