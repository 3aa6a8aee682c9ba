"""Lets executions enter stages, as `advance` decides; the pipeline is locked."""

from collections.abc import Iterable

from sqlalchemy import Connection

from hookline.executions.advance import Command, Enter, Supersede, advance
from hookline.executions.enter import Entry, enter
from hookline.model import ExecutionStatus
from hookline.store import executions, pipelines, states


def dispatch(connection: Connection, pipeline_id: int) -> None:
    """Let the executions of a pipeline enter the stages that they may enter now."""
    pipeline = pipelines.current(connection, pipeline_id)
    if pipeline is None:
        return
    state = states.read(connection, pipeline_id)
    apply(connection, advance(pipeline.execution_mode, state.positions, state.disabled))


def apply(connection: Connection, commands: Iterable[Command]) -> None:
    """Do what `advance` decided about executions that the store has."""
    entered: dict[str, str] = {}
    for command in commands:
        match command:
            case Enter(execution_id, stage_name):
                entered[execution_id] = stage_name
            case Supersede(execution_id, by):
                summary = superseded_by(by)
                executions.finish(connection, execution_id, ExecutionStatus.SUPERSEDED, summary)
    found = executions.find_all(connection, entered) if entered else {}
    entries = []
    for execution_id, stage_name in entered.items():
        execution = found[execution_id]
        executions.move(connection, execution_id, stage_name, in_stage=True)
        pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
        if pipeline is not None:
            entries.append(Entry(execution_id, pipeline, stage_name, execution.variables))
    enter(connection, entries)


def superseded_by(execution_id: str) -> str:
    """Why an execution was superseded, in words."""
    return f"Superseded by execution {execution_id}, which waits for the same stage"
