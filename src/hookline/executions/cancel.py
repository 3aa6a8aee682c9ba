"""Ends what a deleted pipeline leaves behind."""

from sqlalchemy import Connection

from hookline.executions.finish import abandon_all
from hookline.model import ExecutionStatus, StageStatus
from hookline.store import executions, stage_executions

_DELETED = "The pipeline was deleted"


def cancel_all(connection: Connection, pipeline_id: int) -> None:
    """End all executions of a pipeline that was just deleted; nodes abandon what they run."""
    executions.cancel_waiting(connection, pipeline_id, _DELETED)
    for stage in stage_executions.in_progress(connection, pipeline_id):
        abandon_all(connection, stage.id, _DELETED)
        stage_executions.finish(connection, stage.id, StageStatus.STOPPED)
        executions.finish(connection, stage.execution_id, ExecutionStatus.CANCELLED, _DELETED)
