"""Starts and stops executions, and lists what they and their actions did."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookline.api.codepipeline.action_types import CONNECTION, ECR, GITHUB, S3
from hookline.api.codepipeline.execution_pages import page_of_executions
from hookline.api.codepipeline.execution_views import (
    action_execution_detail,
    pipeline_execution,
    pipeline_execution_summary,
)
from hookline.api.codepipeline.lookups import (
    check_action,
    check_concurrency,
    find_pipeline,
    lock_pipeline,
)
from hookline.api.dependencies import Dependencies
from hookline.api.pagination import page_query
from hookline.api.sigv4 import Caller
from hookline.errors import ValidationException
from hookline.executions import variables
from hookline.executions.stage_runs import find_execution
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.executions.stop import stop
from hookline.model import (
    COMMIT_ID,
    ActionType,
    Execution,
    Pipeline,
    SourceRevision,
    StopRequest,
    Trigger,
    new_id,
)
from hookline.store import executions, pipelines

_PAGE = 100


@dataclass(frozen=True, slots=True)
class _RevisionForm:
    """The revision types that a source can be overridden with, and what their values are."""

    types: tuple[str, ...]
    value: re.Pattern[str]
    meaning: str


_COMMIT = _RevisionForm(("COMMIT_ID",), COMMIT_ID, "a whole commit id in lower case")
_REVISIONS = {
    ECR: _RevisionForm(
        ("IMAGE_DIGEST",), re.compile("sha256:[0-9a-f]{64}"), "a digest such as sha256:4a1c…"
    ),
    S3: _RevisionForm(
        ("S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"), re.compile(r"[^\x00-\x1f\x7f]+"), "its value"
    ),
}
"""What is not a commit of git."""


class ExecutionOperations:
    """The operations on whole executions."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._dependencies = dependencies

    def start_pipeline_execution(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Start an execution, once for each clientRequestToken of a pipeline."""
        token = parameters.get("clientRequestToken")
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["name"])
            # A call whose answer was lost gets it, whatever the pipeline has become meanwhile.
            earlier = token and executions.find_by_request_token(connection, pipeline.id, token)
            if earlier:
                return {"pipelineExecutionId": earlier.id}
            revisions = _overrides(pipeline, parameters)
            given = [(item["name"], item["value"]) for item in parameters.get("variables", ())]
            chosen = variables.chosen(pipeline, given)
            check_concurrency(connection, pipeline)
            request = StartRequest(
                scope=caller.scope,
                pipeline=pipeline.name,
                execution_id=new_id(),
                trigger=Trigger("StartPipelineExecution", caller.arn),
                source_revisions=revisions,
                client_request_token=token,
                variables=chosen,
            )
            start(connection, pipeline, [request])
        return {"pipelineExecutionId": request.execution_id}

    def put_action_revision(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Start an execution with a revision of a source, unless one has had it already."""
        stage_name, action_name = parameters["stageName"], parameters["actionName"]
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            check_action(pipeline, stage_name, action_name)
            revision = _put_revision(pipeline, stage_name, action_name, parameters)
            earlier = executions.find_by_revision(connection, pipeline.id, revision)
            if earlier is not None:
                return {"newRevision": False, "pipelineExecutionId": earlier.id}
            check_concurrency(connection, pipeline)
            request = StartRequest(
                scope=caller.scope,
                pipeline=pipeline.name,
                execution_id=new_id(),
                trigger=Trigger("PutActionRevision", caller.arn),
                source_revisions=(revision,),
            )
            start(connection, pipeline, [request])
        return {"newRevision": True, "pipelineExecutionId": request.execution_id}

    def stop_pipeline_execution(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Stop an execution, after its running actions or abandoning them."""
        execution_id = parameters["pipelineExecutionId"]
        request = StopRequest(parameters.get("abandon", False), parameters.get("reason") or None)
        with self._database.write() as connection:
            pipeline = lock_pipeline(connection, caller.scope, parameters["pipelineName"])
            stop(connection, pipeline, execution_id, request)
        return {"pipelineExecutionId": execution_id}

    def get_pipeline_execution(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """One execution."""
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, caller.scope, parameters["pipelineName"])
            execution = find_execution(connection, pipeline, parameters["pipelineExecutionId"])
            declared = pipelines.get(connection, pipeline.id, execution.pipeline_version)
        return {"pipelineExecution": pipeline_execution(declared or pipeline, execution)}

    def list_pipeline_executions(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's executions, the newest first."""
        query = page_query("ListPipelineExecutions", parameters)
        size, token = parameters.get("maxResults", _PAGE), parameters.get("nextToken")
        stage = parameters.get("filter", {}).get("succeededInStage", {}).get("stageName")
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, caller.scope, parameters["pipelineName"])
            page = self._dependencies.page_tokens.page(caller.scope, query, token, size)
            found: list[tuple[Any, Execution]]
            if stage is None:
                found = [*executions.page(connection, pipeline.id, page.after, page.limit)]
            else:
                passed = executions.page_of_succeeded(
                    connection, pipeline, stage, page.after, page.limit
                )
                found = [(execution.id, execution) for execution in passed]
        shown, token = page.cut(found, lambda last: last[0])
        return {
            "pipelineExecutionSummaries": [
                pipeline_execution_summary(execution) for _, execution in shown
            ],
            "nextToken": token,
        }

    def list_action_executions(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's action executions, the newest first."""
        shown, token = page_of_executions(
            self._dependencies, caller.scope, "ListActionExecutions", parameters
        )
        link_url = self._dependencies.settings.link_url
        return {
            "actionExecutionDetails": [
                action_execution_detail(pipeline, execution, link_url)
                for pipeline, execution in shown
            ],
            "nextToken": token,
        }


def _put_revision(
    pipeline: Pipeline, stage_name: str, action_name: str, parameters: Mapping[str, Any]
) -> SourceRevision:
    action = pipeline.source_action(action_name)
    if action is None or stage_name != pipeline.stages[0].name:
        raise ValidationException(
            f"The action '{action_name}' in stage '{stage_name}' is no source action, and only "
            "those have revisions"
        )
    revision_id = parameters["actionRevision"]["revisionId"]
    if action.type in {GITHUB, CONNECTION} and not COMMIT_ID.fullmatch(revision_id):
        raise ValidationException(
            f"The revisionId of action {action_name} must be a whole commit id in lower case"
        )
    told = parameters["actionRevision"]
    return SourceRevision(
        action_name, revision_id, change_id=told["revisionChangeId"], created=told["created"]
    )


def _check_override(name: str, kind: ActionType, override: Mapping[str, str]) -> None:
    form = _REVISIONS.get(kind, _COMMIT)
    is_of_type = override["revisionType"] in form.types
    if not is_of_type or not form.value.fullmatch(override["revisionValue"]):
        raise ValidationException(
            f"sourceRevisions of action {name} must have revisionType {' or '.join(form.types)} "
            f"and {form.meaning} as revisionValue"
        )


def _overrides(pipeline: Pipeline, parameters: Mapping[str, Any]) -> tuple[SourceRevision, ...]:
    types = {action.name: action.type for action in pipeline.stages[0].actions}
    # A source of S3 can have two: of the object's key, and of its version.
    revisions: dict[tuple[str, str], SourceRevision] = {}
    for override in parameters.get("sourceRevisions", ()):
        name, kind = override["actionName"], override["revisionType"]
        if name not in types:
            raise ValidationException(
                f"Action with name {name} was not found in the first stage of the pipeline"
            )
        if (name, kind) in revisions:
            raise ValidationException(f"sourceRevisions names the action {name} more than once")
        _check_override(name, types[name], override)
        revisions[name, kind] = SourceRevision(name, override["revisionValue"])
    return tuple(revisions.values())
