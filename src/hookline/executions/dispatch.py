"""Lets executions enter stages, as `advance` decides; the pipeline is locked."""

from sqlalchemy import Connection

from hookline.executions.advance import Enter, advance
from hookline.executions.enter import Entry, enter
from hookline.model import ExecutionStatus
from hookline.store import executions, pipelines, states


def dispatch(connection: Connection, pipeline_id: int) -> None:
    """Let the executions of a pipeline enter the stages that they may enter now."""
    pipeline = pipelines.current(connection, pipeline_id)
    if pipeline is None:
        return
    state = states.read(connection, pipeline_id)
    entered: dict[str, str] = {}
    for command in advance(pipeline.execution_mode, state.positions, state.disabled):
        if isinstance(command, Enter):
            entered[command.execution_id] = command.stage_name
        else:
            supersede(connection, command.execution_id, command.by)
    enter_stages(connection, entered)


def enter_stages(connection: Connection, entered: dict[str, str]) -> None:
    """Let executions that are there enter stages: execution id → stage name."""
    found = executions.find_all(connection, entered) if entered else {}
    entries = []
    for execution_id, stage_name in entered.items():
        execution = found[execution_id]
        executions.move(connection, execution_id, stage_name, in_stage=True)
        pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
        if pipeline is not None:
            entries.append(Entry(execution_id, pipeline, stage_name, execution.variables))
    enter(connection, entries)


def supersede(connection: Connection, execution_id: str, by: str) -> None:
    """End a waiting execution in favour of the newer one `by`."""
    executions.finish(connection, execution_id, ExecutionStatus.SUPERSEDED, superseded_by(by))


def superseded_by(execution_id: str) -> str:
    """Why an execution was superseded, in words."""
    return f"Superseded by execution {execution_id}, which waits for the same stage"
