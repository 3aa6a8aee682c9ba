"""Stops executions: those in a stage when their actions have ended, the others at once."""

from sqlalchemy import Connection

from hookline.errors import DuplicatedStopRequestException, PipelineExecutionNotStoppableException
from hookline.executions.moves import move_on
from hookline.executions.outcomes import abandon_waiting, abandon_waiting_rules
from hookline.model import Execution, ExecutionStatus, Pipeline, StopRequest
from hookline.store import executions


def stop(connection: Connection, pipeline: Pipeline, execution_id: str, wish: StopRequest) -> None:
    """Stop an execution of `pipeline`, which the transaction must have locked.

    A request is a row: the engine that runs the stage sees it, now or after its next start.

    Raises:
        PipelineExecutionNotStoppableException: there is none, or it is not in progress.
        DuplicatedStopRequestException: it is stopping already, and not less gently than wished.
    """
    execution = executions.find(connection, execution_id)
    if execution is None or execution.pipeline_id != pipeline.id:
        raise PipelineExecutionNotStoppableException(
            f"Pipeline '{pipeline.name}' does not have an execution with id '{execution_id}'"
        )
    _check_stoppable(execution, wish)
    executions.request_stop(connection, execution_id, wish)
    if wish.abandon:
        abandon_waiting(connection, execution_id)
    # Nothing of these runs, and nobody outside is to end them.
    abandon_waiting_rules(connection, execution_id)
    in_stage = {
        standing.execution_id
        for standing in executions.active(connection, pipeline.id)
        if standing.in_stage
    }
    if execution_id not in in_stage:
        finish(connection, execution_id)
        move_on(connection, pipeline.id)


def finish(connection: Connection, execution_id: str) -> None:
    """End an execution whose stop was requested; its summary goes on to say why."""
    execution = executions.find(connection, execution_id)
    summary = None if execution is None else execution.status_summary
    executions.finish(connection, execution_id, ExecutionStatus.STOPPED, summary)


def _check_stoppable(execution: Execution, wish: StopRequest) -> None:
    if execution.status is ExecutionStatus.STOPPING and execution.stop is not None:
        if execution.stop.abandon or not wish.abandon:
            raise DuplicatedStopRequestException(
                f"The execution '{execution.id}' is already stopping"
                + ("" if execution.stop.abandon else "; you can choose to abandon its actions")
            )
    elif execution.status is not ExecutionStatus.IN_PROGRESS:
        raise PipelineExecutionNotStoppableException(
            f"The execution '{execution.id}' can't be stopped: it is {execution.status.value}"
        )
