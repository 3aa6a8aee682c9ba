"""Lets an execution continue although a condition of a stage was not met."""

from sqlalchemy import Connection

from hookline.errors import ConditionNotOverridableException
from hookline.executions import stage_runs
from hookline.executions.decide import NOT_MET
from hookline.executions.dispatch import dispatch
from hookline.executions.finish import abandon_conditions
from hookline.executions.proceed import again, leave, proceed
from hookline.executions.stage_runs import StageRun
from hookline.model import (
    ConditionStatus,
    ConditionType,
    ExecutionMode,
    ExecutionStatus,
    Pipeline,
    StageStatus,
)
from hookline.store import condition_executions, executions, stage_executions

_OVERRIDDEN = "Overridden by OverrideStageCondition"


def override(
    connection: Connection,
    pipeline: Pipeline,
    execution_id: str,
    stage_name: str,
    kind: ConditionType,
) -> None:
    """Enter a stage although its entry condition was not met, or leave one that has succeeded.

    An entry condition that only waits is overridden as well. The pipeline must be locked by the
    transaction.

    Raises:
        ConditionNotOverridableException: the condition of this execution did not fail the stage.
        NotLatestPipelineExecutionException: another execution has entered the stage since.
    """
    run = _find(connection, pipeline, execution_id, stage_name)
    status = run.statuses.get(kind)
    if _waits(run, kind, status):
        abandon_conditions(connection, run.stage_execution.id, _OVERRIDDEN)
        _note(connection, run, kind)
        stage_executions.override_entry(connection, run.stage_execution.id)
        proceed(connection, run.stage_execution.id)
        return
    _check_failed(run, kind, status, pipeline.version)
    if pipeline.execution_mode is not ExecutionMode.PARALLEL:
        stage_runs.check_newest(connection, run.stage_execution)
    _note(connection, run, kind)
    executions.resume(connection, execution_id, stage_name)
    if kind is ConditionType.BEFORE_ENTRY:
        done = run.stage_execution.done_before
        again(connection, run, done_before=done, entry_overridden=True)
    else:
        stage_executions.finish(connection, run.stage_execution.id, StageStatus.SUCCEEDED)
        leave(connection, run)
    dispatch(connection, pipeline.id)


def _find(
    connection: Connection, pipeline: Pipeline, execution_id: str, stage_name: str
) -> StageRun:
    stage_runs.find_execution(
        connection, pipeline, execution_id, ConditionNotOverridableException, for_update=True
    )
    run = stage_runs.latest(connection, execution_id, stage_name)
    if run is None:
        raise ConditionNotOverridableException(
            f"The execution '{execution_id}' never entered the stage '{stage_name}'"
        )
    return run


def _waits(run: StageRun, kind: ConditionType, status: ConditionStatus | None) -> bool:
    """Whether nothing but waiting rules keeps the execution from the stage."""
    if status is not ConditionStatus.IN_PROGRESS or kind is not ConditionType.BEFORE_ENTRY:
        return False
    rules = run.rules(kind).values()
    begun = [rule for rule in rules if rule.waits or rule.status.is_final]
    return (
        len(begun) == len(run.stage.conditions[kind].rules)
        and run.execution.status is ExecutionStatus.IN_PROGRESS
    )


def _check_failed(
    run: StageRun, kind: ConditionType, status: ConditionStatus | None, current_version: int
) -> None:
    if status is None:
        raise _refusal(run, kind, "it was not checked")
    if status not in NOT_MET:
        raise _refusal(run, kind, f"it is {status.value}")
    if run.stage_execution.status is not StageStatus.FAILED:
        raise _refusal(run, kind, f"the stage is {run.stage_execution.status.value}")
    if run.execution.status is not ExecutionStatus.FAILED:
        raise _refusal(run, kind, f"the execution is {run.execution.status.value}")
    version = run.pipeline.version
    if version != current_version:
        reason = f"the pipeline was changed since, from version {version} to {current_version}"
        raise _refusal(run, kind, f"{reason}. Start a new execution.")


def _note(connection: Connection, run: StageRun, kind: ConditionType) -> None:
    condition_executions.finish(
        connection,
        run.stage_execution.id,
        kind,
        ConditionStatus.OVERRIDDEN,
        _OVERRIDDEN,
    )


def _refusal(run: StageRun, kind: ConditionType, reason: str) -> ConditionNotOverridableException:
    return ConditionNotOverridableException(
        f"The condition {kind} of stage '{run.stage.name}' in execution "
        f"'{run.execution.id}' can't be overridden: {reason}"
    )
