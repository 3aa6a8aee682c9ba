"""Custom actions run by job workers: polled, acknowledged, ended; through boto3."""

import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hookline.store import executions
from support.executions import ended
from support.server import Server, clean_environment, until
from support.tenant import Tenant, action_type, commands

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "job-workers.md"
KIND = action_type("Build", "Custom", "Jenkins")
NOBODY = "00000000-0000-0000-0000-000000000000"


def flags(name: str, *, secret: bool = False, queryable: bool = False) -> dict[str, Any]:
    required = {"required": True, "key": False}
    return {"name": name, **required, "secret": secret, "queryable": queryable}


def register(tenant: Tenant, *properties: dict[str, Any], category: str = "Build") -> None:
    tenant.client.create_custom_action_type(
        category=category,
        provider="Jenkins",
        version="1",
        settings={
            "entityUrlTemplate": "https://jenkins.example.com/{Config:Job}",
            "executionUrlTemplate": "https://jenkins.example.com/{Config:Job}/{ExternalExecutionId}",
        },
        configurationProperties=[flags("Job"), flags("Token", secret=True), *properties],
        inputArtifactDetails={"minimumCount": 0, "maximumCount": 1},
        outputArtifactDetails={"minimumCount": 0, "maximumCount": 1},
    )


def jenkins(name: str = "Make", more: dict[str, str] | None = None, **changes: Any) -> Any:
    return {
        "name": name,
        "actionTypeId": KIND,
        "configuration": {"Job": "nightly", "Token": "hush", **(more or {})},
        "inputArtifacts": [{"name": "Code"}],
        **changes,
    }


def begin(tenant: Tenant, *stages: Any, **more: Any) -> tuple[str, str]:
    """A pipeline with custom actions, and its execution."""
    pipeline = tenant.pipeline(*(stages or [("Build", jenkins())]), **more)
    started = tenant.client.start_pipeline_execution(name=pipeline)
    return pipeline, started["pipelineExecutionId"]


def poll(tenant: Tenant, **more: Any) -> list[dict[str, Any]]:
    """What a poll gives as soon as there is something."""
    jobs: list[dict[str, Any]] = until(
        lambda: tenant.client.poll_for_jobs(actionTypeId=KIND, **more)["jobs"], 40
    )
    assert jobs, f"no job came:\n{tenant.server.output[-4000:]}"
    return jobs


def have(tenant: Tenant, **more: Any) -> dict[str, Any]:
    """A job that this worker has acknowledged."""
    [job] = poll(tenant, **more)
    answer = tenant.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
    assert answer["status"] == "InProgress"
    return job


def place(artifact: dict[str, Any]) -> Path:
    """Where an artifact is, of a server that keeps them in a folder."""
    assert artifact["location"]["type"] == "S3"
    location: dict[str, str] = artifact["location"]["s3Location"]
    return Path(location["bucketName"]) / location["objectKey"]


