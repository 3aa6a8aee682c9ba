"""Conditions of stages: their rules run as actions do, and together say whether it is met."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from hookline.actions import deployment_window
from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.executions import outcomes
from hookline.executions import passage as passages
from hookline.executions.passage import Passage
from hookline.executions.preparation import Prepared, prepare
from hookline.executions.progress import End, Run, Wait, next_step, progress_of, wanted
from hookline.model import Action, ActionStatus, ConditionStatus, ConditionType
from hookline.store import (
    condition_executions,
    executions,
    pipelines,
    rule_executions,
    stage_executions,
)
from hookline.store.condition_executions import ConditionExecution
from hookline.store.rule_executions import RuleExecution

# No name of an action or a rule has one.
_SEPARATOR = "/"
# What a rule that could be asked fails with; any other code means that it could not.
_NOT_MET = "JobFailed"
_SUMMARY_LIMIT = 2_000


def step(
    connection: Connection, passage: Passage, kind: ConditionType, turn: int
) -> Run | Wait | End:
    """What a turn does for a condition of its stage; when all rules have ended, note its status."""
    rules = passage.stage.conditions[kind].rules
    executed = {
        rule.id: rule
        for rule in rule_executions.of_stages(connection, [passage.stage_execution.id])
    }
    ids = {rule.name: passage.rule_execution_id(kind, rule.name) for rule in rules}
    begun = {
        name: executed[identifier] for name, identifier in ids.items() if identifier in executed
    }
    progress = {rule.name: progress_of(begun.get(rule.name), turn) for rule in rules}
    following = next_step(rules, progress, stopping=passage.is_stopping)
    match following:
        case Run(names):
            _open(connection, passage, kind)
            return Run(tuple(f"{kind}{_SEPARATOR}{name}" for name in names))
        case End():
            status, summary = _status(len(rules), begun)
            condition_executions.finish(
                connection, passage.stage_execution.id, kind, status, summary
            )
    return following


def statuses(connection: Connection, passage: Passage) -> dict[ConditionType, ConditionStatus]:
    """Where each condition stands that was asked in this passage."""
    asked = condition_executions.of_stage(connection, passage.stage_execution.id)
    return {kind: condition.status for kind, condition in asked.items()}


def _open(connection: Connection, passage: Passage, kind: ConditionType) -> None:
    if statuses(connection, passage).get(kind) is ConditionStatus.IN_PROGRESS:
        return
    now = time.time()
    condition = ConditionExecution(
        stage_execution_id=passage.stage_execution.id,
        type=kind,
        execution_id=passage.execution.id,
        pipeline_id=passage.pipeline.id,
        stage_name=passage.stage.name,
        status=ConditionStatus.IN_PROGRESS,
        started_at=now,
        updated_at=now,
    )
    condition_executions.put(connection, condition)


def _status(count: int, begun: Mapping[str, RuleExecution]) -> tuple[ConditionStatus, str]:
    """How a condition of `count` rules ended, of which some may never have begun."""
    failed = [rule for rule in begun.values() if rule.status is ActionStatus.FAILED]
    if failed:
        errored = any(rule.error_code != _NOT_MET for rule in failed)
        words = "; ".join(f"Rule '{rule.rule_name}': {rule.error_message}" for rule in failed)
        status = ConditionStatus.ERRORED if errored else ConditionStatus.FAILED
        return status, words[:_SUMMARY_LIMIT]
    succeeded = [rule for rule in begun.values() if rule.status is ActionStatus.SUCCEEDED]
    if len(succeeded) == count:
        return ConditionStatus.SUCCEEDED, "All rules succeeded"
    return ConditionStatus.ABANDONED, outcomes.STOPPED


def is_rule(name: str) -> bool:
    """Whether a name that a turn is to run is one of a rule."""
    return _SEPARATOR in name


def begin(
    connection: Connection, passage: Passage, name: str, turn: int
) -> tuple[str, Prepared] | None:
    """Note that a rule runs: its id, and what it is given; None where it does not have to."""
    kind_name, _, rule_name = name.partition(_SEPARATOR)
    kind = ConditionType(kind_name)
    rule = _declared(passage, kind, rule_name)
    identifier = passage.rule_execution_id(kind, rule.name)
    earlier = rule_executions.find(connection, identifier)
    if progress_of(earlier, turn) not in wanted(stopping=passage.is_stopping):
        return None
    prepared = prepare(connection, passage, rule)
    now = time.time()
    executed = RuleExecution(
        id=identifier,
        stage_execution_id=passage.stage_execution.id,
        execution_id=passage.execution.id,
        pipeline_id=passage.pipeline.id,
        pipeline_version=passage.pipeline.version,
        stage_name=passage.stage.name,
        condition_type=kind,
        rule_name=rule.name,
        status=ActionStatus.IN_PROGRESS,
        turn=turn,
        started_at=now if earlier is None else earlier.started_at,
        updated_at=now,
        inputs=prepared.inputs,
        resolved=prepared.resolved,
    )
    rule_executions.start(connection, executed)
    if prepared.error is not None:
        outcomes.fail(connection, identifier, prepared.error)
        return None
    return identifier, prepared


def _declared(passage: Passage, kind: ConditionType, rule_name: str) -> Action:
    rules = passage.stage.conditions[kind].rules
    return next(rule for rule in rules if rule.name == rule_name)


def wait_for(connection: Connection, rule_execution_id: str, time_limit: float) -> None:
    """Note that a rule waits, for `time_limit` seconds since it began at most."""
    rule = rule_executions.find(connection, rule_execution_id)
    if rule is None:
        return
    # A wish to stop is either seen here, or finds the rule waiting.
    pipelines.lock_by_id(connection, rule.pipeline_id)
    execution = executions.find(connection, rule.execution_id)
    if execution is not None and execution.stop is not None:
        outcomes.abandon(connection, rule.id)
    else:
        rule_executions.wait_for(connection, rule.id, rule.started_at + time_limit)


def abandon_open(
    connection: Connection, stage_execution_id: str, reason: str = outcomes.STOPPED
) -> None:
    """End what is still asked in a stage that ends, or goes on, without the answer."""
    for rule in rule_executions.of_stages(connection, [stage_execution_id]):
        if rule.status is ActionStatus.IN_PROGRESS:
            outcomes.abandon(connection, rule.id, reason)
    for kind, condition in condition_executions.of_stage(connection, stage_execution_id).items():
        if condition.status is ConditionStatus.IN_PROGRESS:
            condition_executions.finish(
                connection, stage_execution_id, kind, ConditionStatus.ABANDONED, reason
            )


def is_ready(connection: Connection, rule: RuleExecution) -> bool:
    """Whether the wait of a rule is over: its window is open, or it has waited for too long."""
    return _answer(connection, rule) is not None


def settle(connection: Connection, rule: RuleExecution) -> None:
    """End a rule that waits if its wait is over, and let its stage go on."""
    pipelines.lock_by_id(connection, rule.pipeline_id)
    found = rule_executions.find(connection, rule.id)
    if found is None or not found.waits:
        return
    match _answer(connection, found):
        case ActionResult() as result:
            outcomes.succeed(connection, found.id, result)
        case ActionError() as error:
            outcomes.fail(connection, found.id, error)
        case None:
            return
    stage_executions.wake(connection, found.stage_execution_id)


def _answer(connection: Connection, rule: RuleExecution) -> ActionResult | ActionError | None:
    """What a rule that waits has found; None while it has to wait on."""
    try:
        if _is_open(connection, rule):
            return ActionResult(deployment_window.OPEN)
    except ActionError as error:
        # Its window could be read when it began: a time zone may have gone since.
        return error
    if rule.waits_until is not None and rule.waits_until < time.time():
        return ActionError("The deployment window did not open in time")
    return None


def _is_open(connection: Connection, rule: RuleExecution) -> bool:
    passage = passages.find(connection, rule.stage_execution_id)
    if passage is None:
        return False
    declared = _declared(passage, rule.condition_type, rule.rule_name)
    configuration = {**declared.configuration, **rule.resolved}
    return deployment_window.is_open(configuration, datetime.now(UTC))
