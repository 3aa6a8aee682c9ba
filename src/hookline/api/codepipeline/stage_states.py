"""AWS's StageState: where a stage of a pipeline stands, with its actions and conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hookline.api.codepipeline.action_states import (
    action_state,
    current_revision,
    custom_pages,
    source_pages,
)
from hookline.api.codepipeline.condition_views import condition_states
from hookline.api.codepipeline.execution_views import execution_type
from hookline.config import Settings
from hookline.model import (
    Action,
    ConditionType,
    Execution,
    ExecutionStatus,
    Pipeline,
    RetryTrigger,
    Stage,
    StageStatus,
)
from hookline.store import (
    action_executions,
    action_types,
    condition_executions,
    executions,
    stage_executions,
    transitions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.action_types import CustomActionType
from hookline.store.condition_executions import ConditionExecution
from hookline.store.executions import Position
from hookline.store.stage_executions import StageExecution
from hookline.store.transitions import Transition


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the states of a pipeline's stages tell, as one transaction reads it.

    The latest executions are by stage name, and that with the action's name or the condition's
    type; `rules` are those of the conditions. `executions` are by id, and `attempts` the stage
    executions of an execution in a stage, the newest first.
    """

    pipeline: Pipeline
    positions: Sequence[Position]
    transitions: Mapping[str, Transition]
    stages: Mapping[str, StageExecution | None]
    actions: Mapping[tuple[str, str], ActionExecution | None]
    conditions: Mapping[tuple[str, ConditionType], ConditionExecution | None]
    rules: Sequence[ActionExecution]
    executions: Mapping[str, Execution]
    attempts: Mapping[tuple[str, str], Sequence[StageExecution]]
    custom_types: Sequence[CustomActionType]


def read_snapshot(connection: Connection, pipeline: Pipeline) -> Snapshot:
    """What a pipeline's executions, actions and conditions did last."""
    stages = {
        stage.name: stage_executions.latest(connection, pipeline.id, stage.name)
        for stage in pipeline.stages
    }
    actions = {
        (stage.name, action.name): action_executions.latest(
            connection, pipeline.id, stage.name, action.name
        )
        for stage in pipeline.stages
        for action in stage.actions
    }
    conditions = {
        (stage.name, kind): condition_executions.latest(connection, pipeline.id, stage.name, kind)
        for stage in pipeline.stages
        for kind in stage.conditions
    }
    checked = {item.stage_execution_id for item in conditions.values() if item is not None}
    in_stages = _execution_ids(stages)
    return Snapshot(
        pipeline=pipeline,
        positions=executions.active(connection, pipeline.id),
        transitions=transitions.of_pipeline(connection, pipeline.id),
        stages=stages,
        actions=actions,
        conditions=conditions,
        rules=action_executions.of_stages(connection, checked),
        executions=executions.find_all(connection, in_stages | _execution_ids(actions)),
        attempts=stage_executions.attempts(connection, in_stages),
        custom_types=action_types.all_available(connection, pipeline.scope),
    )


def _execution_ids(found: Mapping[Any, StageExecution | ActionExecution | None]) -> set[str]:
    return {item.execution_id for item in found.values() if item is not None}


def stage_state(snapshot: Snapshot, stage: Stage, settings: Settings) -> dict[str, Any]:
    """The StageState of a stage of the pipeline."""
    return {
        "stageName": stage.name,
        **_inbound(stage.name, snapshot.positions),
        "inboundTransitionState": _transition(snapshot.transitions.get(stage.name)),
        "actionStates": [
            _action_state(snapshot, stage, action, settings) for action in stage.actions
        ],
        **condition_states(stage, snapshot.conditions, snapshot.rules, settings.link_url),
        **_latest_execution(snapshot, snapshot.stages[stage.name]),
    }


def _action_state(
    snapshot: Snapshot, stage: Stage, action: Action, settings: Settings
) -> dict[str, Any]:
    latest = snapshot.actions[stage.name, action.name]
    revision = current_revision(action, latest, snapshot.executions)
    custom = next((item for item in snapshot.custom_types if item.type == action.type), None)
    if custom is None:
        scope = snapshot.pipeline.scope
        pages = source_pages(action, latest, revision, scope, settings.github_url)
    else:
        pages = custom_pages(custom, action, latest)
    return action_state(action, latest, revision, pages, settings.link_url)


def _transition(transition: Transition | None) -> dict[str, Any]:
    if transition is None:
        return {"enabled": True}
    return {
        "enabled": transition.enabled,
        "lastChangedBy": transition.changed_by,
        "lastChangedAt": transition.changed_at,
        "disabledReason": transition.reason,
    }


def _latest_execution(snapshot: Snapshot, latest: StageExecution | None) -> dict[str, Any]:
    """The newest execution of a stage, and how often it was retried."""
    if latest is None or latest.execution_id not in snapshot.executions:
        return {}
    execution = snapshot.executions[latest.execution_id]
    is_stopping = (
        latest.status is StageStatus.IN_PROGRESS and execution.status is ExecutionStatus.STOPPING
    )
    shown: dict[str, Any] = {
        "latestExecution": {
            "pipelineExecutionId": latest.execution_id,
            "status": execution.status.value if is_stopping else latest.status.value,
            "type": execution_type(execution),
        }
    }
    attempts = snapshot.attempts.get((latest.execution_id, latest.stage_name), ())
    if retries := _retries(attempts):
        shown["retryStageMetadata"] = retries
    return shown


def _retries(attempts: Sequence[StageExecution]) -> dict[str, Any]:
    """AWS's RetryStageMetadata for an execution's attempts at a stage, the newest first."""
    triggers = [
        trigger
        for attempt in attempts
        for trigger in (*[RetryTrigger.MANUAL] * attempt.retries, attempt.retry_trigger)
        if trigger is not None
    ]
    if not triggers:
        return {}
    return {
        "autoStageRetryAttempt": triggers.count(RetryTrigger.AUTOMATED) or None,
        "manualStageRetryAttempt": triggers.count(RetryTrigger.MANUAL) or None,
        "latestRetryTrigger": triggers[0].value,
    }


def _inbound(stage_name: str, positions: Sequence[Position]) -> dict[str, Any]:
    waiting = [
        {
            "pipelineExecutionId": position.execution_id,
            "status": "InProgress",
            "type": "STANDARD",
        }
        for position in positions
        if position.stage_name == stage_name and not position.in_stage
    ]
    if not waiting:
        return {}
    return {"inboundExecution": waiting[-1], "inboundExecutions": waiting}
