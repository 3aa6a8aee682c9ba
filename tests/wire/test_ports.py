"""RECEIVER_PORT: the trigger URLs have a port of their own; all else has the other."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import pytest

from support.ports import free_port
from support.sending import push_event, send
from support.server import Server
from support.tenant import Tenant


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory, github: Path) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("split"),
        github_url=github.as_uri(),
        receiver_port=str(free_port()),
    )
    with server:
        yield server


def test_p3_webhook_urls_have_the_receivers_port(split: Server, github: Path) -> None:
    tenant = Tenant(split, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    port = urlsplit(webhook["url"]).port
    assert port is not None
    assert port != split.port
    assert f"trigger URLs begin with http://127.0.0.1:{port}/trigger" in split.output
    assert tenant.push(webhook).outcome == "started"
    [listed] = tenant.client.list_webhooks()["webhooks"]
    assert listed["url"] == webhook["url"]


@pytest.mark.parametrize("host", ["", "127.0.0.1", "x:1"])
def test_the_trigger_url_is_nowhere_but_on_its_port(split: Server, github: Path, host: str) -> None:
    tenant = Tenant(split, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    port = urlsplit(webhook["url"]).port
    elsewhere = {"url": webhook["url"].replace(f":{port}", f":{split.port}")}
    # What a sender calls the host does not count.
    headers = {"Host": host or f"127.0.0.1:{port}"}
    assert tenant.push(elsewhere, push_event(n=1), **headers).status == 404
    assert tenant.push(webhook, push_event(n=1), **headers).outcome == "started"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/healthz/", "/-", "/openapi.json"])
def test_nothing_but_the_trigger_url_is_on_its_port(split: Server, github: Path, path: str) -> None:
    tenant = Tenant(split, github)
    port = urlsplit(tenant.webhook(tenant.idle_pipeline())["url"]).port
    there = f"http://127.0.0.1:{port}{path}"
    for method in ("GET", "POST"):
        assert send(there, method=method, headers={"Host": f"x:{split.port}"}).status == 404
    if path in {"/healthz", "/metrics"}:
        assert send(f"{split.url}{path}", method="GET").status == 200


def test_the_api_is_not_on_the_receivers_port(split: Server, github: Path) -> None:
    tenant = Tenant(split, github)
    port = urlsplit(tenant.webhook(tenant.idle_pipeline())["url"]).port
    other = Server(split.log.parent)
    other._port = port or 0
    try:
        with pytest.raises(botocore.exceptions.ClientError, match="404"):
            other.client(tenant.region).list_webhooks()
    finally:
        other.close()
    assert tenant.client.list_webhooks()["webhooks"]


@pytest.mark.parametrize("path", ["/healthz/", "/metrics/", "//evil.example/healthz/"])
def test_no_path_redirects_to_the_host_that_a_stranger_names(server: Server, path: str) -> None:
    reply = send(f"{server.url}{path}", method="GET", headers={"Host": "evil.example"})
    assert reply.status == 404
    assert "location" not in reply.headers
