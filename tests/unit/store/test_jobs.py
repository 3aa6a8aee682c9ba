"""Jobs in the store: each is handed out once, and again when nobody says that it has it."""

from dataclasses import replace
from typing import Any

import pytest

from hookline.model import ActionType, JobStatus, Scope, new_id
from hookline.store import jobs
from hookline.store.database import Database
from hookline.store.jobs import Job, Wanted

SCOPE = Scope("000000000000", "us-east-1")
KIND = ActionType("Build", "Custom", "Jenkins", "1")
WANTED = Wanted(SCOPE, KIND, None, forgotten_before=0.0)


def queue(database: Database, **changes: Any) -> Job:
    job = Job(new_id(), SCOPE, KIND, "action", "execution", 1, JobStatus.QUEUED)
    changed = replace(job, **changes)
    with database.write() as connection:
        jobs.insert(connection, changed)
    return changed


def dispatch(database: Database, wanted: Wanted = WANTED, limit: int = 10) -> list[Job]:
    with database.write() as connection:
        offered = jobs.any_offered(connection, wanted)
        handed_out = jobs.dispatch(connection, wanted, limit)
    assert offered == bool(handed_out)
    return handed_out


def find(database: Database, job: Job) -> Job:
    with database.read() as connection:
        found = jobs.find(connection, job.id)
    assert found is not None
    return found


def acknowledge(database: Database, job: Job, nonce: str) -> JobStatus:
    with database.write() as connection:
        jobs.acknowledge(connection, job.id, nonce)
    return find(database, job).status


def test_jobs_are_handed_out_once_in_their_order(database: Database) -> None:
    queued = [queue(database) for _ in range(5)]
    first = dispatch(database, limit=3)
    second = dispatch(database)
    assert [job.id for job in (*first, *second)] == [job.id for job in queued]
    assert {job.status for job in (*first, *second)} == {JobStatus.DISPATCHED}
    assert len({job.nonce for job in (*first, *second)}) == len(queued)
    assert dispatch(database) == []


def test_polls_at_the_same_moment_get_different_jobs(database: Database) -> None:
    if database.engine.dialect.name == "sqlite":
        # Transactions that write wait for each other there.
        return
    queued = [queue(database) for _ in range(2)]
    with database.write() as one, database.write() as other:
        [first] = jobs.dispatch(one, WANTED, 1)
        [second] = jobs.dispatch(other, WANTED, 1)
    assert {first.id, second.id} == {job.id for job in queued}


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": Scope("000000000000", "eu-west-1")},
        {"scope": Scope("111111111111", "us-east-1")},
        {"type": replace(KIND, category="Test")},
        {"type": replace(KIND, provider="Other")},
        {"type": replace(KIND, version="2")},
        {"query_value": "mine"},
        {"status": JobStatus.IN_PROGRESS},
        {"status": JobStatus.SUCCEEDED},
    ],
)
def test_a_poll_gets_what_it_asks_for_alone(database: Database, changes: dict[str, Any]) -> None:
    queue(database, **changes)
    assert dispatch(database) == []


def test_a_poll_gets_the_jobs_of_the_value_it_asks_for(database: Database) -> None:
    mine, _, _ = (queue(database, query_value=value) for value in ("mine", "yours", None))
    assert [job.id for job in dispatch(database, replace(WANTED, query_value="mine"))] == [mine.id]


def test_a_job_is_had_by_whoever_was_given_it_last(database: Database) -> None:
    queue(database)
    [first] = dispatch(database)
    later = replace(WANTED, forgotten_before=float("inf"))
    [again] = dispatch(database, later)
    assert again.id == first.id
    assert first.nonce is not None
    assert again.nonce is not None
    assert again.nonce != first.nonce
    assert acknowledge(database, first, first.nonce) is JobStatus.DISPATCHED
    assert acknowledge(database, again, again.nonce) is JobStatus.IN_PROGRESS
    assert acknowledge(database, again, again.nonce) is JobStatus.IN_PROGRESS
    assert dispatch(database, later) == [], "somebody has it"


def test_what_has_ended_ends_no_other_way(database: Database) -> None:
    one, two, other = (
        queue(database, action_execution_id=name, pipeline_id=number)
        for name, number in (("one", 1), ("two", 1), ("other", 2))
    )
    with database.write() as connection:
        jobs.end(connection, one.id, JobStatus.SUCCEEDED)
        jobs.end_of_action(connection, "one", JobStatus.TIMED_OUT)
        jobs.end_of_action(connection, "two", JobStatus.TIMED_OUT)
    statuses = [find(database, job).status for job in (one, two, other)]
    assert statuses == [JobStatus.SUCCEEDED, JobStatus.TIMED_OUT, JobStatus.QUEUED]
    assert [job.id for job in dispatch(database)] == [other.id]
