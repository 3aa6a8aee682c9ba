"""What the API tells of a pipeline's stages, and does to them: transitions, retry, rollback."""

from collections.abc import Mapping
from typing import Any

from hookline.api.codepipeline.lookups import (
    check_action,
    check_concurrency,
    check_stage,
    find_pipeline,
    lock_pipeline,
)
from hookline.api.codepipeline.stage_states import read_snapshot, stage_state
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import InvalidApprovalTokenException, ValidationException
from hookline.executions.approval import answer
from hookline.executions.dispatch import dispatch
from hookline.executions.override import override
from hookline.executions.retry import retry
from hookline.executions.rollback import roll_back
from hookline.model import (
    ConditionType,
    Pipeline,
    Trigger,
)
from hookline.store import (
    transitions,
)


class StageOperations:
    """The operations on stages."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._settings = dependencies.settings

    def get_pipeline_state(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Where each stage and action of a pipeline stands."""
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, caller.scope, parameters["name"])
            snapshot = read_snapshot(connection, pipeline)
        return {
            "pipelineName": pipeline.name,
            "pipelineVersion": pipeline.version,
            "stageStates": [
                stage_state(snapshot, stage, self._settings) for stage in pipeline.stages
            ],
            "created": pipeline.created_at,
            "updated": pipeline.updated_at,
        }

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
