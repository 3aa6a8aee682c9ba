"""What follows when a stage ends: by its actions, its conditions and their results."""

from collections.abc import Mapping

from sqlalchemy import Connection

from hookline.executions import conditions, stop
from hookline.executions import passage as passages
from hookline.executions.passage import Passage
from hookline.executions.retry import succeeded
from hookline.executions.rollback import roll_back_automatically
from hookline.model import (
    ConditionStatus,
    ConditionType,
    ExecutionStatus,
    Result,
    RetryTrigger,
    Stage,
    StageStatus,
)
from hookline.store import condition_executions, executions, stage_executions
from hookline.store.action_executions import ActionExecution

NOT_MET = frozenset({ConditionStatus.FAILED, ConditionStatus.ERRORED})
"""How a condition ends whose result follows, or that could not be asked."""
_NAMES = {
    ConditionType.BEFORE_ENTRY: "entry condition",
    ConditionType.ON_SUCCESS: "success condition",
    ConditionType.ON_FAILURE: "failure condition",
}


def asks_entry(passage: Passage) -> bool:
    """Whether the entry condition of the stage must be met before its actions begin."""
    asked = ConditionType.BEFORE_ENTRY in passage.stage.conditions
    return asked and not passage.stage_execution.entry_overridden


def asks_afterwards(stage: Stage, outcome: StageStatus, *, retried: bool) -> ConditionType | None:
    """The condition to ask when a stage's actions have ended as `outcome` says."""
    kind = _KINDS.get(outcome)
    if kind not in stage.conditions or _retries_at_once(stage, outcome, retried=retried):
        return None
    return kind


_KINDS = {
    StageStatus.SUCCEEDED: ConditionType.ON_SUCCESS,
    StageStatus.FAILED: ConditionType.ON_FAILURE,
}


def _retries_at_once(stage: Stage, outcome: StageStatus, *, retried: bool) -> bool:
    failed = outcome is StageStatus.FAILED
    return failed and stage.after_failure is Result.RETRY and not retried


def result_of(
    stage: Stage,
    outcome: StageStatus,
    statuses: Mapping[ConditionType, ConditionStatus],
    *,
    retried: bool,
) -> Result | None:
    """What follows for a stage whose actions have ended as `outcome` says; None if it succeeded.

    A condition that is not met brings its result. One that could not be asked fails the stage:
    it says nothing about what the result is for. A stage is retried automatically once.
    """
    if statuses.get(ConditionType.BEFORE_ENTRY) in NOT_MET:
        return _result(stage, ConditionType.BEFORE_ENTRY, statuses)
    kind = asks_afterwards(stage, outcome, retried=retried)
    if outcome is StageStatus.SUCCEEDED:
        return None if kind is None else _result(stage, kind, statuses)
    result = stage.after_failure if kind is None else _result(stage, kind, statuses)
    return Result.FAIL if result is None or (result is Result.RETRY and retried) else result


def _result(
    stage: Stage, kind: ConditionType, statuses: Mapping[ConditionType, ConditionStatus]
) -> Result | None:
    match statuses.get(kind):
        case ConditionStatus.FAILED:
            return stage.conditions[kind].result
        case ConditionStatus.SUCCEEDED:
            return None
    return Result.FAIL


def is_retried(connection: Connection, passage: Passage) -> bool:
    """Whether the stage has been retried automatically in this execution."""
    execution_id = passage.execution.id
    attempts = stage_executions.attempts(connection, [execution_id])
    return any(
        attempt.retry_trigger is RetryTrigger.AUTOMATED
        for attempt in attempts.get((execution_id, passage.stage.name), ())
    )


def close(
    connection: Connection, passage: Passage, attempts: Mapping[str, ActionExecution]
) -> None:
    """End a stage in which nothing more happens, and let its execution end or go on.

    `attempts` are the newest ones at its actions. The pipeline must be locked by the transaction.
    """
    statuses = conditions.statuses(connection, passage)
    conditions.abandon_open(connection, passage.stage_execution.id)
    outcome = passages.outcome(passage, attempts)
    if passage.is_stopping:
        _close_stopped(connection, passage, outcome, statuses)
        return
    result = result_of(passage.stage, outcome, statuses, retried=is_retried(connection, passage))
    stage_executions.finish(connection, passage.stage_execution.id, _STATUSES[result])
    if result is None or result is Result.SKIP:
        advance(connection, passage)
    elif result is Result.RETRY:
        only_failed = passage.stage.retries_only_failed
        stage_executions.insert_again(
            connection,
            passage.stage_execution,
            done_before=succeeded(passage.stage_execution, attempts) if only_failed else (),
            retry_trigger=RetryTrigger.AUTOMATED,
        )
    else:
        _fail(connection, passage, result)


_STATUSES = {
    None: StageStatus.SUCCEEDED,
    Result.SKIP: StageStatus.SKIPPED,
    Result.FAIL: StageStatus.FAILED,
    Result.ROLLBACK: StageStatus.FAILED,
    Result.RETRY: StageStatus.FAILED,
}


def _close_stopped(
    connection: Connection,
    passage: Passage,
    outcome: StageStatus,
    statuses: Mapping[ConditionType, ConditionStatus],
) -> None:
    asks = outcome is StageStatus.SUCCEEDED and ConditionType.ON_SUCCESS in passage.stage.conditions
    if asks and statuses.get(ConditionType.ON_SUCCESS) is not ConditionStatus.SUCCEEDED:
        outcome = StageStatus.STOPPED
    stage_executions.finish(connection, passage.stage_execution.id, outcome)
    stop.finish(connection, passage.execution.id)


def advance(connection: Connection, passage: Passage) -> None:
    """Let an execution wait for the next stage, or end with its last one."""
    following = passages.following_stage(passage)
    if following is None:
        executions.finish(connection, passage.execution.id, ExecutionStatus.SUCCEEDED)
    else:
        executions.move(connection, passage.execution.id, following, in_stage=False)


def _fail(connection: Connection, passage: Passage, result: Result) -> None:
    reasons = _reasons(connection, passage)
    # The stage must be free before another execution can be put into it.
    executions.finish(connection, passage.execution.id, ExecutionStatus.FAILED)
    if result is Result.ROLLBACK:
        reasons.append(roll_back_automatically(connection, passage))
    if reasons:
        summary = ". ".join(reasons)
        executions.finish(connection, passage.execution.id, ExecutionStatus.FAILED, summary)


def _reasons(connection: Connection, passage: Passage) -> list[str]:
    asked = condition_executions.of_stage(connection, passage.stage_execution.id)
    return [
        f"The {_NAMES[kind]} of stage '{passage.stage.name}' {_WORDS[condition.status]}: "
        f"{condition.summary}"
        for kind, condition in asked.items()
        if condition.status in NOT_MET
    ]


_WORDS = {
    ConditionStatus.FAILED: "failed",
    ConditionStatus.ERRORED: "could not be checked",
}
