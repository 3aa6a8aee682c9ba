"""AWS's JavaScript SDK against a real server, in each protocol that it speaks (W1, W4, L2, T11)."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hookline.api.codepipeline.not_built import NOT_BUILT
from support.programs import program
from support.sending import push_event
from support.server import clean_environment
from support.tenant import SECRET, Tenant, commands, declaration

CLIENT = Path(__file__).parents[1] / "node" / "client.mjs"
SPOKEN = {
    "json": {"path": "/", "type": "application/x-amz-json-1.1"},
    "cbor": {"path": "/service/CodePipeline_20150709/operation/{}", "type": "application/cbor"},
}


class JavaScript:
    """The SDK in a program of its own, with nothing but the two variables and a region."""

    def __init__(self, tenant: Tenant, protocol: str) -> None:
        self._protocol = protocol
        self._process = subprocess.Popen(
            [program("node"), CLIENT, tenant.region, protocol],
            env={**clean_environment(), **tenant.server.profile()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)

    def _answer(self, operation: str, **request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        spoken = {key: text.format(operation) for key, text in SPOKEN[self._protocol].items()}
        assert answer["sent"] == spoken
        return answer

    def call(self, operation: str, **parameters: Any) -> Any:
        """Send a command; its output."""
        answer = self._answer(operation, call=operation, input=parameters)
        assert "output" in answer, answer
        return answer["output"]

    def error(self, operation: str, **parameters: Any) -> Any:
        """Send a command that is refused; the error."""
        return self._answer(operation, call=operation, input=parameters)["error"]

    def pages(self, operation: str, size: int, **parameters: Any) -> list[Any]:
        """All pages of a list."""
        answer = self._answer(operation, pages=operation, size=size, input=parameters)
        return list(answer["output"])


@pytest.fixture(params=[*SPOKEN])
def javascript(tenant: Tenant, request: pytest.FixtureRequest) -> Iterator[JavaScript]:
    with ExitStack() as stack:
        client = JavaScript(tenant, request.param)
        stack.callback(client.close)
        yield client


def put(javascript: JavaScript, pipeline: str, name: str = "push", **more: Any) -> Any:
    definition = {
        "name": name,
        "targetPipeline": pipeline,
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": SECRET},
        **more,
    }
    return javascript.call("PutWebhook", webhook=definition)["webhook"]


def moment(value: Any) -> datetime:
    """A value that was a Date in JavaScript."""
    return datetime.fromisoformat(value["date"])


def test_w1_t11_the_main_flow(tenant: Tenant, javascript: JavaScript) -> None:
    before = datetime.now().astimezone()
    commit = tenant.repository.commit("From JavaScript")
    declared = declaration("app", tenant.source(), ("Build", commands("Make", "true")))
    created = javascript.call(
        "CreatePipeline", pipeline=declared, tags=[{"key": "team", "value": "web"}]
    )
    assert created["pipeline"]["version"] == 1
    assert created["tags"] == [{"key": "team", "value": "web"}]
    metadata = javascript.call("GetPipeline", name="app")["metadata"]
    assert 0 <= (moment(metadata["created"]) - before).total_seconds() < 60
    webhook = put(javascript, "app")
    assert "lastTriggered" not in webhook
    reply = tenant.push(webhook, push_event(commit))
    assert reply.outcome == "started"
    tenant.finished("app", reply.execution_id)
    named = {"pipelineName": "app"}
    execution = javascript.call(
        "GetPipelineExecution", **named, pipelineExecutionId=reply.execution_id
    )["pipelineExecution"]
    assert execution["status"] == "Succeeded"
    assert execution["trigger"] == {"triggerType": "Webhook", "triggerDetail": webhook["arn"]}
    [summary] = javascript.call("ListPipelineExecutions", **named)["pipelineExecutionSummaries"]
    assert [item["revisionId"] for item in summary["sourceRevisions"]] == [commit]
    assert before < moment(summary["startTime"]) <= moment(summary["lastUpdateTime"])
    states = javascript.call("GetPipelineState", name="app")["stageStates"]
    assert [state["latestExecution"]["status"] for state in states] == ["Succeeded", "Succeeded"]
    moment(states[0]["actionStates"][0]["latestExecution"]["lastStatusChange"])
    details = javascript.call("ListActionExecutions", **named)["actionExecutionDetails"]
    assert {detail["actionName"] for detail in details} == {"App", "Make"}
    moment(details[0]["startTime"])
    [listed] = javascript.call("ListWebhooks")["webhooks"]
    assert moment(listed["lastTriggered"]) > before
    started = javascript.call("StartPipelineExecution", name="app")["pipelineExecutionId"]
    tenant.finished("app", started)
    arn = metadata["pipelineArn"]
    javascript.call("TagResource", resourceArn=arn, tags=[{"key": "new", "value": "1"}])
    javascript.call("UntagResource", resourceArn=arn, tagKeys=["team"])
    assert javascript.call("ListTagsForResource", resourceArn=arn)["tags"] == [
        {"key": "new", "value": "1"}
    ]
    updated = javascript.call("UpdatePipeline", pipeline=created["pipeline"])["pipeline"]
    assert updated["version"] == 2
    javascript.call("DeleteWebhook", name="push")
    javascript.call("DeletePipeline", name="app")
    assert javascript.call("ListPipelines")["pipelines"] == []


def test_w4_errors_are_the_sdks_own_classes(tenant: Tenant, javascript: JavaScript) -> None:
    pipeline = tenant.idle_pipeline()
    definition = {
        "name": "push",
        "targetPipeline": pipeline,
        "targetAction": "App",
        "filters": [{"jsonPath": "$["}],
        "authentication": "UNAUTHENTICATED",
        "authenticationConfiguration": {},
    }
    expected: list[tuple[str, str, dict[str, Any]]] = [
        ("PipelineNotFoundException", "GetPipeline", {"name": "absent"}),
        ("PipelineVersionNotFoundException", "GetPipeline", {"name": pipeline, "version": 7}),
        ("PipelineNotFoundException", "StartPipelineExecution", {"name": "absent"}),
        ("InvalidWebhookFilterPatternException", "PutWebhook", {"webhook": definition}),
        ("ValidationException", "PutWebhook", {"webhook": {**definition, "name": "no spaces"}}),
        ("InvalidNextTokenException", "ListWebhooks", {"NextToken": "nonsense"}),
        ("InvalidArnException", "ListTagsForResource", {"resourceArn": arn_of_nothing(tenant)}),
    ]
    for name, operation, parameters in expected:
        error = javascript.error(operation, **parameters)
        assert (error["name"], error["typed"], error["status"]) == (name, True, 400), error
        assert error["message"]
        assert error["fault"] == "client"


def arn_of_nothing(tenant: Tenant) -> str:
    return f"arn:aws:codepipeline:{tenant.region}:000000000000:rule:x"


def test_w2_an_operation_that_is_not_built_is_said_to_be_so(javascript: JavaScript) -> None:
    operation, reason = min(NOT_BUILT.items())
    error = javascript.error(operation)
    assert (error["name"], error["status"]) == ("NotImplementedException", 501)
    assert operation in error["message"]
    assert reason in error["message"]


def test_l2_lists_come_in_pages(tenant: Tenant, javascript: JavaScript) -> None:
    pipeline = tenant.idle_pipeline()
    names = [f"push-{number}" for number in range(5)]
    for name in names:
        put(javascript, pipeline, name)
    pages = javascript.pages("ListWebhooks", 2)
    assert [len(page["webhooks"]) for page in pages] == [2, 2, 1]
    assert [item["definition"]["name"] for page in pages for item in page["webhooks"]] == names
    tenant.idle_pipeline()
    assert [len(page["pipelines"]) for page in javascript.pages("ListPipelines", 1)] == [1, 1]
    for _ in range(3):
        execution = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
        tenant.finished(pipeline, execution)
    pages = javascript.pages("ListPipelineExecutions", 2, pipelineName=pipeline)
    assert [len(page["pipelineExecutionSummaries"]) for page in pages] == [2, 1]
