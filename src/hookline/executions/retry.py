"""Runs a stage again in which an execution failed or was stopped."""

from collections.abc import Collection

from sqlalchemy import Connection

from hookline.errors import NotLatestPipelineExecutionException, StageNotRetryableException
from hookline.model import (
    ActionStatus,
    Execution,
    ExecutionMode,
    ExecutionStatus,
    Pipeline,
    StageStatus,
)
from hookline.store import action_executions, executions, stage_executions
from hookline.store.stage_executions import StageExecution

_ENDED_BADLY = frozenset({StageStatus.FAILED, StageStatus.STOPPED})
_RETRIED = frozenset({ActionStatus.FAILED, ActionStatus.ABANDONED})


def retry(
    connection: Connection,
    pipeline: Pipeline,
    execution_id: str,
    stage_name: str,
    *,
    only_failed: bool,
) -> None:
    """Put an execution back into `stage_name`, with all actions or only those not succeeded.

    The pipeline must be locked by the transaction. A stage that ended is free, whatever waits for
    it, if nobody has entered it since.

    Raises:
        StageNotRetryableException: no such execution; it has not ended in this stage, or not badly;
            the pipeline was changed since; or `only_failed` and no action failed.
        NotLatestPipelineExecutionException: another execution has entered the stage since.
    """
    execution = executions.find(connection, execution_id)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise StageNotRetryableException(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    attempts = stage_executions.attempts(connection, [execution_id]).get(
        (execution_id, stage_name), []
    )
    latest = stage_executions.latest(connection, pipeline.id).get(stage_name)
    _check(pipeline, execution, stage_name, attempts[0] if attempts else None)
    if pipeline.execution_mode is not ExecutionMode.PARALLEL and latest != attempts[0]:
        raise NotLatestPipelineExecutionException(
            f"A later execution than '{execution_id}' has entered the stage '{stage_name}'"
        )
    if pipeline.execution_mode is not ExecutionMode.PARALLEL and any(
        standing.in_stage and standing.stage_name == stage_name
        for standing in executions.active(connection, pipeline.id)
    ):
        # Possible where the mode was PARALLEL before.
        raise StageNotRetryableException(f"Another execution is in the stage '{stage_name}'")
    done = _done(connection, attempts[0]) if only_failed else ()
    executions.resume(connection, execution_id, stage_name)
    stage_executions.insert_retry(connection, attempts[0], done)


def _check(
    pipeline: Pipeline, execution: Execution, stage_name: str, latest: StageExecution | None
) -> None:
    where = f"The stage '{stage_name}' of execution '{execution.id}' can't be retried"
    if execution.status not in {ExecutionStatus.FAILED, ExecutionStatus.STOPPED}:
        raise StageNotRetryableException(f"{where}: the execution is {execution.status.value}")
    if latest is None:
        raise StageNotRetryableException(f"{where}: the execution never entered it")
    if latest.status not in _ENDED_BADLY:
        raise StageNotRetryableException(f"{where}: it is {latest.status.value}")
    if execution.pipeline_version != pipeline.version:
        raise StageNotRetryableException(
            f"{where}: the pipeline was changed since, from version {execution.pipeline_version} "
            f"to {pipeline.version}. Start a new execution."
        )


def _done(connection: Connection, stage_execution: StageExecution) -> Collection[str]:
    executed = [
        execution
        for execution in action_executions.of_execution(connection, stage_execution.execution_id)
        if execution.stage_execution_id == stage_execution.id
    ]
    if not any(execution.status in _RETRIED for execution in executed):
        raise StageNotRetryableException(
            f"The stage '{stage_execution.stage_name}' contains no failed actions; "
            "retry all of its actions"
        )
    succeeded = {item.action_name for item in executed if item.status is ActionStatus.SUCCEEDED}
    return succeeded | stage_execution.done_before
