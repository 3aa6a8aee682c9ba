"""Pages of ListActionExecutions and ListRuleExecutions, the newest executions first."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.api.codepipeline.lookups import find_pipeline
from hookline.api.dependencies import Dependencies
from hookline.api.pagination import page_query
from hookline.errors import ValidationException
from hookline.executions.stage_runs import find_execution
from hookline.model import Pipeline, Scope
from hookline.store import action_executions, pipelines
from hookline.store.action_executions import ActionExecution, Wanted

_PAGE = 100
_LATEST = "latestInPipelineExecution"


def page_of_executions(
    dependencies: Dependencies,
    scope: Scope,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    rules: bool = False,
) -> tuple[Sequence[tuple[Pipeline, ActionExecution]], str | None]:
    """A page of a pipeline's executions of actions, or of `rules`; the token of the next one.

    Each has the pipeline in the execution's version.

    Raises:
        PipelineNotFoundException: the scope has no such pipeline.
        PipelineExecutionNotFoundException: the filter names an execution that it does not have.
        ValidationException: the members of the filter name different executions.
        InvalidNextTokenException: the token is not of this list.
    """
    wanted = _wanted(parameters.get("filter", {}), rules=rules)
    query = page_query(operation, parameters)
    with dependencies.database.read() as connection:
        pipeline = find_pipeline(connection, scope, parameters["pipelineName"])
        if wanted.execution_id is not None:
            find_execution(connection, pipeline, wanted.execution_id)
        page = dependencies.page_tokens.page(
            scope, query, parameters.get("nextToken"), parameters.get("maxResults", _PAGE)
        )
        before = tuple(page.after) if page.after else None
        found = action_executions.page(connection, pipeline.id, wanted, before, page.limit)
        declared = {
            version: pipelines.get(connection, pipeline.id, version) or pipeline
            for version in {execution.pipeline_version for execution in found}
        }
    shown, token = page.cut(found, lambda last: [last.started_at, last.id])
    return [(declared[execution.pipeline_version], execution) for execution in shown], token


def _wanted(filters: Mapping[str, Any], *, rules: bool) -> Wanted:
    execution_id, latest = filters.get("pipelineExecutionId"), filters.get(_LATEST)
    if latest is None:
        return Wanted(rules, execution_id)
    if execution_id is not None and execution_id != latest["pipelineExecutionId"]:
        raise ValidationException(
            f"The filters pipelineExecutionId and {_LATEST} name different executions"
        )
    return Wanted(rules, latest["pipelineExecutionId"], latest["startTimeRange"] == "Latest")
