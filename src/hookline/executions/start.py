"""Starts executions: the only place that creates them, rollbacks apart."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from hookline.executions.advance import Enter, Supersede, advance
from hookline.executions.dispatch import enter_stages, supersede, superseded_by
from hookline.executions.enter import Entry, enter
from hookline.executions.start_request import StartRequest
from hookline.executions.variables import defaults
from hookline.model import Execution, ExecutionStatus, Pipeline
from hookline.store import executions, states
from hookline.store.executions import Position


def start(connection: Connection, pipeline: Pipeline, requests: Sequence[StartRequest]) -> None:
    """Start executions of `pipeline`, in order, in the caller's transaction.

    The pipeline must be locked by that transaction (`store.pipelines.lock`). In SUPERSEDED mode a
    burst costs rows only: all but the newest begin as superseded, and no engine hears of them.
    """
    now = time.time()
    first_stage = pipeline.stages[0].name
    new_ids = {item.execution_id for item in requests}
    superseded, entered = _decide(connection, pipeline, requests)
    _apply_to_earlier(connection, new_ids, superseded, entered)
    unchosen = defaults(pipeline)
    new = [
        Execution(
            id=item.execution_id,
            pipeline_id=pipeline.id,
            pipeline_version=pipeline.version,
            status=_status(item.execution_id, superseded),
            mode=pipeline.execution_mode,
            trigger=item.trigger,
            client_request_token=item.client_request_token,
            source_revisions=item.source_revisions,
            stage_name=first_stage,
            in_stage=item.execution_id in entered,
            started_at=now,
            updated_at=now,
            status_summary=_summary(item.execution_id, superseded),
            variables={**unchosen, **item.variables},
        )
        for item in requests
    ]
    executions.insert(connection, new)
    enter(
        connection,
        [Entry(item.id, pipeline, first_stage, item.variables) for item in new if item.in_stage],
    )


def _decide(
    connection: Connection, pipeline: Pipeline, requests: Sequence[StartRequest]
) -> tuple[dict[str, str], dict[str, str]]:
    """Which executions are superseded, and by which; which enter a stage, and which stage."""
    first_stage = pipeline.stages[0].name
    state = states.read(connection, pipeline.id)
    new = (Position(item.execution_id, first_stage, in_stage=False) for item in requests)
    superseded: dict[str, str] = {}
    entered: dict[str, str] = {}
    for command in advance(pipeline.execution_mode, [*state.positions, *new], state.disabled):
        match command:
            case Supersede(execution_id, by):
                superseded[execution_id] = by
            case Enter(execution_id, stage_name):
                entered[execution_id] = stage_name
    return superseded, entered


def _apply_to_earlier(
    connection: Connection, new_ids: set[str], superseded: dict[str, str], entered: dict[str, str]
) -> None:
    for execution_id, by in superseded.items():
        if execution_id not in new_ids:
            supersede(connection, execution_id, by)
    enter_stages(
        connection,
        {name: stage_name for name, stage_name in entered.items() if name not in new_ids},
    )


def _status(execution_id: str, superseded: dict[str, str]) -> ExecutionStatus:
    if execution_id in superseded:
        return ExecutionStatus.SUPERSEDED
    return ExecutionStatus.IN_PROGRESS


def _summary(execution_id: str, superseded: dict[str, str]) -> str | None:
    by = superseded.get(execution_id)
    return None if by is None else superseded_by(by)
