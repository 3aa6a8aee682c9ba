"""Begins the actions of a stage, each once, with what it needs."""

import time

from sqlalchemy import Connection

from hookline.executions import outcomes
from hookline.executions.passage import Passage
from hookline.executions.preparation import Prepared, prepare
from hookline.executions.progress import progress_of, wanted
from hookline.model import ActionStatus
from hookline.store import action_executions
from hookline.store.action_executions import ActionExecution


def begin(
    connection: Connection, passage: Passage, name: str, turn: int
) -> tuple[str, Prepared] | None:
    """Note that an action runs: its id, and what it is given; None where it does not have to."""
    identifier = passage.action_execution_id(name)
    earlier = action_executions.find(connection, identifier)
    if progress_of(earlier, turn) not in wanted(stopping=passage.is_stopping):
        return None
    action = next(item for item in passage.stage.actions if item.name == name)
    prepared = prepare(connection, passage, action)
    now = time.time()
    executed = ActionExecution(
        id=identifier,
        stage_execution_id=passage.stage_execution.id,
        execution_id=passage.execution.id,
        pipeline_id=passage.pipeline.id,
        pipeline_version=passage.pipeline.version,
        stage_name=passage.stage.name,
        action_name=name,
        status=ActionStatus.IN_PROGRESS,
        turn=turn,
        started_at=now,
        updated_at=now,
        inputs=prepared.inputs,
        resolved=prepared.resolved,
    )
    action_executions.start(connection, executed)
    if prepared.error is not None:
        outcomes.fail(connection, identifier, prepared.error)
        return None
    return identifier, prepared
