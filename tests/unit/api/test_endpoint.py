"""The endpoint as a client meets it: its steps in order, and never an answer of another form."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cbor2
import pytest
import structlog
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from hookline import errors
from hookline.api import sigv4
from hookline.api.authentication import Authentication
from hookline.api.endpoint import (
    COMMON_ERRORS,
    Endpoint,
    Handler,
    Served,
    allowed_errors,
    only_reads,
)
from hookline.api.service import CODEBUILD, CODEPIPELINE, Operation
from hookline.api.sigv4 import Caller
from hookline.model import Credential, Scope
from support.calling import (
    CBOR_HEADERS,
    DEFAULT,
    KEY,
    SERVICE,
    Headers,
    failed,
    lookup,
    send,
    send_cbor,
    sign,
    signed,
    target,
)

WEBHOOK: dict[str, Any] = {
    "name": "deploy",
    "targetPipeline": "release",
    "targetAction": "Source",
    "filters": [{"jsonPath": "$.ref"}],
    "authentication": "GITHUB_HMAC",
    "authenticationConfiguration": {"SecretToken": "hush"},
}
PUT = json.dumps({"webhook": WEBHOOK}).encode()


NOTHING = [Served(service, {}, {}) for service in (CODEPIPELINE, CODEBUILD)]
for_each_operation = pytest.mark.parametrize(
    "operation", [*CODEPIPELINE.operations.values(), *CODEBUILD.operations.values()], ids=str
)


def put_webhook(caller: Caller, parameters: dict[str, Any]) -> Mapping[str, Any]:
    name = parameters["webhook"]["name"]
    definition = {**parameters["webhook"], "authenticationConfiguration": {}}
    return {"webhook": {"definition": definition, "url": "", "arn": caller.scope.webhook_arn(name)}}


def raising(error: Exception) -> Handler:
    def handler(_caller: Caller, _parameters: dict[str, Any]) -> None:
        raise error

    return handler


def authenticating(
    credential: sigv4.Lookup = lookup, *, verify: bool = True, **more: Any
) -> Authentication:
    return Authentication(credential, verify=verify, default_scope=DEFAULT, **more)


def endpoint(*, verify: bool = False, max_body: int = 1_000_000, **handlers: Handler) -> Endpoint:
    served = [Served(CODEPIPELINE, {"PutWebhook": put_webhook, **handlers}, {})]
    authentication = authenticating(verify=verify)
    return Endpoint(served, authentication, max_body=max_body)


def test_w1_a_signed_call_is_answered() -> None:
    status, headers, body = send(endpoint(verify=True), signed("PutWebhook", PUT), PUT)
    assert status == 200
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert uuid.UUID(headers["x-amzn-requestid"]).version == 4
    assert body["webhook"]["arn"] == "arn:aws:codepipeline:eu-west-3:111122223333:webhook:deploy"
    assert body["webhook"]["definition"]["filters"] == [{"jsonPath": "$.ref"}]


def test_w1_a_body_may_come_in_pieces_and_without_a_content_type() -> None:
    status, _, _ = send(endpoint(), target("PutWebhook"), [PUT[:10], b"", PUT[10:]])
    assert status == 200


def test_w1_an_operation_without_output_answers_an_empty_object() -> None:
    tested = endpoint(DeletePipeline=lambda _scope, _parameters: None)
    status, _, body = send(tested, target("DeletePipeline"), b'{"name": "a"}')
    assert (status, body) == (200, {})


@for_each_operation
def test_w2_every_operation_of_the_model_is_known(operation: Operation) -> None:
    tested = Endpoint(NOTHING, authenticating(verify=False))
    message = failed(send(tested, target(operation), b"not JSON"), "NotImplementedException", 501)
    assert operation.name in message


@pytest.mark.parametrize(
    "name",
    [
        "CodePipeline_20150709.Nothing",
        "CodePipeline_20150709.",
        "CodePipeline_20150709.putwebhook",
        "PutWebhook",
        "CodeBuild_20161006.ListProjects",
        "CodeBuild_20161006.PutWebhook",
        "CodePipeline_20150709.CodePipeline_20150709.PutWebhook",
        "",
        "é",
    ],
)
def test_w2_an_unknown_target_is_an_unknown_operation(name: str) -> None:
    failed(send(endpoint(), [("x-amz-target", name)], PUT), "UnknownOperationException")


def test_w2_a_missing_or_repeated_target_is_an_unknown_operation() -> None:
    message = failed(send(endpoint(), [], PUT), "UnknownOperationException")
    assert "X-Amz-Target" in message
    twice = target("PutWebhook") * 2
    failed(send(endpoint(), twice, PUT), "UnknownOperationException")


def test_w3_constraints_are_checked_before_the_handler() -> None:
    tested = endpoint(PutWebhook=raising(AssertionError("called")))
    body = json.dumps({"webhook": {**WEBHOOK, "name": "a b"}}).encode()
    message = failed(send(tested, target("PutWebhook"), body), "ValidationException")
    assert message.startswith("1 validation error detected: Value 'a b' at 'webhook.name' failed")


LAZY = """
from support.calling import DEFAULT, lookup, send, target
from hookline.api.authentication import Authentication
from hookline.api.endpoint import Endpoint, Served
from hookline.api.service import CODEBUILD, CODEPIPELINE
from hookline.app import Application

