"""What a node reports counts once, and lets the stage go on (on both databases)."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from hookline.actions.provider import ActionResult, Artifact, Waiting
from hookline.errors import ActionError
from hookline.executions import clock
from hookline.executions.finish import Abandoned, Outcome
from hookline.executions.retry import retry
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.executions.stop import cancel_all, stop
from hookline.executions.take import prepare
from hookline.model import (
    ActionStatus,
    ExecutionStatus,
    Pipeline,
    Scope,
    StopRequest,
    Trigger,
    new_id,
)
from hookline.sealing import Seal
from hookline.store import action_executions, executions, nodes, pipelines, states, transitions
from hookline.store.database import Database
from hookline.store.tables import action_executions as action_table
from hookline.store.tables import executions as execution_table
from hookline.store.tables import stage_executions as stage_table
from support.node import DONE, FAILED, TestNode

SCOPE = Scope("000000000000", "us-east-1")


def action(name: str, category: str, run_order: int = 1) -> dict[str, object]:
    kind = {"category": category, "owner": "AWS", "provider": "Any", "version": "1"}
    return {"name": name, "actionTypeId": kind, "runOrder": run_order}


IN_ORDER = [action("B", "Build", 2), action("A", "Build")]
TOGETHER = [action("A", "Build"), action("B", "Build")]


def make(database: Database, build: list[dict[str, object]]) -> Callable[[], str]:
    """Makes a pipeline with two stages; what starts an execution of it and tells its id."""
    stages = [
        {"name": "Source", "actions": [action("App", "Source")]},
        {"name": "Build", "actions": build},
    ]
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})

    def begin() -> str:
        new = StartRequest(SCOPE, "p", new_id(), Trigger("Webhook", "arn"))
        with database.write() as connection:
            pipelines.lock(connection, [(SCOPE, "p")])
            pipeline = pipelines.find(connection, SCOPE, "p")
            assert pipeline is not None
            start(connection, pipeline, [new])
        return new.execution_id

    return begin


@pytest.fixture
def begin(database: Database) -> Callable[[], str]:
    return make(database, IN_ORDER)


@pytest.fixture
def begin_together(database: Database) -> Callable[[], str]:
    return make(database, TOGETHER)


def pipeline_of(database: Database) -> Pipeline:
    with database.read() as connection:
        found = pipelines.find(connection, SCOPE, "p")
    assert found is not None
    return found


def status(database: Database, execution_id: str) -> ExecutionStatus:
    with database.read() as connection:
        execution = executions.find(connection, execution_id)
    assert execution is not None
    return execution.status


def statuses(database: Database, execution_id: str) -> list[tuple[str, str]]:
    with database.read() as connection:
        found = action_executions.of_execution(connection, execution_id)
    return sorted((item.action_name, item.status.value) for item in found)


def request_stop(database: Database, execution_id: str, *, abandon: bool) -> None:
    pipeline = pipeline_of(database)
    with database.write() as connection:
        pipelines.lock_by_id(connection, pipeline.id)
        stop(connection, pipeline, execution_id, StopRequest(abandon))


def retry_failed(database: Database, execution_id: str) -> None:
    with database.write() as connection:
        retry(connection, pipeline_of(database), execution_id, "Build", only_failed=True)


def test_an_action_is_taken_once_and_run_orders_follow_each_other(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    source = node.take_one()
    assert source.action_name == "App"
    assert node.take() == TestNode(database).take() == {}
    result = ActionResult("done", artifacts=(Artifact("Code", "key"),))
    assert node.finish(source, result)
    for name in ("A", "B"):
        assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
        task = node.take_one()
        assert task.action_name == name
        assert node.finish(task)
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED
    assert node.take() == {}


def test_an_outcome_counts_once(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    task = node.take_one()
    assert node.finish(task)
    for outcome in (DONE, FAILED, Abandoned(), Waiting("token", 60)):
        assert not node.finish(task, outcome)
    assert statuses(database, execution_id) == [("A", "InProgress"), ("App", "Succeeded")]


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_before(database: Database, number: int) -> Iterator[None]:
    """Ends the process, as far as the database can tell, before the statement of this number."""
    statements = itertools.count(1)

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN") and next(statements) == number:
            raise Killed

    event.listen(database.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", count)


def everything(database: Database) -> list[object]:
    tables = (
        execution_table,
        stage_table,
        action_table,
    )
    with database.read() as connection:
        return [sorted(map(repr, connection.execute(table.select()))) for table in tables]


@pytest.mark.parametrize("outcome", [DONE, FAILED, Abandoned(), Waiting("token", 60)])
def test_x5_an_outcome_counts_wholly_or_not_at_all_wherever_its_node_dies(
    database: Database, node: TestNode, begin: Callable[[], str], outcome: Outcome
) -> None:
    begin()
    begin()
    task = node.take_one()
    before, ended = everything(database), False
    for number in itertools.count(1):
        with killed_before(database, number):
            try:
                ended = node.finish(task, outcome)
            except Killed:
                assert everything(database) == before, f"killed before statement {number}"
        if ended:
            break
    assert number > 4, "there was something to kill between"
    assert everything(database) != before


def test_an_outcome_of_a_lost_node_does_not_count(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    lost = node.take_one()
    other = TestNode(database)
    assert node.lose() == 1
    assert not node.finish(lost), "nobody has it"
    taken = other.take_one()
    assert taken.id == lost.id
    assert taken.attempt == lost.attempt + 1
    assert not node.finish(lost, FAILED), "another node has it"
    assert other.finish(taken)
    assert not node.finish(lost, FAILED)
    assert statuses(database, execution_id) == [("A", "InProgress"), ("App", "Succeeded")]


def test_a_node_that_took_its_own_action_again_can_not_end_the_first_attempt(
    node: TestNode, begin: Callable[[], str]
) -> None:
    begin()
    first = node.take_one()
    node.lose()
    second = node.take_one()
    assert not node.finish(first, FAILED)
    assert node.finish(second)


def test_an_action_of_a_type_that_runs_once_fails_when_its_node_is_lost(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    node.take_one()
    assert node.lose("Source/AWS/Any/1") == 1
    assert status(database, execution_id) is ExecutionStatus.FAILED
    with database.read() as connection:
        [failed] = action_executions.of_execution(connection, execution_id)
    assert failed.error_message is not None
    assert "run only once" in failed.error_message


def test_an_action_goes_to_a_node_with_its_label(database: Database, node: TestNode) -> None:
    labelled = action("A", "Build") | {
        "environmentVariables": [{"name": "HOOKLINE_NODE_LABEL", "value": "gpu"}]
    }
    make(database, [labelled])()
    node.finish(node.take_one())
    assert node.take() == {}
    assert TestNode(database, "arm", "gpu").take().keys() == {"A"}


def test_a_stage_whose_action_failed_fails_its_execution(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    failed, waiting = begin(), begin()
    node.finish(node.take_one(), FAILED)
    assert status(database, failed) is ExecutionStatus.FAILED
    # The next one enters as the stage is left.
    assert node.take_one().execution_id == waiting
    assert status(database, waiting) is ExecutionStatus.IN_PROGRESS


def in_build(node: TestNode) -> None:
    """Bring an execution into the stage Build."""
    node.finish(node.take()["App"])


def test_a_stopping_execution_begins_no_action_but_goes_on_with_those_begun(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    in_build(node)
    node.take_one()
    request_stop(database, execution_id, abandon=False)
    # Its node is lost: it has begun, and so it is run again.
    node.lose()
    task = node.take_one()
    assert status(database, execution_id) is ExecutionStatus.STOPPING
    node.finish(task)
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert node.take() == {}
    assert statuses(database, execution_id) == [("A", "Succeeded"), ("App", "Succeeded")]


def test_a_stop_ends_at_once_what_no_node_has_taken(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    in_build(node)
    request_stop(database, execution_id, abandon=False)
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert node.take() == {}
    assert statuses(database, execution_id) == [("App", "Succeeded")], "A had not begun"


def test_a_node_that_is_alive_ends_what_is_abandoned(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id, other = begin(), begin()
    in_build(node)
    task = node.take()["A"]
    request_stop(database, execution_id, abandon=True)
    with database.read() as connection:
        assert executions.abandoned(connection, [execution_id, other]) == [execution_id]
    assert status(database, execution_id) is ExecutionStatus.STOPPING, "its commands still run"
    node.finish(task, Abandoned())
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert statuses(database, execution_id) == [("A", "Abandoned"), ("App", "Succeeded")]
    assert status(database, other) is ExecutionStatus.IN_PROGRESS


def test_a_stop_that_abandons_frees_the_stage_of_a_lost_node_at_once(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    task = node.take_one()
    with database.write() as connection:
        nodes.remove(connection, node.instance)
    request_stop(database, execution_id, abandon=True)
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert not node.finish(task)


def test_what_was_abandoned_while_its_node_was_away_is_not_run_again(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    node.take_one()
    request_stop(database, execution_id, abandon=True)
    node.lose()
    assert node.take() == {}
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def test_a_deleted_pipeline_leaves_nothing_behind(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    running, waiting = begin(), begin()
    task = node.take_one()
    with database.write() as connection:
        removed = pipelines.remove(connection, SCOPE, "p")
        assert removed is not None
        cancel_all(connection, removed)
    assert status(database, running) is ExecutionStatus.CANCELLED
    assert status(database, waiting) is ExecutionStatus.CANCELLED
    assert statuses(database, running) == [("App", "Abandoned")]
    assert not node.finish(task)
    assert node.take() == {}


def test_a_retry_runs_what_did_not_succeed_and_keeps_what_did(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    in_build(node)
    node.finish(node.take()["A"])
    for _ in range(2):
        node.finish(node.take()["B"], FAILED)
        assert status(database, execution_id) is ExecutionStatus.FAILED
        retry_failed(database, execution_id)
    node.finish(node.take_one())
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_disabled_transition_holds_up_starts_and_ended_stages(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    pipeline = pipeline_of(database)
    with database.write() as connection:
        for name in ("Source", "Build"):
            transitions.put(connection, pipeline.id, name, enabled=False, changed_by="me")
    in_build(node)
    newer = begin()
    assert node.take() == {}
    with database.write() as connection:
        transitions.put(connection, pipeline.id, "Source", enabled=True, changed_by="me")
        state = states.read(connection, pipeline.id)
    assert state.disabled == {"Build"}
    assert [(item.execution_id, item.stage_name, item.in_stage) for item in state.positions] == [
        (execution_id, "Build", False),
        (newer, "Source", False),
    ]


def test_a_failed_action_is_retried_beside_one_that_still_runs(
    database: Database, node: TestNode, begin_together: Callable[[], str]
) -> None:
    execution_id = begin_together()
    in_build(node)
    tasks = node.take()
    node.finish(tasks["B"], FAILED)
    retry_failed(database, execution_id)
    again = node.take_one()
    assert again.action_name == "B"
    assert again.id != tasks["B"].id
    node.finish(again)
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    node.finish(tasks["A"])
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_an_action_that_waits_is_nobodys_and_fails_when_nobody_answers_in_time(
    database: Database, node: TestNode, begin_together: Callable[[], str]
) -> None:
    execution_id = begin_together()
    in_build(node)
    tasks = node.take()
    node.finish(tasks["A"], Waiting("token", 60))
    node.finish(tasks["B"])
    assert node.take() == {}
    node.lose()
    clock.end_waits(database)
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    with database.write() as connection:
        action_executions.change(connection, tasks["A"].id, waits_until=1.0)
    for _ in range(2):
        clock.end_waits(database)
    assert status(database, execution_id) is ExecutionStatus.FAILED


def test_an_abandoned_execution_waits_for_nobody(
    database: Database, node: TestNode, begin_together: Callable[[], str]
) -> None:
    execution_id = begin_together()
    in_build(node)
    tasks = node.take()
    node.finish(tasks["A"], Waiting("a", 60))
    request_stop(database, execution_id, abandon=True)
    assert status(database, execution_id) is ExecutionStatus.STOPPING
    # As it had begun before the stop, and asks only now.
    node.finish(tasks["B"], Waiting("b", 60))
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def test_an_action_that_can_not_begin_fails_with_the_reason(
    database: Database, node: TestNode
) -> None:
    needy = action("A", "Build") | {"inputArtifacts": [{"name": "Code"}]}
    execution_id = make(database, [needy])()
    in_build(node)
    task = node.take_one()
    with pytest.raises(ActionError, match="Code") as refused:
        prepare(database, Seal([b"k" * 32]), task)
    node.finish(task, refused.value)
    assert status(database, execution_id) is ExecutionStatus.FAILED


def test_a_stage_in_which_nothing_goes_on_is_found_and_goes_on(
    database: Database, node: TestNode, begin: Callable[[], str]
) -> None:
    execution_id = begin()
    task = node.take_one()
    with database.write() as connection:
        # As no code does it: the action has ended, and its stage has not been told.
        done = ActionStatus.SUCCEEDED.value
        action_executions.change(connection, task.id, status=done, owner=None)
    assert node.take() == {}
    for _ in range(2):
        clock.proceed_idle(database)
    assert node.take_one().action_name == "A"
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
