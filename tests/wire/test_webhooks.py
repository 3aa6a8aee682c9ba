"""PutWebhook, ListWebhooks and DeleteWebhook through boto3 (contract P1-P10, L1-L4, D1-D3)."""

import base64
import hashlib
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hookline.store.tables import webhooks
from support.postgres import Cluster
from support.sending import push_event
from support.server import Server
from support.tenant import SECRET, Tenant

IP: dict[str, Any] = {"authentication": "IP"}
OPEN: dict[str, Any] = {"authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}}


@pytest.fixture
def pipeline(tenant: Tenant) -> str:
    return tenant.idle_pipeline()


def listed(tenant: Tenant) -> list[Any]:
    return list(tenant.client.list_webhooks()["webhooks"])


def token_of(webhook: Any) -> str:
    return str(webhook["url"].partition("t=")[2].partition("&")[0])


def test_p1_put_returns_definition_url_arn_and_tags(tenant: Tenant, pipeline: str) -> None:
    filters = [
        {"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"},
        {"jsonPath": "$.commits[*].id"},
    ]
    tags = [{"key": "team", "value": "web"}, {"key": "z", "value": ""}]
    webhook = tenant.webhook(pipeline, name="hook", filters=filters, tags=tags)
    assert webhook["definition"] == {
        "name": "hook",
        "targetPipeline": pipeline,
        "targetAction": "App",
        "filters": filters,
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": "****"},
    }
    assert webhook["arn"].endswith(":webhook:hook")
    assert webhook["tags"] == tags
    assert token_of(tenant.webhook(pipeline)) != token_of(webhook)


def test_p2_put_again_replaces_the_definition_and_keeps_url_and_tags(
    tenant: Tenant, pipeline: str
) -> None:
    tags = [{"key": "team", "value": "web"}]
    first = tenant.webhook(pipeline, name="hook", tags=tags)
    second = tenant.webhook(
        pipeline,
        name="hook",
        authentication="IP",
        authenticationConfiguration={"AllowedIPRange": "127.0.0.0/8"},
        filters=[{"jsonPath": "$.x"}],
    )
    assert (second["url"], second["tags"], second["arn"]) == (first["url"], tags, first["arn"])
    assert second["definition"]["authenticationConfiguration"] == {"AllowedIPRange": "127.0.0.0/8"}
    assert listed(tenant) == [second]
    replaced = tenant.webhook(pipeline, name="hook", tags=[{"key": "b", "value": "c"}])
    assert replaced["tags"] == [{"key": "b", "value": "c"}]
    assert tenant.webhook(pipeline, name="hook", tags=[])["tags"] == []


def test_p2_a_replaced_secret_counts_at_once(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline, name="hook")
    assert tenant.push(webhook, push_event(n=1)).status == 200
    tenant.webhook(pipeline, name="hook", authenticationConfiguration={"SecretToken": "other"})
    assert tenant.push(webhook, push_event(n=2)).status == 401
    tenant.webhook(pipeline, name="hook")
    assert tenant.push(webhook, push_event(n=3)).status == 200


def test_p3_the_url_holds_256_random_bits_and_is_kept_as_a_hash(
    tenant: Tenant, pipeline: str, server: Server
) -> None:
    webhook = tenant.webhook(pipeline)
    assert re.fullmatch(rf"{re.escape(server.url)}/trigger\?t=[A-Za-z0-9_-]+&v=1", webhook["url"])
    token = token_of(webhook)
    assert len(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))) >= 32
    with server.database.read() as connection:
        query = select(webhooks).where(
            webhooks.c.token_hash == hashlib.sha256(token.encode()).digest()
        )
        row = connection.execute(query).one()
    assert row.name == webhook["definition"]["name"]
    assert token.encode() not in row.token_sealed


def test_p4_the_pipeline_must_exist(tenant: Tenant) -> None:
    with pytest.raises(
        tenant.client.exceptions.PipelineNotFoundException,
        match="Account '000000000000' does not have a pipeline with name 'absent'",
    ):
        tenant.webhook("absent")


@pytest.mark.parametrize("action", ["Make", "app", "Absent"])
def test_p5_the_action_must_be_in_the_first_stage(
    tenant: Tenant, pipeline: str, action: str
) -> None:
    with pytest.raises(
        tenant.client.exceptions.ValidationException,
        match=f"Action with name {action} was not found in the first stage of the pipeline",
    ):
        tenant.webhook(pipeline, targetAction=action)


