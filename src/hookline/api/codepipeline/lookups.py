"""What operations on executions look up and check before they do anything."""

from sqlalchemy import Connection

from hookline.api.codepipeline.pipelines import pipeline_not_found
from hookline.errors import (
    ActionNotFoundException,
    ConcurrentPipelineExecutionsLimitExceededException,
    StageNotFoundException,
)
from hookline.model import ExecutionMode, Pipeline, Scope
from hookline.store import executions, pipelines

_CONCURRENT_LIMIT = 50


def find_pipeline(connection: Connection, scope: Scope, name: str) -> Pipeline:
    """A pipeline of the scope in its current version. Raises PipelineNotFoundException."""
    pipeline = pipelines.find(connection, scope, name)
    if pipeline is None:
        raise pipeline_not_found(scope, name)
    return pipeline


def lock_pipeline(connection: Connection, scope: Scope, name: str) -> Pipeline:
    """The same, locked until the transaction ends: before a decision about its executions."""
    pipelines.lock(connection, [(scope, name)])
    return find_pipeline(connection, scope, name)


def check_stage(pipeline: Pipeline, stage_name: str) -> None:
    """Raise StageNotFoundException unless the pipeline has a stage of this name."""
    if all(stage.name != stage_name for stage in pipeline.stages):
        raise StageNotFoundException(
            f"Pipeline '{pipeline.name}' does not have a stage with name '{stage_name}'"
        )


def check_action(pipeline: Pipeline, stage_name: str, action_name: str) -> None:
    """Raise StageNotFoundException or ActionNotFoundException unless the action is there."""
    check_stage(pipeline, stage_name)
    [stage] = [item for item in pipeline.stages if item.name == stage_name]
    if all(action.name != action_name for action in stage.actions):
        raise ActionNotFoundException(
            f"Stage '{stage_name}' of pipeline '{pipeline.name}' does not have an action with name "
            f"'{action_name}'"
        )


def check_concurrency(
    connection: Connection, pipeline: Pipeline, execution_id: str | None = None
) -> None:
    """Raise ConcurrentPipelineExecutionsLimitExceededException if one more would be too many.

    `execution_id` is the one that is to continue, which may be in progress; None for a new one.
    """
    if pipeline.execution_mode is ExecutionMode.SUPERSEDED:
        return
    active = {position.execution_id for position in executions.active(connection, pipeline.id)}
    if len(active - {execution_id}) >= _CONCURRENT_LIMIT:
        raise ConcurrentPipelineExecutionsLimitExceededException(
            f"Pipeline '{pipeline.name}' has {_CONCURRENT_LIMIT} executions in progress, which is "
            f"the limit in {pipeline.execution_mode.value} mode"
        )