def archive(path: Path, name: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entry, content = tarfile.TarInfo(name), text.encode()
    entry.size = len(content)
    with tarfile.open(path, "w:gz") as packed:
        packed.addfile(entry, io.BytesIO(content))


def test_a_worker_reads_what_went_before_and_makes_what_comes_after(tenant: Tenant) -> None:
    register(tenant)
    commit = tenant.repository.commit("The greeting", greeting="hello")
    pipeline, execution_id = begin(
        tenant,
        (
            "Build",
            jenkins(outputArtifacts=[{"name": "Built"}], namespace="Made"),
            commands(
                "Check",
                'test "$(cat answer)" = "hello, world" && test "$NUMBER" = 7',
                runOrder=2,
                inputArtifacts=[{"name": "Built"}],
                environmentVariables=[{"name": "NUMBER", "value": "#{Made.Number}"}],
            ),
        ),
        pipelineType="V2",
    )
    job = have(tenant)
    assert job["accountId"] == "000000000000"
    data = job["data"]
    assert data["actionTypeId"] == KIND
    assert data["actionConfiguration"] == {"configuration": {"Job": "nightly", "Token": "hush"}}
    context = data["pipelineContext"]
    assert context["pipelineName"] == pipeline
    assert context["pipelineExecutionId"] == execution_id
    assert context["pipelineArn"].endswith(f":{pipeline}")
    assert (context["stage"], context["action"]["name"]) == ({"name": "Build"}, "Make")
    assert "continuationToken" not in data
    details = tenant.client.get_job_details(jobId=job["id"])["jobDetails"]
    assert details == {key: value for key, value in job.items() if key != "nonce"}
    [code], [built] = data["inputArtifacts"], data["outputArtifacts"]
    assert code["revision"] == commit
    with tarfile.open(place(code)) as packed:
        member = packed.extractfile("greeting")
        assert member is not None
        greeting = member.read().decode()
    archive(place(built), "answer", f"{greeting}, world")
    tenant.client.put_job_success_result(
        jobId=job["id"],
        executionDetails={
            "summary": "Built",
            "externalExecutionId": "7",
            "percentComplete": 100,
        },
        outputVariables={"Number": "7"},
    )
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    made = tenant.actions(pipeline, execution_id)["Make"]
    assert made["actionExecutionId"] == context["action"]["actionExecutionId"]
    assert made["input"]["configuration"]["Token"] == "****"
    assert made["output"]["outputVariables"] == {"Number": "7"}
    assert made["output"]["executionResult"] == {
        "externalExecutionId": "7",
        "externalExecutionSummary": "Built",
        "externalExecutionUrl": "https://jenkins.example.com/nightly/7",
    }
    assert "hush" not in tenant.server.output


def test_a_poll_finds_nothing_but_an_empty_list(tenant: Tenant) -> None:
    register(tenant)
    assert tenant.client.poll_for_jobs(actionTypeId=KIND)["jobs"] == []


def test_a_failure_says_why_and_can_be_retried(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant)
    failure = {"type": "ConfigurationError", "message": "No such job", "externalExecutionId": "8"}
    first = have(tenant)
    tenant.client.put_job_failure_result(jobId=first["id"], failureDetails=failure)
    assert ended(tenant, pipeline, execution_id) == "Failed"
    detail = tenant.actions(pipeline, execution_id)["Make"]
    assert detail["updatedBy"] == tenant.arn
    result = detail["output"]["executionResult"]
    assert result["errorDetails"] == {"code": "ConfigurationError", "message": "No such job"}
    assert result["externalExecutionUrl"] == "https://jenkins.example.com/nightly/8"
    tenant.client.retry_stage_execution(
        pipelineName=pipeline,
        stageName="Build",
        pipelineExecutionId=execution_id,
        retryMode="FAILED_ACTIONS",
    )
    again = have(tenant)
    assert again["id"] != first["id"]
    tenant.client.put_job_success_result(jobId=again["id"])
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def test_an_action_goes_on_with_another_job_as_long_as_there_is_a_token(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant)
    job = have(tenant)
    with pytest.raises(tenant.client.exceptions.ValidationException, match="continuationToken"):
        tenant.client.put_job_success_result(
            jobId=job["id"], continuationToken="t", outputVariables={"A": "b"}
        )
    tenant.client.put_job_success_result(
        jobId=job["id"],
        continuationToken="run-9",
        executionDetails={"summary": "Half", "externalExecutionId": "9", "percentComplete": 50},
    )
    state = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][1]["actionStates"][0]
    assert state["entityUrl"] == "https://jenkins.example.com/nightly"
    assert "revisionUrl" not in state
    latest = state["latestExecution"]
    assert (latest["status"], latest["summary"]) == ("InProgress", "Half")
    assert (latest["percentComplete"], latest["externalExecutionId"]) == (50, "9")
    assert "token" not in latest
    following = have(tenant)
    assert following["id"] != job["id"]
    assert following["data"]["continuationToken"] == "run-9"
    same = ("actionConfiguration", "pipelineContext", "outputArtifacts")
    assert all(following["data"][key] == job["data"][key] for key in same)
    with pytest.raises(tenant.client.exceptions.InvalidJobStateException, match="Succeeded"):
        tenant.client.put_job_success_result(jobId=job["id"])
    tenant.client.put_job_success_result(
        jobId=following["id"], executionDetails={"summary": "Whole"}
    )
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    result = tenant.actions(pipeline, execution_id)["Make"]["output"]["executionResult"]
    assert (result["externalExecutionSummary"], result["externalExecutionId"]) == ("Whole", "9")