def test_p6_there_are_0_to_5_filters(tenant: Tenant, pipeline: str) -> None:
    rules = [{"jsonPath": f"$.a{number}"} for number in range(6)]
    assert tenant.webhook(pipeline, filters=[])["definition"]["filters"] == []
    assert tenant.webhook(pipeline, filters=rules[:5])["definition"]["filters"] == rules[:5]
    with pytest.raises(
        tenant.client.exceptions.ValidationException, match=r"at 'webhook\.filters'"
    ):
        tenant.webhook(pipeline, filters=rules)


@pytest.mark.parametrize("path", ["$[", "$.a[?(@.b =~ /(x)\\1/)]", "$..", "$.a[?(@.b == )]"])
def test_p6_a_path_that_cannot_be_used_is_named(tenant: Tenant, pipeline: str, path: str) -> None:
    with pytest.raises(tenant.client.exceptions.InvalidWebhookFilterPatternException) as caught:
        tenant.webhook(pipeline, filters=[{"jsonPath": path}])
    message = caught.value.response["Error"]["Message"]
    assert path in message
    assert re.search(r"\d", message.replace(path, "")), message
    assert listed(tenant) == []


@pytest.mark.parametrize(
    ("authentication", "configuration"),
    [
        ("GITHUB_HMAC", {}),
        ("GITHUB_HMAC", {"AllowedIPRange": "10.0.0.0/8"}),
        ("GITHUB_HMAC", {"SecretToken": "s", "AllowedIPRange": "10.0.0.0/8"}),
        ("IP", {}),
        ("IP", {"SecretToken": "s"}),
        ("IP", {"AllowedIPRange": "10.0.0.300"}),
        ("IP", {"AllowedIPRange": "10.0.0.0/33"}),
        ("IP", {"AllowedIPRange": "localhost"}),
        ("UNAUTHENTICATED", {"SecretToken": "s"}),
        ("UNAUTHENTICATED", {"AllowedIPRange": "10.0.0.0/8"}),
    ],
)
def test_p7_each_authentication_takes_its_own_configuration(
    tenant: Tenant, pipeline: str, authentication: str, configuration: dict[str, str]
) -> None:
    expected = tenant.client.exceptions.InvalidWebhookAuthenticationParametersException
    with pytest.raises(expected):
        tenant.webhook(
            pipeline, authentication=authentication, authenticationConfiguration=configuration
        )
    assert listed(tenant) == []


@pytest.mark.parametrize("text", ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"])
def test_p7_an_ipv4_or_ipv6_range_is_taken(tenant: Tenant, pipeline: str, text: str) -> None:
    webhook = tenant.webhook(pipeline, **IP, authenticationConfiguration={"AllowedIPRange": text})
    assert webhook["definition"]["authenticationConfiguration"] == {"AllowedIPRange": text}


def test_p7_host_bits_in_a_range_are_an_error_that_shows_the_network(
    tenant: Tenant, pipeline: str
) -> None:
    expected = tenant.client.exceptions.InvalidWebhookAuthenticationParametersException
    with pytest.raises(expected, match=r"10\.1\.0\.0/16"):
        tenant.webhook(
            pipeline, **IP, authenticationConfiguration={"AllowedIPRange": "10.1.2.3/16"}
        )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ],
)
def test_p7_a_bare_address_is_an_error_that_shows_its_range(
    tenant: Tenant, pipeline: str, address: str, network: str
) -> None:
    expected = tenant.client.exceptions.InvalidWebhookAuthenticationParametersException
    with pytest.raises(expected, match=re.escape(network)):
        tenant.webhook(pipeline, **IP, authenticationConfiguration={"AllowedIPRange": address})


def test_p7_an_empty_secret_is_refused_at_the_wire(
    tenant: Tenant, pipeline: str, server: Server
) -> None:
    tenant.client = server.client(tenant.region, parameter_validation=False)
    with pytest.raises(
        (
            tenant.client.exceptions.ValidationException,
            tenant.client.exceptions.InvalidWebhookAuthenticationParametersException,
        )
    ):
        tenant.webhook(pipeline, authenticationConfiguration={"SecretToken": ""})


def test_p8_a_region_has_at_most_300_webhooks(tenant: Tenant, pipeline: str) -> None:
    for number in range(300):
        tenant.webhook(pipeline, name=f"hook-{number}")
    with pytest.raises(tenant.client.exceptions.LimitExceededException):
        tenant.webhook(pipeline, name="one-more")
    tenant.webhook(pipeline, name="hook-7")
    tenant.client.delete_webhook(name="hook-8")
    tenant.webhook(pipeline, name="one-more")


