"""The AWS CLI as a program, with nothing but the two variables of the README (W1, W4, L2)."""

import json
import os
import subprocess
import time
from typing import Any

import pytest

from support.programs import program
from support.server import clean_environment
from support.tenant import ROLE, SECRET, Tenant, commands, declaration

FAILED = 255
"""The exit status of a call that the service refused; version 2 of the CLI has 254 for it."""


def run(
    tenant: Tenant,
    *arguments: str,
    region: str = "",
    service: str = "codepipeline",
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("aws"), service, *arguments, "--region", region or tenant.region],
        env={**clean_environment(), **tenant.server.profile(), "AWS_PAGER": "", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def aws(tenant: Tenant, *arguments: str) -> Any:
    """The output of a call that succeeds; None when it has none."""
    done = run(tenant, *arguments, "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout) if done.stdout else None


def refused(tenant: Tenant, *arguments: str) -> str:
    """What a call that fails says."""
    done = run(tenant, *arguments)
    assert (done.returncode, done.stdout) == (FAILED, ""), done.stderr
    return done.stderr.strip()


def definition(pipeline: str, name: str = "push", **more: Any) -> str:
    return json.dumps(
        {
            "name": name,
            "targetPipeline": pipeline,
            "targetAction": "App",
            "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
            "authentication": "GITHUB_HMAC",
            "authenticationConfiguration": {"SecretToken": SECRET},
            **more,
        }
    )


def test_p1_p2_l1_d1_webhooks_are_put_listed_and_deleted(tenant: Tenant) -> None:
    pipeline = tenant.idle_pipeline()
    put = ("put-webhook", "--webhook")
    made = aws(tenant, *put, definition(pipeline), "--tags", "key=team,value=web")["webhook"]
    assert made["tags"] == [{"key": "team", "value": "web"}]
    again = aws(tenant, *put, definition(pipeline, filters=[]))["webhook"]
    assert (again["url"], again["tags"]) == (made["url"], made["tags"])
    url = run(tenant, "list-webhooks", "--query", "webhooks[0].url", "--output", "text").stdout
    assert url.strip() == made["url"]
    assert tenant.push(made).outcome == "started"
    [listed] = aws(tenant, "list-webhooks")["webhooks"]
    assert abs(listed["lastTriggered"] - time.time()) < 60
    for _ in range(2):
        assert aws(tenant, "delete-webhook", "--name", "push") is None
    assert aws(tenant, "list-webhooks") == {"webhooks": []}


def test_a_pipeline_is_created_edited_put_back_run_and_deleted(tenant: Tenant) -> None:
    declared = declaration("app", tenant.source(), ("Build", commands("Make", "true")))
    created = aws(tenant, "create-pipeline", "--pipeline", json.dumps(declared))["pipeline"]
    assert created["stages"][0]["actions"][0]["configuration"]["OAuthToken"] == "****"
    got = aws(tenant, "get-pipeline", "--name", "app")
    assert got["pipeline"] == created
    # As AWS's guide has it: take it, leave out the metadata, edit it, put it back.
    got["pipeline"]["stages"][1]["actions"][0]["commands"] = ["echo edited"]
    edited = json.dumps({"pipeline": got["pipeline"]})
    updated = aws(tenant, "update-pipeline", "--cli-input-json", edited)["pipeline"]
    assert updated == {**got["pipeline"], "version": 2}
    assert aws(tenant, "get-pipeline", "--name", "app", "--pipeline-version", "1") == {
        "pipeline": created,
        "metadata": got["metadata"],
    }
    started = aws(tenant, "start-pipeline-execution", "--name", "app")["pipelineExecutionId"]
    assert tenant.finished("app", started)["status"] == "Succeeded"
    state = aws(tenant, "get-pipeline-state", "--name", "app")
    assert [item["latestExecution"]["status"] for item in state["stageStates"]] == ["Succeeded"] * 2
    arn = got["metadata"]["pipelineArn"]
    assert aws(tenant, "tag-resource", "--resource-arn", arn, "--tags", "key=a,value=1") is None
    listing = ("list-tags-for-resource", "--resource-arn", arn)
    assert aws(tenant, *listing) == {"tags": [{"key": "a", "value": "1"}]}
    assert aws(tenant, "untag-resource", "--resource-arn", arn, "--tag-keys", "a") is None
    assert aws(tenant, *listing) == {"tags": []}
    assert aws(tenant, "delete-pipeline", "--name", "app") is None
    assert aws(tenant, "list-pipelines") == {"pipelines": []}


def test_l2_the_flags_of_pages_work(tenant: Tenant) -> None:
    pipeline = tenant.idle_pipeline()
    names = [f"push-{number}" for number in range(5)]
    for name in names:
        tenant.webhook(pipeline, name=name)
    lists = ("list-webhooks", "--query", "webhooks[].definition.name", "--page-size", "2")
    assert aws(tenant, *lists) == names
    first = aws(tenant, "list-webhooks", "--max-items", "3", "--page-size", "2")
    assert [item["definition"]["name"] for item in first["webhooks"]] == names[:3]
    token = first["NextToken"]
    rest = aws(tenant, "list-webhooks", "--starting-token", token)
    assert [item["definition"]["name"] for item in rest["webhooks"]] == names[3:]
    assert "NextToken" not in rest
    alone = aws(tenant, "list-webhooks", "--no-paginate", "--max-results", "2")
    assert len(alone["webhooks"]) == 2
    said = refused(tenant, "list-webhooks", "--next-token", "nonsense")
    assert "(InvalidNextTokenException)" in said
    second = tenant.idle_pipeline()
    query = ("--query", "pipelines[].name")
    assert aws(tenant, "list-pipelines", "--page-size", "1", *query) == sorted([pipeline, second])
    assert aws(tenant, "list-pipelines", "--max-items", "1", *query) == [min(pipeline, second)]


NOT_FOUND = "Account '000000000000' does not have a pipeline with name 'absent'"
INVALID_NAME = (
    "1 validation error detected: Value 'no spaces' at 'webhook.name' failed to satisfy "
    "constraint: Member must satisfy regular expression pattern: [A-Za-z0-9.@\\-_]+"
)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("get-pipeline", "--name", "absent"), "PipelineNotFoundException", NOT_FOUND),
        (
            ("put-webhook", "--webhook", definition("absent")),
            "PipelineNotFoundException",
            NOT_FOUND,
        ),
        (
            ("put-webhook", "--webhook", definition("p", name="no spaces")),
            "ValidationException",
            INVALID_NAME,
        ),
        (
            ("put-webhook", "--webhook", definition("p", filters=[{"jsonPath": "$["}])),
            "InvalidWebhookFilterPatternException",
            "The JSON path '$[' can't be used",
        ),
    ],
)
def test_w4_a_refusal_is_named_on_standard_error(
    tenant: Tenant, arguments: tuple[str, ...], code: str, message: str
) -> None:
    operation = "".join(word.capitalize() for word in arguments[0].split("-"))
    said = refused(tenant, *arguments)
    assert f"An error occurred ({code}) when calling the {operation} operation: {message}" in said
    assert SECRET not in said


