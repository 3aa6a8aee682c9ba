"""Conditions in the journal: each rule runs to its end once, and waits without an engine."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection

from hookline.actions.provider import ActionResult, Waiting
from hookline.engine.journal import ActionTask, StageTurn
from hookline.errors import ActionError, ConditionNotOverridableException
from hookline.executions import conditions
from hookline.executions.journal import StoreJournal
from hookline.executions.override import override
from hookline.executions.retry import retry
from hookline.executions.start import Start, start
from hookline.executions.stop import stop
from hookline.model import (
    ActionStatus,
    ConditionStatus,
    ConditionType,
    ExecutionStatus,
    Pipeline,
    Scope,
    StageStatus,
    StopRequest,
    Trigger,
    new_id,
)
from hookline.store import (
    condition_executions,
    executions,
    pipelines,
    rule_executions,
    stage_executions,
)
from hookline.store.database import Database
from hookline.store.rule_executions import RuleExecution

SCOPE = Scope("000000000000", "us-east-1")
WINDOW, LOOK = "BEFORE_ENTRY/Window", "BEFORE_ENTRY/Look"
DONE = ActionResult("done")
HOUR = Waiting("token", 3_600)


def rule(name: str, provider: str, **configuration: str) -> dict[str, Any]:
    kind = {"category": "Rule", "provider": provider}
    return {"name": name, "ruleTypeId": kind, "configuration": configuration}


def begin(journal: StoreJournal, database: Database, **conditions: Any) -> tuple[str, StageTurn]:
    """An execution in a stage with conditions: its id, and the stage's first turn."""
    kind = {"category": "Build", "owner": "AWS", "provider": "Any", "version": "1"}
    action = {"name": "Make", "actionTypeId": kind}
    stages = [{"name": "Build", "actions": [action], **conditions}]
    wish = Start(new_id(), Trigger("Webhook", "arn"))
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
        start(connection, locked(connection), [wish])
    [turn] = journal.take(10)
    return wish.execution_id, turn


def locked(connection: Connection) -> Pipeline:
    pipelines.lock(connection, [(SCOPE, "p")])
    found = pipelines.find(connection, SCOPE, "p")
    assert found is not None
    return found


def entry(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"beforeEntry": {"conditions": [{"result": "FAIL", "rules": list(rules)}]}}


GATED = entry(rule("Window", "DeploymentWindow", Cron="* * * ? * * 2199"), rule("Look", "Commands"))


def run(journal: StoreJournal, turn: StageTurn, name: str) -> str:
    task = journal.begin(turn, name)
    assert isinstance(task, ActionTask)
    return task.action_execution_id


def status(database: Database, execution_id: str) -> ExecutionStatus:
    with database.read() as connection:
        execution = executions.find(connection, execution_id)
    assert execution is not None
    return execution.status


def rules(database: Database, turn: StageTurn) -> dict[str, RuleExecution]:
    with database.read() as connection:
        found = rule_executions.of_stages(connection, [turn.stage_execution_id])
    return {item.rule_name: item for item in found}


def condition(
    database: Database, turn: StageTurn, kind: ConditionType = ConditionType.BEFORE_ENTRY
) -> ConditionStatus:
    with database.read() as connection:
        return condition_executions.of_stage(connection, turn.stage_execution_id)[kind].status


