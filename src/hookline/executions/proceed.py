"""Takes the next step of a stage, as `decide` says; the pipeline is locked by the transaction."""

import time

from sqlalchemy import Connection

from hookline.executions import stage_runs
from hookline.executions.decide import NOT_MET, Begin, End, decide
from hookline.executions.dispatch import dispatch
from hookline.executions.enter import begin
from hookline.executions.rollback import roll_back_automatically
from hookline.executions.stage_runs import StageRun
from hookline.model import (
    ActionStatus,
    ConditionStatus,
    ConditionType,
    ExecutionStatus,
    Result,
    RetryTrigger,
    StageStatus,
    new_id,
)
from hookline.store import condition_executions, executions, stage_executions
from hookline.store.stage_executions import StageExecution


def proceed(connection: Connection, stage_execution_id: str) -> None:
    """Do what follows in a stage, if it has not ended: begin more of it, or end it.

    To be called whenever something has changed in the stage. A call too many does no harm.
    """
    run = stage_runs.find(connection, stage_execution_id)
    if run is None or run.stage_execution.status is not StageStatus.IN_PROGRESS:
        return
    decision = decide(run.progress)
    for checked in decision.checked:
        if run.statuses.get(checked.type) is ConditionStatus.IN_PROGRESS:
            condition_executions.finish(
                connection, stage_execution_id, checked.type, checked.status, checked.summary
            )
    match decision.step:
        case Begin() as step:
            begin(connection, run, step)
        case End() as step:
            _end(connection, run, step)
            dispatch(connection, run.pipeline.id)


def _end(connection: Connection, run: StageRun, step: End) -> None:
    stage_executions.finish(connection, run.stage_execution.id, step.status)
    if step.stopped:
        # The summary still says why.
        executions.finish(
            connection, run.execution.id, ExecutionStatus.STOPPED, run.execution.status_summary
        )
    elif step.result in {None, Result.SKIP}:
        leave(connection, run)
    elif step.result is Result.RETRY:
        only_failed = run.stage.retries_only_failed
        done = succeeded(run) if only_failed else frozenset[str]()
        again(connection, run, done_before=done, retry_trigger=RetryTrigger.AUTOMATED)
    else:
        _fail(connection, run, step)


def leave(connection: Connection, run: StageRun) -> None:
    """Let an execution wait for the next stage, or end with its last one."""
    is_rollback = run.execution.rollback_target is not None
    following = None if is_rollback else run.pipeline.stage_after(run.stage.name)
    if following is None:
        executions.finish(connection, run.execution.id, ExecutionStatus.SUCCEEDED)
    else:
        executions.move(connection, run.execution.id, following, in_stage=False)


def again(
    connection: Connection,
    run: StageRun,
    *,
    done_before: frozenset[str] = frozenset(),
    retry_trigger: RetryTrigger | None = None,
    entry_overridden: bool = False,
) -> None:
    """Run a stage of an execution once more, without the actions `done_before`."""
    now = time.time()
    following = StageExecution(
        id=new_id(),
        execution_id=run.execution.id,
        pipeline_id=run.pipeline.id,
        stage_name=run.stage.name,
        done_before=done_before,
        retry_trigger=retry_trigger,
        entry_overridden=entry_overridden,
        started_at=now,
        updated_at=now,
    )
    stage_executions.insert(connection, [following])
    proceed(connection, following.id)


def succeeded(run: StageRun) -> frozenset[str]:
    """The actions of a stage run that a retry of the failed ones leaves as they ended."""
    actions = run.actions.items()
    done = {name for name, item in actions if item.status is ActionStatus.SUCCEEDED}
    return run.stage_execution.done_before | done


def _fail(connection: Connection, run: StageRun, step: End) -> None:
    reasons = _reasons(connection, run)
    # The stage must be free before another execution can be put into it.
    executions.finish(connection, run.execution.id, ExecutionStatus.FAILED)
    if step.result is Result.ROLLBACK:
        reasons.append(roll_back_automatically(connection, run))
    if reasons:
        summary = ". ".join(reasons)
        executions.finish(connection, run.execution.id, ExecutionStatus.FAILED, summary)


def _reasons(connection: Connection, run: StageRun) -> list[str]:
    if not run.stage.conditions:
        return []
    checked = condition_executions.of_stage(connection, run.stage_execution.id)
    return [
        f"The {_NAMES[kind]} of stage '{run.stage.name}' {_WORDS[condition.status]}: "
        f"{condition.summary}"
        for kind, condition in checked.items()
        if condition.status in NOT_MET
    ]


_NAMES = {
    ConditionType.BEFORE_ENTRY: "entry condition",
    ConditionType.ON_SUCCESS: "success condition",
    ConditionType.ON_FAILURE: "failure condition",
}
_WORDS = {
    ConditionStatus.FAILED: "failed",
    ConditionStatus.ERRORED: "could not be checked",
}
