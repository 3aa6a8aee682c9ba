"""Rolls a stage back: runs it again as an earlier execution did, which succeeded in it."""

import time

from sqlalchemy import Connection

from hookline.errors import PipelineExecutionOutdatedException, UnableToRollbackStageException
from hookline.executions.enter import Entry, enter
from hookline.executions.stage_runs import StageRun, find_execution, is_occupied
from hookline.model import (
    Execution,
    ExecutionMode,
    ExecutionStatus,
    Pipeline,
    StageStatus,
    Trigger,
    new_id,
)
from hookline.store import executions, pipelines, stage_executions


def roll_back(
    connection: Connection, pipeline: Pipeline, stage_name: str, target_id: str, trigger: Trigger
) -> str:
    """Start an execution of one stage with the artifacts and variables of another; its id.

    The pipeline must be locked by the transaction.

    Raises:
        PipelineExecutionNotFoundException: the pipeline has no execution `target_id`.
        PipelineExecutionOutdatedException: the pipeline was changed since.
        UnableToRollbackStageException: the stage is the first or runs now, the mode is PARALLEL,
            or the target did not succeed in it or is itself a rollback.
    """
    target = find_execution(connection, pipeline, target_id, for_update=True)
    if target.pipeline_version != pipeline.version:
        raise PipelineExecutionOutdatedException(
            f"The pipeline was changed since execution '{target_id}', from version "
            f"{target.pipeline_version} to {pipeline.version}"
        )
    if reason := _obstacle(connection, pipeline, stage_name, target):
        raise UnableToRollbackStageException(
            f"The stage '{stage_name}' can't be rolled back to execution '{target_id}': {reason}"
        )
    now = time.time()
    new = Execution(
        id=new_id(),
        pipeline_id=pipeline.id,
        pipeline_version=pipeline.version,
        status=ExecutionStatus.IN_PROGRESS,
        mode=pipeline.execution_mode,
        trigger=trigger,
        source_revisions=target.source_revisions,
        stage_name=stage_name,
        in_stage=True,
        started_at=now,
        updated_at=now,
        variables=target.variables,
        rollback_target=target.id,
    )
    executions.insert(connection, [new])
    enter(connection, [Entry(new.id, pipeline, stage_name, new.variables)])
    return new.id


def roll_back_automatically(connection: Connection, run: StageRun) -> str:
    """Roll a stage back in which an execution has just failed; what was done, in words.

    The target is the newest execution that succeeded in the stage. A rollback that fails is not
    followed by another one. The pipeline must be locked by the transaction.
    """
    stage_name, execution = run.stage.name, run.execution
    none = f"The stage '{stage_name}' was not rolled back: "
    if execution.rollback_target is not None:
        return f"{none}this execution is a rollback itself"
    pipeline = pipelines.current(connection, run.pipeline.id)
    if pipeline is None or pipeline.version != run.pipeline.version:
        return f"{none}the pipeline was changed since this execution started"
    target = executions.last_succeeded_in(connection, pipeline, stage_name)
    if target is None:
        return f"{none}no execution of this version of the pipeline has succeeded in it"
    trigger = Trigger("AutomatedRollback", execution.id)
    try:
        started = roll_back(connection, pipeline, stage_name, target, trigger)
    except UnableToRollbackStageException as error:
        return f"{none}{error.message}"
    return f"Execution '{started}' rolls the stage '{stage_name}' back to execution '{target}'"


def _obstacle(
    connection: Connection, pipeline: Pipeline, stage_name: str, target: Execution
) -> str | None:
    if stage_name == pipeline.stages[0].name:
        return "the first stage can't be rolled back"
    if pipeline.execution_mode is ExecutionMode.PARALLEL:
        return "the pipeline's mode is PARALLEL"
    if target.rollback_target is not None:
        return "it is a rollback itself"
    attempts = stage_executions.attempts(connection, [target.id]).get((target.id, stage_name), [])
    if not attempts or attempts[0].status is not StageStatus.SUCCEEDED:
        return "it did not succeed in the stage"
    if is_occupied(connection, pipeline.id, stage_name):
        return "the stage is running now"
    return None
