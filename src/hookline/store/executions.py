"""Pipeline executions and their positions."""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Select, and_, delete, select, tuple_, update

from hookline.model import (
    Execution,
    ExecutionStatus,
    Pipeline,
    SourceRevision,
    StopRequest,
    Trigger,
    first_id_at,
)
from hookline.store import action_logs, dialect
from hookline.store.mapping import Mapper
from hookline.store.tables import (
    action_executions,
    condition_executions,
    discarded_artifacts,
    executions,
    has_ended,
    has_succeeded,
    is_active,
    jobs,
    source_revisions,
    stage_executions,
)

_CLOCKS_DIFFER_S = 600.0


@dataclass(frozen=True, slots=True)
class Position:
    """An active execution: it is inside `stage_name`, or waits to enter it."""

    execution_id: str
    stage_name: str
    in_stage: bool


def active(connection: Connection, pipeline_id: int) -> list[Position]:
    """The executions of a pipeline that are not finished, the oldest first."""
    found = dialect.rows(connection, _ACTIVE_OF_PIPELINE, pipeline_id)
    return [
        Position(execution_id, stage_name, in_stage=bool(in_stage))
        for execution_id, stage_name, in_stage in found
    ]


_ACTIVE_OF_PIPELINE = (
    "SELECT id, stage_name, in_stage FROM hookline_executions "  # noqa: S608 - our own names
    f"WHERE pipeline_id = ? AND {is_active.text} ORDER BY sequence"
)


_EXECUTIONS = Mapper(
    executions,
    Execution,
    written={"trigger_type": "trigger.type", "trigger_detail": "trigger.detail"},
    read={
        "trigger": lambda row: Trigger(row.trigger_type, row.trigger_detail),
        "stop": lambda row: (
            None if row.abandon is None else StopRequest(row.abandon, row.stop_reason)
        ),
    },
)


def insert(connection: Connection, new: Sequence[Execution]) -> None:
    """Add executions in the order given."""
    _EXECUTIONS.insert(connection, new)
    _insert_keys(connection, set().union(*map(_revision_keys, new)))


def _revision_keys(execution: Execution) -> set[tuple[bytes, str]]:
    return {
        (_revision_key(execution.pipeline_id, revision), execution.id)
        for revision in execution.source_revisions
    }


def _insert_keys(connection: Connection, keys: Collection[tuple[bytes, str]]) -> None:
    dialect.insert_rows(connection, source_revisions, ("key", "execution_id"), sorted(keys))


def move(connection: Connection, execution_id: str, stage_name: str, *, in_stage: bool) -> None:
    """Note that an execution entered `stage_name`, or now waits for it."""
    _update(connection, execution_id, stage_name=stage_name, in_stage=in_stage)


def finish(
    connection: Connection, execution_id: str, status: ExecutionStatus, summary: str | None = None
) -> None:
    """Give an execution its last status."""
    _update(connection, execution_id, status=status.value, in_stage=False, status_summary=summary)


def request_stop(connection: Connection, execution_id: str, request: StopRequest) -> None:
    """Keep the request to stop an execution, and tell the nodes of it."""
    _update(
        connection,
        execution_id,
        status=ExecutionStatus.STOPPING.value,
        status_summary=stop_summary(request),
        abandon=request.abandon,
        stop_reason=request.reason,
    )
    dialect.notify_nodes(connection)


def stop_summary(request: StopRequest) -> str:
    """Why an execution was stopped, in words."""
    return request.reason or "StopPipelineExecution was called"


def abandoned(connection: Connection, execution_ids: Collection[str]) -> list[str]:
    """Those of the executions whose running actions are to be abandoned."""
    query = select(executions.c.id).where(
        executions.c.id.in_(execution_ids),
        executions.c.status == ExecutionStatus.STOPPING.value,
        executions.c.abandon,
    )
    return list(connection.execute(query).scalars())


def resume(connection: Connection, execution_id: str, stage_name: str) -> None:
    """Put an execution that has ended back into a stage."""
    _update(
        connection,
        execution_id,
        status=ExecutionStatus.IN_PROGRESS.value,
        stage_name=stage_name,
        in_stage=True,
        status_summary=None,
        abandon=None,
        stop_reason=None,
    )


