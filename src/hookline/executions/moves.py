"""Executions move on as `advance` decides, in the caller's transaction."""

from sqlalchemy import Connection

from hookline.executions.advance import Enter, advance
from hookline.model import ExecutionStatus
from hookline.store import executions, pipelines, stage_executions, states


def move_on(connection: Connection, pipeline_id: int) -> None:
    """Let the executions of a pipeline enter what they may enter now.

    The pipeline must be locked by the transaction (`store.pipelines`).
    """
    pipeline = pipelines.current(connection, pipeline_id)
    if pipeline is None:
        return
    state = states.read(connection, pipeline_id)
    entered = []
    for command in advance(pipeline.execution_mode, state.standings, state.disabled):
        if isinstance(command, Enter):
            executions.move(connection, command.execution_id, command.stage_name, in_stage=True)
            entered.append((command.execution_id, command.stage_name))
        else:
            supersede(connection, command.execution_id, command.by)
    stage_executions.insert(connection, pipeline_id, entered)


def supersede(connection: Connection, execution_id: str, by: str) -> None:
    """End a waiting execution in favour of the newer one `by`."""
    executions.finish(connection, execution_id, ExecutionStatus.SUPERSEDED, superseded_by(by))


def superseded_by(execution_id: str) -> str:
    """Why an execution was superseded, in words."""
    return f"Superseded by execution {execution_id}, which waits for the same stage"
