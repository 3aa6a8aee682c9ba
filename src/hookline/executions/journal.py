"""The state of executions as the engine needs it, kept in the store."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Artifact, Waiting
from hookline.engine.journal import ActionTask, StageTurn
from hookline.errors import ActionError
from hookline.executions import jobs, outcomes, variables
from hookline.executions import passage as passages
from hookline.executions.moves import move_on
from hookline.executions.passage import Passage
from hookline.executions.progress import End, Progress, Run, next_step
from hookline.model import (
    Action,
    ActionStatus,
    Execution,
    ExecutionStatus,
    StageStatus,
)
from hookline.sealing import Seal
from hookline.store import (
    action_executions,
    action_types,
    executions,
    pipeline_secrets,
    pipelines,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database
from hookline.store.stage_executions import StageExecution


class StoreJournal:
    """`engine.journal.Journal` over the store, for one node."""

    def __init__(self, database: Database, seal: Seal, node: str) -> None:
        self._database = database
        self._seal = seal
        self._node = node
        self._listen = database.stage_listener()

    def take(self, limit: int) -> list[StageTurn]:
        """Assign up to `limit` stages that wait for an engine to this node; their turns."""
        with self._database.read() as connection:
            if not stage_executions.any_waiting(connection):
                return []
        with self._database.write() as connection:
            taken = stage_executions.take(connection, self._node, limit)
        return [StageTurn(*turn) for turn in taken]

    def unfinished(self) -> list[StageTurn]:
        """The newest turns of the stages that this node has taken and that have not ended."""
        with self._database.read() as connection:
            taken = stage_executions.unfinished(connection, self._node)
        return [StageTurn(*turn) for turn in taken]

    def wait(self, seconds: float) -> None:
        """Return when a stage may be waiting, at the latest after `seconds`."""
        self._listen(seconds)

    def next_actions(self, turn: StageTurn) -> list[str]:
        """The actions that the turn runs now, all together; none, and the turn is over.

        Where nothing is left to do, this ends the stage and lets the pipeline advance.
        """
        with self._database.write() as connection:
            stage_execution = stage_executions.find(connection, turn.stage_execution_id)
            if stage_execution is None:
                return []
            # Before anything is decided: it must see what others have decided.
            exists = pipelines.lock_by_id(connection, stage_execution.pipeline_id)
            found = passages.find(connection, stage_execution.id) if exists else None
            if found is None:
                _cancel(connection, stage_execution)
                return []
            if found.stage_execution.status is not StageStatus.IN_PROGRESS:
                return []
            attempts = passages.newest(connection, found)
            progress = _progress(found, attempts, turn.number)
            match next_step(found.stage.actions, progress, stopping=found.is_stopping):
                case Run(names):
                    return list(names)
                case End():
                    _close(connection, found, attempts)
            return []

    def begin(self, turn: StageTurn, action_name: str) -> ActionTask | None:
        """Note that an action runs; None where it does not have to."""
        with self._database.write() as connection:
            found = passages.find(connection, turn.stage_execution_id)
            if found is None:
                return None
            identifier = found.action_execution_id(action_name)
            earlier = action_executions.find(connection, identifier)
            if earlier is not None and (
                earlier.waits or earlier.status is not ActionStatus.IN_PROGRESS
            ):
                return None
            if earlier is None and found.is_stopping:
                return None
            action = next(item for item in found.stage.actions if item.name == action_name)
            executed = ActionExecution(
                id=identifier,
                stage_execution_id=found.stage_execution.id,
                execution_id=found.execution.id,
                pipeline_id=found.pipeline.id,
                pipeline_version=found.pipeline.version,
                stage_name=found.stage.name,
                action_name=action.name,
                status=ActionStatus.IN_PROGRESS,
                turn=turn.number,
                started_at=time.time(),
                updated_at=time.time(),
            )
            prepared = _prepare(connection, found, action, executed)
        return None if prepared is None else self._task(identifier, found, prepared)

    def _task(self, identifier: str, found: Passage, prepared: "_Prepared") -> ActionTask:
        action, stopped = prepared.action, found.execution.stop
        declared, secrets = pipeline_secrets.opened(prepared.declared, self._seal)
        return ActionTask(
            action_execution_id=identifier,
            execution_id=found.execution.id,
            pipeline_name=found.pipeline.name,
            pipeline_id=found.pipeline.id,
            stage_name=found.stage.name,
            action=replace(action, configuration={**declared, **prepared.resolved}),
            secrets=secrets,
            region=found.pipeline.scope.region,
            source_revision=next(
                (
                    revision
                    for revision in found.execution.source_revisions
                    if revision.action_name == action.name
                ),
                None,
            ),
            inputs=tuple(Artifact(name, key) for name, key in prepared.inputs.items()),
            abandoned=stopped is not None and stopped.abandon,
        )

    def abandoned(self, execution_ids: Collection[str]) -> list[str]:
        """Those of the executions whose running actions are to be abandoned."""
        with self._database.read() as connection:
            return executions.abandoned(connection, execution_ids)

    def abandon(self, action_execution_id: str) -> None:
        """Note that an action was abandoned; nothing of it runs any longer."""
        with self._database.write() as connection:
            outcomes.abandon(connection, action_execution_id)

    def wait_for(self, action_execution_id: str, waiting: Waiting) -> None:
        """Note that an action waits for others to end it."""
        until = time.time() + waiting.time_limit
        with self._database.write() as connection:
            action = action_executions.find(connection, action_execution_id)
            if action is None:
                return
            # A wish to abandon what runs is either seen here, or finds the action waiting.
            pipelines.lock_by_id(connection, action.pipeline_id)
            found = action_executions.find(connection, action.id)
            if found is None or found.status is not ActionStatus.IN_PROGRESS:
                return
            if executions.abandoned(connection, [action.execution_id]):
                outcomes.abandon(connection, action.id)
                return
            action_executions.wait_for(connection, action.id, waiting.token, until)
            if waiting.by_worker and not found.waits:
                jobs.offer(connection, found)

    def expire(self) -> None:
        """Fail the actions that have waited for too long."""
        with self._database.read() as connection:
            overdue = action_executions.overdue(connection, time.time())
        for action in overdue:
            with self._database.write() as connection:
                pipelines.lock_by_id(connection, action.pipeline_id)
                found = action_executions.find(connection, action.id)
                if found is not None and found.waits:
                    outcomes.expire(connection, found)

    def succeed(self, action_execution_id: str, result: ActionResult) -> None:
        """Note that an action succeeded, with what it produced."""
        with self._database.write() as connection:
            outcomes.succeed(connection, action_execution_id, result)

    def fail(self, action_execution_id: str, error: ActionError) -> None:
        """Note that an action failed."""
        with self._database.write() as connection:
            outcomes.fail(connection, action_execution_id, error)


def _cancel(connection: Connection, stage_execution: StageExecution) -> None:
    """End what a deleted pipeline left in a stage."""
    if stage_executions.finish(connection, stage_execution.id, StageStatus.STOPPED):
        executions.finish(
            connection,
            stage_execution.execution_id,
            ExecutionStatus.CANCELLED,
            "The pipeline was deleted",
        )


def _close(connection: Connection, found: Passage, attempts: Mapping[str, ActionExecution]) -> None:
    status = passages.outcome(found, attempts)
    stage_executions.finish(connection, found.stage_execution.id, status)
    passages.leave(connection, found, status)
    move_on(connection, found.pipeline.id)


def _progress(
    found: Passage, attempts: Mapping[str, ActionExecution], turn: int
) -> dict[str, Progress]:
    return {
        action.name: Progress.SUCCEEDED
        if action.name in found.stage_execution.done_before
        else _progress_of(attempts.get(action.name), turn)
        for action in found.stage.actions
    }


def _progress_of(attempt: ActionExecution | None, turn: int) -> Progress:
    if attempt is None:
        return Progress.NOT_BEGUN
    if attempt.status is ActionStatus.SUCCEEDED:
        return Progress.SUCCEEDED
    if attempt.status is not ActionStatus.IN_PROGRESS:
        return Progress.FAILED
    is_mine = attempt.turn == turn and not attempt.waits
    return Progress.INTERRUPTED if is_mine else Progress.ELSEWHERE


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An action with its references resolved, and its input artifacts, name → key.

    Its configuration is `declared`, with secrets sealed, and `resolved` where that has references.
    """

    action: Action
    declared: Mapping[str, str]
    resolved: Mapping[str, str]
    inputs: dict[str, str]