def test_rules_go_together_before_the_actions_and_each_ends_once(
    journal: StoreJournal, database: Database
) -> None:
    execution_id, turn = begin(journal, database, **GATED)
    for _ in range(2):
        assert journal.next_actions(turn) == [WINDOW, LOOK]
    window, look = run(journal, turn, WINDOW), run(journal, turn, LOOK)
    begun = rules(database, turn)
    # The engine died: the same turn runs them again, and their time goes on.
    assert journal.next_actions(turn) == [WINDOW, LOOK]
    assert run(journal, turn, WINDOW) == window
    assert rules(database, turn)["Window"].started_at == begun["Window"].started_at
    for _ in range(2):
        journal.succeed(window, DONE)
        journal.fail(window, ActionError("too late"))
    assert rules(database, turn)["Window"].status is ActionStatus.SUCCEEDED
    assert journal.begin(turn, WINDOW) is None
    assert journal.next_actions(turn) == [LOOK]
    assert condition(database, turn) is ConditionStatus.IN_PROGRESS
    journal.succeed(look, DONE)
    for _ in range(2):
        assert journal.next_actions(turn) == ["Make"]
    assert condition(database, turn) is ConditionStatus.SUCCEEDED
    journal.succeed(run(journal, turn, "Make"), DONE)
    for _ in range(2):
        assert journal.next_actions(turn) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_rule_that_waits_holds_no_turn_and_ends_when_its_window_opens(
    journal: StoreJournal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id, first = begin(journal, database, **GATED)
    window, look = run_both(journal, first)
    for _ in range(2):
        journal.wait_for(window, HOUR)
    assert journal.begin(first, WINDOW) is None
    journal.settle()
    assert journal.take(10) == [], "it is closed"
    clock = SimpleNamespace(now=lambda _: datetime(2199, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(conditions, "datetime", clock)
    journal.settle()
    journal.settle()
    [second] = journal.take(10)
    # The first turn still runs the other rule, and nothing goes on without it.
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.IN_PROGRESS
    journal.succeed(look, DONE)
    assert journal.next_actions(first) == ["Make"]


def run_both(journal: StoreJournal, turn: StageTurn) -> tuple[str, str]:
    assert journal.next_actions(turn) == [WINDOW, LOOK]
    return run(journal, turn, WINDOW), run(journal, turn, LOOK)


def test_a_rule_that_waits_for_too_long_fails(journal: StoreJournal, database: Database) -> None:
    execution_id, first = begin(journal, database, **GATED)
    window, look = run_both(journal, first)
    journal.succeed(look, DONE)
    journal.wait_for(window, Waiting("token", -1))
    assert journal.next_actions(first) == []
    journal.settle()
    [second] = journal.take(10)
    assert journal.next_actions(second) == []
    assert condition(database, second) is ConditionStatus.FAILED
    assert rules(database, second)["Window"].error_message == (
        "The deployment window did not open in time"
    )
    assert status(database, execution_id) is ExecutionStatus.FAILED


@pytest.mark.parametrize("waits_before", [True, False])
def test_a_stop_ends_a_rule_that_waits(
    journal: StoreJournal, database: Database, *, waits_before: bool
) -> None:
    execution_id, first = begin(journal, database, **GATED)
    window, look = run_both(journal, first)
    if waits_before:
        journal.wait_for(window, HOUR)
    with database.write() as connection:
        stop(connection, locked(connection), execution_id, StopRequest(abandon=False))
    if not waits_before:
        journal.wait_for(window, HOUR)
    assert rules(database, first)["Window"].status is ActionStatus.ABANDONED
    assert status(database, execution_id) is ExecutionStatus.STOPPING, "the other rule runs"
    journal.succeed(look, DONE)
    assert journal.next_actions(first) == []
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert condition(database, first) is ConditionStatus.ABANDONED


def test_a_condition_is_not_met_by_the_rules_that_began_before_a_stop(
    journal: StoreJournal, database: Database
) -> None:
    looks = [rule("Look", "Commands"), rule("Other", "Commands")]
    asked = {"onSuccess": {"conditions": [{"result": "FAIL", "rules": looks}]}}
    execution_id, turn = begin(journal, database, **asked)
    assert journal.next_actions(turn) == ["Make"]
    journal.succeed(run(journal, turn, "Make"), DONE)
    assert journal.next_actions(turn) == ["ON_SUCCESS/Look", "ON_SUCCESS/Other"]
    look = run(journal, turn, "ON_SUCCESS/Look")
    with database.write() as connection:
        stop(connection, locked(connection), execution_id, StopRequest(abandon=False))
    assert journal.begin(turn, "ON_SUCCESS/Other") is None
    journal.succeed(look, DONE)
    assert journal.next_actions(turn) == []
    assert condition(database, turn, ConditionType.ON_SUCCESS) is ConditionStatus.ABANDONED
    assert stage_status(database, turn) is StageStatus.STOPPED
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def stage_status(database: Database, turn: StageTurn) -> StageStatus:
    with database.read() as connection:
        stage = stage_executions.find(connection, turn.stage_execution_id)
    assert stage is not None
    return stage.status


def test_what_waits_ends_with_a_deleted_pipeline(journal: StoreJournal, database: Database) -> None:
    execution_id, first = begin(journal, database, **GATED)
    window, look = run_both(journal, first)
    journal.wait_for(window, HOUR)
    journal.succeed(look, DONE)
    with database.write() as connection:
        removed = pipelines.remove(connection, SCOPE, "p")
        assert removed is not None
        stage_executions.wake_all(connection, removed)
    [second] = journal.take(10)
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.CANCELLED
    assert rules(database, first)["Window"].status is ActionStatus.ABANDONED


def test_an_entry_is_overridden_only_when_no_rule_runs(
    journal: StoreJournal, database: Database
) -> None:
    execution_id, first = begin(journal, database, **GATED)
    window, look = run_both(journal, first)
    journal.wait_for(window, HOUR)

    def override_entry() -> None:
        with database.write() as connection:
            found = locked(connection)
            override(connection, found, execution_id, "Build", ConditionType.BEFORE_ENTRY)

    with pytest.raises(
        ConditionNotOverridableException, match="can't be overridden: it is InProgress"
    ):
        override_entry()
    journal.fail(look, ActionError("no"))
    override_entry()
    [second] = journal.take(10)
    assert journal.next_actions(second) == ["Make"]
    assert journal.next_actions(first) == ["Make"], "as nobody has begun it"
    made = run(journal, second, "Make")
    assert journal.begin(first, "Make") is None, "but one turn begins it"
    assert journal.next_actions(first) == []
    journal.succeed(made, DONE)
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED
    assert condition(database, second) is ConditionStatus.OVERRIDDEN


def test_a_failure_condition_is_asked_once_the_actions_have_failed(
    journal: StoreJournal, database: Database
) -> None:
    asked = {"onFailure": {"conditions": [{"result": "SKIP", "rules": [rule("Look", "Commands")]}]}}
    execution_id, turn = begin(journal, database, **asked)
    assert journal.next_actions(turn) == ["Make"]
    journal.fail(run(journal, turn, "Make"), ActionError("no"))
    assert journal.next_actions(turn) == ["ON_FAILURE/Look"]
    look = run(journal, turn, "ON_FAILURE/Look")
    journal.fail(look, ActionError("exited with status 1"))
    assert journal.next_actions(turn) == []
    assert condition(database, turn, ConditionType.ON_FAILURE) is ConditionStatus.FAILED
    assert stage_status(database, turn) is StageStatus.SKIPPED
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_failure_is_asked_about_again_after_a_retry_beside_what_runs(
    journal: StoreJournal, database: Database
) -> None:
    asked = {"onFailure": {"conditions": [{"result": "SKIP", "rules": [rule("Look", "Commands")]}]}}
    execution_id, first = begin(journal, database, **asked)
    journal.next_actions(first)
    journal.fail(run(journal, first, "Make"), ActionError("no"))
    assert journal.next_actions(first) == ["ON_FAILURE/Look"]
    look = run(journal, first, "ON_FAILURE/Look")
    with database.write() as connection:
        retry(connection, locked(connection), execution_id, "Build", only_failed=True)
    [second] = journal.take(10)
    assert journal.next_actions(second) == ["Make"]
    made = run(journal, second, "Make")
    journal.succeed(look, DONE)
    assert journal.next_actions(first) == []
    journal.fail(made, ActionError("no"))
    assert journal.next_actions(second) == ["ON_FAILURE/Look"]
    again = run(journal, second, "ON_FAILURE/Look")
    assert again != look
    journal.fail(again, ActionError("exited with status 1"))
    assert journal.next_actions(second) == []
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_an_overridden_entry_leaves_what_a_retry_left(
    journal: StoreJournal, database: Database
) -> None:
    kind = {"category": "Build", "owner": "AWS", "provider": "Any", "version": "1"}
    both = [{"name": name, "actionTypeId": kind} for name in ("Make", "Check")]
    asked = {**entry(rule("Look", "Commands")), "actions": both}
    execution_id, turn = begin(journal, database, **asked)
    assert journal.next_actions(turn) == [LOOK]
    journal.succeed(run(journal, turn, LOOK), DONE)
    assert journal.next_actions(turn) == ["Make", "Check"]
    journal.succeed(run(journal, turn, "Make"), DONE)
    journal.fail(run(journal, turn, "Check"), ActionError("no"))
    assert journal.next_actions(turn) == []
    with database.write() as connection:
        retry(connection, locked(connection), execution_id, "Build", only_failed=True)
    [retried] = journal.take(10)
    assert journal.next_actions(retried) == [LOOK]
    journal.fail(run(journal, retried, LOOK), ActionError("no"))
    assert journal.next_actions(retried) == []
    with database.write() as connection:
        override(connection, locked(connection), execution_id, "Build", ConditionType.BEFORE_ENTRY)
    [overridden] = journal.take(10)
    assert journal.next_actions(overridden) == ["Check"]


def test_a_rule_that_an_earlier_turn_runs_is_unfinished(
    journal: StoreJournal, database: Database
) -> None:
    asked = {"onFailure": {"conditions": [{"result": "SKIP", "rules": [rule("Look", "Commands")]}]}}
    execution_id, first = begin(journal, database, **asked)
    journal.next_actions(first)
    journal.fail(run(journal, first, "Make"), ActionError("no"))
    journal.next_actions(first)
    run(journal, first, "ON_FAILURE/Look")
    with database.write() as connection:
        retry(connection, locked(connection), execution_id, "Build", only_failed=True)
    [second] = journal.take(10)
    assert sorted(journal.unfinished(), key=lambda turn: turn.number) == [first, second]
