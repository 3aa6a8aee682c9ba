"""StartPipelineExecution, and what the API tells of executions, stages and actions."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hookline.api.pipelines import pipeline_not_found
from hookline.api.services import Services
from hookline.errors import (
    ConcurrentPipelineExecutionsLimitExceededException,
    PipelineExecutionNotFoundException,
    ValidationException,
)
from hookline.executions.start import Start, start
from hookline.model import (
    Action,
    Execution,
    ExecutionMode,
    Pipeline,
    Scope,
    SourceRevision,
    Trigger,
    new_id,
)
from hookline.store import (
    action_executions,
    executions,
    pipeline_secrets,
    pipelines,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.executions import Standing
from hookline.store.stage_executions import StageExecution

_PAGE = 100
_CONCURRENT_LIMIT = 50
_COMMIT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# The model gives these texts a maximum length.
_SUMMARY_LIMIT = 2_048


class ExecutionOperations:
    """The operations on pipeline executions."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._page_tokens = services.page_tokens

    def start_pipeline_execution(
        self, scope: Scope, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Start an execution, once for each clientRequestToken."""
        name, token = parameters["name"], parameters.get("clientRequestToken")
        with self._database.write() as connection:
            pipelines.lock(connection, [(scope, name)])
            pipeline = _pipeline(connection, scope, name)
            revisions = _overrides(pipeline, parameters)
            earlier = token and executions.find_by_request_token(connection, pipeline.id, token)
            if earlier:
                return {"pipelineExecutionId": earlier.id}
            _check_concurrency(connection, pipeline)
            wish = Start(
                execution_id=new_id(),
                trigger=Trigger("StartPipelineExecution", f"arn:aws:iam::{scope.account}:root"),
                source_revisions=revisions,
                client_request_token=token,
            )
            start(connection, pipeline, [wish])
        return {"pipelineExecutionId": wish.execution_id}

    def get_pipeline_execution(
        self, scope: Scope, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """One execution."""
        name, execution_id = parameters["pipelineName"], parameters["pipelineExecutionId"]
        with self._database.read() as connection:
            pipeline = _pipeline(connection, scope, name)
            execution = _execution(connection, pipeline, execution_id)
            declared = pipelines.get(connection, pipeline.id, execution.pipeline_version)
        return {
            "pipelineExecution": {
                "pipelineName": name,
                "pipelineVersion": execution.pipeline_version,
                "pipelineExecutionId": execution.id,
                "status": execution.status.value,
                "statusSummary": execution.status_summary,
                "artifactRevisions": _artifact_revisions(declared or pipeline, execution),
                "trigger": _trigger(execution),
                "executionMode": execution.mode.value,
                "executionType": "STANDARD",
            }
        }

    def list_pipeline_executions(
        self, scope: Scope, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's executions, the newest first."""
        operation = "ListPipelineExecutions"
        limit, token = parameters.get("maxResults", _PAGE), parameters.get("nextToken")
        stage = parameters.get("filter", {}).get("succeededInStage", {}).get("stageName")
        with self._database.read() as connection:
            pipeline = _pipeline(connection, scope, parameters["pipelineName"])
            before = token and self._page_tokens.decode(scope, operation, token)
            found = executions.page(connection, pipeline.id, before, limit + 1, stage)
        answer: dict[str, Any] = {
            "pipelineExecutionSummaries": [_summary(execution) for _, execution in found[:limit]]
        }
        if len(found) > limit:
            position = found[limit - 1][0]
            answer["nextToken"] = self._page_tokens.encode(scope, operation, position)
        return answer

    def get_pipeline_state(self, scope: Scope, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where each stage and action of a pipeline stands."""
        with self._database.read() as connection:
            pipeline = _pipeline(connection, scope, parameters["name"])
            waiting = executions.active(connection, pipeline.id)
            stages = stage_executions.latest(connection, pipeline.id)
            actions = action_executions.latest(connection, pipeline.id)
        return {
            "pipelineName": pipeline.name,
            "pipelineVersion": pipeline.version,
            "stageStates": [
                {
                    "stageName": stage.name,
                    **_inbound(stage.name, waiting),
                    "inboundTransitionState": {"enabled": True},
                    "actionStates": [
                        _action_state(action, actions.get((stage.name, action.name)))
                        for action in stage.actions
                    ],
                    "latestExecution": _stage_execution(stages.get(stage.name)),
                }
                for stage in pipeline.stages
            ],
            "created": pipeline.created_at,
            "updated": pipeline.updated_at,
        }

    def list_action_executions(
        self, scope: Scope, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's action executions, the newest first."""
        operation = "ListActionExecutions"
        limit, token = parameters.get("maxResults", _PAGE), parameters.get("nextToken")
        execution_id = _filtered_execution(parameters.get("filter", {}))
        with self._database.read() as connection:
            pipeline = _pipeline(connection, scope, parameters["pipelineName"])
            if execution_id is not None:
                _execution(connection, pipeline, execution_id)
            position = token and self._page_tokens.decode(scope, operation, token)
            before = (position[0], position[1]) if position else None
            found = action_executions.page(connection, pipeline.id, execution_id, before, limit + 1)
            versions = {execution.pipeline_version for execution in found}
            declared = {
                version: pipelines.get(connection, pipeline.id, version) or pipeline
                for version in versions
            }
        shown = found[:limit]
        answer: dict[str, Any] = {
            "actionExecutionDetails": [
                _action_detail(declared[execution.pipeline_version], execution)
                for execution in shown
            ]
        }
        if len(found) > limit:
            last = shown[-1]
            answer["nextToken"] = self._page_tokens.encode(
                scope, operation, [last.started_at, last.id]
            )
        return answer


def _pipeline(connection: Connection, scope: Scope, name: str) -> Pipeline:
    pipeline = pipelines.find(connection, scope, name)
    if pipeline is None:
        raise pipeline_not_found(scope, name)
    return pipeline


def _execution(connection: Connection, pipeline: Pipeline, execution_id: str) -> Execution:
    execution = executions.find(connection, execution_id)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise PipelineExecutionNotFoundException(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    return execution


def _filtered_execution(filters: Mapping[str, Any]) -> str | None:
    # Without retries an action runs once in an execution, so its latest runs are all of them.
    latest = filters.get("latestInPipelineExecution", {})
    execution_id: str | None = filters.get("pipelineExecutionId") or latest.get(
        "pipelineExecutionId"
    )
    return execution_id


def _overrides(pipeline: Pipeline, parameters: Mapping[str, Any]) -> tuple[SourceRevision, ...]:
    if parameters.get("variables"):
        raise ValidationException("Hookline does not take pipeline variables yet")
    names = {action.name for action in pipeline.stages[0].actions}
    revisions = []
    for override in parameters.get("sourceRevisions", ()):
        name, value = override["actionName"], override["revisionValue"]
        if name not in names:
            raise ValidationException(
                f"Action with name {name} was not found in the first stage of the pipeline"
            )
        if override["revisionType"] != "COMMIT_ID" or not _COMMIT_ID.fullmatch(value):
            raise ValidationException(
                f"sourceRevisions of action {name} must have revisionType COMMIT_ID and a whole "
                "commit id in lower case as revisionValue"
            )
        revisions.append(SourceRevision(name, value))
    return tuple(revisions)


def _check_concurrency(connection: Connection, pipeline: Pipeline) -> None:
    if pipeline.execution_mode is ExecutionMode.SUPERSEDED:
        return
    if len(executions.active(connection, pipeline.id)) >= _CONCURRENT_LIMIT:
        raise ConcurrentPipelineExecutionsLimitExceededException(
            f"Pipeline '{pipeline.name}' has {_CONCURRENT_LIMIT} executions in progress, which is "
            f"the limit in {pipeline.execution_mode.value} mode"
        )


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
            "revisionSummary": _cut(revision.summary),
            "created": execution.started_at,
            "revisionUrl": revision.url,
        }
        for revision in execution.source_revisions
        if revision.action_name in artifacts
    ]


def _summary(execution: Execution) -> dict[str, Any]:
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
                "revisionSummary": _cut(revision.summary),
                "revisionUrl": revision.url,
            }
            for revision in execution.source_revisions
        ],
        "trigger": _trigger(execution),
        "executionMode": execution.mode.value,
        "executionType": "STANDARD",
    }


