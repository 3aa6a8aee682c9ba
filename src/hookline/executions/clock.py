"""What happens by time alone: windows open, waits time out, and idle stages proceed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection

from hookline.actions import deployment_window
from hookline.actions.provider import ActionResult
from hookline.errors import ActionError, StoreUnavailableError
from hookline.executions.cancel import cancel_all
from hookline.executions.finish import end
from hookline.executions.proceed import proceed
from hookline.executions.take import declared_action
from hookline.model import JobStatus
from hookline.store import action_executions, jobs, pipelines, stage_executions
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database

_log = structlog.get_logger()


def end_waits(database: Database) -> None:
    """End the rules whose window is open, and fail what has waited for too long."""
    with database.read() as connection:
        overdue = action_executions.overdue(connection, time.time())
        windows = action_executions.waiting_rules(connection)
    for item in overdue:
        _try(database, _end_wait, item)
    for item in windows:
        with database.read() as connection:
            is_due = _is_open(connection, item) is not None
        if is_due:
            _try(database, _end_wait, item)


def _try(
    database: Database, do: Callable[[Connection, ActionExecution], None], item: ActionExecution
) -> None:
    try:
        with database.write() as connection:
            do(connection, item)
    except StoreUnavailableError:
        raise
    except Exception:  # noqa: BLE001 - one that is broken keeps none of the others waiting
        _log.exception("wait not ended", action_execution=item.id)


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
    for stage_execution_id in idle:
        try:
            with database.write() as connection:
                _proceed_idle(connection, stage_execution_id)
        except Exception:  # noqa: BLE001 - one that is broken keeps none of the others from going on
            _log.exception("stage broke", stage_execution=stage_execution_id)


def _proceed_idle(connection: Connection, stage_execution_id: str) -> None:
    found = stage_executions.find(connection, stage_execution_id)
    if found is None:
        return
    if pipelines.lock_by_id(connection, found.pipeline_id):
        proceed(connection, stage_execution_id)
    else:
        # Deleted when another version of Hookline left that to the engine, or before a restore.
        cancel_all(connection, found.pipeline_id)