def test_success_without_the_output_artifact_is_a_failure(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant, ("Build", jenkins(outputArtifacts=[{"name": "Built"}])))
    tenant.client.put_job_success_result(jobId=have(tenant)["id"])
    assert ended(tenant, pipeline, execution_id) == "Failed"
    error = tenant.error(pipeline, execution_id, "Make")
    assert error["code"] == "JobFailed"
    assert "has not stored the output artifact Built (objectKey " in error["message"]


def test_a_result_that_cannot_be_looked_at_is_not_taken(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant, ("Build", jenkins(outputArtifacts=[{"name": "Built"}])))
    job = have(tenant)
    target = place(job["data"]["outputArtifacts"][0])
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    target.parent.write_text("not a folder")
    with pytest.raises(ClientError) as caught:
        tenant.client.put_job_success_result(jobId=job["id"])
    error = caught.value.response["Error"]
    assert error["Code"] == "ServiceUnavailableException"
    assert "the job was not ended" in error["Message"]
    target.parent.unlink()
    archive(target, "a", "b")
    tenant.client.put_job_success_result(jobId=job["id"])
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def test_a_worker_asks_for_the_jobs_of_its_own(tenant: Tenant) -> None:
    register(tenant, flags("Site", queryable=True))
    both = [jenkins(name, {"Site": site}) for name, site in (("A", "north"), ("B", "south"))]
    pipeline, execution_id = begin(tenant, ("Build", *both))
    errors = tenant.client.exceptions
    for wrong in ({}, {"queryParam": {"Job": "nightly"}}):
        with pytest.raises(errors.ValidationException, match="queryable property 'Site'"):
            tenant.client.poll_for_jobs(actionTypeId=KIND, **wrong)
    for name, site in (("B", "south"), ("A", "north")):
        job = have(tenant, queryParam={"Site": site}, maxBatchSize=10)
        assert job["data"]["pipelineContext"]["action"]["name"] == name
        tenant.client.put_job_success_result(jobId=job["id"])
    assert ended(tenant, pipeline, execution_id) == "Succeeded"


def test_a_poll_gives_no_more_than_is_asked_for(tenant: Tenant) -> None:
    register(tenant)
    begin(tenant, ("Build", *(jenkins(name) for name in "ABC")))
    found = [job for _ in "ABC" for job in poll(tenant, maxBatchSize=1)]
    names = [job["data"]["pipelineContext"]["action"]["name"] for job in found]
    assert sorted(names) == ["A", "B", "C"]
    assert tenant.client.poll_for_jobs(actionTypeId=KIND)["jobs"] == []


