"""Executions of pipelines and actions, in the API's own shapes."""

from collections.abc import Mapping
from typing import Any

from hookline.api.action_logs import log_url
from hookline.executions.take import declared_action
from hookline.model import Execution, Pipeline
from hookline.store import pipeline_secrets
from hookline.store.action_executions import ActionExecution

# The model gives these texts a maximum length.
_SUMMARY_LIMIT = 2_048


def pipeline_execution(pipeline: Pipeline, execution: Execution) -> dict[str, Any]:
    """A PipelineExecution; `pipeline` in the version of the execution."""
    return {
        "pipelineName": pipeline.name,
        "pipelineVersion": execution.pipeline_version,
        "pipelineExecutionId": execution.id,
        "status": execution.status.value,
        "statusSummary": execution.status_summary,
        "artifactRevisions": _artifact_revisions(pipeline, execution),
        "variables": [
            {"name": name, "resolvedValue": value} for name, value in execution.variables.items()
        ],
        "trigger": _trigger(execution),
        "executionMode": execution.mode.value,
        **_kind(execution),
    }


def execution_type(execution: Execution) -> str:
    """AWS's ExecutionType."""
    return "STANDARD" if execution.rollback_target is None else "ROLLBACK"


def _kind(execution: Execution) -> dict[str, Any]:
    kind: dict[str, Any] = {"executionType": execution_type(execution)}
    if execution.rollback_target is not None:
        target = {"rollbackTargetPipelineExecutionId": execution.rollback_target}
        kind["rollbackMetadata"] = target
    return kind


def _trigger(execution: Execution) -> dict[str, str]:
    return {
        "triggerType": execution.trigger.type,
        "triggerDetail": execution.trigger.detail,
    }


def _artifact_revisions(pipeline: Pipeline, execution: Execution) -> list[dict[str, Any]]:
    artifacts = {
        action.name: action.output_artifacts[0].name
        for action in pipeline.stages[0].actions
        if action.output_artifacts
    }
    return [
        {
            "name": artifacts[revision.action_name],
            "revisionId": revision.revision_id,
            "revisionSummary": cut(revision.summary),
            "created": execution.started_at if revision.created is None else revision.created,
            "revisionUrl": revision.url,
        }
        for revision in execution.source_revisions
        if revision.action_name in artifacts
    ]


def pipeline_execution_summary(execution: Execution) -> dict[str, Any]:
    """A PipelineExecutionSummary."""
    return {
        "pipelineExecutionId": execution.id,
        "status": execution.status.value,
        "statusSummary": execution.status_summary,
        "startTime": execution.started_at,
        "lastUpdateTime": execution.updated_at,
        "sourceRevisions": [
            {
                "actionName": revision.action_name,
                "revisionId": revision.revision_id,
                "revisionSummary": cut(revision.summary),
                "revisionUrl": revision.url,
            }
            for revision in execution.source_revisions
        ],
        "trigger": _trigger(execution),
        "executionMode": execution.mode.value,
        "stopTrigger": None if execution.stop is None else {"reason": execution.stop.reason},
        **_kind(execution),
    }


def error_details(execution: ActionExecution) -> dict[str, str | None] | None:
    """AWS's ErrorDetails; None unless the action or rule failed."""
    if execution.error_code is None:
        return None
    return {"code": execution.error_code, "message": execution.error_message}


def action_execution_detail(
    pipeline: Pipeline, execution: ActionExecution, address: str
) -> dict[str, Any]:
    """An ActionExecutionDetail; `pipeline` in the version of the execution, `address` the API's."""
    kind = declared_action(pipeline, execution).type
    return {
        "pipelineExecutionId": execution.execution_id,
        "actionExecutionId": execution.id,
        "pipelineVersion": execution.pipeline_version,
        "stageName": execution.stage_name,
        "actionName": execution.action_name,
        "startTime": execution.started_at,
        "lastUpdateTime": execution.updated_at,
        "updatedBy": execution.updated_by,
        "status": execution.status.value,
        "input": _action_input(pipeline, execution),
        "output": {
            "outputArtifacts": artifact_details(pipeline, execution.outputs),
            "executionResult": {
                "externalExecutionId": execution.external_id,
                "externalExecutionSummary": execution.summary,
                "externalExecutionUrl": execution.external_url or log_url(address, execution, kind),
                "errorDetails": error_details(execution),
            },
            "outputVariables": execution.variables,
        },
    }


def _action_input(pipeline: Pipeline, execution: ActionExecution) -> dict[str, Any]:
    declared: dict[str, Any] = next(
        (
            action
            for stage in pipeline_secrets.masked(pipeline.declaration)["stages"]
            if stage["name"] == execution.stage_name
            for action in stage["actions"]
            if action["name"] == execution.action_name
        ),
        {},
    )
    configuration = declared.get("configuration", {})
    return {
        "actionTypeId": declared.get("actionTypeId"),
        "configuration": configuration,
        "resolvedConfiguration": {**configuration, **execution.resolved},
        "roleArn": declared.get("roleArn"),
        "region": declared.get("region", pipeline.scope.region),
        "inputArtifacts": artifact_details(pipeline, execution.inputs),
        "namespace": declared.get("namespace"),
    }


def artifact_details(pipeline: Pipeline, artifacts: Mapping[str, str]) -> list[dict[str, Any]]:
    """AWS's ArtifactDetailList."""
    bucket = pipeline.artifact_store.get("location")
    return [
        {"name": name, "s3location": {"bucket": bucket, "key": key}}
        for name, key in artifacts.items()
    ]


def cut(text: str | None) -> str | None:
    """A summary, not longer than the model takes; None instead of an empty one."""
    return text[:_SUMMARY_LIMIT] if text else None
