"""The state of executions as the engine needs it, kept in the store."""

import time
import uuid
from dataclasses import replace
from itertools import groupby

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Artifact
from hookline.engine.journal import ActionTask
from hookline.errors import ActionError
from hookline.executions.advance import Enter, advance
from hookline.executions.start import supersede
from hookline.model import (
    Action,
    ActionStatus,
    Execution,
    ExecutionStatus,
    Pipeline,
    Stage,
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
from hookline.store.stage_executions import StageExecution

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
        """The names of the stage's actions, those of one run order together, in run order."""
        with self._database.read() as connection:
            found = _find(connection, stage_execution_id)
        if found is None:
            return []
        actions = sorted(found.stage.actions, key=_run_order)
        return [[action.name for action in group] for _, group in groupby(actions, _run_order)]

    def begin(self, stage_execution_id: str, action_name: str) -> ActionTask | bool:
        """Note that an action runs; where it has ended already, whether it succeeded."""
        identifier = str(uuid.uuid5(uuid.UUID(stage_execution_id), action_name))
        with self._database.write() as connection:
            found = _find(connection, stage_execution_id)
            if found is None:
                return False
            earlier = action_executions.find(connection, identifier)
            if earlier is not None and earlier.status is not ActionStatus.IN_PROGRESS:
                return earlier.status is ActionStatus.SUCCEEDED
            action = next(item for item in found.stage.actions if item.name == action_name)
            produced = action_executions.artifacts(connection, found.execution.id)
            inputs = {name: produced[name] for name in action.input_artifacts if name in produced}
            action_executions.start(connection, _started(identifier, found, action, inputs))
            missing = [name for name in action.input_artifacts if name not in produced]
            if missing:
                _fail(connection, identifier, _missing_artifacts(action, missing))
                return False
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
                    if revision.action_name == action_name
                ),
                None,
            ),
            inputs=tuple(Artifact(name, key) for name, key in inputs.items()),
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
            status = _outcome(connection, stage_execution) if exists else StageStatus.STOPPED
            if not stage_executions.finish(connection, stage_execution_id, status):
                return
            if not exists:
                executions.finish(
                    connection,
                    stage_execution.execution_id,
                    ExecutionStatus.CANCELLED,
                    "The pipeline was deleted",
                )
                return
            _leave_stage(connection, stage_execution, status)
            _advance(connection, stage_execution.pipeline_id)


class _Found:
    """A stage execution with its execution, and the stage as that execution's version has it."""

    def __init__(
        self,
        stage_execution: StageExecution,
        execution: Execution,
        pipeline: Pipeline,
        stage: Stage,
    ) -> None:
        self.stage_execution = stage_execution
        self.execution = execution
        self.pipeline = pipeline
        self.stage = stage


def _find(connection: Connection, stage_execution_id: str) -> _Found | None:
    stage_execution = stage_executions.find(connection, stage_execution_id)
    if stage_execution is None:
        return None
    execution = executions.find(connection, stage_execution.execution_id)
    if execution is None:
        return None
    pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
    if pipeline is None:
        return None
    stage = next(item for item in pipeline.stages if item.name == stage_execution.stage_name)
    return _Found(stage_execution, execution, pipeline, stage)


def _run_order(action: Action) -> int:
    return action.run_order


def _started(
    identifier: str, found: _Found, action: Action, inputs: dict[str, str]
) -> ActionExecution:
    now = time.time()
    return ActionExecution(
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


def _missing_artifacts(action: Action, missing: list[str]) -> ActionError:
    return ActionError(
        f"Action {action.name} needs the artifact {', '.join(missing)}, which no earlier action "
        "of this execution has produced",
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


def _outcome(connection: Connection, stage_execution: StageExecution) -> StageStatus:
    done = {
        execution.action_name
        for execution in action_executions.of_execution(connection, stage_execution.execution_id)
        if execution.stage_execution_id == stage_execution.id
        and execution.status is ActionStatus.SUCCEEDED
    }
    found = _find(connection, stage_execution.id)
    declared = {action.name for action in found.stage.actions} if found else {""}
    return StageStatus.SUCCEEDED if declared <= done else StageStatus.FAILED


def _leave_stage(
    connection: Connection, stage_execution: StageExecution, status: StageStatus
) -> None:
    execution_id = stage_execution.execution_id
    if status is not StageStatus.SUCCEEDED:
        executions.finish(connection, execution_id, ExecutionStatus.FAILED)
        return
    following = _following_stage(connection, stage_execution)
    if following is None:
        executions.finish(connection, execution_id, ExecutionStatus.SUCCEEDED)
    else:
        executions.move(connection, execution_id, following, in_stage=False)


def _following_stage(connection: Connection, stage_execution: StageExecution) -> str | None:
    found = _find(connection, stage_execution.id)
    names = [stage.name for stage in found.pipeline.stages] if found else []
    following = names[names.index(stage_execution.stage_name) + 1 :]
    return following[0] if following else None


def _advance(connection: Connection, pipeline_id: int) -> None:
    pipeline = pipelines.current(connection, pipeline_id)
    if pipeline is None:
        return
    entered = []
    for command in advance(pipeline.execution_mode, executions.active(connection, pipeline_id)):
        if isinstance(command, Enter):
            executions.move(connection, command.execution_id, command.stage_name, in_stage=True)
            entered.append((command.execution_id, command.stage_name))
        else:
            supersede(connection, command.execution_id, command.by)
    stage_executions.insert(connection, pipeline_id, entered)
