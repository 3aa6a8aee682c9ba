"""A job and its action begin and end together, whoever ends them (on both databases)."""

import pytest

from hookline.actions.provider import ActionResult, Waiting
from hookline.errors import ActionError, InvalidJobStateException
from hookline.executions import clock
from hookline.executions import jobs as job_results
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.executions.stop import stop
from hookline.executions.take import prepare
from hookline.model import (
    ActionStatus,
    ActionType,
    JobStatus,
    Scope,
    StopRequest,
    Trigger,
    new_id,
)
from hookline.sealing import Seal
from hookline.store import action_executions, action_types, executions, jobs, pipelines
from hookline.store.action_types import CustomActionType
from hookline.store.database import Database
from hookline.store.jobs import Job, Wanted
from support.node import TestNode

SCOPE = Scope("000000000000", "us-east-1")
KIND = ActionType("Source", "Custom", "Gerrit", "1")
IDENTIFIER = {"category": "Source", "owner": "Custom", "provider": "Gerrit", "version": "1"}
STAGES = [
    {"name": name, "actions": [{"name": "App", "actionTypeId": IDENTIFIER}]}
    for name in ("Source", "Build")
]
DETAILS = {"minimumCount": 0, "maximumCount": 5}
DEFINITION = {"inputArtifactDetails": DETAILS, "outputArtifactDetails": DETAILS}


@pytest.fixture(autouse=True)
def _begin(database: Database) -> None:
    """An execution begins with a custom action."""
    with database.write() as connection:
        action_types.put(connection, SCOPE, CustomActionType(KIND, DEFINITION))
        pipeline = pipelines.create(connection, SCOPE, {"name": "p", "stages": STAGES})
        assert pipeline is not None
        request = StartRequest(SCOPE, "p", new_id(), Trigger("Webhook", "arn"))
        start(connection, pipeline, [request])


def offer(node: TestNode, seconds: float = 60) -> str:
    """Begin the action, as its provider does; the id of its execution."""
    task = node.take_one()
    waiting = Waiting("token", seconds, by_worker=True)
    assert node.finish(task, waiting)
    assert not node.finish(task, waiting), "as when the answer to the first call was lost"
    return task.id


def have(database: Database) -> Job:
    """A job that a worker has; there is only one."""
    with database.write() as connection:
        [job] = jobs.dispatch(connection, Wanted(SCOPE, KIND, None, 0.0), 10)
        assert job.nonce is not None
        jobs.acknowledge(connection, job.id, job.nonce)
    return find(database, job)


def find(database: Database, job: Job) -> Job:
    with database.read() as connection:
        return job_results.find(connection, SCOPE, job.id)


def status(database: Database, action_execution_id: str) -> ActionStatus:
    with database.read() as connection:
        found = action_executions.find(connection, action_execution_id)
    assert found is not None
    return found.status


def test_an_action_offers_one_job_and_its_success_lets_the_stage_go_on(
    database: Database, node: TestNode
) -> None:
    identifier = offer(node)
    job = have(database)
    assert job.action_execution_id == identifier
    assert node.take() == {}
    with database.write() as connection:
        locked = job_results.lock(connection, SCOPE, job.id)
        job_results.succeed(connection, locked, ActionResult("done"))
    assert find(database, job).status is JobStatus.SUCCEEDED
    assert status(database, identifier) is ActionStatus.SUCCEEDED
    assert node.take_one().stage_name == "Build"


def test_jobs_follow_each_other_while_the_action_is_in_progress(
    database: Database, node: TestNode
) -> None:
    identifier = offer(node)
    first = have(database)
    with database.write() as connection:
        job_results.continue_with(connection, first, "more")
    second = have(database)
    assert second.continuation_token == "more"
    assert second.id != first.id
    assert find(database, first).status is JobStatus.SUCCEEDED
    assert status(database, identifier) is ActionStatus.IN_PROGRESS
    with database.write() as connection:
        job_results.fail(connection, second, ActionError("no"))
    assert status(database, identifier) is ActionStatus.FAILED
    with pytest.raises(InvalidJobStateException), database.write() as connection:
        job_results.lock(connection, SCOPE, second.id)


def test_a_job_that_nobody_ends_in_time_is_timed_out(database: Database, node: TestNode) -> None:
    identifier = offer(node, seconds=-1)
    job = have(database)
    clock.end_waits(database)
    assert find(database, job).status is JobStatus.TIMED_OUT
    assert status(database, identifier) is ActionStatus.FAILED
    with pytest.raises(InvalidJobStateException, match="TimedOut"), database.write() as connection:
        job_results.lock(connection, SCOPE, job.id)


def test_an_abandoned_action_takes_its_job_along(database: Database, node: TestNode) -> None:
    identifier = offer(node)
    job = have(database)
    with database.write() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        stop(connection, pipeline, job.execution_id, StopRequest(abandon=True))
    assert find(database, job).status is JobStatus.FAILED
    assert status(database, identifier) is ActionStatus.ABANDONED


def test_jobs_are_forgotten_with_their_execution(database: Database, node: TestNode) -> None:
    offer(node)
    job = have(database)
    with database.write() as connection:
        job_results.fail(connection, job, ActionError("no"))
    with database.write() as connection:
        executions.remove(connection, [job.execution_id])
        assert jobs.find(connection, job.id) is None


def test_the_action_of_a_deleted_type_fails_when_its_turn_comes(
    database: Database, node: TestNode
) -> None:
    with database.write() as connection:
        action_types.mark_deleted(connection, SCOPE, KIND)
    held = node.take_one()
    with pytest.raises(ActionError, match="was deleted") as refused:
        prepare(database, Seal([b"k" * 32]), held)
    node.finish(held, refused.value)
    with database.read() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        failed = action_executions.latest(connection, pipeline.id, "Source", "App")
    assert failed is not None
    assert failed.error_code == "ConfigurationError"
