"""Lets an execution go on although a condition of a stage was not met."""

from sqlalchemy import Connection

from hookline.errors import (
    ConditionNotOverridableException,
    NotLatestPipelineExecutionException,
)
from hookline.executions import conditions, consequences
from hookline.executions import passage as passages
from hookline.executions.moves import move_on
from hookline.executions.passage import Passage
from hookline.model import (
    ConditionStatus,
    ConditionType,
    ExecutionMode,
    ExecutionStatus,
    Pipeline,
    StageStatus,
)
from hookline.store import condition_executions, executions, rule_executions, stage_executions
from hookline.store.stage_executions import StageExecution

_OVERRIDDEN = "Overridden by OverrideStageCondition"


def override(
    connection: Connection,
    pipeline: Pipeline,
    execution_id: str,
    stage_name: str,
    kind: ConditionType,
) -> None:
    """Enter a stage after all whose entry condition was not met, or pass one that has succeeded.

    An entry condition that only waits is overridden as well. The pipeline must be locked by the
    transaction.

    Raises:
        ConditionNotOverridableException: the condition of this execution did not fail the stage.
        NotLatestPipelineExecutionException: another execution has entered the stage since.
    """
    passage = _find(connection, pipeline, execution_id, stage_name)
    status = conditions.statuses(connection, passage).get(kind)
    if _waits(connection, passage, kind, status):
        conditions.abandon_open(connection, passage.stage_execution.id, _OVERRIDDEN)
        _note(connection, passage, kind)
        stage_executions.override_entry(connection, passage.stage_execution.id)
        return
    _check_failed(passage, kind, status, pipeline.version)
    _check_latest(connection, pipeline, passage.stage_execution)
    _note(connection, passage, kind)
    executions.resume(connection, execution_id, stage_name)
    if kind is ConditionType.BEFORE_ENTRY:
        stage_executions.insert_again(
            connection,
            passage.stage_execution,
            done_before=passage.stage_execution.done_before,
            entry_overridden=True,
        )
    else:
        stage_executions.pass_after_all(connection, passage.stage_execution.id)
        consequences.advance(connection, passage)
    move_on(connection, pipeline.id)


def _find(
    connection: Connection, pipeline: Pipeline, execution_id: str, stage_name: str
) -> Passage:
    execution = executions.find(connection, execution_id)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise ConditionNotOverridableException(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    attempts = stage_executions.attempts(connection, [execution_id])
    latest = next(iter(attempts.get((execution_id, stage_name), ())), None)
    passage = None if latest is None else passages.find(connection, latest.id)
    if passage is None:
        raise ConditionNotOverridableException(
            f"The execution '{execution_id}' never entered the stage '{stage_name}'"
        )
    return passage


def _waits(
    connection: Connection, passage: Passage, kind: ConditionType, status: ConditionStatus | None
) -> bool:
    """Whether nothing but waiting rules keeps the execution from the stage."""
    if status is not ConditionStatus.IN_PROGRESS or kind is not ConditionType.BEFORE_ENTRY:
        return False
    rules = rule_executions.of_stages(connection, [passage.stage_execution.id])
    begun = {rule.rule_name for rule in rules if rule.waits or rule.status.is_final}
    return (
        len(begun) == len(passage.stage.conditions[kind].rules)
        and passage.execution.status is ExecutionStatus.IN_PROGRESS
    )


def _check_failed(
    passage: Passage, kind: ConditionType, status: ConditionStatus | None, current_version: int
) -> None:
    if status is None:
        raise _refusal(passage, kind, "it was not checked")
    if status not in consequences.NOT_MET:
        raise _refusal(passage, kind, f"it is {status.value}")
    if passage.stage_execution.status is not StageStatus.FAILED:
        raise _refusal(passage, kind, f"the stage is {passage.stage_execution.status.value}")
    if passage.execution.status is not ExecutionStatus.FAILED:
        raise _refusal(passage, kind, f"the execution is {passage.execution.status.value}")
    version = passage.pipeline.version
    if version != current_version:
        reason = f"the pipeline was changed since, from version {version} to {current_version}"
        raise _refusal(passage, kind, f"{reason}. Start a new execution.")


def _check_latest(connection: Connection, pipeline: Pipeline, latest: StageExecution) -> None:
    if pipeline.execution_mode is ExecutionMode.PARALLEL:
        return
    if stage_executions.latest(connection, pipeline.id).get(latest.stage_name) != latest:
        raise NotLatestPipelineExecutionException(
            f"A later execution than '{latest.execution_id}' has entered the stage "
            f"'{latest.stage_name}'"
        )


def _note(connection: Connection, passage: Passage, kind: ConditionType) -> None:
    condition_executions.finish(
        connection,
        passage.stage_execution.id,
        kind,
        ConditionStatus.OVERRIDDEN,
        _OVERRIDDEN,
    )


def _refusal(
    passage: Passage, kind: ConditionType, reason: str
) -> ConditionNotOverridableException:
    return ConditionNotOverridableException(
        f"The condition {kind} of stage '{passage.stage.name}' in execution "
        f"'{passage.execution.id}' can't be overridden: {reason}"
    )
