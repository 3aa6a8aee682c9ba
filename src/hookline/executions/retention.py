"""Which executions may be forgotten, and the deletion of the artifacts and logs of those that are.

Kept, whatever its age, is what an active execution needs; of each stage the execution that entered
it last, which is the one that may be retried, and the one that an automatic rollback would go back
to; and what these roll back to (contract X8).
"""

import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection

from hookline.actions.artifacts import ArtifactStore
from hookline.errors import ActionError, StoreUnavailableError
from hookline.store import (
    action_executions,
    discarded_artifacts,
    executions,
    pipelines,
    stage_executions,
)
from hookline.store.database import Database

_STEP = 500
_DAY_S = 86_400.0
_log = structlog.get_logger()


Position = tuple[float, str]
"""An execution's place in the order in which they ended: when, and its id."""


def forget(
    connection: Connection, before: float, after: Position | None, limit: int
) -> tuple[int, Position | None]:
    """Delete those of `limit` executions ended before `before` that nothing needs any more.

    Looked at are those that ended first, or first `after` a position. Returns how many, and the
    position of the last one.
    """
    ended = executions.ended_before(connection, before, after, limit)
    if not ended:
        return 0, after
    kept = _needed(connection, {item.pipeline_id for item in ended})
    executions.remove(connection, [item.id for item in ended if item.id not in kept])
    return len(ended), (ended[-1].ended_at, ended[-1].id)


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


class FileRetention:
    """Deletes the artifacts and logs of executions that are forgotten; on each node its own logs.

    `logs` is the folder of this node's logs. One of an action execution that is not in the store is
    kept for `kept_days` nevertheless: the store may be another one for a while.
    """

    def __init__(
        self, database: Database, artifacts: ArtifactStore, logs: Path, kept_days: float
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._logs = logs
        self._kept_s = kept_days * _DAY_S

    def run(self) -> None:
        """Delete what there is to delete now. Safe to call at any time, on several nodes."""
        try:
            count = self._forget_artifacts() + self._forget_logs()
        except (OSError, StoreUnavailableError) as error:
            _log.warning("old artifacts and logs not forgotten", reason=str(error))
            return
        if count:
            _log.info("old artifacts and logs forgotten", count=count)

    def _forget_artifacts(self) -> int:
        count, after = 0, ""
        while True:
            with self._database.read() as connection:
                discarded = discarded_artifacts.some(connection, _STEP, after)
            if not discarded:
                return count
            after = discarded[-1][1]
            deleted = dict(self._deleted(discarded))
            count += sum(deleted.values())
            with self._database.write() as connection:
                discarded_artifacts.remove(connection, list(deleted))

    def _deleted(self, discarded: Iterable[tuple[int, str]]) -> Iterator[tuple[str, int]]:
        """The executions whose artifacts could be deleted, and how many these were."""
        for pipeline_id, execution_id in discarded:
            try:
                yield execution_id, self._artifacts.forget(pipeline_id, execution_id)
            except ActionError as error:
                # The next run tries again; the others must not wait for that.
                _log.warning("old artifacts not forgotten", reason=str(error))

    def _forget_logs(self) -> int:
        before = time.time() - self._kept_s
        old = (log for log in self._logs.glob("*.log") if _is_ours(log, before))
        count = 0
        while logs := list(islice(old, _STEP)):
            count += self._forget_unnamed(logs)
        return count

    def _forget_unnamed(self, logs: Collection[Path]) -> int:
        ids = [log.stem for log in logs]
        with self._database.read() as connection:
            named = action_executions.existing(connection, ids)
        unnamed = [log for log in logs if log.stem not in named]
        return sum(map(_unlink, unnamed))


def _unlink(log: Path) -> bool:
    try:
        log.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("old log not forgotten", reason=str(error))
        return False
    return True


def _is_ours(log: Path, before: float) -> bool:
    try:
        uuid.UUID(log.stem)
        return log.stat().st_mtime < before
    except (ValueError, FileNotFoundError):
        return False
