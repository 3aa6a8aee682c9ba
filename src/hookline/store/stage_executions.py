"""Stage executions: each row with no node is a stage that waits for an engine to run it."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, union, update

from hookline.model import ActionStatus, RetryTrigger, StageStatus, new_id
from hookline.store import dialect, executed
from hookline.store.tables import action_executions, rule_executions, stage_executions


@dataclass(frozen=True, slots=True)
class StageExecution:
    """One passage of an execution through a stage. Times are epoch seconds.

    `done_before` are the actions that a retry leaves as they ended before, `retries` those that
    each retry of failed actions ran again while others of the stage still ran.
    One with `entry_overridden` does not ask its entry condition.
    """

    id: str
    execution_id: str
    pipeline_id: int
    stage_name: str
    status: StageStatus
    started_at: float
    updated_at: float
    done_before: frozenset[str] = frozenset()
    retries: tuple[frozenset[str], ...] = ()
    retry_trigger: RetryTrigger | None = None
    entry_overridden: bool = False


_BEGUN = StageStatus.IN_PROGRESS.value
_COLUMNS = (
    "id",
    "execution_id",
    "pipeline_id",
    "stage_name",
    "status",
    "turn",
    "entry_overridden",
    "started_at",
    "updated_at",
)


def insert(connection: Connection, pipeline_id: int, entered: Sequence[tuple[str, str]]) -> None:
    """Add stages that executions enter, as (execution id, stage name), and tell the engines."""
    now = time.time()
    rows: list[tuple[Any, ...]] = [
        (new_id(), execution_id, pipeline_id, name, _BEGUN, 1, False, now, now)
        for execution_id, name in entered
    ]
    if rows:
        dialect.insert_rows(connection, stage_executions, _COLUMNS, rows)
        dialect.notify_stage_waiting(connection)


def insert_again(
    connection: Connection,
    earlier: StageExecution,
    *,
    done_before: Collection[str] = (),
    retry_trigger: RetryTrigger | None = None,
    entry_overridden: bool = False,
) -> None:
    """Add a stage that its execution runs again, without the actions `done_before`."""
    now = time.time()
    connection.execute(
        stage_executions.insert().values(
            id=new_id(),
            execution_id=earlier.execution_id,
            pipeline_id=earlier.pipeline_id,
            stage_name=earlier.stage_name,
            status=StageStatus.IN_PROGRESS.value,
            turn=1,
            done_before=sorted(done_before),
            retry_trigger=retry_trigger and retry_trigger.value,
            entry_overridden=entry_overridden,
            started_at=now,
            updated_at=now,
        )
    )
    dialect.notify_stage_waiting(connection)


def retry_within(connection: Connection, stage: StageExecution, actions: Collection[str]) -> None:
    """Let a stage that has not ended run failed actions again, beside those that still run."""
    retries = [*map(sorted, stage.retries), sorted(actions)]
    connection.execute(
        update(stage_executions).where(stage_executions.c.id == stage.id).values(retries=retries)
    )
    wake(connection, stage.id)


def override_entry(connection: Connection, stage_execution_id: str) -> None:
    """Let a stage that has not ended go on without its entry condition."""
    connection.execute(
        update(stage_executions)
        .where(stage_executions.c.id == stage_execution_id)
        .values(entry_overridden=True)
    )
    wake(connection, stage_execution_id)


def wake(connection: Connection, stage_execution_id: str) -> None:
    """Let an engine look at what a stage does next, if it has not ended."""
    _wake(connection, stage_executions.c.id == stage_execution_id)


def wake_all(connection: Connection, pipeline_id: int) -> None:
    """The same for all stages of a pipeline."""
    _wake(connection, stage_executions.c.pipeline_id == pipeline_id)


def _wake(connection: Connection, which: ColumnElement[bool]) -> None:
    connection.execute(
        update(stage_executions)
        .where(which, stage_executions.c.status == StageStatus.IN_PROGRESS.value)
        .values(node=None, turn=stage_executions.c.turn + 1)
    )
    dialect.notify_stage_waiting(connection)


def any_waiting(connection: Connection) -> bool:
    """Whether a stage waits for an engine."""
    query = select(stage_executions.c.id).where(stage_executions.c.node.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def take(connection: Connection, node: str, limit: int) -> list[tuple[str, int]]:
    """Assign up to `limit` waiting stages, the oldest first, to `node`: their ids and turns."""
    waiting = (
        select(stage_executions.c.id)
        .where(stage_executions.c.node.is_(None))
        .order_by(stage_executions.c.started_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = connection.execute(
        update(stage_executions)
        .where(stage_executions.c.id.in_(waiting.scalar_subquery()))
        .values(node=node)
        .returning(stage_executions.c.id, stage_executions.c.turn)
    )
    return [(row.id, row.turn) for row in taken]


def unfinished(connection: Connection, node: str) -> list[tuple[str, int]]:
    """The turns that may have more to do, of stages that `node` has taken: stage ids and turns.

    Of each stage that has not ended, the newest turn and those whose actions or rules still run.
    """
    taken = (
        stage_executions.c.node == node,
        stage_executions.c.status == StageStatus.IN_PROGRESS.value,
    )
    newest = select(stage_executions.c.id, stage_executions.c.turn).where(*taken)
    running = [
        select(stage_executions.c.id, table.c.turn).where(
            *taken,
            # The execution's id, too, since that is what has an index.
            table.c.execution_id == stage_executions.c.execution_id,
            table.c.stage_execution_id == stage_executions.c.id,
            table.c.status == ActionStatus.IN_PROGRESS.value,
            table.c.waits_until.is_(None),
        )
        for table in (action_executions, rule_executions)
    ]
    return [(row.id, row.turn) for row in connection.execute(union(newest, *running))]


def find(connection: Connection, stage_execution_id: str) -> StageExecution | None:
    """A stage execution by its id."""
    query = select(stage_executions).where(stage_executions.c.id == stage_execution_id)
    row = connection.execute(query).first()
    return None if row is None else _stage_execution(row)


def finish(connection: Connection, stage_execution_id: str, status: StageStatus) -> bool:
    """Give a stage execution its last status; False when it already had one."""
    return bool(
        connection.execute(
            update(stage_executions)
            .where(
                stage_executions.c.id == stage_execution_id,
                stage_executions.c.status == StageStatus.IN_PROGRESS.value,
            )
            .values(status=status.value, updated_at=time.time())
        ).rowcount
    )


def pass_after_all(connection: Connection, stage_execution_id: str) -> None:
    """Let a stage execution that failed count as succeeded."""
    connection.execute(
        update(stage_executions)
        .where(stage_executions.c.id == stage_execution_id)
        .values(status=StageStatus.SUCCEEDED.value, updated_at=time.time())
    )


def latest(connection: Connection, pipeline_id: int) -> dict[str, StageExecution]:
    """The newest stage execution of each stage of a pipeline, by stage name."""
    rows = executed.newest(connection, stage_executions, ("stage_name",), pipeline_id)
    return {row.stage_name: _stage_execution(row) for row in rows}


def newest_in(connection: Connection, pipeline_id: int, stage_name: str) -> str | None:
    """The execution that has entered a stage last."""
    query = (
        select(stage_executions.c.execution_id)
        .where(
            stage_executions.c.pipeline_id == pipeline_id,
            stage_executions.c.stage_name == stage_name,
        )
        .order_by(stage_executions.c.started_at.desc(), stage_executions.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def attempts(
    connection: Connection, execution_ids: Collection[str]
) -> dict[tuple[str, str], list[StageExecution]]:
    """All passages of the executions, the newest first, by execution id and stage name."""
    query = (
        select(stage_executions)
        .where(stage_executions.c.execution_id.in_(execution_ids))
        .order_by(stage_executions.c.started_at.desc(), stage_executions.c.id.desc())
    )
    found: dict[tuple[str, str], list[StageExecution]] = {}
    for row in connection.execute(query):
        found.setdefault((row.execution_id, row.stage_name), []).append(_stage_execution(row))
    return found


def _stage_execution(row: Row[Any]) -> StageExecution:
    return StageExecution(
        id=row.id,
        execution_id=row.execution_id,
        pipeline_id=row.pipeline_id,
        stage_name=row.stage_name,
        status=StageStatus(row.status),
        started_at=row.started_at,
        updated_at=row.updated_at,
        done_before=frozenset(row.done_before or ()),
        retries=tuple(map(frozenset, row.retries or ())),
        retry_trigger=row.retry_trigger and RetryTrigger(row.retry_trigger),
        entry_overridden=row.entry_overridden,
    )
