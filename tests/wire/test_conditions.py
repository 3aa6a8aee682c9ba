"""Conditions of stages are asked, and their results follow, through boto3."""

import zlib
from pathlib import Path
from typing import Any

import pytest

from support.executions import begin, ended, refused, stage_status, statuses, stop
from support.server import running_with, until
from support.tenant import Tenant, commands

NOBODY = "00000000-0000-0000-0000-000000000000"
ALWAYS, NEVER = "* * * ? * *", "* * * ? * * 1999"


def rule(name: str, provider: str, lines: tuple[str, ...] = (), **configuration: str) -> Any:
    """A rule; only Commands has lines."""
    kind = {"category": "Rule", "owner": "AWS", "provider": provider, "version": "1"}
    declared: dict[str, Any] = {"name": name, "ruleTypeId": kind}
    if lines:
        declared["commands"] = list(lines)
    if configuration:
        declared["configuration"] = configuration
    return declared


def check(variable: str, value: str, operator: str = "EQ", name: str = "Check") -> Any:
    """A rule that compares."""
    return rule(name, "VariableCheck", Variable=variable, Value=value, Operator=operator)


def condition(result: str, *rules: Any) -> Any:
    """The one condition of a stage's `beforeEntry`, `onSuccess` or `onFailure`."""
    return {"conditions": [{"result": result, "rules": list(rules)}]}


def conditional(tenant: Tenant, line: str = "true", *more: Any, **conditions: Any) -> str:
    """A pipeline whose stage Build has conditions; Deploy follows it. Its variable is Stage."""
    name = tenant.pipeline(
        ("Build", commands("Make", line), *more),
        ("Deploy", commands("Ship", "true")),
        pipelineType="V2",
        variables=[{"name": "Stage", "defaultValue": "dev"}],
    )
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    declared["stages"][1].update(conditions)
    tenant.client.update_pipeline(pipeline=declared)
    return name


def state(tenant: Tenant, pipeline: str, stage: str = "Build") -> Any:
    states = tenant.client.get_pipeline_state(name=pipeline)["stageStates"]
    [found] = [item for item in states if item["stageName"] == stage]
    return found


def rules(tenant: Tenant, pipeline: str, **more: Any) -> list[Any]:
    pages = tenant.client.get_paginator("list_rule_executions").paginate(
        pipelineName=pipeline, **more
    )
    return [item for page in pages for item in page["ruleExecutionDetails"]]


def override(tenant: Tenant, pipeline: str, execution_id: str, kind: str) -> Any:
    return tenant.client.override_stage_condition(
        pipelineName=pipeline,
        stageName="Build",
        pipelineExecutionId=execution_id,
        conditionType=kind,
    )


def not_overridable(tenant: Tenant, pipeline: str, execution_id: str, kind: str) -> str:
    return refused(
        tenant,
        "ConditionNotOverridableException",
        "override_stage_condition",
        pipelineName=pipeline,
        stageName="Build",
        pipelineExecutionId=execution_id,
        conditionType=kind,
    )