def test_p8_tags_have_limits(tenant: Tenant, pipeline: str) -> None:
    many = [{"key": f"k{number}", "value": "v"} for number in range(51)]
    assert len(tenant.webhook(pipeline, tags=many[:50])["tags"]) == 50
    with pytest.raises(tenant.client.exceptions.TooManyTagsException):
        tenant.webhook(pipeline, tags=many)
    for key in ("aws:x", "AWS:x"):
        with pytest.raises(tenant.client.exceptions.InvalidTagsException):
            tenant.webhook(pipeline, tags=[{"key": key, "value": "v"}])


def test_p9_the_secret_is_masked(tenant: Tenant, pipeline: str) -> None:
    masked = {"SecretToken": "****"}
    webhook = tenant.webhook(pipeline)
    assert webhook["definition"]["authenticationConfiguration"] == masked
    assert listed(tenant)[0]["definition"]["authenticationConfiguration"] == masked


def test_p3_p9_public_url_and_reveal_secrets_change_what_is_shown(
    make_server: Callable[..., Server], github: Path
) -> None:
    settings = {"reveal_secrets": "true", "public_url": "https://hooks.example.com/ci/"}
    tenant = Tenant(make_server(**settings).start(), github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    assert webhook["url"].startswith("https://hooks.example.com/ci/trigger?t=")
    shown = listed(tenant)[0]["definition"]["authenticationConfiguration"]
    assert shown == webhook["definition"]["authenticationConfiguration"] == {"SecretToken": SECRET}


@pytest.mark.parametrize("mask", ["****", "*****"])
def test_p10_a_listed_definition_can_be_put_back(tenant: Tenant, pipeline: str, mask: str) -> None:
    webhook = tenant.webhook(pipeline)
    definition = {
        **listed(tenant)[0]["definition"],
        "filters": [{"jsonPath": "$.ref"}],
        "authenticationConfiguration": {"SecretToken": mask},
    }
    again = tenant.client.put_webhook(webhook=definition)["webhook"]
    assert again["url"] == webhook["url"]
    assert tenant.push(webhook).outcome == "started"


@pytest.mark.parametrize("mask", ["****", "*****"])
def test_p10_the_mask_is_no_secret_for_a_webhook_that_has_none(
    tenant: Tenant, pipeline: str, mask: str
) -> None:
    masked = {"SecretToken": mask}
    expected = tenant.client.exceptions.InvalidWebhookAuthenticationParametersException
    with pytest.raises(expected):
        tenant.webhook(pipeline, name="new", authenticationConfiguration=masked)
    tenant.webhook(pipeline, name="open", **OPEN)
    with pytest.raises(expected):
        tenant.webhook(pipeline, name="open", authenticationConfiguration=masked)


def test_l1_list_shows_each_webhook_with_all_it_has(tenant: Tenant, pipeline: str) -> None:
    assert listed(tenant) == []
    tags = [{"key": "team", "value": "web"}]
    made = [
        tenant.webhook(pipeline, name="c", tags=tags),
        tenant.webhook(pipeline, name="a", **OPEN),
        tenant.webhook(
            pipeline, name="b", **IP, authenticationConfiguration={"AllowedIPRange": "127.0.0.1/32"}
        ),
    ]
    assert listed(tenant) == sorted(made, key=lambda item: str(item["definition"]["name"]))
    assert not {"lastTriggered", "errorCode", "errorMessage"} & listed(tenant)[0].keys()
    assert listed(tenant)[0]["definition"]["authenticationConfiguration"] == {}


def test_l2_pages_are_stable_and_in_order_of_names(tenant: Tenant, pipeline: str) -> None:
    names = [f"hook-{number:02}" for number in range(7)]
    for name in reversed(names):
        tenant.webhook(pipeline, name=name)
    first = tenant.client.list_webhooks(MaxResults=3)
    assert [item["definition"]["name"] for item in first["webhooks"]] == names[:3]
    # What comes before the page doesn't move it.
    tenant.webhook(pipeline, name="hook-000")
    tenant.client.delete_webhook(name=names[0])
    second = tenant.client.list_webhooks(MaxResults=4, NextToken=first["NextToken"])
    assert [item["definition"]["name"] for item in second["webhooks"]] == names[3:]
    assert "NextToken" not in second
    pages = tenant.client.get_paginator("list_webhooks").paginate(PaginationConfig={"PageSize": 2})
    found = [item["definition"]["name"] for page in pages for item in page["webhooks"]]
    assert found == ["hook-000", *names[1:]]


def test_l2_100_are_a_page_by_default(tenant: Tenant, pipeline: str) -> None:
    for number in range(101):
        tenant.webhook(pipeline, name=f"hook-{number}")
    answer = tenant.client.list_webhooks()
    assert len(answer["webhooks"]) == 100
    rest = tenant.client.list_webhooks(NextToken=answer["NextToken"])
    assert len(rest["webhooks"]) == 1


def test_l2_a_bad_token_is_refused(tenant: Tenant, pipeline: str, server: Server) -> None:
    for name in ("a", "b"):
        tenant.webhook(pipeline, name=name)
    token = tenant.client.list_webhooks(MaxResults=1)["NextToken"]
    elsewhere = server.client("elsewhere-2")
    bad = [
        (tenant.client, "nonsense"),
        (tenant.client, token[:-1] + ("A" if token[-1] != "A" else "B")),
        (elsewhere, token),
    ]
    for client, text in bad:
        with pytest.raises(client.exceptions.InvalidNextTokenException):
            client.list_webhooks(NextToken=text)


@pytest.mark.parametrize("size", [0, 101])
def test_l2_max_results_has_its_range(tenant: Tenant, server: Server, size: int) -> None:
    client = server.client(tenant.region, parameter_validation=False)
    with pytest.raises(client.exceptions.ValidationException, match="maxResults"):
        client.list_webhooks(MaxResults=size)


def test_l3_a_write_is_seen_by_the_next_list(
    make_server: Callable[..., Server], github: Path
) -> None:
    server = make_server()
    server.options = ["--workers", "2"]
    tenant = Tenant(server.start(), github)
    pipeline = tenant.idle_pipeline()
    for number in range(20):
        webhook = tenant.webhook(pipeline, name="hook", filters=[{"jsonPath": f"$.a{number}"}])
        assert listed(tenant) == [webhook]
    # The other worker judges by the newest definition as well.
    for number in range(20):
        secret = f"secret {number}"
        webhook = tenant.webhook(
            pipeline, name="hook", authenticationConfiguration={"SecretToken": secret}
        )
        assert tenant.push(webhook, push_event(n=number)).status == 401
    tenant.client.delete_webhook(name="hook")
    assert listed(tenant) == []
    for _ in range(20):
        assert tenant.push(webhook).status == 404


def test_l4_last_triggered_is_when_a_delivery_started_an_execution(
    tenant: Tenant, pipeline: str
) -> None:
    webhook = tenant.webhook(pipeline, filters=[{"jsonPath": "$.ref"}])
    for event in ({}, {"ref": None}):
        assert tenant.push(webhook, event).outcome == "filtered"
    tenant.push(webhook, {"x": 1}, **{"X-Hub-Signature-256": "sha256=no"})
    assert "lastTriggered" not in listed(tenant)[0]
    before = time.time()
    assert tenant.push(webhook).outcome == "started"
    triggered: datetime = listed(tenant)[0]["lastTriggered"]
    assert before - 1 <= triggered.timestamp() <= time.time() + 1
    assert tenant.push(webhook).outcome == "duplicate"
    assert tenant.push(webhook, {}).outcome == "filtered"
    assert listed(tenant)[0]["lastTriggered"] == triggered


def test_d1_delete_succeeds_also_when_it_is_gone(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline, tags=[{"key": "a", "value": "b"}])
    name = webhook["definition"]["name"]
    for _ in range(2):
        answer = tenant.client.delete_webhook(name=name)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert listed(tenant) == []
    # Its tags are gone with it.
    assert tenant.webhook(pipeline, name=name)["tags"] == []


def test_d2_d3_the_url_is_dead_at_once_and_never_comes_back(tenant: Tenant, pipeline: str) -> None:
    for number in range(10):
        webhook = tenant.webhook(pipeline, name="hook")
        assert tenant.push(webhook, push_event(n=number)).outcome == "started"
        tenant.client.delete_webhook(name="hook")
        assert tenant.push(webhook, push_event(n=-1)).status == 404
        again = tenant.webhook(pipeline, name="hook")
        assert again["url"] != webhook["url"]
        assert tenant.push(webhook, push_event(n=-2)).status == 404
        tenant.client.delete_webhook(name="hook")


def test_d2_the_url_is_dead_within_a_second_on_another_node(
    make_server: Callable[..., Server], cluster: Cluster, github: Path, tmp_path: Path
) -> None:
    shared = {
        "database_url": cluster.create_database(),
        "master_key": base64.b64encode(b"k" * 32).decode(),
        "artifact_store": str(tmp_path / "artifacts"),
    }
    first, second = (make_server(name, node=name, **shared).start() for name in ("first", "second"))
    tenant = Tenant(first, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    there = {"url": webhook["url"].replace(first.url, second.url)}
    assert tenant.push(there, push_event(n=1)).outcome == "started"
    tenant.client.delete_webhook(name=webhook["definition"]["name"])
    assert tenant.push(webhook, push_event(n=2)).status == 404
    deadline = time.monotonic() + 1
    while (status := tenant.push(there, push_event(n=3)).status) != 404:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
