"""The state of executions as the engine needs it, kept in the store."""

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Artifact
from hookline.engine.journal import ActionTask
from hookline.errors import ActionError
from hookline.executions import passage as passages
from hookline.executions import variables
from hookline.executions.moves import move_on
from hookline.executions.passage import Passage
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
    executions,
    pipeline_secrets,
    pipelines,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database

_MESSAGE_LIMIT = 4_000


class StoreJournal:
    """`engine.journal.Journal` over the store, for one node."""

    def __init__(self, database: Database, seal: Seal, node: str) -> None:
        self._database = database
        self._seal = seal
        self._node = node
        self._listen = database.stage_listener()

    def take(self, limit: int) -> list[str]:
        """Assign up to `limit` waiting stage executions to this node; their ids."""
        with self._database.read() as connection:
            if not stage_executions.any_waiting(connection):
                return []
        with self._database.write() as connection:
            return stage_executions.take(connection, self._node, limit)

    def unfinished(self) -> list[str]:
        """The stage executions this node has taken and not closed."""
        with self._database.read() as connection:
            return stage_executions.unfinished(connection, self._node)

    def wait(self, seconds: float) -> None:
        """Return when a stage may be waiting, at the latest after `seconds`."""
        self._listen(seconds)

    def open(self, stage_execution_id: str) -> list[list[str]]:
        """The names of the actions to run, those of one run order together, in run order."""
        with self._database.read() as connection:
            found = passages.find(connection, stage_execution_id)
        if found is None:
            return []
        done = found.stage_execution.done_before
        actions = sorted(
            (action for action in found.stage.actions if action.name not in done), key=_run_order
        )
        return [[action.name for action in group] for _, group in groupby(actions, _run_order)]

    def begin(self, stage_execution_id: str, action_name: str) -> ActionTask | bool:
        """Note that an action runs; if it does not have to, whether it succeeded."""
        identifier = str(uuid.uuid5(uuid.UUID(stage_execution_id), action_name))
        with self._database.write() as connection:
            found = passages.find(connection, stage_execution_id)
            if found is None:
                return False
            earlier = action_executions.find(connection, identifier)
            if earlier is not None and earlier.status is not ActionStatus.IN_PROGRESS:
                return earlier.status is ActionStatus.SUCCEEDED
            if earlier is None and found.execution.status is ExecutionStatus.STOPPING:
                return False
            action = next(item for item in found.stage.actions if item.name == action_name)
            prepared = _prepare(connection, identifier, found, action)
        return False if prepared is None else self._task(identifier, found, prepared)

    def _task(self, identifier: str, found: Passage, prepared: "_Prepared") -> ActionTask:
        action, stopped = prepared.action, found.execution.stop
        configuration, secrets = pipeline_secrets.opened(action.configuration, self._seal)
        return ActionTask(
            action_execution_id=identifier,
            execution_id=found.execution.id,
            pipeline_name=found.pipeline.name,
            pipeline_id=found.pipeline.id,
            stage_name=found.stage.name,
            action=replace(action, configuration=configuration),
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
            action_executions.finish(
                connection,
                action_execution_id,
                status=ActionStatus.ABANDONED.value,
                summary="Abandoned, since the execution was stopped",
            )

    def succeed(self, action_execution_id: str, result: ActionResult) -> None:
        """Note that an action succeeded, with what it produced."""
        with self._database.write() as connection:
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

    def fail(self, action_execution_id: str, error: ActionError) -> None:
        """Note that an action failed."""
        with self._database.write() as connection:
            _fail(connection, action_execution_id, error)

    def close(self, stage_execution_id: str) -> None:
        """End a stage by what became of its actions, and let the pipeline advance."""
        with self._database.write() as connection:
            stage_execution = stage_executions.find(connection, stage_execution_id)
            if stage_execution is None:
                return
            # Before anything is read: the decision must see what others have decided.
            exists = pipelines.lock_by_id(connection, stage_execution.pipeline_id)
            found = passages.find(connection, stage_execution_id) if exists else None
            status = StageStatus.STOPPED if found is None else passages.outcome(connection, found)
            if not stage_executions.finish(connection, stage_execution_id, status):
                return
            if found is None:
                executions.finish(
                    connection,
                    stage_execution.execution_id,
                    ExecutionStatus.CANCELLED,
                    "The pipeline was deleted",
                )
                return
            passages.leave(connection, found, status)
            move_on(connection, stage_execution.pipeline_id)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An action with its references resolved, and its input artifacts, name → key."""

    action: Action
    inputs: dict[str, str]


def _run_order(action: Action) -> int:
    return action.run_order


def _prepare(
    connection: Connection, identifier: str, found: Passage, action: Action
) -> _Prepared | None:
    """Note that an action runs, with what it is given; or that it failed, since some is missing."""
    produced = _produced(connection, found.execution)
    artifacts = {name: key for item in produced for name, key in item.outputs.items()}
    inputs = {name: artifacts[name] for name in action.input_artifacts if name in artifacts}
    now = time.time()
    executed = ActionExecution(
        id=identifier,
        stage_execution_id=found.stage_execution.id,
        execution_id=found.execution.id,
        pipeline_id=found.pipeline.id,
        pipeline_version=found.pipeline.version,
        stage_name=found.stage.name,
        action_name=action.name,
        status=ActionStatus.IN_PROGRESS,
        started_at=now,
        updated_at=now,
        inputs=inputs,
    )
    try:
        _check_artifacts(action, inputs)
        values = variables.values_in(found.execution, found.pipeline, produced)
        resolved_action, resolved = variables.resolve(action, values)
    except ActionError as error:
        action_executions.start(connection, executed)
        _fail(connection, identifier, error)
        return None
    action_executions.start(connection, replace(executed, resolved=resolved))
    return _Prepared(resolved_action, inputs)


def _produced(connection: Connection, execution: Execution) -> Sequence[ActionExecution]:
    """What an execution can work with; a rollback, with what its target had as well."""
    ids = [execution.id]
    if execution.rollback_target is not None:
        ids.insert(0, execution.rollback_target)
    return action_executions.produced(connection, ids)


def _check_artifacts(action: Action, inputs: dict[str, str]) -> None:
    missing = [name for name in action.input_artifacts if name not in inputs]
    if missing:
        raise ActionError(
            f"Action {action.name} needs the artifact {', '.join(missing)}, which no earlier "
            "action of this execution has produced",
            "ConfigurationError",
        )


def _fail(connection: Connection, action_execution_id: str, error: ActionError) -> None:
    action_executions.finish(
        connection,
        action_execution_id,
        status=ActionStatus.FAILED.value,
        error_code=error.code,
        error_message=error.message[:_MESSAGE_LIMIT],
    )