def _prepare(
    connection: Connection, found: Passage, action: Action, executed: ActionExecution
) -> _Prepared | None:
    """Note that an action runs, with what it is given; or that it failed, since some is missing."""
    produced = _produced(connection, found.execution)
    artifacts = {name: key for item in produced for name, key in item.outputs.items()}
    inputs = {name: artifacts[name] for name in action.input_artifacts if name in artifacts}
    executed = replace(executed, inputs=inputs)
    try:
        _check_type(connection, found, action)
        _check_artifacts(action, inputs)
        values = variables.values_in(found.execution, found.pipeline, produced)
        resolved_action, resolved = variables.resolve(action, values)
    except ActionError as error:
        action_executions.start(connection, executed)
        outcomes.fail(connection, executed.id, error)
        return None
    action_executions.start(connection, replace(executed, resolved=resolved))
    return _Prepared(resolved_action, action.configuration, resolved, inputs)


def _produced(connection: Connection, execution: Execution) -> Sequence[ActionExecution]:
    """What an execution can work with; a rollback, with what its target had as well."""
    ids = [execution.id]
    if execution.rollback_target is not None:
        ids.insert(0, execution.rollback_target)
    return action_executions.produced(connection, ids)


def _check_type(connection: Connection, found: Passage, action: Action) -> None:
    if action.type.owner != "Custom":
        return
    if action_types.available(connection, found.pipeline.scope, action.type) is None:
        raise ActionError(
            f"The custom action type {action.type} was deleted, so nobody can run the action",
            "ConfigurationError",
        )


def _check_artifacts(action: Action, inputs: dict[str, str]) -> None:
    missing = [name for name in action.input_artifacts if name not in inputs]
    if missing:
        raise ActionError(
            f"Action {action.name} needs the artifact {', '.join(missing)}, which no earlier "
            "action of this execution has produced",
            "ConfigurationError",
        )
