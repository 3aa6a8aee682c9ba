"""A stage that an execution is in, with all that a decision about it needs from the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hookline.errors import (
    ApiError,
    NotLatestPipelineExecutionException,
    PipelineExecutionNotFoundException,
)
from hookline.executions.decide import Progress
from hookline.model import (
    ConditionStatus,
    ConditionType,
    Execution,
    ExecutionStatus,
    Pipeline,
    RetryTrigger,
    Stage,
)
from hookline.store import (
    action_executions,
    condition_executions,
    executions,
    pipelines,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.condition_executions import ConditionExecution
from hookline.store.stage_executions import StageExecution


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage execution with its execution, and the stage as that execution's version has it.

    `executed` are its executions of actions and rules, the oldest first.
    """

    stage_execution: StageExecution
    execution: Execution
    pipeline: Pipeline
    stage: Stage
    executed: tuple[ActionExecution, ...] = ()
    conditions: Mapping[ConditionType, ConditionExecution] = field(default_factory=dict)
    retried: bool = False

    @property
    def actions(self) -> dict[str, ActionExecution]:
        """The newest execution of each action that has any."""
        found = (item for item in self.executed if item.condition_type is None)
        return {item.action_name: item for item in sorted(found, key=lambda item: item.retry)}

    def rules(self, kind: ConditionType) -> dict[str, ActionExecution]:
        """The executions of a condition's rules, by name.

        Once failed actions were retried beside others, a failure is a new one to ask about.
        """
        retry = 0 if kind is ConditionType.BEFORE_ENTRY else self.stage_execution.retries
        return {
            item.action_name: item
            for item in self.executed
            if item.condition_type is kind and item.retry == retry
        }

    @property
    def statuses(self) -> dict[ConditionType, ConditionStatus]:
        """Where each condition stands that was checked."""
        return {kind: condition.status for kind, condition in self.conditions.items()}

    @property
    def progress(self) -> Progress:
        """How far the stage is."""
        return Progress(
            stage=self.stage,
            actions=self.actions,
            rules={kind: self.rules(kind) for kind in self.stage.conditions},
            conditions=self.statuses,
            done_before=self.stage_execution.done_before,
            entry_overridden=self.stage_execution.entry_overridden,
            stopping=self.execution.status is ExecutionStatus.STOPPING,
            retried=self.retried,
        )


def find_execution(
    connection: Connection,
    pipeline: Pipeline,
    execution_id: str,
    missing: type[ApiError] = PipelineExecutionNotFoundException,
    *,
    for_update: bool = False,
) -> Execution:
    """An execution of a pipeline, as `store.executions.find` reads it. Raises `missing`."""
    execution = executions.find(connection, execution_id, for_update=for_update)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise missing(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    return execution


def find(connection: Connection, stage_execution_id: str) -> StageRun | None:
    """A stage run by the id of its stage execution; None when its pipeline is gone."""
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
    return StageRun(
        stage_execution,
        execution,
        pipeline,
        stage,
        tuple(action_executions.of_stages(connection, [stage_execution_id])),
        condition_executions.of_stage(connection, stage_execution_id) if stage.conditions else {},
        _is_retried(connection, execution, stage),
    )


def latest(connection: Connection, execution_id: str, stage_name: str) -> StageRun | None:
    """The newest run of a stage in an execution; None where it has none."""
    attempts = stage_executions.attempts(connection, [execution_id])
    newest = next(iter(attempts.get((execution_id, stage_name), ())), None)
    return None if newest is None else find(connection, newest.id)


def check_newest(connection: Connection, stage_execution: StageExecution) -> None:
    """Raise NotLatestPipelineExecutionException where another one has entered the stage since."""
    pipeline_id, stage_name = stage_execution.pipeline_id, stage_execution.stage_name
    if stage_executions.latest(connection, pipeline_id, stage_name) != stage_execution:
        raise NotLatestPipelineExecutionException(
            f"A later execution than '{stage_execution.execution_id}' has entered the stage "
            f"'{stage_name}'"
        )


def is_occupied(connection: Connection, pipeline_id: int, stage_name: str) -> bool:
    """Whether an execution is in the stage."""
    positions = executions.active(connection, pipeline_id)
    return any(item.in_stage and item.stage_name == stage_name for item in positions)


def _is_retried(connection: Connection, execution: Execution, stage: Stage) -> bool:
    """Whether the stage has been retried automatically in this execution."""
    if not stage.retries_automatically:
        return False
    attempts = stage_executions.attempts(connection, [execution.id])
    return any(
        attempt.retry_trigger is RetryTrigger.AUTOMATED
        for attempt in attempts.get((execution.id, stage.name), ())
    )
