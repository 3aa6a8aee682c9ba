"""Which executions may be forgotten, and the deletion of the artifacts of those that are.

Kept, whatever its age, is what an active execution needs; of each stage the execution that entered
it last, which is the one that may be retried, and the one that an automatic rollback would go back
to; and what these roll back to (contract X8).
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate

import structlog
from sqlalchemy import Connection

from hookline.actions.artifacts import ArtifactStore
from hookline.errors import ActionError, StoreUnavailableError
from hookline.store import (
    action_logs,
    executions,
    pipelines,
    stage_executions,
)
from hookline.store.database import Database

_STEP = 500
# To delete so many takes some 50 ms, in which nobody else can write to SQLite.
_CHUNKS = 1_000
_log = structlog.get_logger()


Cursor = tuple[float, str]
"""An execution's place in the order in which they ended: when, and its id."""


def forget(
    connection: Connection, before: float, after: Cursor | None, limit: int
) -> Cursor | None:
    """Delete those of `limit` executions ended before `before` that nothing needs any more.

    Looked at are those that ended first, or first `after` a position; fewer where they have long
    logs. Returns the position of the last one, or None where there are no more to look at.
    """
    ended = executions.ended_before(connection, before, after, limit)
    unneeded = {item.id for item in ended}
    unneeded -= _needed(connection, {item.pipeline_id for item in ended})
    chunks = action_logs.count_chunks(connection, unneeded)
    totals = accumulate(chunks.get(item.id, 0) for item in ended)
    within = sum(total <= _CHUNKS for total in totals)
    # One execution may have more.
    looked_at = ended[: max(within, 1)]
    executions.remove(connection, [item.id for item in looked_at if item.id in unneeded])
    is_last = len(looked_at) == len(ended) < limit
    return None if is_last else (looked_at[-1].ended_at, looked_at[-1].id)


def _needed(connection: Connection, pipeline_ids: Collection[int]) -> set[str]:
    kept = {
        execution_id
        for pipeline_id in pipeline_ids
        for execution_id in _of_stages(connection, pipeline_id)
        if execution_id is not None
    }
    return kept | executions.rollback_targets(connection, pipeline_ids, kept)


def _of_stages(connection: Connection, pipeline_id: int) -> Iterator[str | None]:
    pipeline = pipelines.current(connection, pipeline_id)
    if pipeline is None:
        return
    for stage in pipeline.stages:
        newest = stage_executions.latest(connection, pipeline_id, stage.name)
        yield None if newest is None else newest.execution_id
        yield executions.last_succeeded_in(connection, pipeline, stage.name)


class ArtifactRetention:
    """Deletes the artifacts of executions that are forgotten."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self._database = database
        self._artifacts = artifacts

    def run(self) -> None:
        """Delete what there is to delete now. Safe to call at any time, on several nodes."""
        try:
            count = self._forget_artifacts()
        except StoreUnavailableError as error:
            _log.warning("old artifacts not forgotten", reason=error.message)
            return
        if count:
            _log.info("old artifacts forgotten", count=count)

    def _forget_artifacts(self) -> int:
        count, after = 0, ""
        while True:
            with self._database.read() as connection:
                discarded = executions.discarded(connection, _STEP, after)
            if not discarded:
                return count
            after = discarded[-1][1]
            deleted = dict(self._deleted(discarded))
            count += sum(deleted.values())
            with self._database.write() as connection:
                executions.forget_discarded(connection, list(deleted))

    def _deleted(self, discarded: Iterable[tuple[int, str]]) -> Iterator[tuple[str, int]]:
        """The executions whose artifacts could be deleted, and how many these were."""
        for pipeline_id, execution_id in discarded:
            try:
                yield execution_id, self._artifacts.forget(pipeline_id, execution_id)
            except ActionError as error:
                # The next run tries again; the others must not wait for that.
                _log.warning("old artifacts not forgotten", reason=str(error))