def test_a_stage_whose_entry_condition_is_met_runs(tenant: Tenant) -> None:
    pipeline = conditional(
        tenant,
        beforeEntry=condition(
            "FAIL",
            check("#{variables.Stage}", "dev"),
            rule("Window", "DeploymentWindow", Cron=ALWAYS),
        ),
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    shown = state(tenant, pipeline)["beforeEntryConditionState"]
    assert shown["latestExecution"] == {"status": "Succeeded", "summary": "All rules succeeded"}
    [one] = shown["conditionStates"]
    assert one["latestExecution"]["status"] == "Succeeded"
    assert one["latestExecution"]["lastStatusChange"]
    assert [item["ruleName"] for item in one["ruleStates"]] == ["Check", "Window"]
    assert [item["latestExecution"]["summary"] for item in one["ruleStates"]] == [
        "'dev' equals 'dev'",
        "The deployment window is open",
    ]
    not_overridable(tenant, pipeline, execution_id, "BEFORE_ENTRY")


def test_an_entry_condition_fails_its_stage_until_it_is_overridden(tenant: Tenant) -> None:
    pipeline = conditional(
        tenant,
        beforeEntry=condition(
            "FAIL", check("#{variables.Stage}", "main"), check("a", "a", name="Other")
        ),
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded"}
    assert stage_status(tenant, pipeline, "Build") == "Failed"
    summary = tenant.execution(pipeline, execution_id)["statusSummary"]
    assert summary == (
        "The entry condition of stage 'Build' failed: Rule 'Check': 'dev' does not equal 'main'"
    )
    shown = state(tenant, pipeline)["beforeEntryConditionState"]
    assert shown["latestExecution"]["status"] == "Failed"
    [checked, other] = shown["conditionStates"][0]["ruleStates"]
    assert checked["latestExecution"]["status"] == "Failed"
    assert checked["latestExecution"]["errorDetails"] == {
        "code": "JobFailed",
        "message": "'dev' does not equal 'main'",
    }
    assert other["latestExecution"]["status"] == "Succeeded"
    assert override(tenant, pipeline, execution_id, "BEFORE_ENTRY")
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    shown = state(tenant, pipeline)
    assert shown["beforeEntryConditionState"]["latestExecution"]["status"] == "Overridden"
    assert shown["latestExecution"]["status"] == "Succeeded"
    assert "retryStageMetadata" not in shown
    assert statuses(tenant, pipeline, execution_id)["Ship"] == "Succeeded"
    not_overridable(tenant, pipeline, execution_id, "BEFORE_ENTRY")


def test_a_retry_asks_the_entry_condition_again(tenant: Tenant, tmp_path: Path) -> None:
    line = f"test -e {tmp_path}/ready"
    pipeline = conditional(
        tenant, beforeEntry=condition("FAIL", rule("Ready", "Commands", (line,)))
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    (tmp_path / "ready").touch()
    again = {"pipelineName": pipeline, "stageName": "Build", "pipelineExecutionId": execution_id}
    tenant.client.retry_stage_execution(**again, retryMode="ALL_ACTIONS")
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert state(tenant, pipeline)["retryStageMetadata"] == {
        "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry",
    }
    assert [item["status"] for item in rules(tenant, pipeline)] == ["Succeeded", "Failed"]
    latest = {"pipelineExecutionId": execution_id, "startTimeRange": "Latest"}
    [newest] = rules(tenant, pipeline, filter={"latestInPipelineExecution": latest})
    assert newest["status"] == "Succeeded"


def test_a_stage_is_skipped(tenant: Tenant) -> None:
    pipeline = conditional(
        tenant, beforeEntry=condition("SKIP", check("#{variables.Stage}", "main"))
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded", "Ship": "Succeeded"}
    assert stage_status(tenant, pipeline, "Build") == "Skipped"
    assert "the stage is Skipped" in not_overridable(tenant, pipeline, execution_id, "BEFORE_ENTRY")
    passed = {"succeededInStage": {"stageName": "Build"}}
    found = tenant.client.list_pipeline_executions(pipelineName=pipeline, filter=passed)
    assert found["pipelineExecutionSummaries"] == []


def test_a_success_condition_fails_its_stage_until_it_is_overridden(tenant: Tenant) -> None:
    pipeline = conditional(tenant, onSuccess=condition("FAIL", check("a", "b")))
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    assert statuses(tenant, pipeline, execution_id) == {"App": "Succeeded", "Make": "Succeeded"}
    assert "success condition" in tenant.execution(pipeline, execution_id)["statusSummary"]
    assert "it was not checked" in not_overridable(tenant, pipeline, execution_id, "BEFORE_ENTRY")
    override(tenant, pipeline, execution_id, "ON_SUCCESS")
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    shown = state(tenant, pipeline)
    assert shown["onSuccessConditionState"]["latestExecution"]["status"] == "Overridden"
    assert shown["latestExecution"]["status"] == "Succeeded"
    assert statuses(tenant, pipeline, execution_id)["Ship"] == "Succeeded"
    again = not_overridable(tenant, pipeline, execution_id, "ON_SUCCESS")
    assert "it is Overridden" in again


def test_a_failed_stage_is_rolled_back_to_the_last_execution_that_succeeded(
    tenant: Tenant, tmp_path: Path
) -> None:
    pipeline = conditional(tenant, f"test ! -e {tmp_path}/broken", onFailure={"result": "ROLLBACK"})
    (tmp_path / "broken").touch()
    nothing = begin(tenant, pipeline)
    assert ended(tenant, pipeline, nothing) == "Failed"
    summary = tenant.execution(pipeline, nothing)["statusSummary"]
    assert "was not rolled back: no execution of this version" in summary
    (tmp_path / "broken").unlink()
    good = begin(tenant, pipeline)
    assert ended(tenant, pipeline, good) == "Succeeded"
    (tmp_path / "broken").touch()
    bad = begin(tenant, pipeline)
    assert ended(tenant, pipeline, bad) == "Failed"
    [rollback, *others] = tenant.executions(pipeline)
    assert [item["pipelineExecutionId"] for item in others] == [bad, good, nothing]
    assert rollback["executionType"] == "ROLLBACK"
    assert rollback["trigger"] == {"triggerType": "AutomatedRollback", "triggerDetail": bad}
    assert rollback["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": good}
    rollback_id = rollback["pipelineExecutionId"]
    assert rollback_id in tenant.execution(pipeline, bad)["statusSummary"]
    # It fails as well, and is not rolled back in turn.
    assert ended(tenant, pipeline, rollback_id) == "Failed"
    assert len(tenant.executions(pipeline)) == 4
    again = {"pipelineName": pipeline, "stageName": "Build", "pipelineExecutionId": bad}
    refused(
        tenant,
        "ConditionNotOverridableException",
        "override_stage_condition",
        **again,
        conditionType="ON_SUCCESS",
    )


def test_a_success_condition_rolls_back(tenant: Tenant, tmp_path: Path) -> None:
    healthy = rule("Healthy", "Commands", (f"test ! -e {tmp_path}/sick",))
    pipeline = conditional(tenant, onSuccess=condition("ROLLBACK", healthy))
    good = begin(tenant, pipeline)
    assert ended(tenant, pipeline, good) == "Succeeded"
    (tmp_path / "sick").touch()
    bad = begin(tenant, pipeline)
    assert ended(tenant, pipeline, bad) == "Failed"
    rollback = tenant.executions(pipeline)[0]
    assert rollback["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": good}
    # The rollback is in the stage now.
    refused(
        tenant,
        "NotLatestPipelineExecutionException",
        "override_stage_condition",
        pipelineName=pipeline,
        stageName="Build",
        pipelineExecutionId=bad,
        conditionType="ON_SUCCESS",
    )
    ended(tenant, pipeline, rollback["pipelineExecutionId"])


@pytest.mark.parametrize("mode", ["FAILED_ACTIONS", "ALL_ACTIONS"])
def test_a_failed_stage_is_retried_once(tenant: Tenant, tmp_path: Path, mode: str) -> None:
    retry = {"result": "RETRY", "retryConfiguration": {"retryMode": mode}}
    count = f"echo x >> {tmp_path}"
    pipeline = conditional(
        tenant,
        f"{count}/first",
        commands("Try", f"{count}/second; test -e {tmp_path}/ready", runOrder=2),
        onFailure=retry,
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    assert state(tenant, pipeline)["retryStageMetadata"] == {
        "autoStageRetryAttempt": 1,
        "latestRetryTrigger": "AutomatedStageRetry",
    }
    runs = {name: len((tmp_path / name).read_text().split()) for name in ("first", "second")}
    assert runs == {"first": 1 if mode == "FAILED_ACTIONS" else 2, "second": 2}
    (tmp_path / "ready").touch()
    again = {"pipelineName": pipeline, "stageName": "Build", "pipelineExecutionId": execution_id}
    tenant.client.retry_stage_execution(**again, retryMode="FAILED_ACTIONS")
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    assert state(tenant, pipeline)["retryStageMetadata"] == {
        "autoStageRetryAttempt": 1,
        "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry",
    }


@pytest.mark.parametrize(
    ("result", "value", "expected", "stage"),
    [
        ("SKIP", "main", "Succeeded", "Skipped"),
        ("SKIP", "dev", "Failed", "Failed"),
        ("FAIL", "main", "Failed", "Failed"),
    ],
)
def test_a_failure_condition_decides_what_follows_a_failure(
    tenant: Tenant, result: str, value: str, expected: str, stage: str
) -> None:
    pipeline = conditional(
        tenant, "false", onFailure=condition(result, check("#{variables.Stage}", value))
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == expected
    assert stage_status(tenant, pipeline, "Build") == stage
    shown = state(tenant, pipeline)["onFailureConditionState"]["latestExecution"]
    assert shown["status"] == ("Succeeded" if value == "dev" else "Failed")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            rule("Remote", "LambdaInvoke", FunctionName="f"),
            "Rule · AWS · LambdaInvoke · 1 is not run by this version of Hookline",
        ),
        (check("#{variables.Nobody}", "x"), "this execution has no value"),
        (check("a", "#{variables.Pattern}", "MATCHES"), "regular expression"),
    ],
)
def test_a_rule_that_cannot_be_asked_fails_the_stage_and_skips_nothing(
    tenant: Tenant, declared: Any, words: str
) -> None:
    pipeline = conditional(tenant, beforeEntry=condition("SKIP", declared))
    declaration = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declaration["variables"].append({"name": "Pattern", "defaultValue": "(a"})
    tenant.client.update_pipeline(pipeline=declaration)
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    assert stage_status(tenant, pipeline, "Build") == "Failed"
    [found] = rules(tenant, pipeline, filter={"pipelineExecutionId": execution_id})
    assert found["status"] == "Failed"
    details = found["output"]["executionResult"]["errorDetails"]
    assert details["code"] == "ConfigurationError"
    assert words in details["message"]
    shown = state(tenant, pipeline)["beforeEntryConditionState"]["latestExecution"]
    assert shown["status"] == "Errored"
    summary = tenant.execution(pipeline, execution_id)["statusSummary"]
    assert "could not be checked: Rule" in summary
    override(tenant, pipeline, execution_id, "BEFORE_ENTRY")
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def waiting_rule(tenant: Tenant, pipeline: str) -> bool:
    found = rules(tenant, pipeline)
    return bool(found) and found[0]["status"] == "InProgress"


def test_a_closed_window_keeps_an_execution_waiting_until_it_is_stopped(tenant: Tenant) -> None:
    window = rule("Window", "DeploymentWindow", Cron=NEVER)
    pipeline = conditional(tenant, beforeEntry=condition("FAIL", window))
    execution_id = begin(tenant, pipeline)
    assert until(lambda: waiting_rule(tenant, pipeline))
    shown = state(tenant, pipeline)
    assert shown["beforeEntryConditionState"]["latestExecution"]["status"] == "InProgress"
    assert shown["latestExecution"]["status"] == "InProgress"
    stop(tenant, pipeline, execution_id)
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    assert stage_status(tenant, pipeline, "Build") == "Stopped"
    [found] = rules(tenant, pipeline)
    assert found["status"] == "Abandoned"
    shown = state(tenant, pipeline)["beforeEntryConditionState"]["latestExecution"]
    assert shown["status"] == "Abandoned"


def test_a_closed_window_is_overridden_while_it_waits(tenant: Tenant) -> None:
    window = rule("Window", "DeploymentWindow", Cron=NEVER)
    pipeline = conditional(tenant, beforeEntry=condition("FAIL", window, check("a", "b")))
    execution_id = begin(tenant, pipeline)
    assert until(
        lambda: (
            len(rules(tenant, pipeline)) == 2
            and any(item["status"] == "Failed" for item in rules(tenant, pipeline))
        )
    )
    assert until(lambda: _overrides(tenant, pipeline, execution_id))
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    shown = state(tenant, pipeline)["beforeEntryConditionState"]["latestExecution"]
    assert shown["status"] == "Overridden"
    assert sorted(item["status"] for item in rules(tenant, pipeline)) == ["Abandoned", "Failed"]


def _overrides(tenant: Tenant, pipeline: str, execution_id: str) -> bool:
    """Whether the condition could be overridden: a rule that runs for a moment prevents it."""
    try:
        override(tenant, pipeline, execution_id, "BEFORE_ENTRY")
    except tenant.client.exceptions.ConditionNotOverridableException:
        return False
    return True


def test_a_rule_that_runs_is_abandoned_with_its_execution(tenant: Tenant, tmp_path: Path) -> None:
    # Its id in its namespace says nothing here.
    mark = f"60.{zlib.crc32(bytes(tmp_path)):010d}"
    long = rule("Long", "Commands", (f"sleep {mark}; true",))
    pipeline = conditional(tenant, onSuccess=condition("FAIL", long))
    execution_id = begin(tenant, pipeline)
    assert until(lambda: running_with(mark))
    assert "it is InProgress" in not_overridable(tenant, pipeline, execution_id, "ON_SUCCESS")
    stop(tenant, pipeline, execution_id, abandon=True)
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    assert not running_with(mark)
    [found] = rules(tenant, pipeline)
    assert found["status"] == "Abandoned"
    assert stage_status(tenant, pipeline, "Build") == "Stopped"


def test_a_rule_runs_commands_on_artifacts_and_tells_what_it_was_given(tenant: Tenant) -> None:
    declared = rule("Look", "Commands", ("test -e file", 'test "$CODEPIPELINE_STAGE_NAME" = Build'))
    declared["inputArtifacts"] = [{"name": "Code"}]
    pipeline = conditional(
        tenant, beforeEntry=condition("FAIL", declared, check("#{variables.Stage}", "dev"))
    )
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    found = {item["ruleName"]: item for item in rules(tenant, pipeline, maxResults=1)}
    assert sorted(found) == ["Check", "Look"]
    look, checked = found["Look"], found["Check"]
    assert look["input"]["inputArtifacts"][0]["name"] == "Code"
    assert look["output"]["executionResult"]["externalExecutionSummary"] == "2 commands succeeded"
    assert look["pipelineExecutionId"] == execution_id
    assert look["stageName"] == "Build"
    assert look["pipelineVersion"] == 2
    assert look["input"]["ruleTypeId"]["provider"] == "Commands"
    assert checked["input"]["configuration"]["Variable"] == "#{variables.Stage}"
    assert checked["input"]["resolvedConfiguration"]["Variable"] == "dev"
    assert checked["input"]["region"] == tenant.region
    logs = tenant.server.hookline("logs", execution_id).stdout
    assert "==> Build / Look (rule, BEFORE_ENTRY): Succeeded <==\n$ test -e file\n" in logs
    assert "Check (rule, BEFORE_ENTRY): Succeeded <==\n'dev' equals 'dev'\n" in logs
    assert logs.index("Look") < logs.index("Make")


def test_list_rule_types_tells_how_each_is_configured(tenant: Tenant) -> None:
    types = {item["id"]["provider"]: item for item in tenant.client.list_rule_types()["ruleTypes"]}
    assert sorted(types) == [
        "CloudWatchAlarm",
        "CodeBuild",
        "Commands",
        "DeploymentWindow",
        "LambdaInvoke",
        "VariableCheck",
    ]
    required = {
        item["name"]: item["required"]
        for item in types["DeploymentWindow"]["ruleConfigurationProperties"]
    }
    assert required == {"Cron": True, "TimeZone": False}
    assert types["Commands"]["inputArtifactDetails"] == {"minimumCount": 0, "maximumCount": 5}
    assert tenant.client.list_rule_types(ruleOwnerFilter="AWS", regionFilter=tenant.region)[
        "ruleTypes"
    ]


def test_who_and_what_can_be_overridden(tenant: Tenant) -> None:
    pipeline = conditional(tenant, beforeEntry=condition("FAIL", check("a", "b")))
    execution_id = begin(tenant, pipeline)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    assert "does not have an execution" in not_overridable(tenant, pipeline, NOBODY, "BEFORE_ENTRY")
    assert "it was not checked" in not_overridable(tenant, pipeline, execution_id, "ON_SUCCESS")
    later = begin(tenant, pipeline)
    assert ended(tenant, pipeline, later) == "Failed"
    refused(
        tenant,
        "NotLatestPipelineExecutionException",
        "override_stage_condition",
        pipelineName=pipeline,
        stageName="Build",
        pipelineExecutionId=execution_id,
        conditionType="BEFORE_ENTRY",
    )
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    tenant.client.update_pipeline(pipeline=declared)
    assert "was changed since" in not_overridable(tenant, pipeline, later, "BEFORE_ENTRY")
