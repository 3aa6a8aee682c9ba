"""The API's wire through real HTTP: AWS JSON 1.1, signatures, scopes, errors (contract W1-W7)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.sending import Reply, send
from support.server import Server, clean_environment
from support.tenant import SECRET, Tenant, commands, declaration, source

TARGET = "CodePipeline_20150709."
OPERATIONS = botocore.session.Session().get_service_model("codepipeline").operation_names


class Api:
    """Sends raw calls, signed well unless a test spoils them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.key = server.key()

    def sign(
        self,
        target: str,
        body: bytes,
        *,
        key: tuple[str, str] | None = None,
        region: str = "us-east-1",
        service: str = "codepipeline",
        skew: timedelta = timedelta(),
    ) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": target,
            "Host": f"127.0.0.1:{self.server.port}",
        }
        request = AWSRequest("POST", self.server.url + "/", headers, body)
        signer = SigV4Auth(Credentials(*(key or self.key)), service, region)
        now = datetime.now(UTC) + skew
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        to_sign = signer.string_to_sign(request, signer.canonical_request(request))
        request.headers["Authorization"] = ", ".join(
            [
                f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}",
                f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}",
                f"Signature={signer.signature(to_sign, request)}",
            ]
        )
        return dict(request.headers.items())

    def call(self, operation: str, body: bytes = b"{}", **options: Any) -> Reply:
        headers = self.sign(f"{TARGET}{operation}", body, **options)
        return send(self.server.url + "/", body, headers)


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server)


def error_of(reply: Reply) -> tuple[int, str]:
    assert set(reply.content) == {"__type", "message"}
    return reply.status, reply.content["__type"]


def test_w1_answers_are_aws_json_with_a_request_id(api: Api) -> None:
    replies = [api.call("ListWebhooks"), api.call("ListWebhooks", b"{"), api.call("Nothing")]
    assert [reply.status for reply in replies] == [200, 400, 400]
    for reply in replies:
        assert reply.headers["content-type"] == "application/x-amz-json-1.1"
        assert reply.headers["date"]
    assert len({reply.headers["x-amzn-requestid"] for reply in replies}) == 3


def test_w1_timestamps_are_numbers(api: Api, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    tenant.push(tenant.webhook(name))
    reply = api.call("ListWebhooks", region=tenant.region)
    [webhook] = reply.content["webhooks"]
    assert isinstance(webhook["lastTriggered"], float)
    reply = api.call("GetPipeline", json.dumps({"name": name}).encode(), region=tenant.region)
    assert isinstance(reply.content["metadata"]["created"], float)


def test_w2_all_operations_of_the_model_are_known(api: Api) -> None:
    assert len(OPERATIONS) == 44
    for operation in OPERATIONS:
        reply = api.call(operation, b'{"nonsense": 1}')
        assert reply.content.get("__type") != "UnknownOperationException", operation
        if reply.status == 501:
            assert reply.content["__type"] == "NotImplementedException", operation
        else:
            # Built ones answer in their own way: never with a server's error.
            assert reply.status in {200, 400}, (operation, reply.content)


def test_w2_a_target_outside_the_model_is_unknown(api: Api) -> None:
    assert error_of(api.call("DoSomething")) == (400, "UnknownOperationException")
    headers = api.sign("CodeDeploy_20141006.ListApplications", b"{}")
    reply = send(api.server.url + "/", b"{}", headers)
    assert error_of(reply) == (400, "UnknownOperationException")


def test_w3_every_failure_is_counted_and_named_in_awss_form(api: Api) -> None:
    definition = {
        "name": "a b",
        "targetPipeline": "p",
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref"}, {"jsonPath": ""}],
        "authentication": "MAGIC",
        "authenticationConfiguration": {"SecretToken": "x" * 101},
    }
    reply = api.call("PutWebhook", json.dumps({"webhook": definition}).encode())
    assert error_of(reply) == (400, "ValidationException")
    message = reply.content["message"]
    assert message.startswith("4 validation errors detected: ")
    assert (
        "Value 'a b' at 'webhook.name' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [A-Za-z0-9.@\\-_]+"
    ) in message
    assert "at 'webhook.filters.2.member.jsonPath' failed to satisfy constraint" in message
    assert "at 'webhook.authentication' failed to satisfy constraint" in message
    assert "x" * 20 not in message


def test_w3_a_missing_member_is_named(api: Api) -> None:
    reply = api.call("DeleteWebhook")
    assert reply.content["message"] == (
        "1 validation error detected: Value null at 'name' failed to satisfy constraint: "
        "Member must not be null"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"MaxResults": "ten"}',
        b'{"MaxResults": 1e3}',
        b'{"NextToken": 1}',
        b"NaN",
        b"[" * 100_000,
        b'{"x":' * 1_000 + b"1" + b"}" * 1_000,
    ],
)
def test_w4_a_body_that_cannot_be_read_is_a_serialization_exception(api: Api, body: bytes) -> None:
    reply = api.call("ListWebhooks", body)
    if body == b"" and reply.status == 200:
        return  # some clients send no body for no parameters
    assert error_of(reply) == (400, "SerializationException")
    assert api.call("ListWebhooks").status == 200


