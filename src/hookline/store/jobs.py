"""Jobs: what PollForJobs hands out, one after the other for an action of a custom type."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from hookline.model import ActionType, JobStatus, Scope
from hookline.store.tables import is_open, jobs


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `nonce` is that of the last poll that handed it out."""

    id: str
    scope: Scope
    type: ActionType
    action_execution_id: str
    execution_id: str
    pipeline_id: int
    status: JobStatus
    query_value: str | None = None
    continuation_token: str | None = None
    nonce: str | None = None


def insert(connection: Connection, job: Job) -> None:
    """Add a job."""
    connection.execute(
        jobs.insert().values(
            id=job.id,
            account=job.scope.account,
            region=job.scope.region,
            category=job.type.category,
            provider=job.type.provider,
            version=job.type.version,
            action_execution_id=job.action_execution_id,
            execution_id=job.execution_id,
            pipeline_id=job.pipeline_id,
            status=job.status.value,
            query_value=job.query_value,
            continuation_token=job.continuation_token,
            nonce=job.nonce,
            updated_at=time.time(),
        )
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a poll asks for.

    A job that was dispatched before `forgotten_before`, in epoch seconds, and that nobody has
    acknowledged since is handed out again.
    """

    scope: Scope
    type: ActionType
    query_value: str | None
    forgotten_before: float


def any_offered(connection: Connection, wanted: Wanted) -> bool:
    """Whether a poll would get a job."""
    query = select(jobs.c.id).where(_is_offered(wanted)).limit(1)
    return connection.execute(query).first() is not None


def dispatch(connection: Connection, wanted: Wanted, limit: int) -> list[Job]:
    """Hand out up to `limit` jobs, the oldest first, each with a new nonce."""
    query = (
        select(jobs)
        .where(_is_offered(wanted))
        .order_by(jobs.c.id)
        .limit(limit)
        # Polls at the same moment get different jobs, and none waits for the other.
        .with_for_update(skip_locked=True)
    )
    found = [row.id for row in connection.execute(query)]
    handed_out = []
    for job_id in found:
        values = {
            "status": JobStatus.DISPATCHED.value,
            "nonce": str(secrets.randbits(63)),
            "updated_at": time.time(),
        }
        changed = update(jobs).where(jobs.c.id == job_id).values(**values).returning(jobs)
        handed_out += [_job(row) for row in connection.execute(changed)]
    return handed_out


def acknowledge(connection: Connection, job_id: str, nonce: str) -> None:
    """Let a worker have the job that was handed out with `nonce`, if nobody has it yet."""
    connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job_id,
            jobs.c.nonce == nonce,
            jobs.c.status == JobStatus.DISPATCHED.value,
        )
        .values(status=JobStatus.IN_PROGRESS.value, updated_at=time.time())
    )


def find(connection: Connection, job_id: str) -> Job | None:
    """A job by its id."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    return None if row is None else _job(row)


def end(connection: Connection, job_id: str, status: JobStatus) -> None:
    """End a job."""
    _end(connection, jobs.c.id == job_id, status)


def end_of_action(connection: Connection, action_execution_id: str, status: JobStatus) -> None:
    """End the job of an action that has not ended, if there is one."""
    _end(connection, jobs.c.action_execution_id == action_execution_id, status)


def _end(connection: Connection, which: ColumnElement[bool], status: JobStatus) -> None:
    connection.execute(
        update(jobs).where(which, is_open).values(status=status.value, updated_at=time.time())
    )


def _is_offered(wanted: Wanted) -> ColumnElement[bool]:
    value = wanted.query_value
    return and_(
        is_open,
        jobs.c.account == wanted.scope.account,
        jobs.c.region == wanted.scope.region,
        jobs.c.category == wanted.type.category,
        jobs.c.provider == wanted.type.provider,
        jobs.c.version == wanted.type.version,
        jobs.c.query_value.is_(None) if value is None else jobs.c.query_value == value,
        or_(
            jobs.c.status == JobStatus.QUEUED.value,
            and_(
                jobs.c.status == JobStatus.DISPATCHED.value,
                jobs.c.updated_at < wanted.forgotten_before,
            ),
        ),
    )


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        scope=Scope(row.account, row.region),
        type=ActionType(row.category, "Custom", row.provider, row.version),
        action_execution_id=row.action_execution_id,
        execution_id=row.execution_id,
        pipeline_id=row.pipeline_id,
        status=JobStatus(row.status),
        query_value=row.query_value,
        continuation_token=row.continuation_token,
        nonce=row.nonce,
    )