def cancel_waiting(connection: Connection, pipeline_id: int, summary: str) -> None:
    """Cancel the executions of a pipeline that are in no stage."""
    connection.execute(
        update(executions)
        .where(
            executions.c.pipeline_id == pipeline_id,
            is_active,
            executions.c.in_stage.is_(False),
        )
        .values(
            status=ExecutionStatus.CANCELLED.value,
            status_summary=summary,
            updated_at=time.time(),
        )
    )


def set_source_revision(
    connection: Connection, execution_id: str, revision: SourceRevision
) -> None:
    """Keep the revision that a source action really fetched."""
    execution = find(connection, execution_id, for_update=True)
    if execution is None:
        return
    for earlier in execution.source_revisions:
        if (earlier.action_name, earlier.revision_id) == (
            revision.action_name,
            revision.revision_id,
        ):
            # PutActionRevision gave a change id and a time, which a fetch does not know.
            revision = replace(revision, change_id=earlier.change_id, created=earlier.created)
    others = (x for x in execution.source_revisions if x.action_name != revision.action_name)
    changed = replace(execution, source_revisions=(*others, revision))
    _update(connection, execution_id, source_revisions=changed.source_revisions)
    keys = _revision_keys(changed)
    if keys != _revision_keys(execution):
        # All of them, so that they are right afterwards whatever they were before.
        of_execution = source_revisions.c.execution_id == execution_id
        connection.execute(delete(source_revisions).where(of_execution))
        _insert_keys(connection, keys)


def _update(connection: Connection, execution_id: str, **values: Any) -> None:
    connection.execute(
        update(executions)
        .where(executions.c.id == execution_id)
        .values(updated_at=time.time(), **values)
    )


def find(
    connection: Connection, execution_id: str, *, for_update: bool = False
) -> Execution | None:
    """An execution by its id; `for_update` keeps it from being forgotten before the commit."""
    query = select(executions).where(executions.c.id == execution_id)
    return _EXECUTIONS.first(connection, query.with_for_update() if for_update else query)


def find_all(connection: Connection, execution_ids: Collection[str]) -> dict[str, Execution]:
    """Those of the executions that are there, by id."""
    query = select(executions).where(executions.c.id.in_(execution_ids))
    return {row.id: _EXECUTIONS.value(row) for row in connection.execute(query)}


def find_by_request_token(connection: Connection, pipeline_id: int, token: str) -> Execution | None:
    """The execution that a call with this clientRequestToken has started already."""
    query = select(executions).where(
        executions.c.pipeline_id == pipeline_id, executions.c.client_request_token == token
    )
    return _EXECUTIONS.first(connection, query)


def find_by_revision(
    connection: Connection, pipeline_id: int, revision: SourceRevision
) -> Execution | None:
    """The newest execution of a pipeline that has had this revision of its source action."""
    key = _revision_key(pipeline_id, revision)
    query = (
        select(executions)
        .join(source_revisions, source_revisions.c.execution_id == executions.c.id)
        .where(source_revisions.c.key == key)
        .order_by(source_revisions.c.execution_id.desc())
        .limit(1)
    )
    return _EXECUTIONS.first(connection, query)


def page(
    connection: Connection, pipeline_id: int, before: int | None, limit: int
) -> list[tuple[int, Execution]]:
    """Up to `limit` executions, the newest first, with their sequence; those before `before`."""
    query = select(executions).where(executions.c.pipeline_id == pipeline_id)
    if before is not None:
        query = query.where(executions.c.sequence < before)
    rows = connection.execute(query.order_by(executions.c.sequence.desc()).limit(limit))
    return [(row.sequence, _EXECUTIONS.value(row)) for row in rows]


def page_of_succeeded(
    connection: Connection, pipeline: Pipeline, stage_name: str, before: str | None, limit: int
) -> list[Execution]:
    """Up to `limit` executions of this version that have passed a stage, the newest id first.

    `before` is the id of the last one seen.
    """
    query = _succeeded(pipeline, stage_name).limit(limit)
    if before is not None:
        query = query.where(stage_executions.c.execution_id < before)
    return _EXECUTIONS.all(connection, query)


