"""Action executions: what each action of a stage was given, did and produced."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select, update

from hookline.model import ActionStatus
from hookline.store import dialect, executed
from hookline.store.executed import Wanted
from hookline.store.tables import action_executions

# What names an action of a pipeline.
_ACTION = ("stage_name", "action_name")


@dataclass(frozen=True, slots=True)
class ActionExecution:
    """One run of an action. Times are epoch seconds; artifacts are name → key in the store.

    `resolved` holds the configuration values that had references to variables, with their values.
    `turn` is the turn of the stage that runs it. One that has a `token` waits for somebody who
    knows it.
    """

    id: str
    stage_execution_id: str
    execution_id: str
    pipeline_id: int
    pipeline_version: int
    stage_name: str
    action_name: str
    status: ActionStatus
    turn: int
    started_at: float
    updated_at: float
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    percent_complete: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    updated_by: str | None = None

    @property
    def waits(self) -> bool:
        """Whether others than the engine end it."""
        return self.token is not None and self.status is ActionStatus.IN_PROGRESS


def start(connection: Connection, execution: ActionExecution) -> None:
    """Note that an action runs; a second try of the same one replaces the first's row."""
    dialect.insert_or_replace(
        connection,
        action_executions,
        ["id"],
        {
            "id": execution.id,
            "stage_execution_id": execution.stage_execution_id,
            "execution_id": execution.execution_id,
            "pipeline_id": execution.pipeline_id,
            "pipeline_version": execution.pipeline_version,
            "stage_name": execution.stage_name,
            "action_name": execution.action_name,
            "status": execution.status.value,
            "turn": execution.turn,
            "inputs": dict(execution.inputs),
            "resolved": dict(execution.resolved),
            "started_at": execution.started_at,
            "updated_at": execution.updated_at,
        },
    )


def note(connection: Connection, action_execution_id: str, **values: Any) -> None:
    """Set what is known of an action execution that goes on; what is None stays as it is."""
    known = {name: value for name, value in values.items() if value is not None}
    finish(connection, action_execution_id, **known)


def finish(connection: Connection, action_execution_id: str, **values: Any) -> None:
    """Set the last `status` and the results of an action execution."""
    connection.execute(
        update(action_executions)
        .where(action_executions.c.id == action_execution_id)
        .values(updated_at=time.time(), **values)
    )


def wait_for(
    connection: Connection, action_execution_id: str, token: str, waits_until: float
) -> None:
    """Note that an action waits for whoever knows `token`; `waits_until` is in epoch seconds."""
    connection.execute(
        update(action_executions)
        .where(
            action_executions.c.id == action_execution_id,
            action_executions.c.status == ActionStatus.IN_PROGRESS.value,
        )
        .values(token=token, waits_until=waits_until)
    )


def overdue(connection: Connection, now: float) -> list[ActionExecution]:
    """The actions that wait and should have been ended before `now`."""
    query = select(action_executions).where(
        action_executions.c.status == ActionStatus.IN_PROGRESS.value,
        action_executions.c.waits_until < now,
    )
    return [_action_execution(row) for row in connection.execute(query)]


def existing(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of `ids` that are there."""
    query = select(action_executions.c.id).where(action_executions.c.id.in_(ids))
    return set(connection.execute(query).scalars())


def find(connection: Connection, action_execution_id: str) -> ActionExecution | None:
    """An action execution by its id."""
    query = select(action_executions).where(action_executions.c.id == action_execution_id)
    row = connection.execute(query).first()
    return None if row is None else _action_execution(row)


def find_by_token(connection: Connection, pipeline_id: int, token: str) -> ActionExecution | None:
    """The action execution of a pipeline that waits, or waited, for whoever knows `token`."""
    query = select(action_executions).where(
        action_executions.c.pipeline_id == pipeline_id, action_executions.c.token == token
    )
    row = connection.execute(query).first()
    return None if row is None else _action_execution(row)


def produced(connection: Connection, execution_ids: Sequence[str]) -> list[ActionExecution]:
    """What has succeeded in the executions: in their order, and in each the oldest first."""
    query = (
        select(action_executions)
        .where(
            action_executions.c.execution_id.in_(execution_ids),
            action_executions.c.status == ActionStatus.SUCCEEDED.value,
        )
        .order_by(action_executions.c.started_at)
    )
    found = [_action_execution(row) for row in connection.execute(query)]
    return sorted(found, key=lambda execution: execution_ids.index(execution.execution_id))


def latest(connection: Connection, pipeline_id: int) -> dict[tuple[str, str], ActionExecution]:
    """The newest execution of each action of a pipeline, by stage and action name."""
    rows = executed.newest(connection, action_executions, _ACTION, pipeline_id)
    return {(row.stage_name, row.action_name): _action_execution(row) for row in rows}


def page(
    connection: Connection,
    pipeline_id: int,
    wanted: Wanted,
    before: tuple[float, str] | None,
    limit: int,
) -> list[ActionExecution]:
    """Up to `limit` action executions, the newest first.

    `before` is (started_at, id) of the last one seen.
    """
    rows = executed.page(
        connection,
        action_executions,
        _ACTION,
        pipeline_id,
        wanted=wanted,
        before=before,
        limit=limit,
    )
    return [_action_execution(row) for row in rows]


def of_execution(connection: Connection, execution_id: str) -> Sequence[ActionExecution]:
    """All action executions of an execution, the oldest first."""
    query = (
        select(action_executions)
        .where(action_executions.c.execution_id == execution_id)
        .order_by(action_executions.c.started_at)
    )
    return [_action_execution(row) for row in connection.execute(query)]


def _action_execution(row: Row[Any]) -> ActionExecution:
    return ActionExecution(
        id=row.id,
        stage_execution_id=row.stage_execution_id,
        execution_id=row.execution_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        stage_name=row.stage_name,
        action_name=row.action_name,
        status=ActionStatus(row.status),
        turn=row.turn,
        started_at=row.started_at,
        updated_at=row.updated_at,
        inputs=row.inputs,
        outputs=row.outputs or {},
        summary=row.summary,
        external_id=row.external_id,
        external_url=row.external_url,
        percent_complete=row.percent_complete,
        error_code=row.error_code,
        error_message=row.error_message,
        variables=row.variables or {},
        resolved=row.resolved or {},
        token=row.token,
        updated_by=row.updated_by,
    )
