"""Manual approvals: they wait, hold nothing up, and outlast every restart; through boto3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookline.model import ExecutionStatus
from hookline.store import executions
from support.executions import begin, ended
from support.server import Server, until
from support.tenant import Tenant, action_type, commands


def approval(name: str = "Ask", **more: Any) -> dict[str, Any]:
    return {"name": name, "actionTypeId": action_type("Approval", "AWS", "Manual"), **more}


def guarded(tenant: Tenant, **more: Any) -> str:
    return tenant.pipeline(
        ("Gate", approval(), commands("Ship", "true", runOrder=2)),
        ("Last", commands("End", "true")),
        **more,
    )


def asked(tenant: Tenant, pipeline: str) -> dict[str, Any]:
    """What GetPipelineState tells of the action Ask when it waits."""

    def state() -> Any:
        gate = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][1]
        found = gate["actionStates"][0].get("latestExecution", {})
        return found if "token" in found else None

    found: dict[str, Any] = until(state, 30)
    assert found, "nobody is asked"
    return found


def answer(
    tenant: Tenant, pipeline: str, token: str, status: str = "Approved", **more: str
) -> dict[str, Any]:
    place = {"pipelineName": pipeline, "stageName": "Gate", "actionName": "Ask", **more}
    result = {"status": status, "summary": "Seen by a person"}
    answered: dict[str, Any] = tenant.client.put_approval_result(
        **place, token=token, result=result
    )
    return answered


def test_an_approval_lets_the_stage_go_on(tenant: Tenant) -> None:
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    found = asked(tenant, pipeline)
    assert found["status"] == "InProgress"
    answered = answer(tenant, pipeline, found["token"])
    assert answered["approvedAt"].timestamp() > found["lastStatusChange"].timestamp()
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    state = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][1]["actionStates"][0]
    latest = state["latestExecution"]
    assert "token" not in latest
    assert latest["summary"] == "Seen by a person"
    assert latest["lastUpdatedBy"] == tenant.arn
    assert tenant.actions(pipeline, execution_id)["Ask"]["updatedBy"] == tenant.arn
    with pytest.raises(tenant.client.exceptions.ApprovalAlreadyCompletedException):
        answer(tenant, pipeline, found["token"])


def test_a_rejection_fails_the_stage_and_can_be_retried(tenant: Tenant) -> None:
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    token = asked(tenant, pipeline)["token"]
    answer(tenant, pipeline, token, "Rejected")
    assert ended(tenant, pipeline, execution_id) == "Failed"
    detail = tenant.actions(pipeline, execution_id)["Ask"]
    assert detail["status"] == "Failed"
    assert detail["output"]["executionResult"]["externalExecutionSummary"] == "Seen by a person"
    assert "Ship" not in tenant.actions(pipeline, execution_id)
    tenant.client.retry_stage_execution(
        pipelineName=pipeline,
        stageName="Gate",
        pipelineExecutionId=execution_id,
        retryMode="FAILED_ACTIONS",
    )
    again = asked(tenant, pipeline)["token"]
    assert again != token
    answer(tenant, pipeline, again)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def test_each_of_several_executions_beside_each_other_can_be_answered(tenant: Tenant) -> None:
    pipeline = guarded(tenant, pipelineType="V2", executionMode="PARALLEL")
    begun = [begin(tenant, pipeline) for _ in range(2)]

    def token(execution_id: str) -> str:
        def found() -> str | None:
            detail = tenant.actions(pipeline, execution_id).get("Ask")
            result = {} if detail is None else detail["output"]["executionResult"]
            told: str | None = result.get("externalExecutionId")
            return told

        return until(found, 40) or "nobody is asked"

    # In PARALLEL mode AWS has people take the token from ListActionExecutions.
    tokens = [token(execution_id) for execution_id in begun]
    assert len(set(tokens)) == len(begun)
    for status, given in zip(("Approved", "Rejected"), tokens, strict=True):
        answer(tenant, pipeline, given, status)
    found = [ended(tenant, pipeline, execution_id) for execution_id in begun]
    assert found == ["Succeeded", "Failed"]


def test_an_approval_can_be_answered_after_its_action_was_renamed(tenant: Tenant) -> None:
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    token = asked(tenant, pipeline)["token"]
    changed = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    changed["stages"][1]["actions"][0]["name"] = "Confirm"
    tenant.client.update_pipeline(pipeline=changed)
    answer(tenant, pipeline, token)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def test_who_may_not_answer(tenant: Tenant) -> None:
    pipeline = guarded(tenant)
    begin(tenant, pipeline)
    token = asked(tenant, pipeline)["token"]
    errors = tenant.client.exceptions
    for error, wrong in (
        (errors.PipelineNotFoundException, {"pipelineName": "nobody"}),
        (errors.StageNotFoundException, {"stageName": "Nowhere"}),
        (errors.ActionNotFoundException, {"actionName": "Nothing"}),
        (errors.InvalidApprovalTokenException, {"actionName": "Ship"}),
    ):
        with pytest.raises(error):
            answer(tenant, pipeline, token, **wrong)
    with pytest.raises(errors.InvalidApprovalTokenException, match="GetPipelineState"):
        answer(tenant, pipeline, "00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("abandon", [True, False])
def test_a_stop_ends_the_wait_only_if_it_abandons(tenant: Tenant, *, abandon: bool) -> None:
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    token = asked(tenant, pipeline)["token"]
    tenant.client.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, abandon=abandon
    )
    if not abandon:
        assert tenant.execution(pipeline, execution_id)["status"] == "Stopping"
        answer(tenant, pipeline, token)
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    statuses = {n: d["status"] for n, d in tenant.actions(pipeline, execution_id).items()}
    last = "Abandoned" if abandon else "Succeeded"
    assert statuses == {"App": "Succeeded", "Ask": last}
    with pytest.raises(tenant.client.exceptions.ApprovalAlreadyCompletedException):
        answer(tenant, pipeline, token)


def test_waiting_takes_no_place_of_what_runs(tenant: Tenant) -> None:
    pipeline = guarded(tenant, pipelineType="V2", executionMode="PARALLEL")
    waiting = [begin(tenant, pipeline) for _ in range(40)]

    def tokens() -> list[str]:
        details = [tenant.actions(pipeline, execution_id).get("Ask") for execution_id in waiting]
        return [item for item in details if item and item["status"] == "InProgress"]

    assert until(lambda: len(tokens()) == len(waiting), 60), "more than run at once all wait"
    other = tenant.pipeline()
    assert ended(tenant, other, begin(tenant, other)) == "Succeeded"


def test_waiting_takes_no_place_after_a_restart(
    make_server: Callable[..., Server], database_url: str, github: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    pipeline = guarded(tenant, pipelineType="V2", executionMode="PARALLEL")
    waiting = [begin(tenant, pipeline) for _ in range(33)]

    def tokens() -> list[str]:
        details = [tenant.actions(pipeline, execution_id).get("Ask") for execution_id in waiting]
        return [item for item in details if item and item["status"] == "InProgress"]

    assert until(lambda: len(tokens()) == len(waiting), 60)
    server.kill()
    server.start()
    other = tenant.pipeline()
    assert ended(tenant, other, begin(tenant, other)) == "Succeeded"


def test_the_executions_of_a_deleted_pipeline_wait_no_longer(tenant: Tenant) -> None:
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    asked(tenant, pipeline)
    tenant.client.delete_pipeline(name=pipeline)

    def is_cancelled() -> bool:
        with tenant.server.database.read() as connection:
            execution = executions.find(connection, execution_id)
        assert execution is not None
        return execution.status is ExecutionStatus.CANCELLED

    assert until(is_cancelled, 20)


def test_an_approval_outlasts_kill_9_before_and_after_the_answer(
    make_server: Callable[..., Server], database_url: str, github: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    pipeline = guarded(tenant)
    execution_id = begin(tenant, pipeline)
    token = asked(tenant, pipeline)["token"]
    server.kill()
    server.start()
    assert asked(tenant, pipeline)["token"] == token
    [engine] = server.children("engine")
    engine.suspend()
    answer(tenant, pipeline, token)
    server.kill()
    server.start()
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
