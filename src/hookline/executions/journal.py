"""The state of executions as the engine needs it, kept in the store."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Artifact, Waiting
from hookline.engine.journal import ActionTask, StageTurn
from hookline.errors import ActionError
from hookline.executions import actions, conditions, consequences, jobs, outcomes
from hookline.executions import passage as passages
from hookline.executions.moves import move_on
from hookline.executions.passage import Passage
from hookline.executions.preparation import Prepared
from hookline.executions.progress import End, Progress, Run, Wait, next_step, progress_of
from hookline.model import (
    ActionStatus,
    ConditionStatus,
    ConditionType,
    ExecutionStatus,
    StageStatus,
)
from hookline.sealing import Seal
from hookline.store import (
    action_executions,
    executions,
    pipeline_secrets,
    pipelines,
    rule_executions,
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
        """The turns, of stages that this node has taken, that may have more to do.

        Of each stage that has not ended, the newest turn and those whose actions still run.
        """
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
            found = _locked(connection, stage_execution)
            if found is None:
                _cancel(connection, stage_execution)
                return []
            if found.stage_execution.status is not StageStatus.IN_PROGRESS:
                return []
            attempts = passages.newest(connection, found)
            match _step(connection, found, attempts, turn.number):
                case Run(names):
                    return list(names)
                case End():
                    consequences.close(connection, found, attempts)
                    move_on(connection, found.pipeline.id)
            return []

    def begin(self, turn: StageTurn, action_name: str) -> ActionTask | None:
        """Note that an action runs; None where it does not have to."""
        with self._database.write() as connection:
            stage_execution = stage_executions.find(connection, turn.stage_execution_id)
            # Two turns may have found that it is to begin.
            found = None if stage_execution is None else _locked(connection, stage_execution)
            # And another one may have ended the stage meanwhile.
            if found is None or found.stage_execution.status is not StageStatus.IN_PROGRESS:
                return None
            begins = conditions if conditions.is_rule(action_name) else actions
            begun = begins.begin(connection, found, action_name, turn.number)
        return None if begun is None else self._task(found, *begun)

    def _task(self, found: Passage, identifier: str, prepared: Prepared) -> ActionTask:
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
                conditions.wait_for(connection, action_execution_id, waiting.time_limit)
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
            if not waiting.by_worker:
                # AWS: what answers for an approval in PARALLEL mode, read by ListActionExecutions.
                action_executions.note(connection, action.id, external_id=waiting.token)
            elif not found.waits:
                jobs.offer(connection, found)

    def settle(self) -> None:
        """End the rules whose wait is over, and fail the actions that have waited for too long."""
        with self._database.read() as connection:
            overdue = action_executions.overdue(connection, time.time())
            ready = [
                rule
                for rule in rule_executions.waiting(connection)
                if conditions.is_ready(connection, rule)
            ]
        for rule in ready:
            with self._database.write() as connection:
                conditions.settle(connection, rule)
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


def _locked(connection: Connection, stage_execution: StageExecution) -> Passage | None:
    """A passage, with its pipeline locked; None where the pipeline is gone."""
    # Before anything is decided: it must see what others have decided.
    exists = pipelines.lock_by_id(connection, stage_execution.pipeline_id)
    return passages.find(connection, stage_execution.id) if exists else None


def _cancel(connection: Connection, stage_execution: StageExecution) -> None:
    """End what a deleted pipeline left in a stage."""
    conditions.abandon_open(connection, stage_execution.id)
    if stage_executions.finish(connection, stage_execution.id, StageStatus.STOPPED):
        executions.finish(
            connection,
            stage_execution.execution_id,
            ExecutionStatus.CANCELLED,
            "The pipeline was deleted",
        )


def _step(
    connection: Connection, found: Passage, attempts: Mapping[str, ActionExecution], turn: int
) -> Run | Wait | End:
    """What a turn does next: the entry condition, the actions, and the condition after them."""
    if consequences.asks_entry(found):
        following = conditions.step(connection, found, ConditionType.BEFORE_ENTRY, turn)
        status = conditions.statuses(connection, found).get(ConditionType.BEFORE_ENTRY)
        if status is not ConditionStatus.SUCCEEDED:
            return following
    progress = {
        action.name: Progress.SUCCEEDED
        if action.name in found.stage_execution.done_before
        else progress_of(attempts.get(action.name), turn)
        for action in found.stage.actions
    }
    following = next_step(found.stage.actions, progress, stopping=found.is_stopping)
    if not isinstance(following, End):
        return following
    kind = consequences.asks_afterwards(
        found.stage,
        passages.outcome(found, attempts),
        retried=consequences.is_retried(connection, found),
    )
    return following if kind is None else conditions.step(connection, found, kind, turn)
