"""Conditions: each rule runs to its end once, and waits without a node (on both databases)."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection

from hookline.actions.provider import Waiting
from hookline.errors import ActionError, ConditionNotOverridableException
from hookline.executions import clock
from hookline.executions.override import override
from hookline.executions.retry import retry
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.executions.stop import cancel_all, stop
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
    action_executions,
    condition_executions,
    executions,
    pipelines,
    stage_executions,
)
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database
from hookline.store.stage_executions import StageExecution
from support.node import FAILED, TestNode

SCOPE = Scope("000000000000", "us-east-1")
HOUR = Waiting("token", 3_600)


def rule(name: str, provider: str, **configuration: str) -> dict[str, Any]:
    kind = {"category": "Rule", "provider": provider}
    return {"name": name, "ruleTypeId": kind, "configuration": configuration}


def begin(database: Database, **conditions: Any) -> str:
    """An execution in a stage with conditions: its id."""
    kind = {"category": "Build", "owner": "AWS", "provider": "Any", "version": "1"}
    action = {"name": "Make", "actionTypeId": kind}
    stages = [{"name": "Build", "actions": [action], **conditions}]
    new = StartRequest(SCOPE, "p", new_id(), Trigger("Webhook", "arn"))
    with database.write() as connection:
        pipelines.create(connection, SCOPE, {"name": "p", "stages": stages})
        start(connection, locked(connection), [new])
    return new.execution_id


def locked(connection: Connection) -> Pipeline:
    pipelines.lock(connection, [(SCOPE, "p")])
    found = pipelines.find(connection, SCOPE, "p")
    assert found is not None
    return found


def entry(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"beforeEntry": {"conditions": [{"result": "FAIL", "rules": list(rules)}]}}


GATED = entry(rule("Window", "DeploymentWindow", Cron="* * * ? * * 2199"), rule("Look", "Commands"))
ON_FAILURE = {
    "onFailure": {"conditions": [{"result": "SKIP", "rules": [rule("Look", "Commands")]}]}
}


def status(database: Database, execution_id: str) -> ExecutionStatus:
    with database.read() as connection:
        execution = executions.find(connection, execution_id)
    assert execution is not None
    return execution.status


def stage(database: Database, execution_id: str) -> StageExecution:
    with database.read() as connection:
        attempts = stage_executions.attempts(connection, [execution_id])
    return attempts[execution_id, "Build"][0]


def rules(database: Database, execution_id: str) -> dict[str, ActionExecution]:
    with database.read() as connection:
        found = action_executions.of_stages(connection, [stage(database, execution_id).id])
    return {item.action_name: item for item in found if item.condition_type is not None}


def condition(
    database: Database, execution_id: str, kind: ConditionType = ConditionType.BEFORE_ENTRY
) -> ConditionStatus:
    with database.read() as connection:
        found = condition_executions.of_stage(connection, stage(database, execution_id).id)
    return found[kind].status


def request_stop(database: Database, execution_id: str) -> None:
    with database.write() as connection:
        stop(connection, locked(connection), execution_id, StopRequest(abandon=False))


def retry_failed(database: Database, execution_id: str) -> None:
    with database.write() as connection:
        retry(connection, locked(connection), execution_id, "Build", only_failed=True)


def override_entry(database: Database, execution_id: str) -> None:
    with database.write() as connection:
        override(connection, locked(connection), execution_id, "Build", ConditionType.BEFORE_ENTRY)


def test_rules_go_together_before_the_actions_and_each_ends_once(
    database: Database, node: TestNode
) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    assert tasks.keys() == {"Window", "Look"}
    began = rules(database, execution_id)["Window"].started_at
    # The node died: both run again, and their time goes on.
    node.lose()
    tasks = node.take()
    assert tasks.keys() == {"Window", "Look"}
    assert rules(database, execution_id)["Window"].started_at == began
    assert node.finish(tasks["Window"])
    assert not node.finish(tasks["Window"], FAILED)
    assert rules(database, execution_id)["Window"].status is ActionStatus.SUCCEEDED
    assert condition(database, execution_id) is ConditionStatus.IN_PROGRESS
    assert node.take() == {}
    node.finish(tasks["Look"])
    assert condition(database, execution_id) is ConditionStatus.SUCCEEDED
    make = node.take_one()
    assert make.action_name == "Make"
    node.finish(make)
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_rule_waits_without_a_node_until_its_window_opens(
    database: Database, node: TestNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    node.finish(tasks["Window"], HOUR)
    clock.end_waits(database)
    assert node.take() == {}, "it is closed"
    opened = SimpleNamespace(now=lambda _: datetime(2199, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(clock, "datetime", opened)
    for _ in range(2):
        clock.end_waits(database)
    assert rules(database, execution_id)["Window"].status is ActionStatus.SUCCEEDED
    assert node.take() == {}, "the other rule runs"
    node.finish(tasks["Look"])
    assert node.take().keys() == {"Make"}


def test_a_rule_that_waits_for_too_long_fails(database: Database, node: TestNode) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    node.finish(tasks["Look"])
    node.finish(tasks["Window"], Waiting("token", -1))
    clock.end_waits(database)
    assert condition(database, execution_id) is ConditionStatus.FAILED
    message = rules(database, execution_id)["Window"].error_message
    assert message == "The deployment window did not open in time"
    assert status(database, execution_id) is ExecutionStatus.FAILED


@pytest.mark.parametrize("waits_before", [True, False])
def test_a_stop_ends_a_rule_that_waits(
    database: Database, node: TestNode, *, waits_before: bool
) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    if waits_before:
        node.finish(tasks["Window"], HOUR)
    request_stop(database, execution_id)
    if not waits_before:
        node.finish(tasks["Window"], HOUR)
    assert rules(database, execution_id)["Window"].status is ActionStatus.ABANDONED
    assert status(database, execution_id) is ExecutionStatus.STOPPING, "the other rule runs"
    node.finish(tasks["Look"])
    assert status(database, execution_id) is ExecutionStatus.STOPPED
    assert condition(database, execution_id) is ConditionStatus.ABANDONED


def test_a_condition_is_not_met_by_the_rules_that_began_before_a_stop(
    database: Database, node: TestNode
) -> None:
    looks = [rule("Look", "Commands"), rule("Other", "Commands")]
    asked = {"onSuccess": {"conditions": [{"result": "FAIL", "rules": looks}]}}
    execution_id = begin(database, **asked)
    node.finish(node.take_one())
    [look] = node.take(limit=1).values()
    request_stop(database, execution_id)
    assert node.take() == {}
    node.finish(look)
    assert condition(database, execution_id, ConditionType.ON_SUCCESS) is ConditionStatus.ABANDONED
    assert stage(database, execution_id).status is StageStatus.STOPPED
    assert status(database, execution_id) is ExecutionStatus.STOPPED


def test_what_waits_ends_with_a_deleted_pipeline(database: Database, node: TestNode) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    node.finish(tasks["Window"], HOUR)
    with database.write() as connection:
        removed = pipelines.remove(connection, SCOPE, "p")
        assert removed is not None
        cancel_all(connection, removed)
    assert status(database, execution_id) is ExecutionStatus.CANCELLED
    assert {item.status for item in rules(database, execution_id).values()} == {
        ActionStatus.ABANDONED
    }
    assert condition(database, execution_id) is ConditionStatus.ABANDONED


def test_an_entry_is_overridden_only_when_no_rule_runs(database: Database, node: TestNode) -> None:
    execution_id = begin(database, **GATED)
    tasks = node.take()
    node.finish(tasks["Window"], HOUR)
    with pytest.raises(
        ConditionNotOverridableException, match="can't be overridden: it is InProgress"
    ):
        override_entry(database, execution_id)
    node.finish(tasks["Look"], ActionError("no"))
    override_entry(database, execution_id)
    make = node.take_one()
    assert make.action_name == "Make"
    node.finish(make)
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED
    assert condition(database, execution_id) is ConditionStatus.OVERRIDDEN


def test_a_failure_condition_is_asked_once_the_actions_have_failed(
    database: Database, node: TestNode
) -> None:
    execution_id = begin(database, **ON_FAILURE)
    node.finish(node.take_one(), FAILED)
    look = node.take_one()
    assert look.condition_type is ConditionType.ON_FAILURE
    node.finish(look, ActionError("exited with status 1"))
    assert condition(database, execution_id, ConditionType.ON_FAILURE) is ConditionStatus.FAILED
    assert stage(database, execution_id).status is StageStatus.SKIPPED
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_a_failure_is_asked_about_again_after_a_retry_beside_what_runs(
    database: Database, node: TestNode
) -> None:
    execution_id = begin(database, **ON_FAILURE)
    node.finish(node.take_one(), FAILED)
    look = node.take_one()
    retry_failed(database, execution_id)
    assert not node.finish(look), "nobody asks any longer"
    make = node.take_one()
    assert make.action_name == "Make"
    node.finish(make, FAILED)
    again = node.take_one()
    assert again.action_name == "Look"
    assert again.id != look.id
    node.finish(again, ActionError("exited with status 1"))
    assert status(database, execution_id) is ExecutionStatus.SUCCEEDED


def test_an_overridden_entry_leaves_what_a_retry_left(database: Database, node: TestNode) -> None:
    kind = {"category": "Build", "owner": "AWS", "provider": "Any", "version": "1"}
    both = [{"name": name, "actionTypeId": kind} for name in ("Make", "Check")]
    execution_id = begin(database, **entry(rule("Look", "Commands")), actions=both)
    node.finish(node.take_one())
    tasks = node.take()
    node.finish(tasks["Make"])
    node.finish(tasks["Check"], FAILED)
    retry_failed(database, execution_id)
    look = node.take_one()
    assert look.action_name == "Look"
    node.finish(look, FAILED)
    override_entry(database, execution_id)
    assert node.take().keys() == {"Check"}
