"""Ends actions and rules, whoever says so, and takes the next step of their stage.

Nodes report outcomes with `finish`; people, job workers, the clock and requests to stop end what
waits with `end`.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Waiting
from hookline.errors import ActionError
from hookline.executions import build_runs
from hookline.executions.decide import STOPPED
from hookline.executions.proceed import proceed
from hookline.model import ActionStatus, ConditionStatus, JobStatus, new_id
from hookline.store import (
    action_executions,
    action_types,
    condition_executions,
    dialect,
    executions,
    jobs,
    pipelines,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.jobs import Job

_MESSAGE_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nothing of an action runs any longer, and nobody waits for it."""

    reason: str = STOPPED


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person does not approve."""

    summary: str


Ended = ActionResult | ActionError | Abandoned | Rejected
Outcome = Ended | Waiting


def finish(connection: Connection, held: ActionExecution, outcome: Outcome) -> bool:
    """Note the outcome of an action or a rule that a node has taken, and proceed in its stage.

    `held` is the execution as the node took it. False, and nothing is noted, where it is that
    node's no longer: it was taken from it, or has ended.
    """
    found = still_held(connection, held)
    if found is None:
        return False
    if not isinstance(outcome, Waiting):
        end(connection, found, outcome)
    elif _is_unwanted(connection, found):
        end(connection, found, Abandoned())
    else:
        _wait(connection, found, outcome)
    # The node has room for another one.
    dialect.notify_nodes(connection)
    return True


def give_up(connection: Connection, held: ActionExecution, error: ActionError) -> None:
    """Note that an action has failed whose stage can't proceed; `clock.proceed_idle` tries again.

    For what a node has run, and must not run again only since its outcome can't be noted.
    """
    found = still_held(connection, held)
    if found is not None:
        note(connection, found, error)


def still_held(connection: Connection, held: ActionExecution) -> ActionExecution | None:
    """What a node has taken as it is now, its pipeline locked; None where it is not that node's."""
    pipelines.lock_by_id(connection, held.pipeline_id)
    found = action_executions.find(connection, held.id)
    if found is None or found.status.is_final:
        return None
    is_the_nodes = (found.owner, found.attempt) == (held.owner, held.attempt)
    return found if is_the_nodes else None


def end(connection: Connection, execution: ActionExecution, outcome: Ended, **values: Any) -> None:
    """Note how an action or a rule ended, and proceed in its stage. The pipeline is locked.

    `values` are further columns.
    """
    note(connection, execution, outcome, **values)
    proceed(connection, execution.stage_execution_id)


def note(connection: Connection, execution: ActionExecution, outcome: Ended, **values: Any) -> None:
    """Note how an action or a rule ended, without letting its stage go on."""
    build_runs.end(connection, execution, outcome)
    match outcome:
        case ActionResult():
            noted = _succeeded(connection, execution, outcome)
        case ActionError():
            noted = {
                "status": ActionStatus.FAILED.value,
                "error_code": outcome.code,
                "error_message": outcome.message[:_MESSAGE_LIMIT],
            }
        case Rejected(summary):
            noted = {"status": ActionStatus.FAILED.value, "summary": summary}
        case Abandoned(reason):
            jobs.end_of_action(connection, execution.id, JobStatus.FAILED)
            noted = {"status": ActionStatus.ABANDONED.value, "summary": reason}
    action_executions.change(connection, execution.id, owner=None, **{**noted, **values})


def _succeeded(
    connection: Connection, execution: ActionExecution, result: ActionResult
) -> dict[str, Any]:
    if result.revision is not None:
        revision = replace(result.revision, action_name=execution.action_name)
        executions.set_source_revision(connection, execution.execution_id, revision)
    return {
        "status": ActionStatus.SUCCEEDED.value,
        "outputs": {artifact.name: artifact.key for artifact in result.artifacts},
        "summary": result.summary,
        "external_id": result.external_execution_id,
        "external_url": result.external_execution_url,
        "variables": dict(result.variables),
    }


def _is_unwanted(connection: Connection, found: ActionExecution) -> bool:
    """Whether nobody is to wait for it: a request to stop came while it began."""
    execution = executions.find(connection, found.execution_id)
    stop = None if execution is None else execution.stop
    return stop is not None and (stop.abandon or found.condition_type is not None)


def _wait(connection: Connection, found: ActionExecution, waiting: Waiting) -> None:
    began = found.started_at if found.condition_type else time.time()
    values: dict[str, Any] = {"owner": None, "waits_until": began + waiting.time_limit}
    if found.condition_type is None:
        values["token"] = waiting.token
        if not waiting.by_worker:
            # AWS: what answers for an approval in PARALLEL mode, read by ListActionExecutions.
            values["external_id"] = waiting.token
    action_executions.change(connection, found.id, **values)
    if waiting.by_worker:
        _offer_job(connection, found)


def _offer_job(connection: Connection, execution: ActionExecution) -> None:
    """Queue the first job of an action that waits for a worker."""
    pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
    if pipeline is None:
        return
    action = pipeline.action(execution.stage_name, execution.action_name)
    custom = action_types.find(connection, pipeline.scope, action.type)
    key = None if custom is None else custom.queryable_key
    job = Job(
        id=new_id(),
        scope=pipeline.scope,
        type=action.type,
        action_execution_id=execution.id,
        execution_id=execution.execution_id,
        pipeline_id=pipeline.id,
        status=JobStatus.QUEUED,
        query_value=None if key is None else action.configuration[key],
    )
    jobs.insert(connection, job)


def abandon_all(connection: Connection, stage_execution_id: str, reason: str) -> None:
    """Abandon all that is in progress in a stage, whoever runs it, without proceeding in it."""
    action_executions.remove_unbegun(connection, stage_execution_id)
    _abandon(connection, stage_execution_id, reason, only_rules=False)


def abandon_conditions(connection: Connection, stage_execution_id: str, reason: str) -> None:
    """Abandon the conditions still being checked in a stage that proceeds without them."""
    _abandon(connection, stage_execution_id, reason, only_rules=True)


def _abandon(
    connection: Connection, stage_execution_id: str, reason: str, *, only_rules: bool
) -> None:
    for item in action_executions.of_stages(connection, [stage_execution_id]):
        is_wanted = item.condition_type is None and only_rules
        if not item.status.is_final and not is_wanted:
            note(connection, item, Abandoned(reason))
    for kind, condition in condition_executions.of_stage(connection, stage_execution_id).items():
        if condition.status is ConditionStatus.IN_PROGRESS:
            condition_executions.finish(
                connection, stage_execution_id, kind, ConditionStatus.ABANDONED, reason
            )