def test_w4_an_oversize_body_is_refused(api: Api) -> None:
    body = b'{"x": "' + b"x" * 2_000_000 + b'"}'
    assert error_of(api.call("ListWebhooks", body)) == (413, "RequestEntityTooLargeException")
    assert api.call("ListWebhooks").status == 200


def test_w4_sdks_raise_their_typed_classes(tenant: Tenant) -> None:
    client = tenant.client
    with pytest.raises(client.exceptions.PipelineNotFoundException):
        client.get_pipeline(name="absent")
    name = tenant.idle_pipeline()
    declared = declaration(name, source(), ("Build", commands("Make", "true")))
    with pytest.raises(client.exceptions.PipelineNameInUseException):
        client.create_pipeline(pipeline=declared)
    with pytest.raises(client.exceptions.PipelineVersionNotFoundException):
        client.get_pipeline(name=name, version=7)
    with pytest.raises(client.exceptions.PipelineExecutionNotFoundException):
        client.get_pipeline_execution(
            pipelineName=name, pipelineExecutionId="01234567-89ab-7def-8123-456789abcdef"
        )


def spoiled(**changes: str) -> Callable[[Api], dict[str, str]]:
    def sign(api: Api) -> dict[str, str]:
        return {**api.sign(f"{TARGET}ListWebhooks", b"{}"), **changes}

    return sign


def signing(**options: Any) -> Callable[[Api], dict[str, str]]:
    return lambda api: api.sign(f"{TARGET}ListWebhooks", b"{}", **options)


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        (signing(skew=timedelta(minutes=-6)), "InvalidSignatureException"),
        (signing(skew=timedelta(minutes=6)), "InvalidSignatureException"),
        (signing(service="s3"), "InvalidSignatureException"),
        (signing(region="US_EAST"), "InvalidSignatureException"),
        (signing(key=("AKIAUNKNOWNUNKNOWN42", "x")), "UnrecognizedClientException"),
        (spoiled(**{"X-Amz-Target": f"{TARGET}ListPipelines"}), "InvalidSignatureException"),
        (spoiled(**{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}), "InvalidSignatureException"),
        (spoiled(Host="example.com"), "InvalidSignatureException"),
        (spoiled(Authorization="Bearer token"), "IncompleteSignatureException"),
        (
            lambda api: {"X-Amz-Target": f"{TARGET}ListWebhooks", "Host": str(api.server.port)},
            "MissingAuthenticationTokenException",
        ),
    ],
)
def test_w5_a_request_that_is_not_signed_well_is_refused(
    api: Api, sign: Callable[[Api], dict[str, str]], code: str
) -> None:
    assert error_of(send(api.server.url + "/", b"{}", sign(api))) == (400, code)


