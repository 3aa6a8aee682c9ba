"""Executions through boto3: listing and paging, tokens, variables, and transitions."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.executions import begin, refused
from support.server import Server, until
from support.tenant import Tenant, action_type, commands


def ran(tenant: Tenant, pipeline: str, **more: Any) -> str:
    execution_id = begin(tenant, pipeline, **more)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    return execution_id


def test_executions_are_paged_and_a_token_goes_with_its_request(tenant: Tenant) -> None:
    pipeline, other = tenant.idle_pipeline(), tenant.idle_pipeline()
    started = [begin(tenant, pipeline) for _ in range(5)]
    for _ in range(2):
        begin(tenant, other)
    listing = tenant.client.list_pipeline_executions
    first = listing(pipelineName=pipeline, maxResults=2)
    begin(tenant, pipeline)
    seen, token = list(first["pipelineExecutionSummaries"]), first["nextToken"]
    rest = listing(pipelineName=pipeline, maxResults=100, nextToken=token)
    seen += rest["pipelineExecutionSummaries"]
    assert "nextToken" not in rest
    assert [item["pipelineExecutionId"] for item in seen] == started[::-1]
    stage = {"succeededInStage": {"stageName": "Source"}}
    for parameters in ({"pipelineName": other}, {"pipelineName": pipeline, "filter": stage}):
        refused(
            tenant,
            "InvalidNextTokenException",
            "list_pipeline_executions",
            **parameters,
            nextToken=token,
        )
    refused(
        tenant,
        "InvalidNextTokenException",
        "list_action_executions",
        pipelineName=pipeline,
        nextToken=token,
    )


def test_executions_that_succeeded_in_a_stage_of_the_current_version(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(("Build", commands("Make", "true")))
    first = ran(tenant, pipeline)
    failed = begin(
        tenant,
        pipeline,
        sourceRevisions=[
            {"actionName": "App", "revisionType": "COMMIT_ID", "revisionValue": "1" * 40}
        ],
    )
    assert tenant.finished(pipeline, failed)["status"] == "Failed"

    def passed(stage: str) -> list[str]:
        answer = tenant.client.list_pipeline_executions(
            pipelineName=pipeline, filter={"succeededInStage": {"stageName": stage}}
        )
        return [item["pipelineExecutionId"] for item in answer["pipelineExecutionSummaries"]]

    assert passed("Build") == passed("Source") == [first]
    assert passed("Nowhere") == []
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    tenant.client.update_pipeline(pipeline=declared)
    assert passed("Build") == []


def test_source_revisions_are_overridden(tenant: Tenant) -> None:
    commit = tenant.repository.commit("The wanted one")
    tenant.repository.commit("A later one")
    pipeline = tenant.pipeline()
    override = {"actionName": "App", "revisionType": "COMMIT_ID", "revisionValue": commit}
    execution_id = ran(tenant, pipeline, sourceRevisions=[override])
    [summary] = tenant.executions(pipeline)
    assert [item["revisionId"] for item in summary["sourceRevisions"]] == [commit]
    assert summary["trigger"]["triggerType"] == "StartPipelineExecution"
    assert summary["pipelineExecutionId"] == execution_id
    for wrong in (
        [{**override, "actionName": "Nobody"}],
        [{**override, "revisionType": "S3_OBJECT_KEY"}],
        [{**override, "revisionValue": "main"}],
        [override, override],
    ):
        refused(
            tenant,
            "ValidationException",
            "start_pipeline_execution",
            name=pipeline,
            sourceRevisions=wrong,
        )


@pytest.mark.parametrize(
    ("source", "revisions", "wrong"),
    [
        (
            {"provider": "ECR", "configuration": {"RepositoryName": "app"}},
            {"IMAGE_DIGEST": f"sha256:{'a' * 64}"},
            {"IMAGE_DIGEST": "latest"},
        ),
        (
            {"provider": "S3", "configuration": {"S3Bucket": "b", "S3ObjectKey": "k"}},
            {"S3_OBJECT_KEY": "other.zip", "S3_OBJECT_VERSION_ID": "v1"},
            {"COMMIT_ID": "a" * 40},
        ),
    ],
)
def test_each_source_takes_the_revision_types_that_it_has(
    tenant: Tenant, source: Any, revisions: dict[str, str], wrong: dict[str, str]
) -> None:
    action = {
        "name": "App",
        "actionTypeId": action_type("Source", "AWS", source["provider"]),
        "configuration": source["configuration"],
        "outputArtifacts": [{"name": "Code"}],
    }
    pipeline = tenant.pipeline(source_action=action)

    def overrides(values: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"actionName": "App", "revisionType": kind, "revisionValue": value}
            for kind, value in values.items()
        ]

    refused(
        tenant,
        "ValidationException",
        "start_pipeline_execution",
        name=pipeline,
        sourceRevisions=overrides(wrong),
    )
    begin(tenant, pipeline, sourceRevisions=overrides(revisions))
    [summary] = tenant.executions(pipeline)
    found = [item["revisionId"] for item in summary["sourceRevisions"]]
    assert found == list(revisions.values())


def test_x2_the_state_shows_the_commit_that_a_source_has_fetched(tenant: Tenant) -> None:
    pipeline = tenant.pipeline()

    def states() -> Any:
        state = tenant.client.get_pipeline_state(name=pipeline)
        return [action for stage in state["stageStates"] for action in stage["actionStates"]]

    assert "currentRevision" not in states()[0]
    commit = tenant.repository.commit("Newest")
    execution_id = ran(tenant, pipeline)
    source, build = states()
    assert source["currentRevision"] == {
        "revisionId": commit,
        "revisionChangeId": execution_id,
        "created": source["latestExecution"]["lastStatusChange"],
    }
    assert "currentRevision" not in build


def test_a_request_token_starts_one_execution_of_a_pipeline(tenant: Tenant) -> None:
    pipeline, other = tenant.idle_pipeline(), tenant.idle_pipeline()
    first = begin(tenant, pipeline, clientRequestToken="once")
    assert begin(tenant, pipeline, clientRequestToken="once") == first
    assert begin(tenant, pipeline, clientRequestToken="twice") != first
    assert begin(tenant, other, clientRequestToken="once") != first
    assert len(tenant.executions(pipeline)) == 2
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declared["stages"][0]["actions"][0]["configuration"]["OAuthToken"] = "new"
    tenant.client.delete_pipeline(name=pipeline)
    tenant.client.create_pipeline(pipeline=declared)
    assert begin(tenant, pipeline, clientRequestToken="once") != first


VARIABLES = [
    {"name": "WHO", "defaultValue": "nobody"},
    {"name": "WHERE", "defaultValue": "here", "description": "A place"},
]


def with_variables(tenant: Tenant, notes: Path, variables: Any = None) -> str:
    """A pipeline that writes down what its variables come to, as files in `notes`."""
    notes.mkdir(exist_ok=True)
    first = commands(
        "First",
        f'printf %s "$SAID" > {notes}/said',
        "SHOUT=$(printf %s \"$SAID\" | tr '[:lower:]' '[:upper:]')",
        namespace="first",
        outputVariables=["SHOUT"],
        environmentVariables=[
            {"name": "SAID", "value": "#{variables.WHO} is #{variables.WHERE}", "type": "PLAINTEXT"}
        ],
    )
    second = commands(
        "Second",
        f'printf %s "$HEARD" > {notes}/heard',
        f"printf %s '#{{variables.WHO}}' > {notes}/command",
        environmentVariables=[
            {
                "name": "HEARD",
                "value": "#{first.SHOUT} at #{App.CommitId} in #{codepipeline.PipelineExecutionId}",
            }
        ],
    )
    return tenant.pipeline(
        ("Build", first),
        ("Deploy", second),
        source_action={**tenant.source("#{variables.BRANCH}"), "namespace": "App"},
        pipelineType="V2",
        variables=[{"name": "BRANCH", "defaultValue": "main"}, *(variables or VARIABLES)],
    )


def test_variables_reach_configuration_and_environment_and_never_a_command(
    tenant: Tenant, tmp_path: Path
) -> None:
    commit = tenant.repository.commit("Newest")
    pipeline = with_variables(tenant, tmp_path)
    evil = "$(touch pwned); `id` \"'#{variables.WHERE}"
    execution_id = ran(tenant, pipeline, variables=[{"name": "WHO", "value": evil}])
    assert (tmp_path / "said").read_text() == f"{evil} is here"
    heard = (tmp_path / "heard").read_text()
    assert heard == f"{evil} is here".upper() + f" at {commit} in {execution_id}"
    assert (tmp_path / "command").read_text() == "#{variables.WHO}"
    execution = tenant.execution(pipeline, execution_id)
    assert {item["name"]: item["resolvedValue"] for item in execution["variables"]} == {
        "BRANCH": "main",
        "WHO": evil,
        "WHERE": "here",
    }
    actions = tenant.actions(pipeline, execution_id)
    given = actions["App"]["input"]
    assert given["configuration"]["Branch"] == "#{variables.BRANCH}"
    assert given["resolvedConfiguration"] == {
        **given["configuration"],
        "Branch": "main",
        "OAuthToken": "****",
    }
    assert actions["App"]["output"]["outputVariables"]["CommitId"] == commit
    assert actions["First"]["output"]["outputVariables"] == {"SHOUT": f"{evil} is here".upper()}


def test_a_webhook_starts_with_the_defaults(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = with_variables(tenant, tmp_path)
    commit = tenant.repository.commit("Pushed")
    reply = tenant.push(tenant.webhook(pipeline), {"after": commit})
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    assert (tmp_path / "said").read_text() == "nobody is here"


def test_variables_are_checked_when_an_execution_starts(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = with_variables(tenant, tmp_path, [{"name": "WHO"}, VARIABLES[1]])

    def error(*given: tuple[str, str]) -> str:
        variables = [{"name": name, "value": value} for name, value in given]
        more = {"variables": variables} if variables else {}
        return refused(
            tenant, "ValidationException", "start_pipeline_execution", name=pipeline, **more
        )

    assert "'WHO'" in error()
    assert "'NEW'" in error(("WHO", "x"), ("NEW", "y"))
    assert "'WHO'" in error(("WHO", "x"), ("WHO", "y"))
    plain = tenant.pipeline()
    assert "'WHO'" in refused(
        tenant,
        "ValidationException",
        "start_pipeline_execution",
        name=plain,
        variables=[{"name": "WHO", "value": "x"}],
    )
    # A webhook can't give values: the action that needs one says so.
    reply = tenant.push(tenant.webhook(pipeline), {"after": tenant.repository.commit()})
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Failed"
    told = tenant.error(pipeline, reply.execution_id, "First")
    assert told["code"] == "ConfigurationError"
    assert "#{variables.WHO}" in told["message"]


@pytest.mark.parametrize("reference", ["#{nobody.X}", "#{App.Nothing}", "#{oops}", "#{Make.X}"])
def test_a_reference_to_nothing_fails_the_action(tenant: Tenant, reference: str) -> None:
    action = commands(
        "Make",
        "true",
        namespace="Make",
        environmentVariables=[{"name": "X", "value": f"a {reference}"}],
    )
    pipeline = tenant.pipeline(
        ("Build", action), source_action={**tenant.source(), "namespace": "App"}
    )
    execution_id = begin(tenant, pipeline)
    assert tenant.finished(pipeline, execution_id)["status"] == "Failed"
    assert reference in tenant.error(pipeline, execution_id, "Make")["message"]


def stage_state(tenant: Tenant, pipeline: str, stage: str) -> Any:
    states = tenant.client.get_pipeline_state(name=pipeline)["stageStates"]
    return next(item for item in states if item["stageName"] == stage)


def waiting(tenant: Tenant, pipeline: str, stage: str) -> list[str]:
    inbound = stage_state(tenant, pipeline, stage).get("inboundExecutions", [])
    return [item["pipelineExecutionId"] for item in inbound]


@pytest.mark.parametrize(
    "way",
    [
        {"stageName": "Build", "transitionType": "Inbound"},
        {"stageName": "Source", "transitionType": "Outbound"},
    ],
)
def test_executions_wait_before_a_disabled_transition(tenant: Tenant, way: dict[str, str]) -> None:
    pipeline = tenant.pipeline(("Build", commands("Make", "true")))
    assert stage_state(tenant, pipeline, "Build")["inboundTransitionState"] == {"enabled": True}
    tenant.client.disable_stage_transition(pipelineName=pipeline, **way, reason="Not on Fridays!")
    state = stage_state(tenant, pipeline, "Build")["inboundTransitionState"]
    assert state.pop("lastChangedAt").timestamp() > 0
    assert state == {
        "enabled": False,
        "lastChangedBy": tenant.arn,
        "disabledReason": "Not on Fridays!",
    }
    older = begin(tenant, pipeline)
    assert until(lambda: waiting(tenant, pipeline, "Build") == [older])
    newer = begin(tenant, pipeline)
    assert tenant.finished(pipeline, older)["status"] == "Superseded"
    assert waiting(tenant, pipeline, "Build") == [newer]
    assert tenant.execution(pipeline, newer)["status"] == "InProgress"
    tenant.client.enable_stage_transition(pipelineName=pipeline, **way)
    assert tenant.finished(pipeline, newer)["status"] == "Succeeded"
    state = stage_state(tenant, pipeline, "Build")["inboundTransitionState"]
    assert state["enabled"] is True
    assert "disabledReason" not in state


def test_deliveries_wait_before_the_first_stage(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(executionMode="QUEUED", pipelineType="V2")
    way = {"pipelineName": pipeline, "stageName": "Source", "transitionType": "Inbound"}
    tenant.client.disable_stage_transition(**way, reason="Later")
    webhook = tenant.webhook(pipeline)
    pushed = [
        tenant.push(webhook, {"after": tenant.repository.commit()}).execution_id for _ in range(2)
    ]
    assert waiting(tenant, pipeline, "Source") == pushed
    tenant.client.enable_stage_transition(**way)
    assert [tenant.finished(pipeline, item)["status"] for item in pushed] == ["Succeeded"] * 2


def test_transitions_are_of_stages_that_are_there(tenant: Tenant) -> None:
    pipeline = tenant.pipeline()
    way = {"stageName": "Build", "transitionType": "Inbound"}
    for call, more in (
        ("disable_stage_transition", {"reason": "x"}),
        ("enable_stage_transition", {}),
    ):
        asked = {"pipelineName": "nobody", **way, **more}
        refused(tenant, "PipelineNotFoundException", call, **asked)
        asked |= {"pipelineName": pipeline, "stageName": "Nowhere"}
        refused(tenant, "StageNotFoundException", call, **asked)
        asked |= {"stageName": "Build", "transitionType": "Outbound"}
        assert "last" in refused(tenant, "ValidationException", call, **asked)


def test_rules_are_those_of_a_pipeline_and_execution_that_exist(tenant: Tenant) -> None:
    pipeline = tenant.pipeline()
    listing = "list_rule_executions"
    assert tenant.client.list_rule_executions(pipelineName=pipeline)["ruleExecutionDetails"] == []
    refused(tenant, "PipelineNotFoundException", listing, pipelineName="nobody")
    refused(
        tenant,
        "PipelineExecutionNotFoundException",
        listing,
        pipelineName=pipeline,
        filter={"pipelineExecutionId": "0" * 8 + "-0000-0000-0000-" + "0" * 12},
    )
    refused(tenant, "InvalidNextTokenException", listing, pipelineName=pipeline, nextToken="x")


def test_variables_and_transitions_outlast_a_restart(
    make_server: Callable[..., Server], database_url: str, github: Path, tmp_path: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    pipeline = with_variables(tenant, tmp_path)
    way = {"pipelineName": pipeline, "stageName": "Build", "transitionType": "Inbound"}
    tenant.client.disable_stage_transition(**way, reason="Restart")
    execution_id = begin(tenant, pipeline, variables=[{"name": "WHO", "value": "somebody"}])
    assert until(lambda: waiting(tenant, pipeline, "Build") == [execution_id])
    server.kill()
    server.start()
    assert waiting(tenant, pipeline, "Build") == [execution_id]
    tenant.client.enable_stage_transition(**way)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    assert (tmp_path / "said").read_text() == "somebody is here"


def put_revision(tenant: Tenant, pipeline: str, revision_id: str, action: str = "App") -> Any:
    revision = {"revisionId": revision_id, "revisionChangeId": "change", "created": 1_700_000_000}
    return tenant.client.put_action_revision(
        pipelineName=pipeline, stageName="Source", actionName=action, actionRevision=revision
    )


def test_a_new_revision_of_a_source_starts_an_execution_once(tenant: Tenant) -> None:
    commit = tenant.repository.commit("Wanted")
    tenant.repository.commit("Later")
    pipeline = tenant.pipeline()
    answer = put_revision(tenant, pipeline, commit)
    assert answer["newRevision"] is True
    execution_id = answer["pipelineExecutionId"]
    execution = tenant.finished(pipeline, execution_id)
    assert execution["status"] == "Succeeded"
    assert execution["trigger"]["triggerType"] == "PutActionRevision"
    [revision] = execution["artifactRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (commit, "Wanted")
    # What was told of the revision stays when the commit is fetched.
    state = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][0]["actionStates"][0]
    current = state["currentRevision"]
    assert (current["revisionId"], current["revisionChangeId"]) == (commit, "change")
    assert current["created"] == revision["created"] == datetime.fromtimestamp(1_700_000_000, UTC)
    again = put_revision(tenant, pipeline, commit)
    assert (again["newRevision"], again["pipelineExecutionId"]) == (False, execution_id)
    assert len(tenant.executions(pipeline)) == 1


def test_a_revision_is_put_only_to_a_source_action(tenant: Tenant) -> None:
    pipeline = tenant.pipeline()
    revision = {"revisionId": "0" * 40, "revisionChangeId": "change", "created": 0}

    def error(name: str, stage: str, action: str) -> str:
        return refused(
            tenant,
            name,
            "put_action_revision",
            pipelineName=pipeline,
            stageName=stage,
            actionName=action,
            actionRevision=revision,
        )

    error("StageNotFoundException", "Nowhere", "App")
    error("ActionNotFoundException", "Source", "Nothing")
    assert "no source action" in error("ValidationException", "Build", "Make")
    revision["revisionId"] = "main"
    assert "whole commit id" in error("ValidationException", "Source", "App")
    assert tenant.executions(pipeline) == []