def test_a_worker_that_asks_wrongly_is_told_so(tenant: Tenant, server: Server) -> None:
    errors = tenant.client.exceptions
    with pytest.raises(errors.ActionTypeNotFoundException):
        tenant.client.poll_for_jobs(actionTypeId=KIND)
    with pytest.raises(errors.ValidationException, match="owner Custom only"):
        tenant.client.poll_for_jobs(actionTypeId=action_type("Build", "AWS", "CodeBuild"))
    register(tenant)
    with pytest.raises(errors.ValidationException, match="no queryable property"):
        tenant.client.poll_for_jobs(actionTypeId=KIND, queryParam={"Site": "north"})
    begin(tenant)
    [job] = poll(tenant)
    failed = {"type": "JobFailed", "message": "No"}
    elsewhere = Tenant(server, tenant.github).client
    for client, job_id in ((tenant.client, NOBODY), (elsewhere, job["id"])):
        for operation, more in (
            (client.acknowledge_job, {"nonce": job["nonce"]}),
            (client.get_job_details, {}),
            (client.put_job_success_result, {}),
            (client.put_job_failure_result, {"failureDetails": failed}),
        ):
            with pytest.raises(client.exceptions.JobNotFoundException):
                operation(jobId=job_id, **more)
    with pytest.raises(errors.InvalidNonceException, match="poll again"):
        tenant.client.acknowledge_job(jobId=job["id"], nonce="1")
    with pytest.raises(errors.InvalidJobStateException, match="Dispatched"):
        tenant.client.put_job_failure_result(jobId=job["id"], failureDetails=failed)
    tenant.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
    with pytest.raises(errors.OutputVariablesSizeExceededException):
        tenant.client.put_job_success_result(
            jobId=job["id"], outputVariables={"Large": "x" * 122_880}
        )
    tenant.client.put_job_failure_result(jobId=job["id"], failureDetails=failed)
    for _ in range(2):
        with pytest.raises(errors.InvalidJobStateException, match="Failed"):
            tenant.client.put_job_success_result(jobId=job["id"])
    answer = tenant.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
    assert answer["status"] == "Failed"


def test_the_jobs_of_a_deleted_type_wait_until_it_is_restored(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant)
    job = have(tenant)
    deleted = {"category": "Build", "provider": "Jenkins", "version": "1"}
    tenant.client.delete_custom_action_type(**deleted)
    with pytest.raises(tenant.client.exceptions.ActionTypeNotFoundException):
        tenant.client.poll_for_jobs(actionTypeId=KIND)
    tenant.client.put_job_success_result(jobId=job["id"], continuationToken="more")
    later = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
    register(tenant)
    tenant.client.put_job_success_result(jobId=have(tenant)["id"])
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    tenant.client.put_job_success_result(jobId=have(tenant)["id"])
    assert ended(tenant, pipeline, later) == "Succeeded"
    tenant.client.delete_custom_action_type(**deleted)
    last = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
    assert ended(tenant, pipeline, last) == "Failed"
    error = tenant.error(pipeline, last, "Make")
    assert error["code"] == "ConfigurationError"
    assert "was deleted" in error["message"]


@pytest.mark.parametrize("abandon", [True, False])
def test_a_stop_takes_the_job_away_only_if_it_abandons(tenant: Tenant, *, abandon: bool) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant)
    [job] = poll(tenant)
    tenant.client.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, abandon=abandon
    )
    answer = tenant.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
    if abandon:
        assert answer["status"] == "Failed"
        with pytest.raises(tenant.client.exceptions.InvalidJobStateException):
            tenant.client.put_job_success_result(jobId=job["id"])
    else:
        assert answer["status"] == "InProgress"
        tenant.client.put_job_success_result(jobId=job["id"])
    assert ended(tenant, pipeline, execution_id) == "Stopped"
    last = "Abandoned" if abandon else "Succeeded"
    assert tenant.actions(pipeline, execution_id)["Make"]["status"] == last


def test_the_jobs_of_a_deleted_pipeline_are_gone(tenant: Tenant) -> None:
    register(tenant)
    pipeline, execution_id = begin(tenant, ("Build", jenkins("A"), jenkins("B")))
    job = have(tenant, maxBatchSize=1)
    tenant.client.delete_pipeline(name=pipeline)
    assert tenant.client.poll_for_jobs(actionTypeId=KIND)["jobs"] == []
    errors = tenant.client.exceptions
    with pytest.raises((errors.JobNotFoundException, errors.InvalidJobStateException)):
        tenant.client.put_job_success_result(jobId=job["id"])

    def is_cancelled() -> bool:
        with tenant.server.database.read() as connection:
            execution = executions.find(connection, execution_id)
        assert execution is not None
        return execution.status.value == "Cancelled"

    assert until(is_cancelled, 20)


