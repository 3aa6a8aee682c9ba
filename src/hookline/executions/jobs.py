"""What jobs do to the actions they stand for; the pipeline is locked by the transaction."""

from dataclasses import replace

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError, InvalidJobStateException, JobNotFoundException
from hookline.executions.finish import end
from hookline.model import JobStatus, Scope, new_id
from hookline.store import action_executions, jobs, pipelines
from hookline.store.jobs import Job


def find(connection: Connection, scope: Scope, job_id: str) -> Job:
    """A job of the scope. Raises JobNotFoundException."""
    job = jobs.find(connection, job_id)
    if job is None or job.scope != scope:
        raise JobNotFoundException(
            f"Account '{scope.account}' does not have a job with id '{job_id}' in {scope.region}"
        )
    return job


def lock(connection: Connection, scope: Scope, job_id: str) -> Job:
    """A job that a worker has, with its pipeline locked until the transaction ends.

    Raises:
        JobNotFoundException: the scope has no such job.
        InvalidJobStateException: no worker has acknowledged it, or it has ended.
    """
    pipelines.lock_by_id(connection, find(connection, scope, job_id).pipeline_id)
    job = find(connection, scope, job_id)
    if job.status is not JobStatus.IN_PROGRESS:
        raise InvalidJobStateException(
            f"The job '{job_id}' is {job.status.value}; only a job InProgress takes a result"
        )
    return job


def continue_with(connection: Connection, job: Job, continuation_token: str) -> None:
    """Queue another job, with the token, after a locked one; the action continues."""
    jobs.end(connection, job.id, JobStatus.SUCCEEDED)
    following = replace(
        job,
        id=new_id(),
        status=JobStatus.QUEUED,
        continuation_token=continuation_token,
        nonce=None,
    )
    jobs.insert(connection, following)


def succeed(connection: Connection, job: Job, result: ActionResult) -> None:
    """End a locked job and its action with success."""
    _end(connection, job, JobStatus.SUCCEEDED, result)


def fail(connection: Connection, job: Job, error: ActionError) -> None:
    """End a locked job and its action with a failure."""
    _end(connection, job, JobStatus.FAILED, error)


def _end(
    connection: Connection, job: Job, status: JobStatus, outcome: ActionResult | ActionError
) -> None:
    jobs.end(connection, job.id, status)
    execution = action_executions.find(connection, job.action_execution_id)
    if execution is not None and execution.waits:
        end(connection, execution, outcome)
