"""`GET /logs/<action execution id>`: signed as calls of the API are, and as text."""

import http.client
import subprocess
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hookline.model import new_id
from support.programs import program
from support.server import until
from support.tenant import Tenant, commands

OTHER_LINES = 20_000


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


def get(url: str, headers: Any = (), body: bytes | None = None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, body=body, headers=dict(headers))
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    text = answer.read().decode()
    connection.close()
    return Answer(answer.status, found, text)


def signed_get(
    tenant: Tenant, url: str, key: tuple[str, ...] | None = None, region: str = ""
) -> Answer:
    """GET as botocore signs it."""
    request = AWSRequest("GET", url)
    credentials = Credentials(*(key or tenant.server.key()))
    SigV4Auth(credentials, "codepipeline", region or tenant.region).add_auth(request)
    return get(url, request.headers.items())


class Ran(NamedTuple):
    """An execution whose action Make has written; what it answers of it."""

    pipeline: str
    execution_id: str
    url: str


@pytest.fixture
def ran(tenant: Tenant) -> Ran:
    make = commands("Make", f"echo first; seq {OTHER_LINES}; echo -e '\\033[31mlast'")
    pipeline = tenant.pipeline(("Build", make))
    started = tenant.client.start_pipeline_execution(name=pipeline)
    execution_id = started["pipelineExecutionId"]
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    result = tenant.actions(pipeline, execution_id)["Make"]["output"]["executionResult"]
    return Ran(pipeline, execution_id, result["externalExecutionUrl"])


def test_curl_reads_a_log_with_an_access_key(tenant: Tenant, ran: Ran) -> None:
    identifier = tenant.actions(ran.pipeline, ran.execution_id)["Make"]["actionExecutionId"]
    assert ran.url == f"{tenant.server.url}/logs/{identifier}"
    done = subprocess.run(
        [
            program("curl"),
            *("--silent", "--show-error", "--fail", "--include", "--max-time", "20"),
            *("--aws-sigv4", f"aws:amz:{tenant.region}:codepipeline"),
            *("--user", ":".join(tenant.server.key())),
            f"{ran.url}?offset=2",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    head, _, log = done.stdout.partition("\n\n")
    assert "content-type: text/plain; charset=utf-8" in head.lower()
    assert "x-content-type-options: nosniff" in head.lower()
    whole = signed_get(tenant, ran.url)
    assert whole.status == 200
    assert log == whole.text[2:]
    assert whole.text.startswith("$ echo first")
    assert "\nfirst\n1\n2\n" in whole.text
    assert whole.text.endswith(f"\n{OTHER_LINES}\n\x1b[31mlast\n")
    end = signed_get(tenant, f"{ran.url}?offset={len(whole.text)}")
    assert (end.status, end.text) == (200, "")


def test_an_unsigned_request_is_told_how_to_sign(ran: Ran) -> None:
    answer = get(ran.url)
    assert answer.status == 403
    assert "--aws-sigv4" in answer.text
    assert "hookline logs" in answer.text
    assert answer.text.count("\n") == 1
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_w5_signatures_are_verified(tenant: Tenant, ran: Ran) -> None:
    access_key_id, secret = tenant.server.key()
    for key in ((access_key_id, f"{secret}x"), ("AKIDNOBODY", secret)):
        answer = signed_get(tenant, ran.url, key)
        assert answer.status == 403
        assert "first" not in answer.text
    # The signature is of the offset, too.
    request = AWSRequest("GET", ran.url)
    SigV4Auth(Credentials(access_key_id, secret), "codepipeline", tenant.region).add_auth(request)
    assert get(f"{ran.url}?offset=1", request.headers.items()).status == 403
    assert get(ran.url, request.headers.items(), b"body").status == 413


def test_w6_others_are_answered_as_for_no_log_at_all(tenant: Tenant, ran: Ran) -> None:
    unknown = f"{tenant.server.url}/logs/{new_id()}"
    made = tenant.server.hookline("credentials", "create", "--account", "111122223333")
    assert made.returncode == 0, made.stderr
    stranger = _key(made.stdout)
    answers = [
        signed_get(tenant, unknown),
        signed_get(tenant, ran.url, region="eu-north-1"),
        signed_get(tenant, ran.url, stranger),
    ]
    for answer, url in zip(answers, (unknown, ran.url, ran.url), strict=True):
        identifier = url.rpartition("/")[2]
        assert answer.status == 404
        assert answer.text == (
            f"There is no action execution {identifier} in this account and region\n"
        )
    assert signed_get(tenant, f"{tenant.server.url}/logs/..%2F..%2Fetc").status == 404
    assert signed_get(tenant, f"{tenant.server.url}/logs/%00").status == 404


def test_a_read_only_key_reads_logs(tenant: Tenant, ran: Ran) -> None:
    made = tenant.server.hookline("credentials", "create", "--read-only")
    assert made.returncode == 0, made.stderr
    assert signed_get(tenant, ran.url, _key(made.stdout)).status == 200


@pytest.mark.parametrize("offset", ["-1", "x", "", "1e3", "9" * 40, "%C2%B2"])
def test_a_wrong_offset_is_named(tenant: Tenant, ran: Ran, offset: str) -> None:
    answer = signed_get(tenant, f"{ran.url}?offset={offset}")
    assert answer.status == 400
    assert answer.text.startswith("offset must be")


def test_a_log_is_linked_and_read_while_its_action_runs(tenant: Tenant, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = commands("Wait", "echo early", f"until [ -e {gate} ]; do sleep 0.05; done", "exit 1")
    pipeline = tenant.pipeline(("Build", wait))
    tenant.client.start_pipeline_execution(name=pipeline)

    def state(stage: int) -> Any:
        answer = tenant.client.get_pipeline_state(name=pipeline)
        return answer["stageStates"][stage]["actionStates"][0].get("latestExecution", {})

    assert until(lambda: state(1).get("status") == "InProgress")
    url = state(1)["externalExecutionUrl"]
    assert until(lambda: "\nearly\n" in signed_get(tenant, url).text, 5)
    read = len(signed_get(tenant, url).text)
    gate.touch()
    assert until(lambda: state(1)["status"] == "Failed")
    assert state(1)["externalExecutionUrl"] == url
    assert signed_get(tenant, f"{url}?offset={read}").text.endswith(
        'Command "exit 1" exited with status 1\n'
    )
    # A source's link is its commit's page, which a local folder has not.
    assert "externalExecutionUrl" not in state(0)


def _key(shown: str) -> tuple[str, str]:
    words = shown.split()
    access_key_id = next(word for word in words if word.startswith("AKIA"))
    secret = next(word for word in words if len(word) == 40)
    return access_key_id, secret
