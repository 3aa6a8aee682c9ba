"""What the API tells of a pipeline's stages, and does to them: transitions, retry, rollback."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.api.codepipeline.action_states import (
    action_state,
    current_revision,
    custom_pages,
    source_pages,
)
from hookline.api.codepipeline.condition_views import condition_states
from hookline.api.codepipeline.execution_views import execution_type
from hookline.api.codepipeline.lookups import (
    check_action,
    check_concurrency,
    check_stage,
    find_pipeline,
    lock_pipeline,
)
from hookline.api.services import Services
from hookline.api.sigv4 import Caller
from hookline.errors import InvalidApprovalTokenException, ValidationException
from hookline.executions.approval import answer
from hookline.executions.dispatch import dispatch
from hookline.executions.override import override
from hookline.executions.retry import retry
from hookline.executions.rollback import roll_back
from hookline.model import (
    Action,
    ConditionType,
    Execution,
    ExecutionStatus,
    Pipeline,
    RetryTrigger,
    StageStatus,
    Trigger,
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
from hookline.store.executions import Position
from hookline.store.stage_executions import StageExecution
from hookline.store.transitions import Transition


class StageOperations:
    """The operations on stages."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._settings = services.settings

    def get_pipeline_state(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Where each stage and action of a pipeline stands."""
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, caller.scope, parameters["name"])
            positions = executions.active(connection, pipeline.id)
            changed = transitions.of_pipeline(connection, pipeline.id)
            passages = {
                stage.name: passage
                for stage in pipeline.stages
                if (passage := stage_executions.latest(connection, pipeline.id, stage.name))
            }
            ids = {passage.execution_id for passage in passages.values()}
            attempts = stage_executions.attempts(connection, ids)
            actions = {
                (stage.name, action.name): action_executions.latest(
                    connection, pipeline.id, stage.name, action.name
                )
                for stage in pipeline.stages
                for action in stage.actions
            }
            ids |= {action.execution_id for action in actions.values() if action is not None}
            found = executions.find_all(connection, ids)
            custom = {
                item.type: item for item in action_types.all_available(connection, caller.scope)
            }
            asked = {
                (stage.name, kind): condition
                for stage in pipeline.stages
                for kind in stage.conditions
                if (
                    condition := condition_executions.latest(
                        connection, pipeline.id, stage.name, kind
                    )
                )
            }
            asking = {condition.stage_execution_id for condition in asked.values()}
            rules = action_executions.of_stages(connection, asking)
        return {
            "pipelineName": pipeline.name,
            "pipelineVersion": pipeline.version,
            "stageStates": [
                {
                    "stageName": stage.name,
                    **_inbound(stage.name, positions),
                    "inboundTransitionState": _transition(changed.get(stage.name)),
                    "actionStates": [
                        self._action_state(
                            pipeline,
                            action,
                            actions[stage.name, action.name],
                            found,
                            custom.get(action.type),
                        )
                        for action in stage.actions
                    ],
                    **condition_states(stage, asked, rules, self._settings.link_url),
                    **_passage(passages.get(stage.name), found, attempts),
                }
                for stage in pipeline.stages
            ],
            "created": pipeline.created_at,
            "updated": pipeline.updated_at,
        }

    def _action_state(
        self,
        pipeline: Pipeline,
        action: Action,
        latest: ActionExecution | None,
        found: Mapping[str, Execution],
        custom: CustomActionType | None,
    ) -> dict[str, Any]:
        revision = current_revision(action, latest, found)
        if custom is None:
            address = self._settings.github_url
            pages = source_pages(action, latest, revision, pipeline.scope, address)
        else:
            pages = custom_pages(custom, action, latest)
        return action_state(action, latest, revision, pages, self._settings.link_url)

    def disable_stage_transition(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Let no execution pass into a stage until the transition is enabled."""
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            transitions.put(
                connection,
                pipeline.id,
                _entered_stage(pipeline, parameters),
                enabled=False,
                changed_by=caller.arn,
                reason=parameters["reason"],
            )

    def enable_stage_transition(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Let executions pass into a stage; who waits for it may enter at once."""
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            stage_name = _entered_stage(pipeline, parameters)
            transitions.put(
                connection, pipeline.id, stage_name, enabled=True, changed_by=caller.arn
            )
            dispatch(connection, pipeline.id)

    def retry_stage_execution(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Run a stage of an execution again that failed or was stopped."""
        stage_name, execution_id = parameters["stageName"], parameters["pipelineExecutionId"]
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            check_stage(pipeline, stage_name)
            check_concurrency(connection, pipeline, execution_id)
            retry(
                connection,
                pipeline,
                execution_id,
                stage_name,
                only_failed=parameters["retryMode"] == "FAILED_ACTIONS",
            )
        return {"pipelineExecutionId": execution_id}

    def rollback_stage(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run a stage again as an earlier execution did that succeeded in it."""
        stage_name, target = parameters["stageName"], parameters["targetPipelineExecutionId"]
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            check_stage(pipeline, stage_name)
            trigger = Trigger("ManualRollback", caller.arn)
            execution_id = roll_back(connection, pipeline, stage_name, target, trigger)
        return {"pipelineExecutionId": execution_id}

    def override_stage_condition(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Let an execution continue although a condition of a stage was not met."""
        stage_name, execution_id = parameters["stageName"], parameters["pipelineExecutionId"]
        kind = ConditionType(parameters["conditionType"])
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            check_stage(pipeline, stage_name)
            check_concurrency(connection, pipeline, execution_id)
            override(connection, pipeline, execution_id, stage_name, kind)

    def put_approval_result(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Approve or reject what an action waits for."""
        stage_name, action_name = parameters["stageName"], parameters["actionName"]
        result = parameters["result"]
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            try:
                answered_at = answer(
                    connection,
                    pipeline,
                    (stage_name, action_name),
                    parameters["token"],
                    approved=result["status"] == "Approved",
                    summary=result["summary"],
                    by=caller.arn,
                )
            except InvalidApprovalTokenException:
                # Not before: who asks may do so in an earlier version of the pipeline.
                check_action(pipeline, stage_name, action_name)
                raise
        return {"approvedAt": answered_at}


def _entered_stage(pipeline: Pipeline, parameters: Mapping[str, Any]) -> str:
    """The stage that a transition leads into: out of one stage means into the next."""
    stage_name: str = parameters["stageName"]
    check_stage(pipeline, stage_name)
    if parameters["transitionType"] == "Inbound":
        return stage_name
    following = pipeline.stage_after(stage_name)
    if following is None:
        raise ValidationException(
            f"The stage '{stage_name}' is the last one of pipeline '{pipeline.name}' and has no "
            "outbound transition"
        )
    return following


def _transition(transition: Transition | None) -> dict[str, Any]:
    if transition is None:
        return {"enabled": True}
    return {
        "enabled": transition.enabled,
        "lastChangedBy": transition.changed_by,
        "lastChangedAt": transition.changed_at,
        "disabledReason": transition.reason,
    }


def _passage(
    passage: StageExecution | None,
    found: Mapping[str, Execution],
    attempts: Mapping[tuple[str, str], Sequence[StageExecution]],
) -> dict[str, Any]:
    """The newest passage through a stage, and how often it was retried."""
    if passage is None or passage.execution_id not in found:
        return {}
    execution = found[passage.execution_id]
    is_stopping = (
        passage.status is StageStatus.IN_PROGRESS and execution.status is ExecutionStatus.STOPPING
    )
    shown: dict[str, Any] = {
        "latestExecution": {
            "pipelineExecutionId": passage.execution_id,
            "status": execution.status.value if is_stopping else passage.status.value,
            "type": execution_type(execution),
        }
    }
    passed = attempts.get((passage.execution_id, passage.stage_name), ())
    if retries := _retries(passed):
        shown["retryStageMetadata"] = retries
    return shown


def _retries(passed: Sequence[StageExecution]) -> dict[str, Any]:
    """AWS's RetryStageMetadata for the passages of an execution through a stage, newest first."""
    triggers = [
        trigger
        for passage in passed
        for trigger in (*[RetryTrigger.MANUAL] * passage.retries, passage.retry_trigger)
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
