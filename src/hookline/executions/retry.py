"""Retries a stage in which an execution failed or was stopped."""

from dataclasses import replace

from sqlalchemy import Connection

from hookline.errors import StageNotRetryableException
from hookline.executions import stage_runs
from hookline.executions.decide import Begin
from hookline.executions.enter import begin
from hookline.executions.finish import abandon_conditions
from hookline.executions.proceed import again, succeeded
from hookline.executions.stage_runs import StageRun
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
from hookline.store.stage_executions import StageExecution

_ENDED_BADLY = frozenset({StageStatus.FAILED, StageStatus.STOPPED})
_RETRIED_BESIDE = "Abandoned, since failed actions were retried"
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
    execution = stage_runs.find_execution(
        connection, pipeline, execution_id, StageNotRetryableException, for_update=True
    )
    run = stage_runs.latest(connection, execution_id, stage_name)
    where = f"The stage '{stage_name}' of execution '{execution_id}' can't be retried"
    if run is None:
        raise StageNotRetryableException(f"{where}: the execution never entered it")
    if execution.pipeline_version != pipeline.version:
        raise StageNotRetryableException(
            f"{where}: the pipeline was changed since, from version {execution.pipeline_version} "
            f"to {pipeline.version}. Start a new execution."
        )
    latest = run.stage_execution
    if execution.status is ExecutionStatus.IN_PROGRESS and latest.status is StageStatus.IN_PROGRESS:
        if not only_failed:
            raise StageNotRetryableException(
                f"{where}: actions are in progress; retry the failed ones, or wait"
            )
        _retry_beside(connection, run)
        return
    _check_ended(execution, latest, where)
    _check_free(connection, pipeline, latest)
    done = _done(run) if only_failed else frozenset[str]()
    executions.resume(connection, execution_id, stage_name)
    again(connection, run, done_before=done, retry_trigger=RetryTrigger.MANUAL)


def _check_ended(execution: Execution, latest: StageExecution, where: str) -> None:
    if execution.status not in {ExecutionStatus.FAILED, ExecutionStatus.STOPPED}:
        raise StageNotRetryableException(f"{where}: the execution is {execution.status.value}")
    if latest.status not in _ENDED_BADLY:
        raise StageNotRetryableException(f"{where}: it is {latest.status.value}")


def _check_free(connection: Connection, pipeline: Pipeline, latest: StageExecution) -> None:
    if pipeline.execution_mode is ExecutionMode.PARALLEL:
        return
    stage_name = latest.stage_name
    stage_runs.check_newest(connection, latest)
    if stage_runs.is_occupied(connection, pipeline.id, stage_name):
        # Possible where the mode was PARALLEL before.
        raise StageNotRetryableException(f"Another execution is in the stage '{stage_name}'")


def _retry_beside(connection: Connection, run: StageRun) -> None:
    """Run the failed actions again while others of the stage still run."""
    failed = [name for name, item in run.actions.items() if item.status is ActionStatus.FAILED]
    if not failed:
        raise _nothing_failed(run.stage_execution)
    # The condition is checked again for a failure that follows.
    abandon_conditions(connection, run.stage_execution.id, _RETRIED_BESIDE)
    stage_executions.count_retry(connection, run.stage_execution.id)
    retried = replace(run.stage_execution, retries=run.stage_execution.retries + 1)
    begin(connection, replace(run, stage_execution=retried), Begin(tuple(failed)))


def _done(run: StageRun) -> frozenset[str]:
    """The actions that have succeeded in a stage that ended, in this or an earlier run."""
    if not any(item.status in _RETRIED for item in run.actions.values()):
        raise _nothing_failed(run.stage_execution)
    return succeeded(run)


def _nothing_failed(latest: StageExecution) -> StageNotRetryableException:
    return StageNotRetryableException(
        f"The stage '{latest.stage_name}' contains no failed actions; retry all of its actions"
    )