def _inbound(stage_name: str, standings: Sequence[Standing]) -> dict[str, Any]:
    waiting = [
        {
            "pipelineExecutionId": standing.execution_id,
            "status": "InProgress",
            "type": "STANDARD",
        }
        for standing in standings
        if standing.stage_name == stage_name and not standing.in_stage
    ]
    if not waiting:
        return {}
    return {"inboundExecution": waiting[-1], "inboundExecutions": waiting}


def _stage_execution(execution: StageExecution | None) -> dict[str, Any] | None:
    if execution is None:
        return None
    return {
        "pipelineExecutionId": execution.execution_id,
        "status": execution.status.value,
        "type": "STANDARD",
    }


def _action_state(action: Action, execution: ActionExecution | None) -> dict[str, Any]:
    if execution is None:
        return {"actionName": action.name}
    return {
        "actionName": action.name,
        "latestExecution": {
            "actionExecutionId": execution.id,
            "status": execution.status.value,
            "summary": _cut(execution.summary),
            "lastStatusChange": execution.updated_at,
            "externalExecutionId": execution.external_id,
            "externalExecutionUrl": execution.external_url,
            "errorDetails": _error_details(execution),
        },
    }


def _error_details(execution: ActionExecution) -> dict[str, str | None] | None:
    if execution.error_code is None:
        return None
    return {"code": execution.error_code, "message": execution.error_message}


def _action_detail(pipeline: Pipeline, execution: ActionExecution) -> dict[str, Any]:
    return {
        "pipelineExecutionId": execution.execution_id,
        "actionExecutionId": execution.id,
        "pipelineVersion": execution.pipeline_version,
        "stageName": execution.stage_name,
        "actionName": execution.action_name,
        "startTime": execution.started_at,
        "lastUpdateTime": execution.updated_at,
        "status": execution.status.value,
        "input": _action_input(pipeline, execution),
        "output": {
            "outputArtifacts": _artifact_details(pipeline, execution.outputs),
            "executionResult": {
                "externalExecutionId": execution.external_id,
                "externalExecutionSummary": execution.summary,
                "externalExecutionUrl": execution.external_url,
                "errorDetails": _error_details(execution),
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
        "resolvedConfiguration": configuration,
        "roleArn": declared.get("roleArn"),
        "region": declared.get("region", pipeline.scope.region),
        "inputArtifacts": _artifact_details(pipeline, execution.inputs),
        "namespace": declared.get("namespace"),
    }


def _artifact_details(pipeline: Pipeline, artifacts: Mapping[str, str]) -> list[dict[str, Any]]:
    bucket = pipeline.declaration.get("artifactStore", {}).get("location")
    return [
        {"name": name, "s3location": {"bucket": bucket, "key": key}}
        for name, key in artifacts.items()
    ]


def _cut(text: str | None) -> str | None:
    return text[:_SUMMARY_LIMIT] if text else None
