"""What jobs do to the actions they stand for; the pipeline is locked by the transaction."""

from dataclasses import replace

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError, InvalidJobStateException, JobNotFoundException
from hookline.executions import outcomes
from hookline.model import JobStatus, Scope, new_id
from hookline.store import action_executions, action_types, jobs, pipelines, stage_executions
from hookline.store.action_executions import ActionExecution
from hookline.store.jobs import Job


def offer(connection: Connection, execution: ActionExecution) -> None:
    """Queue the first job of an action that waits for a worker."""
    pipeline = pipelines.get(connection, execution.pipeline_id, execution.pipeline_version)
    if pipeline is None:
        return
    action = pipeline.action(execution.stage_name, execution.action_name)
    custom = action_types.find(connection, pipeline.scope, action.type)
    key = None if custom is None else custom.queryable_key
    job = Job(
        id=new_id(),
        scope=pipeline.scope,
        type=action.type,
        action_execution_id=execution.id,
        execution_id=execution.execution_id,
        pipeline_id=pipeline.id,
        status=JobStatus.QUEUED,
        query_value=None if key is None else action.configuration[key],
    )
    jobs.insert(connection, job)


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


def go_on(connection: Connection, job: Job, continuation_token: str) -> None:
    """Let another job, which is given the token, follow a locked one; the action goes on."""
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
    """End the action of a locked job well."""
    jobs.end(connection, job.id, JobStatus.SUCCEEDED)
    outcomes.succeed(connection, job.action_execution_id, result)
    _wake(connection, job)


def fail(connection: Connection, job: Job, error: ActionError) -> None:
    """End the action of a locked job badly."""
    jobs.end(connection, job.id, JobStatus.FAILED)
    outcomes.fail(connection, job.action_execution_id, error)
    _wake(connection, job)


def _wake(connection: Connection, job: Job) -> None:
    execution = action_executions.find(connection, job.action_execution_id)
    if execution is not None:
        stage_executions.wake(connection, execution.stage_execution_id)
