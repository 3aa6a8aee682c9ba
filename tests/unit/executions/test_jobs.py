"""A job and its action begin and end together, whoever ends them (on both databases)."""

from collections.abc import Iterator

import pytest

from hookline.actions.provider import ActionResult, Waiting
from hookline.engine.journal import StageTurn
from hookline.errors import ActionError, InvalidJobStateException
from hookline.executions import jobs as job_results
from hookline.executions.journal import StoreJournal
from hookline.executions.start import Start, start
from hookline.executions.stop import stop
from hookline.model import ActionStatus, ActionType, JobStatus, Scope, StopRequest, Trigger, new_id
from hookline.sealing import Seal
from hookline.store import action_executions, action_types, executions, jobs, pipelines
from hookline.store.action_types import CustomActionType
from hookline.store.database import Database
from hookline.store.jobs import Job, Wanted

SCOPE = Scope("000000000000", "us-east-1")
KIND = ActionType("Source", "Custom", "Gerrit", "1")
IDENTIFIER = {"category": "Source", "owner": "Custom", "provider": "Gerrit", "version": "1"}
STAGES = [
    {"name": name, "actions": [{"name": "App", "actionTypeId": IDENTIFIER}]}
    for name in ("Source", "Build")
]
DETAILS = {"minimumCount": 0, "maximumCount": 5}
DEFINITION = {"inputArtifactDetails": DETAILS, "outputArtifactDetails": DETAILS}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def journal(database: Database) -> StoreJournal:
    return StoreJournal(database, Seal([b"k" * 32]), "node")


@pytest.fixture
def turn(database: Database, journal: StoreJournal) -> StageTurn:
    """The first turn of an execution that begins with a custom action."""
    with database.write() as connection:
        action_types.put(connection, SCOPE, CustomActionType(KIND, DEFINITION))
        pipeline = pipelines.create(connection, SCOPE, {"name": "p", "stages": STAGES})
        assert pipeline is not None
        start(connection, pipeline, [Start(new_id(), Trigger("Webhook", "arn"))])
    [turn] = journal.take(1)
    return turn


def offer(journal: StoreJournal, turn: StageTurn, seconds: float = 60) -> str:
    """Begin the action, as its provider does; the id of its execution."""
    task = journal.begin(turn, "App")
    assert task is not None
    waiting = Waiting("token", seconds, by_worker=True)
    journal.wait_for(task.action_execution_id, waiting)
    # As when the answer to the first call was lost.
    journal.wait_for(task.action_execution_id, waiting)
    return task.action_execution_id


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
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    identifier = offer(journal, turn)
    job = have(database)
    assert job.action_execution_id == identifier
    assert journal.next_actions(turn) == []
    with database.write() as connection:
        locked = job_results.lock(connection, SCOPE, job.id)
        job_results.succeed(connection, locked, ActionResult("done"))
    assert find(database, job).status is JobStatus.SUCCEEDED
    assert status(database, identifier) is ActionStatus.SUCCEEDED
    [following] = journal.take(10)
    assert following.number == turn.number + 1
    assert journal.next_actions(following) == []
    [build] = journal.take(10)
    assert journal.next_actions(build) == ["App"]


def test_jobs_follow_each_other_while_the_action_goes_on(
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    identifier = offer(journal, turn)
    first = have(database)
    with database.write() as connection:
        job_results.go_on(connection, first, "more")
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


def test_a_job_that_nobody_ends_in_time_is_timed_out(
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    identifier = offer(journal, turn, seconds=-1)
    job = have(database)
    journal.settle()
    assert find(database, job).status is JobStatus.TIMED_OUT
    assert status(database, identifier) is ActionStatus.FAILED
    with pytest.raises(InvalidJobStateException, match="TimedOut"), database.write() as connection:
        job_results.lock(connection, SCOPE, job.id)
    assert len(journal.take(10)) == 1


def test_an_abandoned_action_takes_its_job_along(
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    identifier = offer(journal, turn)
    job = have(database)
    with database.write() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        stop(connection, pipeline, job.execution_id, StopRequest(abandon=True))
    assert find(database, job).status is JobStatus.FAILED
    assert status(database, identifier) is ActionStatus.ABANDONED


def test_jobs_are_forgotten_with_their_execution(
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    offer(journal, turn)
    job = have(database)
    with database.write() as connection:
        job_results.fail(connection, job, ActionError("no"))
    [last] = journal.take(10)
    assert journal.next_actions(last) == []
    with database.write() as connection:
        executions.remove(connection, [job.execution_id])
        assert jobs.find(connection, job.id) is None


def test_the_action_of_a_deleted_type_fails_when_its_turn_comes(
    database: Database, journal: StoreJournal, turn: StageTurn
) -> None:
    with database.write() as connection:
        action_types.mark_deleted(connection, SCOPE, KIND)
    assert journal.begin(turn, "App") is None
    assert journal.next_actions(turn) == []
    with database.read() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        failed = action_executions.latest(connection, pipeline.id)["Source", "App"]
    assert failed.error_code == "ConfigurationError"
