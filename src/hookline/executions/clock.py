"""What happens by time alone: windows open, waits time out, and idle stages proceed."""

import time
from datetime import UTC, datetime

from sqlalchemy import Connection

from hookline.actions import deployment_window
from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.executions.finish import end
from hookline.executions.proceed import proceed
from hookline.executions.stop import cancel_all
from hookline.executions.take import declared_action
from hookline.model import JobStatus
from hookline.store import action_executions, jobs, pipelines, stage_executions
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database


def end_waits(database: Database) -> None:
    """End the rules whose window is open, and fail what has waited for too long."""
    with database.read() as connection:
        due = action_executions.overdue(connection, time.time())
        due += [
            rule
            for rule in action_executions.waiting_rules(connection)
            if _is_open(connection, rule) is not None
        ]
    database.write_each({item.id: item for item in due}, _end_wait, "wait not ended")


def _end_wait(connection: Connection, waiting: ActionExecution) -> None:
    pipelines.lock_by_id(connection, waiting.pipeline_id)
    found = action_executions.find(connection, waiting.id)
    if found is None or not found.waits:
        return
    answer = None if found.condition_type is None else _is_open(connection, found)
    if answer is not None:
        end(connection, found, answer)
    elif found.waits_until is not None and found.waits_until < time.time():
        jobs.end_of_action(connection, found.id, JobStatus.TIMED_OUT)
        end(connection, found, ActionError(_TOO_LATE[found.condition_type is None]))


_TOO_LATE = {
    True: "Nobody answered in time",
    False: "The deployment window did not open in time",
}


def _is_open(connection: Connection, rule: ActionExecution) -> ActionResult | ActionError | None:
    """What a rule that waits for its window has found; None while it has to wait on."""
    pipeline = pipelines.get(connection, rule.pipeline_id, rule.pipeline_version)
    if pipeline is None:
        return None
    declared = declared_action(pipeline, rule)
    try:
        configuration = {**declared.configuration, **rule.resolved}
        is_open = deployment_window.is_open(configuration, datetime.now(UTC))
    except ActionError as error:
        # Its window could be read when it began: a time zone may have gone since.
        return error
    return ActionResult(deployment_window.OPEN) if is_open else None


def proceed_idle(database: Database) -> None:
    """Proceed in stages without anything in progress: after a fault, or a restore."""
    with database.read() as connection:
        idle = stage_executions.idle(connection)
    database.write_each(dict(zip(idle, idle, strict=True)), _proceed_idle, "stage broke")


def _proceed_idle(connection: Connection, stage_execution_id: str) -> None:
    found = stage_executions.find(connection, stage_execution_id)
    if found is None:
        return
    if pipelines.lock_by_id(connection, found.pipeline_id):
        proceed(connection, stage_execution_id)
    else:
        # Deleted when another version of Hookline left that to the engine, or before a restore.
        cancel_all(connection, found.pipeline_id)