def last_succeeded_in(connection: Connection, pipeline: Pipeline, stage_name: str) -> str | None:
    """The id of the newest execution of this version, rollbacks apart, that passed a stage."""
    is_no_rollback = executions.c.rollback_target.is_(None)
    query = _succeeded(pipeline, stage_name).where(is_no_rollback).limit(1)
    row = connection.execute(query).first()
    return None if row is None else str(row.id)


def _succeeded(pipeline: Pipeline, stage_name: str) -> Select[Any]:
    # The earliest that an execution of the version can have started, with room for clocks that
    # differ: so that a look for the first one of a new version does not go through all old ones.
    earliest = first_id_at(pipeline.updated_at - _CLOCKS_DIFFER_S)
    return (
        select(executions)
        .join(stage_executions, stage_executions.c.execution_id == executions.c.id)
        .where(
            stage_executions.c.pipeline_id == pipeline.id,
            stage_executions.c.stage_name == stage_name,
            has_succeeded,
            stage_executions.c.execution_id >= earliest,
            executions.c.pipeline_version == pipeline.version,
        )
        .order_by(stage_executions.c.execution_id.desc())
    )


class Ended(NamedTuple):
    """An execution that has ended, at `ended_at` in epoch seconds."""

    ended_at: float
    id: str
    pipeline_id: int


def ended_before(
    connection: Connection, before: float, after: tuple[float, str] | None, limit: int
) -> list[Ended]:
    """At most `limit` executions that ended before `before`, by when they did, locked.

    They follow the time and id `after`, if given. One that is retried at this moment is left out.
    """
    order = (executions.c.updated_at, executions.c.id)
    query = (
        select(*order, executions.c.pipeline_id)
        .where(has_ended, executions.c.updated_at < before)
        .order_by(*order)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        query = query.where(tuple_(*order) > after)
    return [Ended(*row) for row in connection.execute(query)]


def rollback_targets(
    connection: Connection, pipeline_ids: Collection[int], kept: Collection[str]
) -> set[str]:
    """What the active executions of some pipelines, and those in `kept`, roll back to."""
    # Two queries: for both in one, a database goes through all executions of the pipelines.
    of_active = and_(is_active, executions.c.pipeline_id.in_(pipeline_ids))
    targets = {
        target
        for which in (of_active, executions.c.id.in_(kept))
        for target in connection.execute(
            select(executions.c.rollback_target).where(which)
        ).scalars()
    }
    return targets - {None}


def remove(connection: Connection, ids: Collection[str]) -> None:
    """Delete executions with all their rows, and note that their artifacts are to be deleted."""
    with_artifacts = (
        select(action_executions.c.pipeline_id, action_executions.c.execution_id)
        .where(action_executions.c.execution_id.in_(ids))
        .distinct()
    )
    names = ["pipeline_id", "execution_id"]
    connection.execute(discarded_artifacts.insert().from_select(names, with_artifacts))
    action_logs.remove(connection, ids)
    of_executions = (
        jobs,
        action_executions,
        condition_executions,
        stage_executions,
        source_revisions,
    )
    for table in of_executions:
        connection.execute(delete(table).where(table.c.execution_id.in_(ids)))
    connection.execute(delete(executions).where(executions.c.id.in_(ids)))


def discarded(connection: Connection, limit: int, after: str = "") -> list[tuple[int, str]]:
    """Up to `limit` executions that were removed, but whose artifacts are still in their store.

    In order, each as the id of its pipeline and its own, which follows `after`.
    """
    query = (
        select(discarded_artifacts.c.pipeline_id, discarded_artifacts.c.execution_id)
        .where(discarded_artifacts.c.execution_id > after)
        .order_by(discarded_artifacts.c.execution_id)
        .limit(limit)
    )
    return [(row.pipeline_id, row.execution_id) for row in connection.execute(query)]


def forget_discarded(connection: Connection, execution_ids: Collection[str]) -> None:
    """Note that the artifacts of removed executions are deleted."""
    of_executions = discarded_artifacts.c.execution_id.in_(execution_ids)
    connection.execute(delete(discarded_artifacts).where(of_executions))


def _revision_key(pipeline_id: int, revision: SourceRevision) -> bytes:
    # A digest, since a revision's id can be longer than what PostgreSQL keeps in an index.
    named = orjson.dumps([pipeline_id, revision.action_name, revision.revision_id])
    return hashlib.sha256(named).digest()
