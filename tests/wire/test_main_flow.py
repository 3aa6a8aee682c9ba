"""The main flow as a user meets it: AWS's own clients, curl, and a signed push."""

import json
import subprocess
from typing import Any

from support.programs import program
from support.sending import push_event
from support.server import clean_environment
from support.tenant import SECRET, Tenant, commands, declaration


def test_t1_t11_a_signed_push_runs_the_pushed_commit(tenant: Tenant) -> None:
    commit = tenant.repository.commit("Say hello", hello="hello from the commit\n")
    tenant.repository.commit("A later commit", hello="too new\n")
    pipeline = tenant.pipeline(
        (
            "Build",
            commands(
                "Make",
                "grep 'hello from the commit' hello > out.txt",
                outputArtifacts=[{"name": "Out", "files": ["out.txt"]}],
            ),
        )
    )
    webhook = tenant.webhook(
        pipeline, filters=[{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}]
    )
    event = push_event(commit) | {"head_commit": {"id": commit, "message": "Say hello"}}
    reply = tenant.push(webhook, event)
    assert (reply.status, reply.outcome) == (200, "started")
    execution = tenant.finished(pipeline, reply.execution_id)
    assert execution["status"] == "Succeeded"
    assert execution["trigger"] == {"triggerType": "Webhook", "triggerDetail": webhook["arn"]}
    [summary] = tenant.executions(pipeline)
    assert summary["trigger"] == {"triggerType": "Webhook", "triggerDetail": webhook["arn"]}
    assert [
        (item["actionName"], item["revisionId"], item["revisionSummary"])
        for item in summary["sourceRevisions"]
    ] == [("App", commit, "Say hello")]
    [artifact] = execution["artifactRevisions"]
    assert (artifact["name"], artifact["revisionId"]) == ("Code", commit)


def aws(tenant: Tenant, *arguments: str) -> Any:
    """Run the AWS CLI with nothing but the two variables."""
    environment = {**clean_environment(), **tenant.server.profile(), "AWS_PAGER": ""}
    done = subprocess.run(
        [program("aws"), "codepipeline", *arguments, "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_w1_t1_the_aws_cli_and_curl_need_nothing_else(tenant: Tenant) -> None:
    commit = tenant.repository.commit("Pushed with curl")
    declared = declaration("from-the-cli", tenant.source(), ("Build", commands("Make", "true")))
    created = aws(tenant, "create-pipeline", "--pipeline", json.dumps(declared))
    assert created["pipeline"]["version"] == 1
    definition = {
        "name": "from-the-cli",
        "targetPipeline": "from-the-cli",
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": SECRET},
    }
    webhook = aws(tenant, "put-webhook", "--webhook", json.dumps(definition))["webhook"]
    listed = aws(tenant, "list-webhooks")["webhooks"]
    assert [item["url"] for item in listed] == [webhook["url"]]
    body = json.dumps(push_event(commit))
    digest = subprocess.check_output(
        [program("openssl"), "dgst", "-sha256", "-hmac", SECRET, "-r"], input=body.encode()
    )
    answer = subprocess.check_output(
        [
            program("curl"),
            "--silent",
            "--show-error",
            "--header",
            f"X-Hub-Signature-256: sha256={digest.split()[0].decode()}",
            "--header",
            "X-GitHub-Event: push",
            "--json",
            body,
            webhook["url"],
        ]
    )
    execution_id = json.loads(answer)["pipelineExecutionId"]
    [summary] = aws(tenant, "list-pipeline-executions", "--pipeline-name", "from-the-cli")[
        "pipelineExecutionSummaries"
    ]
    assert summary["pipelineExecutionId"] == execution_id
    assert summary["trigger"] == {"triggerType": "Webhook", "triggerDetail": webhook["arn"]}
    assert webhook["arn"] == "arn:aws:codepipeline:us-east-1:000000000000:webhook:from-the-cli"
    assert [item["revisionId"] for item in summary["sourceRevisions"]] == [commit]
    here = Tenant(tenant.server, tenant.github, "us-east-1")
    assert here.finished("from-the-cli", execution_id)["status"] == "Succeeded"


def test_x3_an_unsigned_push_runs_the_head_of_the_branch_whatever_it_names(tenant: Tenant) -> None:
    older = tenant.repository.commit("Older")
    head = tenant.repository.commit("Newest")
    pipeline = tenant.pipeline()
    webhook = tenant.webhook(
        pipeline, authentication="UNAUTHENTICATED", authenticationConfiguration={}
    )
    reply = tenant.push(webhook, push_event(older))
    [summary] = tenant.executions(pipeline)
    assert older not in [item["revisionId"] for item in summary["sourceRevisions"]]
    execution = tenant.finished(pipeline, reply.execution_id)
    assert [item["revisionId"] for item in execution["artifactRevisions"]] == [head]
