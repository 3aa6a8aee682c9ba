"""Executions are stopped, retried and rolled back, through boto3, also when the engine dies."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.executions import begin, ended, refused, stage_status, status, statuses, stop
from support.server import Server, running_with, until
from support.tenant import Tenant, commands

NOBODY = "00000000-0000-0000-0000-000000000000"


def lingering(tenant: Tenant, notes: Path, seconds: float = 60, **more: Any) -> str:
    """A pipeline with a long action that notes its begin, one after it, and a stage after that."""
    return tenant.pipeline(
        (
            "Build",
            commands("Long", f"sleep {sleeping(notes, seconds)}; echo done > {notes}/done"),
            commands("After", "true", runOrder=2),
        ),
        ("Deploy", commands("Ship", "true")),
        **more,
    )


def sleeping(notes: Path, seconds: float = 60) -> str:
    """How long the action sleeps, as no other program: its id in its namespace says nothing."""
    return f"{int(seconds)}.{zlib.crc32(bytes(notes)):010d}"


def in_the_long_action(notes: Path, seconds: float = 60) -> None:
    assert until(lambda: running_with(sleeping(notes, seconds))), "the action did not begin"


def test_stop_and_wait_lets_the_running_action_end(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = lingering(tenant, tmp_path, 3)
    execution_id = begin(tenant, pipeline)
    in_the_long_action(tmp_path, 3)
    answer = stop(tenant, pipeline, execution_id, reason="Enough")
    assert answer["pipelineExecutionId"] == execution_id
    assert status(tenant, pipeline, execution_id) == "Stopping"
    assert stage_status(tenant, pipeline, "Build") == "Stopping"
    asked = {"pipelineName": pipeline, "pipelineExecutionId": execution_id}
    refused(tenant, "DuplicatedStopRequestException", "stop_pipeline_execution", **asked)
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    assert (tmp_path / "done").exists()
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded", "Long": "Succeeded"}
    assert stage_status(tenant, pipeline, "Build") == "Stopped"
    [summary] = tenant.executions(pipeline)
    assert summary["stopTrigger"] == {"reason": "Enough"}
    assert summary["statusSummary"] == "Enough"
    refused(tenant, "PipelineExecutionNotStoppableException", "stop_pipeline_execution", **asked)


def test_stop_and_abandon_kills_what_runs(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = lingering(tenant, tmp_path)
    execution_id = begin(tenant, pipeline)
    in_the_long_action(tmp_path)
    stop(tenant, pipeline, execution_id)
    # Not patient enough after all.
    stop(tenant, pipeline, execution_id, abandon=True, reason="Now")
    refused(
        tenant,
        "DuplicatedStopRequestException",
        "stop_pipeline_execution",
        pipelineName=pipeline,
        pipelineExecutionId=execution_id,
        abandon=True,
    )
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    assert not running_with(sleeping(tmp_path))
    assert not (tmp_path / "done").exists()
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded", "Long": "Abandoned"}
    assert tenant.executions(pipeline)[0]["stopTrigger"] == {"reason": "Now"}


def test_who_waits_is_stopped_at_once(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(executionMode="QUEUED", pipelineType="V2")
    way = {"pipelineName": pipeline, "stageName": "Build", "transitionType": "Inbound"}
    tenant.client.disable_stage_transition(**way, reason="Wait")
    first, second = begin(tenant, pipeline), begin(tenant, pipeline)

    def waiting() -> bool:
        [state] = [
            item
            for item in tenant.client.get_pipeline_state(name=pipeline)["stageStates"]
            if item["stageName"] == "Build"
        ]
        return len(state.get("inboundExecutions", [])) == 2

    assert until(waiting)
    stop(tenant, pipeline, first, abandon=True)
    assert status(tenant, pipeline, first) == "Stopped"
    tenant.client.enable_stage_transition(**way)
    assert ended(tenant, pipeline, second) == "Succeeded"
    for execution_id in (second, NOBODY):
        asked = {"pipelineName": pipeline, "pipelineExecutionId": execution_id}
        refused(
            tenant, "PipelineExecutionNotStoppableException", "stop_pipeline_execution", **asked
        )
    asked["pipelineName"] = "nobody"
    refused(tenant, "PipelineNotFoundException", "stop_pipeline_execution", **asked)


@pytest.mark.parametrize("abandon", [True, False])
def test_a_stop_outlasts_kill_9_of_everything(
    make_server: Callable[..., Server],
    database_url: str,
    github: Path,
    tmp_path: Path,
    *,
    abandon: bool,
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    seconds = 60 if abandon else 2
    pipeline = lingering(tenant, tmp_path, seconds)
    execution_id = begin(tenant, pipeline)
    in_the_long_action(tmp_path, seconds)
    [engine] = server.children("engine")
    # It can't act on the request before it dies.
    engine.suspend()
    stop(tenant, pipeline, execution_id, abandon=abandon)
    assert status(tenant, pipeline, execution_id) == "Stopping"
    server.kill()
    server.start()
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    last = "Abandoned" if abandon else "Succeeded"
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded", "Long": last}
    assert (tmp_path / "done").exists() is not abandon


def test_an_abandoned_action_of_a_dead_engine_is_killed_by_the_next(
    tenant: Tenant, tmp_path: Path
) -> None:
    pipeline = lingering(tenant, tmp_path)
    execution_id = begin(tenant, pipeline)
    in_the_long_action(tmp_path)
    [engine] = tenant.server.children("engine")
    engine.suspend()
    stop(tenant, pipeline, execution_id, abandon=True)
    engine.kill()
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    assert not running_with(sleeping(tmp_path))
    assert statuses(tenant, pipeline, execution_id)["Long"] == "Abandoned"


def flaky(tenant: Tenant, notes: Path, **more: Any) -> str:
    """A pipeline whose action Bad fails until the file `mended` is there."""
    return tenant.pipeline(
        (
            "Build",
            commands("Good", f"echo good >> {notes}/ran", outputArtifacts=[{"name": "Out"}]),
            commands("Bad", f"echo bad >> {notes}/ran; test -e {notes}/mended"),
        ),
        ("Deploy", commands("Ship", "true", inputArtifacts=[{"name": "Out"}])),
        **more,
    )


def retry(tenant: Tenant, pipeline: str, execution_id: str, mode: str = "FAILED_ACTIONS") -> Any:
    return tenant.client.retry_stage_execution(
        pipelineName=pipeline, stageName="Build", pipelineExecutionId=execution_id, retryMode=mode
    )


@pytest.mark.parametrize(
    ("mode", "ran"),
    [("FAILED_ACTIONS", ["bad", "bad", "good"]), ("ALL_ACTIONS", ["bad", "bad", "good", "good"])],
)
def test_a_failed_stage_is_retried(
    tenant: Tenant, tmp_path: Path, mode: str, ran: list[str]
) -> None:
    pipeline = flaky(tenant, tmp_path)
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    (tmp_path / "mended").touch()
    assert retry(tenant, pipeline, execution_id, mode)["pipelineExecutionId"] == execution_id
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert sorted((tmp_path / "ran").read_text().split()) == ran

    def listed(time_range: str) -> list[tuple[str, str]]:
        latest = {"pipelineExecutionId": execution_id, "startTimeRange": time_range}
        pages = tenant.client.get_paginator("list_action_executions").paginate(
            pipelineName=pipeline,
            filter={"latestInPipelineExecution": latest},
            PaginationConfig={"PageSize": 2},
        )
        details = [item for page in pages for item in page["actionExecutionDetails"]]
        return sorted((item["actionName"], item["status"]) for item in details)

    good = [("Good", "Succeeded")]
    expected = [("App", "Succeeded"), ("Bad", "Succeeded"), *good, ("Ship", "Succeeded")]
    assert listed("Latest") == expected
    more = good if mode == "ALL_ACTIONS" else []
    assert listed("All") == sorted([*expected, ("Bad", "Failed"), *more])
    states = tenant.client.get_pipeline_state(name=pipeline)["stageStates"]
    assert [state.get("retryStageMetadata") for state in states] == [
        None,
        {"manualStageRetryAttempt": 1, "latestRetryTrigger": "ManualStageRetry"},
        None,
    ]


def newest(tenant: Tenant, pipeline: str) -> dict[str, str]:
    """The status of the newest attempt at each action of the stage Build that has begun."""
    build = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][1]
    return {
        state["actionName"]: state["latestExecution"]["status"]
        for state in build["actionStates"]
        if "latestExecution" in state
    }


def test_a_failed_action_is_retried_while_others_still_run(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = tenant.pipeline(
        (
            "Build",
            commands("Bad", f"echo bad >> {tmp_path}/ran; test -e {tmp_path}/mended"),
            commands("Long", f"until test -e {tmp_path}/end; do sleep 0.1; done"),
        ),
        ("Deploy", commands("Ship", "true")),
    )
    execution_id = begin(tenant, pipeline)
    assert until(lambda: newest(tenant, pipeline).get("Bad") == "Failed", 30)
    asked = {"pipelineName": pipeline, "stageName": "Build", "pipelineExecutionId": execution_id}
    text = refused(
        tenant,
        "StageNotRetryableException",
        "retry_stage_execution",
        **asked,
        retryMode="ALL_ACTIONS",
    )
    assert "actions are in progress" in text
    (tmp_path / "mended").touch()
    assert retry(tenant, pipeline, execution_id)["pipelineExecutionId"] == execution_id
    assert until(lambda: newest(tenant, pipeline)["Bad"] == "Succeeded", 30)
    assert newest(tenant, pipeline)["Long"] == "InProgress"
    text = refused(
        tenant,
        "StageNotRetryableException",
        "retry_stage_execution",
        **asked,
        retryMode="FAILED_ACTIONS",
    )
    assert "no failed actions" in text
    (tmp_path / "end").touch()
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert (tmp_path / "ran").read_text().split() == ["bad", "bad"]
    build = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][1]
    assert build["retryStageMetadata"]["manualStageRetryAttempt"] == 1


def test_a_stage_that_fails_again_is_retried_again(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = flaky(tenant, tmp_path)
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    retry(tenant, pipeline, execution_id)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    (tmp_path / "mended").touch()
    retry(tenant, pipeline, execution_id)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert sorted((tmp_path / "ran").read_text().split()) == ["bad", "bad", "bad", "good"]


def test_an_abandoned_action_is_retried(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = lingering(tenant, tmp_path, 2)
    execution_id = begin(tenant, pipeline)
    in_the_long_action(tmp_path, 2)
    stop(tenant, pipeline, execution_id, abandon=True)
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    retry(tenant, pipeline, execution_id)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert "stopTrigger" not in tenant.executions(pipeline)[0]


def test_what_is_not_retried(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = flaky(tenant, tmp_path)
    first = begin(tenant, pipeline)
    assert ended(tenant, pipeline, first) == "Failed"
    asked = {
        "pipelineName": pipeline,
        "stageName": "Build",
        "pipelineExecutionId": first,
        "retryMode": "FAILED_ACTIONS",
    }

    def error(name: str, **changes: str) -> None:
        refused(tenant, name, "retry_stage_execution", **{**asked, **changes})

    error("PipelineNotFoundException", pipelineName="nobody")
    error("StageNotFoundException", stageName="Nowhere")
    error("StageNotRetryableException", stageName="Source")
    error("StageNotRetryableException", stageName="Deploy")
    error("StageNotRetryableException", pipelineExecutionId=NOBODY)
    second = begin(tenant, pipeline)
    assert ended(tenant, pipeline, second) == "Failed"
    error("NotLatestPipelineExecutionException")
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    tenant.client.update_pipeline(pipeline=declared)
    error("StageNotRetryableException", pipelineExecutionId=second)
    (tmp_path / "mended").touch()
    third = begin(tenant, pipeline)
    assert ended(tenant, pipeline, third) == "Succeeded"
    error("StageNotRetryableException", pipelineExecutionId=third)


def test_a_retry_outlasts_kill_9_of_everything(
    make_server: Callable[..., Server], database_url: str, github: Path, tmp_path: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    pipeline = flaky(tenant, tmp_path)
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    (tmp_path / "mended").touch()
    retry(tenant, pipeline, execution_id)
    server.kill()
    server.start()
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert (tmp_path / "ran").read_text().split().count("good") == 1


def test_a_stage_is_rolled_back(tenant: Tenant, tmp_path: Path) -> None:
    tenant.repository.commit(what="one")
    pipeline = tenant.pipeline(
        ("Build", commands("Make", "cp what made", outputArtifacts=[{"name": "Out"}])),
        (
            "Deploy",
            commands(
                "Ship",
                f'echo "$(cat made) by $WHO" >> {tmp_path}/shipped',
                inputArtifacts=[{"name": "Out"}],
                environmentVariables=[{"name": "WHO", "value": "#{variables.WHO}"}],
            ),
        ),
        ("Last", commands("End", "true")),
        pipelineType="V2",
        variables=[{"name": "WHO", "defaultValue": "nobody"}],
    )
    target = begin(tenant, pipeline, variables=[{"name": "WHO", "value": "me"}])
    assert ended(tenant, pipeline, target) == "Succeeded"
    tenant.repository.commit(what="two")
    assert ended(tenant, pipeline, begin(tenant, pipeline)) == "Succeeded"
    asked = {"pipelineName": pipeline, "targetPipelineExecutionId": target}
    execution_id = tenant.client.rollback_stage(**asked, stageName="Deploy")["pipelineExecutionId"]
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    lines = (tmp_path / "shipped").read_text().splitlines()
    assert lines == ["one by me", "two by nobody", "one by me"]
    assert list(statuses(tenant, pipeline, execution_id)) == ["Ship"]
    execution = tenant.execution(pipeline, execution_id)
    assert execution["executionType"] == "ROLLBACK"
    assert execution["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": target}
    assert execution["trigger"]["triggerType"] == "ManualRollback"
    for error, changes in (
        ("PipelineNotFoundException", {"pipelineName": "nobody"}),
        ("StageNotFoundException", {"stageName": "Nowhere"}),
        ("PipelineExecutionNotFoundException", {"targetPipelineExecutionId": NOBODY}),
        ("UnableToRollbackStageException", {"stageName": "Source"}),
        ("UnableToRollbackStageException", {"targetPipelineExecutionId": execution_id}),
    ):
        refused(tenant, error, "rollback_stage", **{**asked, "stageName": "Deploy", **changes})
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    tenant.client.update_pipeline(pipeline=declared)
    refused(
        tenant,
        "PipelineExecutionOutdatedException",
        "rollback_stage",
        **asked,
        stageName="Deploy",
    )
