"""One passage of an execution through a stage: what belongs to it, and how it ends."""

from dataclasses import dataclass

from sqlalchemy import Connection

from hookline.executions import stop
from hookline.model import ActionStatus, Execution, ExecutionStatus, Pipeline, Stage, StageStatus
from hookline.store import action_executions, executions, pipelines, stage_executions
from hookline.store.stage_executions import StageExecution


@dataclass(frozen=True, slots=True)
class Passage:
    """A stage execution with its execution, and the stage as that execution's version has it."""

    stage_execution: StageExecution
    execution: Execution
    pipeline: Pipeline
    stage: Stage


def find(connection: Connection, stage_execution_id: str) -> Passage | None:
    """A passage by the id of its stage execution; None when its pipeline is gone."""
    stage_execution = stage_executions.find(connection, stage_execution_id)
    if stage_execution is None:
        return None
    execution = executions.find(connection, stage_execution.execution_id)
    if execution is None:
        return None
    pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
    if pipeline is None:
        return None
    stage = next(item for item in pipeline.stages if item.name == stage_execution.stage_name)
    return Passage(stage_execution, execution, pipeline, stage)


def outcome(connection: Connection, passage: Passage) -> StageStatus:
    """How the stage ended, by its actions."""
    executed = {
        execution.action_name: execution.status
        for execution in action_executions.of_execution(connection, passage.execution.id)
        if execution.stage_execution_id == passage.stage_execution.id
    }
    done = {name for name, status in executed.items() if status is ActionStatus.SUCCEEDED}
    if {
        action.name for action in passage.stage.actions
    } <= done | passage.stage_execution.done_before:
        return StageStatus.SUCCEEDED
    is_stopping = passage.execution.status is ExecutionStatus.STOPPING
    if is_stopping and ActionStatus.FAILED not in executed.values():
        return StageStatus.STOPPED
    return StageStatus.FAILED


def leave(connection: Connection, passage: Passage, status: StageStatus) -> None:
    """Let the execution end with its stage, or wait for the next one."""
    execution = passage.execution
    if execution.status is ExecutionStatus.STOPPING:
        stop.finish(connection, execution.id)
        return
    if status is not StageStatus.SUCCEEDED:
        executions.finish(connection, execution.id, ExecutionStatus.FAILED)
        return
    following = _following_stage(passage)
    if following is None:
        executions.finish(connection, execution.id, ExecutionStatus.SUCCEEDED)
    else:
        executions.move(connection, execution.id, following, in_stage=False)


def _following_stage(passage: Passage) -> str | None:
    if passage.execution.rollback_target is not None:
        return None
    return passage.pipeline.stage_after(passage.stage.name)
