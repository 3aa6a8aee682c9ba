"""The journal's calls may be repeated: what was done stays done (on both databases)."""

from collections.abc import Callable

import pytest

from hookline.actions.provider import ActionResult, Artifact, Waiting
from hookline.engine.journal import ActionTask, StageTurn
from hookline.errors import ActionError
from hookline.executions.journal import StoreJournal
from hookline.executions.retry import retry
from hookline.executions.start import Start, start
from hookline.executions.stop import stop
from hookline.model import ActionStatus, ExecutionStatus, Scope, StopRequest, Trigger, new_id
from hookline.store import action_executions, executions, pipelines, states, transitions
from hookline.store.database import Database

SCOPE = Scope("000000000000", "us-east-1")


def action(name: str, category: str, run_order: int = 1) -> dict[str, object]:
    kind = {"category": category, "owner": "AWS", "provider": "Any", "version": "1"}
    return {"name": name, "actionTypeId": kind, "runOrder": run_order}


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


def run(journal: StoreJournal, turn: StageTurn, name: str) -> ActionTask:
    task = journal.begin(turn, name)
    assert isinstance(task, ActionTask)
    return task


def test_a_stage_is_taken_once_and_opened_in_run_order(
    journal: StoreJournal, begin: Callable[[], str]
) -> None:
    begin()
    [source] = journal.take(10)
    assert journal.take(10) == []
    assert journal.unfinished() == [source]
    assert journal.next_actions(source) == journal.next_actions(source) == ["App"]


def test_an_action_that_ended_is_not_run_again(
    journal: StoreJournal, begin: Callable[[], str]
) -> None:
    begin()
    [source] = journal.take(1)
    first, again = run(journal, source, "App"), run(journal, source, "App")
    assert first == again, "an interrupted one is"
    journal.succeed(first.action_execution_id, ActionResult("done", artifacts=()))
    assert journal.begin(source, "App") is None
    assert journal.next_actions(source) == []
    [build] = journal.take(1)
    assert journal.next_actions(build) == ["A"], "B has a later run order"
    failed = run(journal, build, "A")
    journal.fail(failed.action_execution_id, ActionError("no"))
    assert journal.begin(build, "A") is None


