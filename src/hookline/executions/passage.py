"""One passage of an execution through a stage: what belongs to it, and how it ends."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from hookline.model import (
    ActionStatus,
    ConditionType,
    Execution,
    ExecutionStatus,
    Pipeline,
    Stage,
    StageStatus,
)
from hookline.store import action_executions, executions, pipelines, stage_executions
from hookline.store.action_executions import ActionExecution
from hookline.store.stage_executions import StageExecution


@dataclass(frozen=True, slots=True)
class Passage:
    """A stage execution with its execution, and the stage as that execution's version has it."""

    stage_execution: StageExecution
    execution: Execution
    pipeline: Pipeline
    stage: Stage

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.execution.status is ExecutionStatus.STOPPING

    def action_execution_id(self, action_name: str) -> str:
        """The id of the newest attempt at an action, whether it has begun or not."""
        again = sum(action_name in names for names in self.stage_execution.retries)
        key = f"{action_name}/{again + 1}" if again else action_name
        return str(uuid.uuid5(uuid.UUID(self.stage_execution.id), key))

    def rule_execution_id(self, kind: ConditionType, rule_name: str) -> str:
        """The id of the newest run of a rule, whether it has begun or not.

        Once failed actions were run again beside others, a failure is a new one to ask about.
        """
        again = 0 if kind is ConditionType.BEFORE_ENTRY else len(self.stage_execution.retries)
        key = f"{kind}/{rule_name}/{again + 1}" if again else f"{kind}/{rule_name}"
        return str(uuid.uuid5(uuid.UUID(self.stage_execution.id), key))


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


def following_stage(passage: Passage) -> str | None:
    """The stage that the execution goes on to; None where it ends with this one."""
    if passage.execution.rollback_target is not None:
        return None
    return passage.pipeline.stage_after(passage.stage.name)


def newest(connection: Connection, passage: Passage) -> Mapping[str, ActionExecution]:
    """The newest attempt at each action that has begun in the passage, by the action's name."""
    begun = {
        execution.id: execution
        for execution in action_executions.of_execution(connection, passage.execution.id)
    }
    ids = {
        action.name: passage.action_execution_id(action.name) for action in passage.stage.actions
    }
    return {name: begun[identifier] for name, identifier in ids.items() if identifier in begun}


def outcome(passage: Passage, attempts: Mapping[str, ActionExecution]) -> StageStatus:
    """How the stage ended, by the `newest` attempts at its actions."""
    statuses = {name: attempt.status for name, attempt in attempts.items()}
    done = {name for name, status in statuses.items() if status is ActionStatus.SUCCEEDED}
    if {
        action.name for action in passage.stage.actions
    } <= done | passage.stage_execution.done_before:
        return StageStatus.SUCCEEDED
    if passage.is_stopping and ActionStatus.FAILED not in statuses.values():
        return StageStatus.STOPPED
    return StageStatus.FAILED
