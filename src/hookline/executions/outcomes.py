"""How an action execution ends, whoever says so: the engine, a person, or the clock."""

from dataclasses import replace

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.model import ActionStatus, JobStatus
from hookline.store import action_executions, executions, jobs, stage_executions
from hookline.store.action_executions import ActionExecution

_MESSAGE_LIMIT = 4_000


def succeed(connection: Connection, action_execution_id: str, result: ActionResult) -> None:
    """Note that an action succeeded, with what it produced."""
    execution = action_executions.find(connection, action_execution_id)
    if execution is None:
        return
    if result.revision is not None:
        revision = replace(result.revision, action_name=execution.action_name)
        executions.set_source_revision(connection, execution.execution_id, revision)
    action_executions.finish(
        connection,
        action_execution_id,
        status=ActionStatus.SUCCEEDED.value,
        outputs={artifact.name: artifact.key for artifact in result.artifacts},
        summary=result.summary,
        external_id=result.external_execution_id,
        external_url=result.external_execution_url,
        variables=dict(result.variables),
    )


def fail(connection: Connection, action_execution_id: str, error: ActionError) -> None:
    """Note that an action failed."""
    action_executions.finish(
        connection,
        action_execution_id,
        status=ActionStatus.FAILED.value,
        error_code=error.code,
        error_message=error.message[:_MESSAGE_LIMIT],
    )


def expire(connection: Connection, execution: ActionExecution) -> None:
    """Note that an action has waited for too long, and let its stage go on."""
    jobs.end_of_action(connection, execution.id, JobStatus.TIMED_OUT)
    fail(connection, execution.id, ActionError("Nobody answered in time"))
    stage_executions.wake(connection, execution.stage_execution_id)


def abandon(connection: Connection, action_execution_id: str) -> None:
    """Note that an action was abandoned."""
    jobs.end_of_action(connection, action_execution_id, JobStatus.FAILED)
    action_executions.finish(
        connection,
        action_execution_id,
        status=ActionStatus.ABANDONED.value,
        summary="Abandoned, since the execution was stopped",
    )


def abandon_waiting(connection: Connection, execution_id: str) -> None:
    """Abandon the actions of an execution that wait for somebody, and let their stages go on."""
    for action in action_executions.of_execution(connection, execution_id):
        if action.waits:
            abandon(connection, action.id)
            stage_executions.wake(connection, action.stage_execution_id)
