"""How an action or rule execution ends, whoever says so: the engine, a person, or the clock.

An id is one of an action execution or one of a rule execution, never of both.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.model import ActionStatus, JobStatus
from hookline.store import (
    action_executions,
    executions,
    jobs,
    rule_executions,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution

_MESSAGE_LIMIT = 4_000


def succeed(connection: Connection, identifier: str, result: ActionResult) -> None:
    """Note that an action or a rule succeeded, with what it produced."""
    execution = action_executions.find(connection, identifier)
    if execution is None:
        rule_executions.finish(
            connection, identifier, status=ActionStatus.SUCCEEDED.value, summary=result.summary
        )
        return
    if result.revision is not None:
        revision = replace(result.revision, action_name=execution.action_name)
        executions.set_source_revision(connection, execution.execution_id, revision)
    action_executions.finish(
        connection,
        identifier,
        status=ActionStatus.SUCCEEDED.value,
        outputs={artifact.name: artifact.key for artifact in result.artifacts},
        summary=result.summary,
        external_id=result.external_execution_id,
        external_url=result.external_execution_url,
        variables=dict(result.variables),
    )


def fail(connection: Connection, identifier: str, error: ActionError) -> None:
    """Note that an action or a rule failed."""
    _finish(
        connection,
        identifier,
        status=ActionStatus.FAILED.value,
        error_code=error.code,
        error_message=error.message[:_MESSAGE_LIMIT],
    )


def expire(connection: Connection, execution: ActionExecution) -> None:
    """Note that an action has waited for too long, and let its stage go on."""
    jobs.end_of_action(connection, execution.id, JobStatus.TIMED_OUT)
    fail(connection, execution.id, ActionError("Nobody answered in time"))
    stage_executions.wake(connection, execution.stage_execution_id)


STOPPED = "Abandoned, since the execution was stopped"


def abandon(connection: Connection, identifier: str, reason: str = STOPPED) -> None:
    """Note that an action or a rule was abandoned."""
    jobs.end_of_action(connection, identifier, JobStatus.FAILED)
    _finish(connection, identifier, status=ActionStatus.ABANDONED.value, summary=reason)


def _finish(connection: Connection, identifier: str, **values: Any) -> None:
    action_executions.finish(connection, identifier, **values)
    rule_executions.finish(connection, identifier, **values)


def abandon_waiting(connection: Connection, execution_id: str) -> None:
    """Abandon the actions of an execution that wait for somebody, and let their stages go on."""
    for action in action_executions.of_execution(connection, execution_id):
        if action.waits:
            abandon(connection, action.id)
            stage_executions.wake(connection, action.stage_execution_id)


def abandon_waiting_rules(connection: Connection, execution_id: str) -> None:
    """Abandon the rules of an execution that wait, and let their stages go on."""
    for rule in rule_executions.of_execution(connection, execution_id):
        if rule.waits:
            abandon(connection, rule.id)
            stage_executions.wake(connection, rule.stage_execution_id)
