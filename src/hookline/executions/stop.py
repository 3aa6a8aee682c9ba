"""Stops executions: those in a stage when their actions have ended, the others at once."""

from collections.abc import Collection

from sqlalchemy import Connection

from hookline.builds.build import Build
from hookline.errors import DuplicatedStopRequestException, PipelineExecutionNotStoppableException
from hookline.executions import build_runs
from hookline.executions.dispatch import dispatch
from hookline.executions.finish import Abandoned, abandon_all, end, note
from hookline.executions.nodes import living
from hookline.executions.proceed import proceed
from hookline.executions.stage_runs import find_execution
from hookline.model import Execution, ExecutionStatus, Pipeline, StageStatus, StopRequest
from hookline.store import action_executions, builds, executions, pipelines, stage_executions
from hookline.store.action_executions import ActionExecution

_DELETED = "The pipeline was deleted"


def stop(
    connection: Connection, pipeline: Pipeline, execution_id: str, request: StopRequest
) -> None:
    """Stop an execution of `pipeline`, which the transaction must have locked.

    A request is a row: the node that runs an action sees it, now or after its next start.

    Raises:
        PipelineExecutionNotStoppableException: there is none, or it is not in progress.
        DuplicatedStopRequestException: it is stopping already, and the request asks for no more.
    """
    execution = find_execution(
        connection, pipeline, execution_id, PipelineExecutionNotStoppableException
    )
    _check_stoppable(execution, request)
    executions.request_stop(connection, execution_id, request)
    stages = stage_executions.of_execution_in_progress(connection, execution_id)
    for stage in stages:
        _abandon(connection, stage.id, request)
        proceed(connection, stage.id)
    if not stages:
        executions.finish(
            connection, execution_id, ExecutionStatus.STOPPED, executions.stop_summary(request)
        )
        dispatch(connection, pipeline.id)


def stop_build(connection: Connection, build: Build) -> None:
    """Stop a build, if it goes on: its action fails, and the node that runs it ends its commands.

    The pipeline is locked by this.
    """
    action = action_executions.find(connection, build.action_execution_id or "")
    if action is None or not pipelines.lock_by_id(connection, action.pipeline_id):
        return
    found = action_executions.find(connection, action.id)
    current = builds.of_action(connection, action.id)
    if found is not None and current is not None and not found.status.is_final:
        end(connection, found, build_runs.stopped(current))


def _abandon(connection: Connection, stage_execution_id: str, request: StopRequest) -> None:
    """Begin nothing more in a stage, and end what the request does not wait for."""
    action_executions.remove_unbegun(connection, stage_execution_id)
    owners = living(connection) if request.abandon else ()
    for item in action_executions.of_stages(connection, [stage_execution_id]):
        if not item.status.is_final and _is_unwanted(item, request, owners):
            note(connection, item, Abandoned())


def _is_unwanted(item: ActionExecution, request: StopRequest, owners: Collection[str]) -> bool:
    if item.waits:
        # A rule that waits has nothing running, and no person or job worker to end it.
        return request.abandon or item.condition_type is not None
    # Living nodes end what they run, and report it.
    return request.abandon and item.owner not in owners


def _check_stoppable(execution: Execution, request: StopRequest) -> None:
    if execution.status is ExecutionStatus.STOPPING and execution.stop is not None:
        if execution.stop.abandon or not request.abandon:
            raise DuplicatedStopRequestException(
                f"The execution '{execution.id}' is already stopping"
                + ("" if execution.stop.abandon else "; you can choose to abandon its actions")
            )
    elif execution.status is not ExecutionStatus.IN_PROGRESS:
        raise PipelineExecutionNotStoppableException(
            f"The execution '{execution.id}' can't be stopped: it is {execution.status.value}"
        )


def cancel_all(connection: Connection, pipeline_id: int) -> None:
    """End all executions of a pipeline that was just deleted; nodes abandon what they run."""
    executions.cancel_waiting(connection, pipeline_id, _DELETED)
    for stage in stage_executions.in_progress(connection, pipeline_id):
        abandon_all(connection, stage.id, _DELETED)
        stage_executions.finish(connection, stage.id, StageStatus.STOPPED)
        executions.finish(connection, stage.execution_id, ExecutionStatus.CANCELLED, _DELETED)
