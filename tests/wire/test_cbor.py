"""Smithy RPC v2 CBOR through real HTTP: botocore told to speak it, and raw calls."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.session
import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader

from support.server import Server
from support.tenant import Tenant, commands, declaration, source

SERVICE = "/service/CodePipeline_20150709/operation/"


class CborLoader(Loader):
    """botocore takes JSON wherever a service has it, so here the service has only CBOR."""

    def load_service_model(self, *arguments: Any, **options: Any) -> Any:
        model = super().load_service_model(*arguments, **options)
        if "protocols" in model.get("metadata", {}):
            model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
        return model


@pytest.fixture(scope="module")
def session() -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", CborLoader())
    return boto3.session.Session(botocore_session=session)


@pytest.fixture
def client(session: Any, server: Server, tenant: Tenant) -> Iterator[Any]:
    access_key_id, secret = server.key()
    client = session.client(
        "codepipeline",
        region_name=tenant.region,
        endpoint_url=server.url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


def test_w1_a_whole_life_in_cbor(client: Any, tenant: Tenant) -> None:
    requests: list[Any] = []
    client.meta.events.register("before-send", lambda request, **_: requests.append(request))
    name = tenant.pipeline()
    begin = datetime.now(UTC) - timedelta(seconds=60)
    definition = {
        "name": "in-cbor",
        "targetPipeline": name,
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "UNAUTHENTICATED",
        "authenticationConfiguration": {},
    }
    put = client.put_webhook(webhook=definition, tags=[{"key": "team", "value": "é"}])
    assert put["webhook"]["definition"] == definition
    assert put["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/cbor"
    assert put["ResponseMetadata"]["HTTPHeaders"]["smithy-protocol"] == "rpc-v2-cbor"
    tenant.push(put["webhook"])
    [listed] = client.list_webhooks()["webhooks"]
    assert begin < listed["lastTriggered"] < begin + timedelta(minutes=5)
    assert [listed] == tenant.client.list_webhooks()["webhooks"]
    got = client.get_pipeline(name=name)
    assert begin < got["metadata"]["created"]
    assert got["pipeline"] == tenant.client.get_pipeline(name=name)["pipeline"]
    assert client.delete_webhook(name="in-cbor")["ResponseMetadata"]["HTTPStatusCode"] == 200
    answer = client.delete_pipeline(name=name)
    assert "content-type" not in answer["ResponseMetadata"]["HTTPHeaders"]
    assert {request.headers["smithy-protocol"] for request in requests} == {b"rpc-v2-cbor"}
    assert all(SERVICE in request.url for request in requests)


def test_l2_pages_in_cbor(client: Any, tenant: Tenant) -> None:
    pipeline = tenant.idle_pipeline()
    wanted = [f"hook-{number}" for number in range(5)]
    for name in wanted:
        tenant.webhook(pipeline, name=name)
    pages = list(client.get_paginator("list_webhooks").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["webhooks"]) for page in pages] == [2, 2, 1]
    names = [item["definition"]["name"] for page in pages for item in page["webhooks"]]
    assert names == wanted
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.list_webhooks(NextToken="forged")


def test_w4_errors_in_cbor_are_typed(client: Any, tenant: Tenant) -> None:
    with pytest.raises(client.exceptions.PipelineNotFoundException) as caught:
        client.get_pipeline(name="absent")
    error = caught.value.response["Error"]
    assert error["Message"] == "Account '000000000000' does not have a pipeline with name 'absent'"
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    declared = declaration(tenant.idle_pipeline(), source(), ("Build", commands("Make", "true")))
    with pytest.raises(client.exceptions.PipelineNameInUseException):
        client.create_pipeline(pipeline=declared)
    with pytest.raises(client.exceptions.ValidationException, match="at 'name' failed"):
        client.get_pipeline(name="a b")
    with pytest.raises(ClientError, match="NotImplementedException"):
        client.poll_for_third_party_jobs(
            actionTypeId={"category": "Build", "owner": "AWS", "provider": "x", "version": "1"}
        )


class Raw:
    """Sends signed CBOR bodies as they are."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._http = URLLib3Session()

    def call(
        self, path: str, body: bytes, secret: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        access_key_id, known = self._server.key()
        said = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = AWSRequest("POST", self._server.url + path, said, body)
        key = Credentials(access_key_id, secret or known)
        SigV4Auth(key, "codepipeline", "us-east-1").add_auth(request)
        answer = self._http.send(request.prepare())
        assert answer.headers["content-type"] == "application/cbor"
        assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
        assert answer.headers["x-amzn-requestid"]
        content = cbor2.loads(answer.content)
        return answer.status_code, content.get("__type")


@pytest.fixture
def raw(server: Server) -> Iterator[Raw]:
    raw = Raw(server)
    yield raw
    raw._http.close()


def test_w4_every_error_of_a_cbor_request_is_cbor(raw: Raw) -> None:
    lists, absent = f"{SERVICE}ListWebhooks", "UnknownOperationException"
    assert raw.call(lists, b"") == raw.call(lists, b"\xa0") == (200, None)
    assert raw.call(f"{SERVICE}Nothing", b"\xa0") == (400, absent)
    assert raw.call("/service/CodeBuild/operation/ListWebhooks", b"\xa0") == (400, absent)
    assert raw.call(lists, b"\xa0", smithy_protocol="rpc-v2-json") == (400, absent)
    assert raw.call(lists, b"\xa0", x_amz_target="CodePipeline_20150709.Nothing") == (400, absent)
    assert raw.call(lists, b"{}") == (400, "SerializationException")
    assert raw.call(lists, b"\x9f" * 900_000) == (400, "SerializationException")
    assert raw.call(lists, b"x" * 1_100_000) == (413, "RequestEntityTooLargeException")
    assert raw.call(lists, b"\xa1\x6aMaxResults\x00") == (400, "ValidationException")
    assert raw.call(lists, b"\xa0", secret="guess") == (400, "InvalidSignatureException")
    assert raw.call(f"{SERVICE}PollForThirdPartyJobs", b"") == (501, "NotImplementedException")
