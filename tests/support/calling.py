"""Calls an endpoint inside Starlette as a client would, in either protocol."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cbor2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.applications import Starlette
from starlette.routing import Route

from hookline.api import cbor
from hookline.api.endpoint import Endpoint
from hookline.api.service import CODEPIPELINE, Operation, Service
from hookline.model import Credential, Scope

KEY = Credential("AKIDEXAMPLE", "the secret key", "111122223333", 0.0)
DEFAULT = Scope("000000000000", "us-east-1")
SERVICE = "/service/CodePipeline_20150709/operation/"
CBOR_HEADERS = [
    ("host", "localhost"),
    ("smithy-protocol", "rpc-v2-cbor"),
    ("content-type", "application/cbor"),
    ("accept", "application/cbor"),
]

Headers = list[tuple[str, str]]
Sent = tuple[int, dict[str, str], Any]


def lookup(access_key_id: str) -> Credential | None:
    return KEY if access_key_id == KEY.access_key_id else None


def named(operation: str | Operation) -> tuple[Service, str]:
    """An operation's service, CodePipeline for a name alone, and its name."""
    if isinstance(operation, str):
        return CODEPIPELINE, operation
    return operation.service, operation.name


def target(operation: str | Operation) -> Headers:
    service, name = named(operation)
    return [("host", "localhost"), ("x-amz-target", f"{service.target_prefix}.{name}")]


def sign(
    path: str,
    headers: Headers,
    body: bytes,
    secret: str = KEY.secret_access_key,
    service: str = "codepipeline",
) -> Headers:
    request = AWSRequest("POST", f"http://localhost{path}", headers=dict(headers), data=body)
    key = Credentials(KEY.access_key_id, secret)
    SigV4Auth(key, service, "eu-west-3").add_auth(request)
    return list(request.headers.items())


def signed(operation: str | Operation, body: bytes, secret: str = KEY.secret_access_key) -> Headers:
    return sign("/", target(operation), body, secret, named(operation)[0].name)


def send(
    tested: Endpoint,
    headers: Headers,
    body: bytes | Iterable[bytes],
    last: str = "http.request",
    path: str = "/",
) -> Sent:
    """POST a body through a Starlette application: status, headers, content of the answer."""
    incoming = _events([body] if isinstance(body, bytes) else body, last)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "server": ("localhost", 80),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return next(incoming)

    async def record(event: Any) -> None:
        await asyncio.sleep(0)
        sent.append(event)

    routes = [Route(route, tested.__call__, methods=["POST"]) for route in ("/", cbor.PATH)]
    asyncio.run(Starlette(routes=routes)(scope, receive, record))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    read: Callable[[bytes], Any] = json.loads if path == "/" else _cbor
    return sent[0]["status"], answered, read(sent[1]["body"])


def send_cbor(tested: Endpoint, operation: str | Operation, body: bytes) -> Sent:
    """POST a CBOR body, unsigned."""
    service, name = named(operation)
    path = cbor.PATH.format(service=service.target_prefix, operation=name)
    return send(tested, CBOR_HEADERS, body, path=path)


def failed(sent: Sent, code: str, status: int = 400) -> str:
    """The message of an error, after a check of everything else that W1 and W4 say of it."""
    got_status, headers, body = sent
    is_cbor = "smithy-protocol" in headers
    assert headers["content-type"] == (
        "application/cbor" if is_cbor else "application/x-amz-json-1.1"
    )
    assert uuid.UUID(headers["x-amzn-requestid"]).version == 4
    assert (got_status, body["__type"]) == (status, code)
    assert list(body) == ["__type", "message"]
    message: str = body["message"]
    return message


def _events(chunks: Iterable[bytes], last: str) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": last}


def _cbor(body: bytes) -> Any:
    return cbor2.loads(body) if body else None