def test_w5_a_wrong_secret_and_a_changed_body_are_refused(api: Api) -> None:
    reply = api.call("ListWebhooks", key=(api.key[0], "wrong"))
    assert error_of(reply) == (400, "InvalidSignatureException")
    headers = api.sign(f"{TARGET}ListWebhooks", b"{}")
    reply = send(api.server.url + "/", b'{"MaxResults": 1}', headers)
    assert error_of(reply) == (400, "InvalidSignatureException")


def test_w5_a_clock_a_little_off_is_accepted(api: Api) -> None:
    for minutes in (-4, 4):
        assert api.call("ListWebhooks", skew=timedelta(minutes=minutes)).status == 200


def test_w6_state_is_kept_per_region(server: Server, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    webhook = tenant.webhook(name)
    elsewhere = server.client("elsewhere-1")
    assert elsewhere.list_webhooks()["webhooks"] == []
    with pytest.raises(elsewhere.exceptions.PipelineNotFoundException):
        elsewhere.get_pipeline(name=name)
    elsewhere.delete_webhook(name=webhook["definition"]["name"])
    assert [item["arn"] for item in tenant.client.list_webhooks()["webhooks"]] == [webhook["arn"]]


def test_w7_arns_have_awss_form(tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    webhook = tenant.webhook(name, name="my.hook")
    prefix = f"arn:aws:codepipeline:{tenant.region}:000000000000:"
    assert webhook["arn"] == f"{prefix}webhook:my.hook"
    assert tenant.client.get_pipeline(name=name)["metadata"]["pipelineArn"] == f"{prefix}{name}"


def test_other_paths_and_methods_are_not_found(server: Server) -> None:
    assert send(f"{server.url}/nowhere").status == 404
    assert send(f"{server.url}/", method="GET").status == 405
    assert send(f"{server.url}/trigger/more").status == 404


def test_a_call_that_fails_writes_nothing(tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    too_many = [{"key": f"k{number}", "value": ""} for number in range(51)]
    with pytest.raises(ClientError):
        tenant.webhook(name, tags=too_many)
    with pytest.raises(ClientError):
        tenant.webhook(name, targetAction="Absent")
    assert tenant.client.list_webhooks()["webhooks"] == []
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    broken = {**declared, "stages": declared["stages"][:1]}
    with pytest.raises(ClientError):
        tenant.client.update_pipeline(pipeline=broken)
    assert tenant.client.get_pipeline(name=name)["pipeline"] == declared


def test_a_pipeline_that_needs_an_artifact_nobody_makes_is_refused(tenant: Tenant) -> None:
    action = {
        "name": "Make",
        "actionTypeId": {
            "category": "Compute",
            "owner": "AWS",
            "provider": "Commands",
            "version": "1",
        },
        "commands": ["true"],
        "inputArtifacts": [{"name": "Missing"}],
    }
    with pytest.raises(
        tenant.client.exceptions.InvalidActionDeclarationException,
        match="the input artifact 'Missing', which no action makes",
    ):
        tenant.pipeline(("Build", action), source_action=source())
    assert tenant.client.list_pipelines()["pipelines"] == []


def test_start_pipeline_execution_starts_once_for_each_client_request_token(
    tenant: Tenant,
) -> None:
    name = tenant.idle_pipeline()

    def start(_: int) -> str:
        answer = tenant.client.start_pipeline_execution(name=name, clientRequestToken="one")
        return str(answer["pipelineExecutionId"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(16)))) == 1
    [execution] = tenant.executions(name)
    assert execution["trigger"]["triggerType"] == "StartPipelineExecution"


def test_secrets_are_shown_nowhere(tenant: Tenant, server: Server) -> None:
    name = tenant.pipeline()
    webhook = tenant.webhook(name)
    tenant.finished(name, tenant.push(webhook).execution_id)
    token = webhook["url"].split("t=")[1].split("&")[0]
    files = [file for file in server.data.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    for secret in (SECRET, "gh-token", token):
        assert secret.encode() not in kept, secret
        assert secret not in server.output, secret
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    assert declared["stages"][0]["actions"][0]["configuration"]["OAuthToken"] == "****"


def test_the_environment_of_tests_points_nowhere() -> None:
    assert not any(name.startswith(("HOOKLINE_", "AWS_")) for name in clean_environment())