served = [Served(service, {}, {}) for service in (CODEPIPELINE, CODEBUILD)]
for read, name in ((False, "CodeBuild_1.ListBuilds"), (True, "CodeBuild_20161006.ListBuilds")):
    for headers in (target("ListPipelines"), [("x-amz-target", name)]):
        authentication = Authentication(lookup, verify=False, default_scope=DEFAULT)
        send(Endpoint(served, authentication), headers, b"{}")
    assert ("model" in vars(CODEBUILD)) == read
"""


def test_a_model_is_read_when_a_call_is_for_its_service() -> None:
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(tests)}
    subprocess.run([sys.executable, "-c", LAZY], env=environment, check=True)


def test_w4_errors_come_in_the_order_of_the_steps() -> None:
    tested = endpoint(verify=True)
    unsigned = send(tested, target("Nothing"), b"{")
    failed(unsigned, "MissingAuthenticationTokenException")
    failed(send(tested, signed("Nothing", b"{"), b"{"), "UnknownOperationException")
    failed(send(tested, signed("ListPipelines", b"{"), b"{"), "NotImplementedException", 501)
    failed(send(tested, signed("PutWebhook", b"{"), b"{"), "SerializationException")
    failed(send(tested, signed("PutWebhook", b"{}"), b"{}"), "ValidationException")


def test_w4_an_error_of_the_handler_reaches_botocore_typed() -> None:
    tested = endpoint(PutWebhook=raising(errors.PipelineNotFoundException("no pipeline")))
    sent = send(tested, target("PutWebhook"), PUT)
    assert failed(sent, "PipelineNotFoundException") == "no pipeline"
    response = {"status_code": 400, "headers": sent[1], "body": json.dumps(sent[2]).encode()}
    parsed = create_parser("json").parse(response, CODEPIPELINE.shape("PutWebhookOutput"))
    assert parsed["Error"] == {"Code": "PipelineNotFoundException", "Message": "no pipeline"}


def test_w4_an_error_that_the_model_does_not_list_is_sent_and_logged() -> None:
    tested = endpoint(PutWebhook=raising(errors.PipelineNameInUseException("hush")))
    with structlog.testing.capture_logs() as logs:
        sent = send(tested, target("PutWebhook"), PUT)
    failed(sent, "PipelineNameInUseException")
    (entry,) = logs
    assert entry["log_level"] == "error"
    assert entry["operation"] == "PutWebhook"
    assert entry["request_id"] == sent[1]["x-amzn-requestid"]
    assert "hush" not in str(entry)


def test_w4_a_clients_mistake_is_not_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        send(
            endpoint(PutWebhook=raising(errors.LimitExceededException())), target("PutWebhook"), PUT
        )
        send(endpoint(), target("PutWebhook"), b"{}")
        send(endpoint(), [("x-amz-target", "hush")], PUT)
        send(endpoint(verify=True), target("PutWebhook"), PUT)
    assert logs == []


def _api_errors() -> list[type[errors.ApiError]]:
    return errors.ApiError.__subclasses__()


@pytest.mark.parametrize("error", _api_errors(), ids=lambda error: error.__name__)
def test_w4_every_error_is_common_or_in_the_model_with_its_status(
    error: type[errors.ApiError],
) -> None:
    services = (CODEPIPELINE, CODEBUILD)
    shapes = {shape.name: shape for service in services for shape in service.model.error_shapes}
    listed = set().union(
        *(allowed_errors(item) for service in services for item in service.operations.values())
    )
    assert error.__name__ in listed
    if error.__name__ in shapes:
        declared: Any = shapes[error.__name__].metadata.get("error", {})
        assert error.status == declared.get("httpStatusCode", 400)


def test_w4_the_common_errors_exist() -> None:
    assert {error.__name__ for error in _api_errors()} >= COMMON_ERRORS


def test_w4_allowed_errors_are_the_models_and_the_common_ones() -> None:
    codepipeline, codebuild = CODEPIPELINE.operations, CODEBUILD.operations
    register = codepipeline["RegisterWebhookWithThirdParty"]
    assert "WebhookNotFoundException" in allowed_errors(register)
    assert "WebhookNotFoundException" not in allowed_errors(codepipeline["DeleteWebhook"])
    assert allowed_errors(codepipeline["PollForJobs"]) > COMMON_ERRORS
    assert "OAuthProviderException" in allowed_errors(codebuild["DeleteWebhook"])


@pytest.mark.parametrize(
    "handler",
    [
        raising(RuntimeError("hush")),
        raising(KeyError("hush")),
        raising(errors.SealError("hush")),
        lambda _scope, _parameters: {"webhook": {"url": ["hush"]}},
    ],
)
def test_w4_an_unexpected_exception_tells_nothing(handler: Handler) -> None:
    with structlog.testing.capture_logs() as logs:
        sent = send(endpoint(PutWebhook=handler), target("PutWebhook"), PUT)
    message = failed(sent, "InternalFailure", 500)
    (entry,) = logs
    assert entry["request_id"] == sent[1]["x-amzn-requestid"]
    assert (entry["operation"], entry["log_level"]) == ("PutWebhook", "error")
    assert entry["exception"] in {"RuntimeError", "KeyError", "SealError", "TypeError"}
    assert "endpoint.py" in entry["stack"]
    assert "hush" not in message
    assert "hush" not in str({**entry, "stack": ""})


def test_w4_a_store_that_is_down_is_service_unavailable() -> None:
    down = errors.StoreUnavailableError()
    sent = send(endpoint(PutWebhook=raising(down)), target("PutWebhook"), PUT)
    failed(sent, "ServiceUnavailableException", 503)


def test_w4_a_store_that_is_down_at_authentication_is_service_unavailable() -> None:
    def unreachable(_access_key_id: str) -> Credential | None:
        raise errors.StoreUnavailableError

    tested = Endpoint(NOTHING, authenticating(unreachable))
    sent = send(tested, signed("PutWebhook", PUT), PUT)
    failed(sent, "ServiceUnavailableException", 503)


def test_w4_a_body_over_the_cap_is_refused_while_it_comes() -> None:
    tested, headers = endpoint(max_body=100), target("PutWebhook")
    endless = itertools.repeat(b" " * 60)
    failed(send(tested, headers, endless), "RequestEntityTooLargeException", 413)
    failed(send(tested, headers, b" " * 101), "RequestEntityTooLargeException", 413)
    failed(send(tested, headers, b" " * 100), "SerializationException")


def test_w4_a_body_that_ends_early_is_no_failure_of_ours() -> None:
    with structlog.testing.capture_logs() as logs:
        sent = send(endpoint(), target("PutWebhook"), PUT[:10], "http.disconnect")
    failed(sent, "SerializationException")
    assert logs == []


def test_w5_signatures_are_verified() -> None:
    tested = endpoint(verify=True)
    wrong = signed("PutWebhook", PUT, secret="guess")
    failed(send(tested, wrong, PUT), "InvalidSignatureException")
    failed(send(tested, signed("PutWebhook", PUT), PUT + b" "), "InvalidSignatureException")
    late = Endpoint(NOTHING, authenticating(clock=lambda: 4_000_000_000.0))
    message = failed(send(late, signed("PutWebhook", PUT), PUT), "InvalidSignatureException")
    assert message.startswith("Signature expired: ")


def test_w6_without_verification_the_scope_is_the_claimed_one_or_the_default() -> None:
    def arn(headers: Headers) -> Any:
        return send(endpoint(), headers, PUT)[2]["webhook"]["arn"]

    assert arn(target("PutWebhook")) == DEFAULT.webhook_arn("deploy")
    wrong = signed("PutWebhook", b"other", secret="guess")
    assert arn(wrong) == Scope("111122223333", "eu-west-3").webhook_arn("deploy")
    bearer = [*target("PutWebhook"), ("authorization", "Bearer x")]
    assert arn(bearer) == DEFAULT.webhook_arn("deploy")


CBOR_PUT = cbor2.dumps({"webhook": WEBHOOK})


def test_w1_a_call_in_cbor_is_answered_in_cbor() -> None:
    path = f"{SERVICE}PutWebhook"
    sent = send(endpoint(verify=True), sign(path, CBOR_HEADERS, CBOR_PUT), CBOR_PUT, path=path)
    status, headers, body = sent
    assert (status, headers["content-type"]) == (200, "application/cbor")
    assert headers["smithy-protocol"] == "rpc-v2-cbor"
    assert uuid.UUID(headers["x-amzn-requestid"]).version == 4
    assert body["webhook"]["arn"] == "arn:aws:codepipeline:eu-west-3:111122223333:webhook:deploy"


def test_w1_in_cbor_nothing_is_no_body_of_no_type() -> None:
    tested = endpoint(DeletePipeline=lambda _scope, _parameters: None)
    status, headers, body = send_cbor(tested, "DeletePipeline", cbor2.dumps({"name": "a"}))
    assert (status, body, headers["smithy-protocol"]) == (200, None, "rpc-v2-cbor")
    assert "content-type" not in headers


@for_each_operation
def test_w2_every_operation_of_the_model_is_known_in_cbor(operation: Operation) -> None:
    tested = Endpoint(NOTHING, authenticating(verify=False))
    failed(send_cbor(tested, operation, b"not CBOR"), "NotImplementedException", 501)


@pytest.mark.parametrize(
    "path",
    [
        f"{SERVICE}Nothing",
        f"{SERVICE}putwebhook",
        "/service/CodeBuild_20161006/operation/PutWebhook",
        "/service/x/operation/PutWebhook",
    ],
)
def test_w2_a_path_of_nothing_is_an_unknown_operation_in_cbor(path: str) -> None:
    sent = send(endpoint(), CBOR_HEADERS, CBOR_PUT, path=path)
    assert "The path names no operation" in failed(sent, "UnknownOperationException")


def test_w5_a_signature_is_for_the_service_of_the_target_alone() -> None:
    tested = Endpoint(NOTHING, authenticating())
    for service, other in itertools.permutations([CODEPIPELINE, CODEBUILD]):
        headers = target(service.operations["DeleteWebhook"])
        right = sign("/", headers, b"", service=service.name)
        failed(send(tested, right, b""), "NotImplementedException", 501)
        wrong = sign("/", headers, b"", service=other.name)
        message = failed(send(tested, wrong, b""), "InvalidSignatureException")
        assert message == f"Credential should be scoped to correct service: '{service.name}'."


def test_w2_a_request_for_no_service_is_told_which_there_are() -> None:
    tested = Endpoint(NOTHING, authenticating())
    sent = send(tested, [("x-amz-target", "DynamoDB_20120810.ListTables")], b"{}")
    assert failed(sent, "UnknownOperationException") == (
        "X-Amz-Target names no operation of AWS CodePipeline or AWS CodeBuild; use "
        "CodePipeline_20150709.<Operation> or CodeBuild_20161006.<Operation>."
    )


@pytest.mark.parametrize("said", [None, "rpc-v2-json", "rpc-v2-cbor,rpc-v2-cbor"])
def test_w4_the_header_must_say_the_protocol_of_the_path(said: str | None) -> None:
    headers = [pair for pair in CBOR_HEADERS if pair[0] != "smithy-protocol"]
    headers += [] if said is None else [("smithy-protocol", said)]
    sent = send(endpoint(), headers, CBOR_PUT, path=f"{SERVICE}PutWebhook")
    assert "needs the header smithy-protocol" in failed(sent, "UnknownOperationException")


def test_w4_a_call_names_its_operation_once() -> None:
    both = [*CBOR_HEADERS, *target("PutWebhook")[1:]]
    sent = send(endpoint(), both, CBOR_PUT, path=f"{SERVICE}PutWebhook")
    assert "X-Amz-Target" in failed(sent, "UnknownOperationException")


def test_w4_errors_in_cbor_come_in_the_order_of_the_steps() -> None:
    def call(operation: str, body: bytes) -> Any:
        path = f"{SERVICE}{operation}"
        return send(tested, sign(path, CBOR_HEADERS, body), body, path=path)

    tested = endpoint(verify=True, max_body=5_000)
    failed(send_cbor(tested, "Nothing", b"{"), "MissingAuthenticationTokenException")
    failed(call("Nothing", b"{"), "UnknownOperationException")
    failed(call("ListPipelines", b"{"), "NotImplementedException", 501)
    failed(call("PutWebhook", b"{"), "SerializationException")
    failed(call("PutWebhook", b"\xa0"), "ValidationException")
    failed(call("PutWebhook", b""), "ValidationException")
    failed(call("PutWebhook", b"x" * 6_000), "RequestEntityTooLargeException", 413)


def test_w4_an_unexpected_exception_is_logged_with_the_operation_of_the_path() -> None:
    with structlog.testing.capture_logs() as logs:
        sent = send_cbor(endpoint(PutWebhook=raising(RuntimeError("hush"))), "PutWebhook", CBOR_PUT)
    assert "hush" not in failed(sent, "InternalFailure", 500)
    assert [entry["operation"] for entry in logs] == ["PutWebhook"]


@for_each_operation
def test_w5_a_read_only_key_calls_what_only_reads(operation: Operation) -> None:
    reader = dataclasses.replace(KEY, read_only=True)
    tested = Endpoint(NOTHING, authenticating(lambda _: reader))
    sent = send(tested, signed(operation, b"{}"), b"{}")
    if only_reads(operation.name):
        failed(sent, "NotImplementedException", 501)
    else:
        message = failed(sent, "AccessDeniedException")
        assert message == (
            "User: arn:aws:iam::111122223333:user/AKIDEXAMPLE is not authorized to perform: "
            f"{operation} because its access key is read-only"
        )


def test_w5_what_only_reads_changes_nothing_and_shows_no_secret() -> None:
    assert {name for name in CODEBUILD.operations if not only_reads(name)} == {
        "BatchDeleteBuilds",
        "CreateFleet",
        "CreateProject",
        "CreateReportGroup",
        "CreateWebhook",
        "DeleteBuildBatch",
        "DeleteFleet",
        "DeleteProject",
        "DeleteReport",
        "DeleteReportGroup",
        "DeleteResourcePolicy",
        "DeleteSourceCredentials",
        "DeleteWebhook",
        "ImportSourceCredentials",
        "InvalidateProjectCache",
        "PutResourcePolicy",
        "RetryBuild",
        "RetryBuildBatch",
        "StartBuild",
        "StartBuildBatch",
        "StartCommandExecution",
        "StartSandbox",
        "StartSandboxConnection",
        "StopBuild",
        "StopBuildBatch",
        "StopSandbox",
        "UpdateFleet",
        "UpdateProject",
        "UpdateProjectVisibility",
        "UpdateReportGroup",
        "UpdateWebhook",
    }
    assert {name for name in CODEPIPELINE.operations if only_reads(name)} == {
        "GetActionType",
        "GetPipeline",
        "GetPipelineExecution",
        "GetPipelineState",
        "ListActionExecutions",
        "ListActionTypes",
        "ListDeployActionExecutionTargets",
        "ListPipelineExecutions",
        "ListPipelines",
        "ListRuleExecutions",
        "ListRuleTypes",
        "ListTagsForResource",
        "ListWebhooks",
    }


def test_w5_the_key_of_a_good_signature_is_told_and_no_other() -> None:
    used: list[str] = []
    tested = Endpoint(
        [Served(CODEPIPELINE, {"PutWebhook": put_webhook}, {})], authenticating(used=used.append)
    )
    send(tested, signed("PutWebhook", PUT, secret="guess"), PUT)
    send(tested, target("PutWebhook"), PUT)
    assert used == []
    send(tested, signed("PutWebhook", PUT), PUT)
    assert used == [KEY.access_key_id]


WORDS = st.sampled_from([*WEBHOOK, "webhook", "tags", "key", "value", "jsonPath", "SecretToken"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
MUTATIONS: list[Callable[[bytes, int, bytes], bytes]] = [
    lambda body, place, extra: body[:place] + extra + body[place:],
    lambda body, place, extra: body[:place] + extra + body[place + len(extra) :],
    lambda body, place, extra: body[:place] + extra,
    lambda body, place, extra: body[place:] + extra + body[:place],
]


@given(st.sampled_from(MUTATIONS), st.integers(0, len(PUT)), st.binary(max_size=6))
def test_w4_a_mutated_body_is_never_a_failure_of_ours(
    mutate: Callable[[bytes, int, bytes], bytes], place: int, extra: bytes
) -> None:
    status, _, _ = send(endpoint(), target("PutWebhook"), mutate(PUT, place, extra))
    assert status in {200, 400}


@given(st.dictionaries(WORDS, JSON, max_size=5), st.booleans())
def test_w4_any_json_is_never_a_failure_of_ours(document: Any, inside: bool) -> None:  # noqa: FBT001 -- drawn by Hypothesis
    body = {"webhook": {**WEBHOOK, **document}} if inside else document
    status, _, _ = send(endpoint(), target("PutWebhook"), json.dumps(body).encode())
    assert status in {200, 400}


@given(st.sampled_from(["authorization", "x-amz-date", "x-amz-target", "host"]), st.data())
def test_w5_any_header_is_never_a_failure_of_ours(name: str, data: st.DataObject) -> None:
    value = data.draw(st.text(st.characters(max_codepoint=255), max_size=60))
    headers = [*signed("PutWebhook", PUT), (name, value)]
    status, _, _ = send(endpoint(verify=True), headers, PUT)
    assert status in {200, 400}
    assert status == 400 or not value.strip(" \t,")