def test_a_custom_source_action_tells_its_revision(tenant: Tenant) -> None:
    register(tenant, category="Source")
    kind = action_type("Source", "Custom", "Jenkins")
    source = jenkins(
        "App", actionTypeId=kind, inputArtifacts=[], outputArtifacts=[{"name": "Code"}]
    )
    pipeline, execution_id = begin(
        tenant, ("Build", commands("Make", 'test "$(cat x)" = y')), source_action=source
    )
    [job] = until(lambda: tenant.client.poll_for_jobs(actionTypeId=kind)["jobs"], 40)
    tenant.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
    archive(place(job["data"]["outputArtifacts"][0]), "x", "y")
    revision = {
        "revision": "r-12",
        "changeIdentifier": "change-12",
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "revisionSummary": "The twelfth",
    }
    tenant.client.put_job_success_result(jobId=job["id"], currentRevision=revision)
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    [found] = tenant.execution(pipeline, execution_id)["artifactRevisions"]
    assert (found["revisionId"], found["revisionSummary"]) == ("r-12", "The twelfth")
    state = tenant.client.get_pipeline_state(name=pipeline)["stageStates"][0]["actionStates"][0]
    assert state["currentRevision"] == {
        "revisionId": "r-12",
        "revisionChangeId": "change-12",
        "created": revision["created"],
    }


def blocks(language: str) -> list[str]:
    """The code of the how-to page in a language."""
    text = HOWTO.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_worker_of_the_how_to_runs_actions(tenant: Tenant, tmp_path: Path) -> None:
    [declared] = re.findall(r"<<'JSON'\n(.*?)^JSON$", blocks("sh")[0], re.DOTALL | re.MULTILINE)
    tenant.client.create_custom_action_type(**json.loads(declared))
    tenant.repository.commit(file="three little words")
    [action] = map(json.loads, blocks("json"))
    check = commands(
        "Check", 'test "$(cat words)" = 3', runOrder=2, inputArtifacts=[{"name": "Counted"}]
    )
    pipeline, execution_id = begin(tenant, ("Build", action, check))
    [script] = blocks("python")
    (tmp_path / "worker.py").write_text(script)
    region = {"AWS_DEFAULT_REGION": tenant.region}
    environment = {**clean_environment(), **tenant.server.profile(), **region}
    worker = subprocess.Popen([sys.executable, tmp_path / "worker.py"], env=environment)
    try:
        assert ended(tenant, pipeline, execution_id) == "Succeeded"
    finally:
        worker.kill()
        worker.wait()
    output = tenant.actions(pipeline, execution_id)["Count"]["output"]
    assert output["executionResult"]["externalExecutionSummary"] == "3 words"
    assert output["outputVariables"] == {"Words": "3"}


def test_kill_9_between_poll_and_result_loses_nothing(
    make_server: Callable[..., Server], database_url: str, github: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    register(tenant)
    pipeline, execution_id = begin(
        tenant, ("Build", jenkins("A"), jenkins("B"), commands("End", "true", runOrder=2))
    )
    found: dict[str, Any] = {}

    def both() -> bool:
        for job in tenant.client.poll_for_jobs(actionTypeId=KIND)["jobs"]:
            found[job["data"]["pipelineContext"]["action"]["name"]] = job
        return len(found) == 2

    assert until(both, 40)
    tenant.client.acknowledge_job(jobId=found["A"]["id"], nonce=found["A"]["nonce"])
    server.kill()
    server.start()
    assert tenant.client.poll_for_jobs(actionTypeId=KIND)["jobs"] == []
    acknowledged = tenant.client.acknowledge_job(jobId=found["B"]["id"], nonce=found["B"]["nonce"])
    assert acknowledged["status"] == "InProgress"
    [engine] = server.children("engine")
    engine.suspend()
    for job in found.values():
        tenant.client.put_job_success_result(jobId=job["id"])
    server.kill()
    server.start()
    assert ended(tenant, pipeline, execution_id) == "Succeeded"
    with pytest.raises(tenant.client.exceptions.InvalidJobStateException, match="Succeeded"):
        tenant.client.put_job_success_result(jobId=found["A"]["id"])