def test_a_stage_closes_once(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    [source] = journal.take(1)
    result = ActionResult("done", artifacts=(Artifact("Code", "key"),))
    journal.succeed(run(journal, source, "App").action_execution_id, result)
    for _ in range(3):
        assert journal.next_actions(source) == []
    [build] = journal.take(10)
    for name in ("A", "B"):
        task = run(journal, build, name)
        journal.succeed(task.action_execution_id, ActionResult("done"))
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    for _ in range(3):
        assert journal.next_actions(build) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED
    assert journal.take(10) == journal.unfinished() == []


def test_a_stage_whose_action_failed_fails_its_execution(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    failed, waiting = begin(), begin()
    [source] = journal.take(10)
    task = run(journal, source, "App")
    journal.fail(task.action_execution_id, ActionError("no"))
    assert journal.next_actions(source) == []
    assert status(database, failed) is ExecutionStatus.FAILED
    # The next one enters as the stage is left.
    [source] = journal.take(10)
    assert run(journal, source, "App").execution_id == waiting
    assert journal.next_actions(source) == ["App"], "it was interrupted"
    assert status(database, waiting) is ExecutionStatus.IN_PROGRESS


def request_stop(database: Database, execution_id: str, *, abandon: bool) -> None:
    with database.write() as connection:
        pipelines.lock(connection, [(SCOPE, "p")])
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        stop(connection, pipeline, execution_id, StopRequest(abandon))


def in_build(journal: StoreJournal) -> StageTurn:
    """Bring an execution into the stage Build."""
    [source] = journal.take(1)
    journal.succeed(run(journal, source, "App").action_execution_id, ActionResult("done"))
    assert journal.next_actions(source) == []
    [build] = journal.take(1)
    return build


def test_a_stopping_execution_begins_no_action_but_goes_on_with_those_begun(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    build = in_build(journal)
    task = run(journal, build, "A")
    request_stop(database, execution_id, abandon=False)
    assert journal.abandoned([execution_id]) == []
    assert run(journal, build, "A") == task, "as after a crash"
    journal.succeed(task.action_execution_id, ActionResult("done"))
    assert journal.begin(build, "B") is None
    assert status(database, execution_id) is ExecutionStatus.STOPPING
    for _ in range(2):
        assert journal.next_actions(build) == []
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def test_an_abandoned_action_is_only_cleaned_up(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id, other = begin(), begin()
    build = in_build(journal)
    assert not run(journal, build, "A").abandoned
    request_stop(database, execution_id, abandon=True)
    assert journal.abandoned([execution_id, other]) == [execution_id]
    task = run(journal, build, "A")
    assert task.abandoned
    for _ in range(2):
        journal.abandon(task.action_execution_id)
        assert journal.begin(build, "A") is None
    with database.read() as connection:
        executed = action_executions.find(connection, task.action_execution_id)
    assert executed is not None
    assert executed.status is ActionStatus.ABANDONED
    assert journal.next_actions(build) == []
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert status(database, other) is ExecutionStatus.IN_PROGRESS


def test_a_retry_opens_what_did_not_succeed_and_keeps_what_did(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    build = in_build(journal)
    journal.succeed(run(journal, build, "A").action_execution_id, ActionResult("done"))
    for _ in range(2):
        journal.fail(run(journal, build, "B").action_execution_id, ActionError("no"))
        assert journal.next_actions(build) == []
        assert status(database, execution_id) is ExecutionStatus.FAILED
        with database.write() as connection:
            pipeline = pipelines.find(connection, SCOPE, "p")
            assert pipeline is not None
            retry(connection, pipeline, execution_id, "Build", only_failed=True)
        [build] = journal.take(10)
        assert journal.next_actions(build) == ["B"]
    journal.succeed(run(journal, build, "B").action_execution_id, ActionResult("done"))
    assert journal.next_actions(build) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_disabled_transition_holds_up_starts_and_closed_stages(
    journal: StoreJournal, database: Database, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    with database.write() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        for name in ("Source", "Build"):
            transitions.put(connection, pipeline.id, name, enabled=False, changed_by="me")
    [source] = journal.take(1)
    journal.succeed(run(journal, source, "App").action_execution_id, ActionResult("done"))
    assert journal.next_actions(source) == []
    newer = begin()
    assert journal.take(10) == []
    with database.write() as connection:
        transitions.put(connection, pipeline.id, "Source", enabled=True, changed_by="me")
        state = states.read(connection, pipeline.id)
    assert state.disabled == {"Build"}
    assert [(item.execution_id, item.stage_name, item.in_stage) for item in state.standings] == [
        (execution_id, "Build", False),
        (newer, "Source", False),
    ]


def in_parallel(database: Database) -> str:
    """Starts an execution of a pipeline whose second stage has two actions together."""
    stages = [
        {"name": "Source", "actions": [action("App", "Source")]},
        {"name": "Build", "actions": [action("A", "Build"), action("B", "Build")]},
    ]
    wish = Start(new_id(), Trigger("Webhook", "arn"))
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        start(connection, pipeline, [wish])
    return wish.execution_id


def retry_failed(database: Database, execution_id: str) -> None:
    with database.write() as connection:
        pipeline = pipelines.find(connection, SCOPE, "p")
        assert pipeline is not None
        retry(connection, pipeline, execution_id, "Build", only_failed=True)


def test_a_failed_action_is_retried_beside_one_that_still_runs(
    journal: StoreJournal, database: Database
) -> None:
    execution_id = in_parallel(database)
    first = in_build(journal)
    assert journal.next_actions(first) == ["A", "B"]
    a, b = run(journal, first, "A"), run(journal, first, "B")
    journal.fail(b.action_execution_id, ActionError("no"))
    retry_failed(database, execution_id)
    [second] = journal.take(10)
    assert second == StageTurn(first.stage_execution_id, 2)
    assert journal.next_actions(second) == ["B"], "A is run by the first turn"
    again = run(journal, second, "B")
    assert again.action_execution_id != b.action_execution_id
    journal.succeed(again.action_execution_id, ActionResult("done"))
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    journal.succeed(a.action_execution_id, ActionResult("done"))
    assert journal.next_actions(first) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_an_action_that_waits_holds_no_turn_and_a_stage_goes_on_when_it_is_ended(
    journal: StoreJournal, database: Database
) -> None:
    execution_id = in_parallel(database)
    first = in_build(journal)
    a, b = run(journal, first, "A"), run(journal, first, "B")
    for _ in range(2):
        journal.wait_for(a.action_execution_id, Waiting("token", 60))
    assert journal.begin(first, "A") is None
    journal.succeed(b.action_execution_id, ActionResult("done"))
    assert journal.next_actions(first) == []
    assert journal.take(10) == []
    journal.settle()
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    journal.wait_for(a.action_execution_id, Waiting("token", -1))
    journal.settle()
    [second] = journal.take(10)
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.FAILED


def test_an_abandoned_execution_waits_for_nobody(journal: StoreJournal, database: Database) -> None:
    execution_id = in_parallel(database)
    first = in_build(journal)
    a, b = run(journal, first, "A"), run(journal, first, "B")
    journal.wait_for(a.action_execution_id, Waiting("a", 60))
    request_stop(database, execution_id, abandon=True)
    # As it had begun before the stop, and asks only now.
    journal.wait_for(b.action_execution_id, Waiting("b", 60))
    [second] = journal.take(10)
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def test_nothing_begins_in_a_stage_that_has_ended(
    journal: StoreJournal, database: Database
) -> None:
    execution_id = in_parallel(database)
    first = in_build(journal)
    a, b = run(journal, first, "A"), run(journal, first, "B")
    journal.wait_for(a.action_execution_id, Waiting("token", 60))
    journal.fail(b.action_execution_id, ActionError("no"))
    retry_failed(database, execution_id)
    [second] = journal.take(10)
    assert journal.next_actions(second) == ["B"]
    # The second turn is slow, or was interrupted, and the stage ends meanwhile.
    request_stop(database, execution_id, abandon=True)
    [third] = journal.take(10)
    assert journal.next_actions(third) == []
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert journal.begin(second, "B") is None
    assert journal.next_actions(second) == []


def test_what_earlier_turns_run_is_unfinished(journal: StoreJournal, database: Database) -> None:
    execution_id = in_parallel(database)
    first = in_build(journal)
    a, b = run(journal, first, "A"), run(journal, first, "B")
    journal.fail(b.action_execution_id, ActionError("no"))
    retry_failed(database, execution_id)
    [second] = journal.take(10)
    run(journal, second, "B")
    # The engine may have lost all it knew: each turn is to run again what it had begun.
    assert sorted(journal.unfinished(), key=lambda turn: turn.number) == [first, second]
    journal.succeed(a.action_execution_id, ActionResult("done"))
    assert journal.unfinished() == [second]
