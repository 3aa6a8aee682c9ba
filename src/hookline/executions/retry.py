"""Runs a stage again in which an execution failed or was stopped."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from hookline.errors import NotLatestPipelineExecutionException, StageNotRetryableException
from hookline.executions import passage as passages
from hookline.model import (
    ActionStatus,
    Execution,
    ExecutionMode,
    ExecutionStatus,
    Pipeline,
    RetryTrigger,
    StageStatus,
)
from hookline.store import executions, stage_executions
from hookline.store.action_executions import ActionExecution
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
    """Run `stage_name` of an execution again, with all actions or only those not succeeded.

    The pipeline must be locked by the transaction. A stage that ended is free, whatever waits for
    it, if nobody has entered it since. While actions of the stage still run, those that failed
    run again beside them.

    Raises:
        StageNotRetryableException: no such execution; it is not in this stage and has not ended
            badly in it; the pipeline was changed since; all actions are to run again and some
            still do; or `only_failed` and no action failed.
        NotLatestPipelineExecutionException: another execution has entered the stage since.
    """
    execution = executions.find(connection, execution_id, for_update=True)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise StageNotRetryableException(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    attempts = stage_executions.attempts(connection, [execution_id])
    latest = next(iter(attempts.get((execution_id, stage_name), ())), None)
    where = f"The stage '{stage_name}' of execution '{execution_id}' can't be retried"
    if latest is None:
        raise StageNotRetryableException(f"{where}: the execution never entered it")
    if execution.pipeline_version != pipeline.version:
        raise StageNotRetryableException(
            f"{where}: the pipeline was changed since, from version {execution.pipeline_version} "
            f"to {pipeline.version}. Start a new execution."
        )
    if execution.status is ExecutionStatus.IN_PROGRESS and latest.status is StageStatus.IN_PROGRESS:
        if not only_failed:
            raise StageNotRetryableException(
                f"{where}: actions are in progress; retry the failed ones, or wait"
            )
        failed = _failed(connection, latest)
        stage_executions.retry_within(connection, latest, failed)
        return
    _check_ended(execution, latest, where)
    _check_free(connection, pipeline, latest)
    done = _done(connection, latest) if only_failed else ()
    executions.resume(connection, execution_id, stage_name)
    stage_executions.insert_again(
        connection, latest, done_before=done, retry_trigger=RetryTrigger.MANUAL
    )


def _check_ended(execution: Execution, latest: StageExecution, where: str) -> None:
    if execution.status not in {ExecutionStatus.FAILED, ExecutionStatus.STOPPED}:
        raise StageNotRetryableException(f"{where}: the execution is {execution.status.value}")
    if latest.status not in _ENDED_BADLY:
        raise StageNotRetryableException(f"{where}: it is {latest.status.value}")


def _check_free(connection: Connection, pipeline: Pipeline, latest: StageExecution) -> None:
    if pipeline.execution_mode is ExecutionMode.PARALLEL:
        return
    stage_name = latest.stage_name
    if stage_executions.latest(connection, pipeline.id).get(stage_name) != latest:
        raise NotLatestPipelineExecutionException(
            f"A later execution than '{latest.execution_id}' has entered the stage '{stage_name}'"
        )
    if any(
        standing.in_stage and standing.stage_name == stage_name
        for standing in executions.active(connection, pipeline.id)
    ):
        # Possible where the mode was PARALLEL before.
        raise StageNotRetryableException(f"Another execution is in the stage '{stage_name}'")


def _failed(connection: Connection, latest: StageExecution) -> Collection[str]:
    """The actions whose newest attempt failed while others of the stage go on."""
    passage = passages.find(connection, latest.id)
    newest = {} if passage is None else passages.newest(connection, passage)
    failed = [name for name, item in newest.items() if item.status is ActionStatus.FAILED]
    if not failed:
        raise _nothing_failed(latest)
    return failed


def _done(connection: Connection, latest: StageExecution) -> Collection[str]:
    """The actions that have succeeded in a stage that ended, in this or an earlier passage."""
    passage = passages.find(connection, latest.id)
    newest: Mapping[str, ActionExecution] = (
        {} if passage is None else passages.newest(connection, passage)
    )
    if not any(item.status in _RETRIED for item in newest.values()):
        raise _nothing_failed(latest)
    return succeeded(latest, newest)


def succeeded(
    stage_execution: StageExecution, newest: Mapping[str, ActionExecution]
) -> Collection[str]:
    """The actions of a passage that a retry of the failed ones leaves as they ended."""
    done = {name for name, item in newest.items() if item.status is ActionStatus.SUCCEEDED}
    return done | stage_execution.done_before


def _nothing_failed(latest: StageExecution) -> StageNotRetryableException:
    return StageNotRetryableException(
        f"The stage '{latest.stage_name}' contains no failed actions; retry all of its actions"
    )