def test_w5_a_wrong_key_is_refused(tenant: Tenant) -> None:
    empty = dict.fromkeys(tenant.server.profile(), os.devnull)
    address = {**empty, "AWS_ENDPOINT_URL_CODEPIPELINE": tenant.server.url}
    wrong = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    done = run(tenant, "list-webhooks", **address, **wrong)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "(UnrecognizedClientException)" in done.stderr
    known = {**wrong, "AWS_ACCESS_KEY_ID": tenant.server.key()[0]}
    done = run(tenant, "list-webhooks", **address, **known)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "(InvalidSignatureException)" in done.stderr


def test_w6_a_region_is_a_place_of_its_own(tenant: Tenant) -> None:
    tenant.webhook(tenant.idle_pipeline())
    elsewhere = run(tenant, "list-webhooks", "--output", "json", region="elsewhere-9")
    assert json.loads(elsewhere.stdout) == {"webhooks": []}


def test_the_same_two_variables_serve_codebuild(tenant: Tenant) -> None:
    def codebuild(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(tenant, *arguments, "--output", "json", service="codebuild")

    create = (
        *("create-project", "--name", "app", "--source", "type=CODEPIPELINE"),
        *("--artifacts", "type=CODEPIPELINE", "--service-role", ROLE, "--environment"),
        "type=LINUX_CONTAINER,image=aws/codebuild/standard:7.0,computeType=BUILD_GENERAL1_SMALL",
    )
    made = json.loads(codebuild(*create).stdout)["project"]
    got = json.loads(codebuild("batch-get-projects", "--names", "app", "none").stdout)
    assert (got["projects"], got["projectsNotFound"]) == ([made], ["none"])
    assert json.loads(codebuild("list-projects").stdout) == {"projects": ["app"]}
    again = codebuild(*create)
    assert again.returncode == FAILED
    assert again.stderr.strip().endswith(
        "An error occurred (ResourceAlreadyExistsException) when calling the CreateProject "
        f"operation: Project already exists: {made['arn']}"
    )
    assert codebuild("delete-project", "--name", "app").returncode == 0
    assert json.loads(codebuild("list-builds").stdout) == {"ids": []}
