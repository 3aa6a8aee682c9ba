"""The journal's calls may be repeated: what was done stays done (on both databases)."""

from collections.abc import Callable, Iterator

import pytest

from hookline.actions.provider import ActionResult, Artifact
from hookline.engine.journal import ActionTask
from hookline.errors import ActionError
from hookline.executions.journal import StoreJournal
from hookline.executions.start import Start, start
from hookline.model import ExecutionStatus, Scope, Trigger, new_id
from hookline.sealing import Seal
from hookline.store import executions, pipelines
from hookline.store.database import Database

SCOPE = Scope("000000000000", "us-east-1")


def action(name: str, category: str, run_order: int = 1) -> dict[str, object]:
    kind = {"category": category, "owner": "AWS", "provider": "Any", "version": "1"}
    return {"name": name, "actionTypeId": kind, "runOrder": run_order}


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
def begin(database: Database) -> Callable[[], str]:
    """Starts an execution of a pipeline with two stages; the execution's id."""
    stages = [
        {"name": "Source", "actions": [action("App", "Source")]},
        {"name": "Build", "actions": [action("B", "Build", 2), action("A", "Build")]},
    ]
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})

    def begin_one() -> str:
        wish = Start(new_id(), Trigger("Webhook", "arn"))
        with database.write() as connection:
            pipelines.lock(connection, [(SCOPE, "p")])
            pipeline = pipelines.find(connection, SCOPE, "p")
            assert pipeline is not None
            start(connection, pipeline, [wish])
        return wish.execution_id

    return begin_one


def status(database: Database, execution_id: str) -> ExecutionStatus:
    with database.read() as connection:
        execution = executions.find(connection, execution_id)
    assert execution is not None
    return execution.status


def run(journal: StoreJournal, stage_id: str, name: str) -> ActionTask:
    task = journal.begin(stage_id, name)
    assert isinstance(task, ActionTask)
    return task


def test_a_stage_is_taken_once_and_opened_in_run_order(
    journal: StoreJournal, begin: Callable[[], str]
) -> None:
    begin()
    [source] = journal.take(10)
    assert journal.take(10) == []
    assert journal.unfinished() == [source]
    assert journal.open(source) == journal.open(source) == [["App"]]


def test_an_action_that_ended_is_not_run_again(
    journal: StoreJournal, begin: Callable[[], str]
) -> None:
    begin()
    [source] = journal.take(1)
    first, again = run(journal, source, "App"), run(journal, source, "App")
    assert first == again, "an interrupted one is"
    journal.succeed(first.action_execution_id, ActionResult("done", artifacts=()))
    assert journal.begin(source, "App") is True
    journal.close(source)
    [build] = journal.take(1)
    assert journal.open(build) == [["A"], ["B"]]
    failed = run(journal, build, "A")
    journal.fail(failed.action_execution_id, ActionError("no"))
    assert journal.begin(build, "A") is False


def test_a_stage_closes_once(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    [source] = journal.take(1)
    result = ActionResult("done", artifacts=(Artifact("Code", "key"),))
    journal.succeed(run(journal, source, "App").action_execution_id, result)
    for _ in range(3):
        journal.close(source)
    [build] = journal.take(10)
    for name in ("A", "B"):
        task = run(journal, build, name)
        journal.succeed(task.action_execution_id, ActionResult("done"))
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    for _ in range(3):
        journal.close(build)
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED
    assert journal.take(10) == journal.unfinished() == []


def test_a_stage_whose_action_failed_or_never_ran_fails_its_execution(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    failed, waiting = begin(), begin()
    [source] = journal.take(10)
    task = run(journal, source, "App")
    journal.fail(task.action_execution_id, ActionError("no"))
    journal.close(source)
    assert status(database, failed) is ExecutionStatus.FAILED
    # The next one enters as the stage is left.
    [source] = journal.take(10)
    assert run(journal, source, "App").execution_id == waiting
    journal.close(source)
    assert status(database, waiting) is ExecutionStatus.FAILED
