"""The trigger URL through real HTTP (contract T2-T14)."""

import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from hookline.model import Verdict
from support.sending import Reply, push, push_event, send, signature, signed
from support.server import Server, until
from support.tenant import SECRET, Tenant, source

OPEN: dict[str, Any] = {"authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}}


def ip(allowed: str) -> dict[str, Any]:
    return {"authentication": "IP", "authenticationConfiguration": {"AllowedIPRange": allowed}}


@pytest.fixture
def pipeline(tenant: Tenant) -> str:
    return tenant.idle_pipeline()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, github: Path) -> Iterator[Server]:
    """A server behind a proxy at 127.0.0.1, with small limits."""
    server = Server(
        tmp_path_factory.mktemp("proxied"),
        github_url=github.as_uri(),
        trusted_proxies="127.0.0.1,10.1.0.0/16",
        max_body="10000",
        dedupe_window="1",
    )
    with server:
        yield server


def started(tenant: Tenant, pipeline: str) -> int:
    return len(tenant.executions(pipeline))


def test_t2_each_signature_header_alone_is_enough(tenant: Tenant, pipeline: str) -> None:
    url = tenant.webhook(pipeline)["url"]
    for number, name in enumerate(("X-Hub-Signature-256", "X-Hub-Signature")):
        body = json.dumps({"n": number}).encode()
        assert send(url, body, {name: signed(SECRET, body)[name]}).outcome == "started"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        lambda _: {"X-Hub-Signature-256": ""},
        lambda _: {"X-Hub-Signature-256": "sha256="},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body)[:-1]},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body) + "0"},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body).removeprefix("sha256=")},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body).upper()},
        lambda body: {"X-Hub-Signature-256": signature("other", body)},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body + b" ")},
        lambda body: {"X-Hub-Signature-256": signature(SECRET, body, "sha1")},
        lambda body: {"X-Hub-Signature": signature("other", body)},
        lambda _: {"X-Hub-Signature-256": "sha256=\xe9\xff"},
        lambda body: {**signed(SECRET, body), "X-Hub-Signature": "sha1=" + "0" * 40},
        lambda body: {**signed(SECRET, body), "X-Hub-Signature-256": "sha256=" + "0" * 64},
    ],
)
def test_t2_t12_a_bad_or_missing_signature_is_refused(
    tenant: Tenant, pipeline: str, spoil: Callable[[bytes], dict[str, str]]
) -> None:
    body = b'{"ref": "refs/heads/main"}'
    reply = send(tenant.webhook(pipeline)["url"], body, spoil(body))
    assert (reply.status, reply.outcome) == (401, "refused")
    assert reply.execution_id is None
    assert started(tenant, pipeline) == 0
    delivery = tenant.server.delivery(reply.delivery_id)
    assert delivery.verdict in {Verdict.BAD_SIGNATURE, Verdict.NO_SIGNATURE}
    assert delivery.body is None
    assert delivery.trace["authenticated"] is False


def test_t2_the_signature_is_over_the_raw_body(tenant: Tenant, pipeline: str) -> None:
    url = tenant.webhook(pipeline)["url"]
    body = b'{ "a" : 1,\r\n "a": 2 }\n'
    assert send(url, body, signed(SECRET, body)).outcome == "started"
    other = json.dumps(json.loads(body)).encode()
    assert send(url, other, signed(SECRET, body)).status == 401


@pytest.mark.parametrize(
    ("allowed", "status"),
    [("127.0.0.1/32", 200), ("127.0.0.0/8", 200), ("10.0.0.0/8", 403), ("::/0", 403)],
)
def test_t3_the_peers_address_must_be_in_the_range(
    tenant: Tenant, pipeline: str, allowed: str, status: int
) -> None:
    webhook = tenant.webhook(pipeline, **ip(allowed))
    # Nobody is believed about whom it speaks for.
    reply = send(webhook["url"], b"{}", {"X-Forwarded-For": "10.0.0.1"})
    assert reply.status == status
    assert tenant.server.delivery(reply.delivery_id).remote == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "status", "remote"),
    [
        (None, 403, "127.0.0.1"),
        ("192.0.2.7", 200, "192.0.2.7"),
        ("::ffff:192.0.2.7", 200, "192.0.2.7"),
        ("192.0.2.7, 10.1.2.3", 200, "192.0.2.7"),
        ("192.0.2.7, 203.0.113.9", 403, "203.0.113.9"),
        ("192.0.2.7, 203.0.113.9, 10.1.2.3", 403, "203.0.113.9"),
        ("192.0.2.7, nonsense", 403, "127.0.0.1"),
        ("192.0.2.7:8080", 403, "127.0.0.1"),
        ("", 403, "127.0.0.1"),
    ],
)
def test_t3_a_trusted_proxy_is_believed_and_nobody_before_it(
    proxied: Server, github: Path, forwarded: str | None, status: int, remote: str
) -> None:
    tenant = Tenant(proxied, github)
    webhook = tenant.webhook(tenant.idle_pipeline(), **ip("192.0.2.0/24"))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    reply = send(webhook["url"], b"{}", headers)
    assert reply.status == status
    assert proxied.delivery(reply.delivery_id).remote == remote


def test_t4_an_unauthenticated_webhook_accepts_all(tenant: Tenant, pipeline: str) -> None:
    url = tenant.webhook(pipeline, **OPEN)["url"]
    assert send(url, b"{}").outcome == "started"
    assert send(url, b"{}", {"X-Hub-Signature-256": "sha256=wrong"}).outcome == "started"


@pytest.mark.parametrize(
    ("rule", "event", "outcome"),
    [
        (("$.ref", "refs/heads/main"), {"ref": "refs/heads/main"}, "started"),
        (("$.ref", "refs/heads/mai"), {"ref": "refs/heads/main"}, "filtered"),
        (("$.ref", "refs/heads/*"), {"ref": "refs/heads/main"}, "filtered"),
        (("$.merged", "true"), {"merged": True}, "started"),
        (("$.merged", "True"), {"merged": True}, "filtered"),
        (("$.n", "12"), {"n": 12}, "started"),
        (("$.n", "1.5"), {"n": 1.5}, "started"),
        (("$.n", "null"), {"n": None}, "started"),
        (("$.n", None), {"n": None}, "filtered"),
        (("$.n", None), {"n": False}, "started"),
        (("$.n", None), {}, "filtered"),
        (("$.l", "b"), {"l": ["a", "b"]}, "started"),
        (("$.c[*].m[*]", "x"), {"c": [{"m": ["a"]}, {"m": ["x"]}]}, "started"),
        (("$.c[*].m[*]", "y"), {"c": [{"m": ["a"]}, {"m": ["x"]}]}, "filtered"),
        (("$.c[*].m", "x"), {"c": [{"m": ["a"]}, {"m": ["x"]}]}, "started"),
        (("$.r..name", "refs/heads/main"), {"r": [{"name": "refs/heads/main"}]}, "started"),
        (("$.o", "{}"), {"o": {}}, "filtered"),
        (("$.o", None), {"o": {}}, "started"),
        (("$.ref", "refs/heads/{Branch}"), {"ref": "refs/heads/main"}, "started"),
        (("$.ref", "{Owner}/{Repo}"), {"ref": "nobody/nothing"}, "started"),
        (("$.ref", "{Unknown}"), {"ref": "{Unknown}"}, "started"),
    ],
)
def test_t5_t6_t7_a_filter_decides(
    tenant: Tenant, pipeline: str, rule: tuple[str, str | None], event: Any, outcome: str
) -> None:
    path, wanted = rule
    shape = {"jsonPath": path} if wanted is None else {"jsonPath": path, "matchEquals": wanted}
    reply = tenant.push(tenant.webhook(pipeline, filters=[shape]), event)
    assert (reply.status, reply.outcome) == (200, outcome)
    assert started(tenant, pipeline) == (1 if outcome == "started" else 0)


def test_t5_every_filter_must_pass(tenant: Tenant, pipeline: str) -> None:
    rules = [{"jsonPath": f"$.{name}", "matchEquals": "1"} for name in "ab"]
    webhook = tenant.webhook(pipeline, filters=rules)
    outcomes = [
        tenant.push(webhook, event).outcome
        for event in ({"a": 1}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1})
    ]
    assert outcomes == ["filtered", "filtered", "filtered", "started"]


def test_t6_a_placeholder_follows_the_pipeline(tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    rule = {"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}
    webhook = tenant.webhook(name, filters=[rule])
    assert tenant.push(webhook, push_event(branch="dev")).outcome == "filtered"
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    declared["stages"][0]["actions"][0]["configuration"]["Branch"] = "dev"
    tenant.client.update_pipeline(pipeline=declared)
    assert tenant.push(webhook, push_event(branch="dev")).outcome == "started"
    assert tenant.push(webhook, push_event(branch="main")).outcome == "filtered"


def test_t6_a_placeholder_never_stands_for_a_secret(tenant: Tenant) -> None:
    rule = {"jsonPath": "$.ref", "matchEquals": "{OAuthToken}"}
    webhook = tenant.webhook(tenant.idle_pipeline(), filters=[rule])
    reply = tenant.push(webhook, push_event(branch="main"))
    assert reply.outcome == "filtered"
    show = ("deliveries", "show", reply.delivery_id)
    # What starts nothing is recorded within a second.
    shown = until(lambda: tenant.server.hookline(*show).stdout)
    assert "{OAuthToken}" in shown
    assert "sealed" not in shown


def test_t8_a_form_carries_json(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline, filters=[{"jsonPath": "$.ref", "matchEquals": "é&="}])
    body = f"payload={quote(json.dumps({'ref': 'é&='}, ensure_ascii=False))}".encode()
    for kind in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; x=y"):
        headers = {**signed(SECRET, body), "Content-Type": kind}
        assert send(webhook["url"], body, headers).outcome in {"started", "duplicate"}
    [delivery, *_] = tenant.server.deliveries(send(webhook["url"], body, headers).delivery_id)
    assert delivery.body == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": 1} x',
        b"[" * 201 + b"]" * 201,
        b'{"a":' * 201 + b"1" + b"}" * 201,
        b"[" * 1_000_000,
    ],
)
def test_t8_t12_what_is_not_json_is_refused(tenant: Tenant, pipeline: str, body: bytes) -> None:
    webhook = tenant.webhook(pipeline)
    reply = send(webhook["url"], body, signed(SECRET, body))
    assert (reply.status, reply.outcome) == (400, "refused")
    assert tenant.server.delivery(reply.delivery_id).verdict is Verdict.NOT_JSON
    assert tenant.push(webhook).outcome == "started"


@pytest.mark.parametrize(
    "body",
    [b"", b"other=1", b"payload=", b"payload={}&payload={}", b"payload=%7B", b"\xff", b"&" * 1000],
)
def test_t8_t12_a_form_without_one_payload_is_refused(
    tenant: Tenant, pipeline: str, body: bytes
) -> None:
    headers = {**signed(SECRET, body), "Content-Type": "application/x-www-form-urlencoded"}
    assert send(tenant.webhook(pipeline)["url"], body, headers).status == 400


def test_t8_nesting_of_200_and_any_json_value_are_accepted(tenant: Tenant, pipeline: str) -> None:
    url = tenant.webhook(pipeline)["url"]
    for body in (b"[" * 200 + b"]" * 200, b"[[]" + b",{}" * 500 + b"]", b"1", b'"text"', b"null"):
        assert send(url, body, signed(SECRET, body)).outcome == "started", body[:20]


def test_t8_the_last_of_duplicate_keys_counts(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline, filters=[{"jsonPath": "$.a", "matchEquals": "2"}])
    body = b'{"a": 1, "a": 2}'
    assert send(webhook["url"], body, signed(SECRET, body)).outcome == "started"


def test_t8_t12_a_body_over_the_limit_is_refused_announced_or_not(
    proxied: Server, github: Path
) -> None:
    tenant = Tenant(proxied, github)
    url = tenant.webhook(tenant.idle_pipeline())["url"]
    fits, over = b'"' + b"x" * 9_998 + b'"', b'"' + b"x" * 9_999 + b'"'
    assert send(url, fits, signed(SECRET, fits)).outcome == "started"
    replies = [send(url, over, signed(SECRET, over))]
    chunks = [over[start : start + 1_000] for start in range(0, len(over), 1_000)]
    replies.append(send(url, chunks, signed(SECRET, over)))
    for reply in replies:
        assert (reply.status, reply.outcome) == (413, "refused")
        assert proxied.delivery(reply.delivery_id).verdict is Verdict.TOO_LARGE
    parts = [fits[:5_000], fits[5_000:]]
    assert send(url, parts, signed(SECRET, fits)).outcome == "duplicate"


def test_t8_an_endless_body_is_refused_while_it_comes_in(proxied: Server, github: Path) -> None:
    tenant = Tenant(proxied, github)
    parts = urlsplit(tenant.webhook(tenant.idle_pipeline())["url"])
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=10) as peer:
        peer.sendall(head.encode())
        sent = 0
        try:
            while sent < 50_000_000:
                peer.sendall(b"3e8\r\n" + b"x" * 1_000 + b"\r\n")
                sent += 1_000
                peer.setblocking(False)
                try:
                    answer = peer.recv(4_096)
                except BlockingIOError:
                    answer = b""
                peer.settimeout(10)
                if answer:
                    break
        except OSError:  # it hung up on us
            answer = b"HTTP/1.1 413"
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 5_000_000


def test_t8_a_compressed_body_is_refused(tenant: Tenant, pipeline: str) -> None:
    body = gzip.compress(b"{}")
    headers = {**signed(SECRET, body), "Content-Encoding": "gzip"}
    assert send(tenant.webhook(pipeline)["url"], body, headers).status == 415


def test_t9_ping_is_authenticated_answered_recorded_and_starts_nothing(
    tenant: Tenant, pipeline: str
) -> None:
    webhook = tenant.webhook(pipeline, filters=[{"jsonPath": "$.ref"}])
    body = b'{"zen": "Design for failure.", "hook_id": 1}'
    reply = send(webhook["url"], body, signed(SECRET, body, "ping"))
    assert (reply.status, reply.outcome, reply.execution_id) == (200, "ping", None)
    assert tenant.server.delivery(reply.delivery_id).verdict is Verdict.PING
    assert send(webhook["url"], body, signed("wrong", body, "ping")).status == 401
    assert started(tenant, pipeline) == 0


def test_t10_the_same_event_again_answers_with_the_first_execution(
    tenant: Tenant, pipeline: str
) -> None:
    webhook = tenant.webhook(pipeline)
    first = tenant.push(webhook, **{"X-GitHub-Delivery": "one"})
    # A redelivery has the same body; what the sender calls it isn't signed and doesn't count.
    again = tenant.push(webhook, **{"X-GitHub-Delivery": "two"})
    assert (first.outcome, again.status, again.outcome) == ("started", 200, "duplicate")
    assert again.execution_id == first.execution_id
    assert again.delivery_id != first.delivery_id
    assert tenant.server.delivery(again.delivery_id).verdict is Verdict.DUPLICATE
    assert tenant.push(webhook, push_event(n=1)).outcome == "started"
    assert started(tenant, pipeline) == 2


def test_t10_dropping_a_signature_header_makes_no_other_event(
    tenant: Tenant, pipeline: str
) -> None:
    url = tenant.webhook(pipeline)["url"]
    body = b'{"a": 1}'
    both = signed(SECRET, body)
    outcomes = [
        send(url, body, headers).outcome
        for headers in (
            both,
            {"X-Hub-Signature": both["X-Hub-Signature"]},
            {"X-Hub-Signature-256": both["X-Hub-Signature-256"]},
        )
    ]
    assert outcomes == ["started", "duplicate", "duplicate"]


def test_t10_the_same_event_for_two_webhooks_starts_two(tenant: Tenant, pipeline: str) -> None:
    webhooks = [tenant.webhook(pipeline) for _ in range(2)]
    assert [tenant.push(webhook).outcome for webhook in webhooks] == ["started"] * 2


@pytest.mark.parametrize("header", ["X-GitHub-Delivery", "X-Gitea-Delivery", "X-Request-UUID"])
def test_t10_without_a_signature_the_senders_delivery_id_counts(
    tenant: Tenant, pipeline: str, header: str
) -> None:
    url = tenant.webhook(pipeline, **OPEN)["url"]
    outcomes = [send(url, b"{}", {header: name}).outcome for name in ("one", "one", "two")]
    assert outcomes == ["started", "duplicate", "started"]
    assert [send(url, b"{}").outcome for _ in range(2)] == ["started", "started"]


def test_t10_after_the_window_the_event_is_another_one(proxied: Server, github: Path) -> None:
    tenant = Tenant(proxied, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    first = tenant.push(webhook)
    assert tenant.push(webhook).outcome == "duplicate"
    time.sleep(1.1)
    later = tenant.push(webhook)
    assert later.outcome == "started"
    assert later.execution_id != first.execution_id
    assert tenant.push(webhook).execution_id == later.execution_id


def test_t10_an_event_that_was_filtered_or_refused_can_still_start(
    tenant: Tenant, pipeline: str
) -> None:
    rule = {"jsonPath": "$.ref", "matchEquals": "refs/heads/dev"}
    webhook = tenant.webhook(pipeline, name="hook", filters=[rule])
    assert tenant.push(webhook).outcome == "filtered"
    assert push(webhook["url"], "wrong").status == 401
    tenant.webhook(pipeline, name="hook", filters=[])
    assert tenant.push(webhook).outcome == "started"


def test_t11_what_is_no_push_brings_no_revision(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline)
    for event in ({"action": "published"}, push_event("0" * 40), push_event("main")):
        reply = tenant.push(webhook, event)
        [summary] = [
            item
            for item in tenant.executions(pipeline)
            if item["pipelineExecutionId"] == reply.execution_id
        ]
        assert summary["sourceRevisions"] == []
        assert summary["trigger"]["triggerDetail"] == webhook["arn"]


def test_t12_unknown_tokens_are_not_found(tenant: Tenant, pipeline: str) -> None:
    url = tenant.webhook(pipeline)["url"]
    token = url.split("t=")[1].split("&")[0]
    base = url.split("?")[0]
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    for query in ("", "?t=", f"?t={changed}&v=1", "?v=1", f"?t={token}&t={token}&v=1", "?t=%00"):
        reply = push(f"{base}{query}", SECRET)
        assert (reply.status, reply.outcome) == (404, "refused"), query
    assert push(f"{base}?v=1&t={token}", SECRET).outcome == "started"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_t12_only_post_is_accepted(tenant: Tenant, pipeline: str, method: str) -> None:
    url = tenant.webhook(pipeline)["url"]
    began = time.monotonic()
    reply = send(url, method=method)
    assert time.monotonic() - began < 10
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


def test_t12_a_pipeline_or_action_that_is_gone_is_a_conflict(tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    webhook = tenant.webhook(name)
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    declared["stages"][0]["actions"] = [{**source("nobody", "nothing"), "name": "Other"}]
    tenant.client.update_pipeline(pipeline=declared)
    replies = [tenant.push(webhook, push_event(n=1))]
    tenant.client.delete_pipeline(name=name)
    replies.append(tenant.push(webhook, push_event(n=2)))
    for reply in replies:
        assert (reply.status, reply.outcome) == (409, "refused")
        assert tenant.server.delivery(reply.delivery_id).verdict is Verdict.NO_TARGET


def test_t12_answers_are_json_and_tell_a_sender_no_secret(tenant: Tenant, pipeline: str) -> None:
    rule = {"jsonPath": "$.key", "matchEquals": "expected-value"}
    webhook = tenant.webhook(pipeline, filters=[rule])
    replies = [
        tenant.push(webhook, {"key": "other"}),
        tenant.push(webhook, {"key": "expected-value"}),
        push(webhook["url"], "wrong", {"key": "expected-value"}),
        send(webhook["url"], method="GET"),
    ]
    assert [reply.status for reply in replies] == [200, 200, 401, 405]
    for reply in replies:
        assert reply.headers["content-type"] == "application/json"
        assert {"deliveryId", "outcome"} <= reply.content.keys()
        text = json.dumps(reply.content)
        assert "expected-value" not in text
        assert SECRET not in text
    assert len({reply.delivery_id for reply in replies}) == len(replies)


def test_t13_each_step_comes_before_the_next(proxied: Server, github: Path) -> None:
    tenant = Tenant(proxied, github)
    pipeline = tenant.idle_pipeline()
    url = tenant.webhook(pipeline)["url"]
    address = tenant.webhook(pipeline, **ip("192.0.2.0/24"))["url"]
    wrong_token = url.split("t=")[0] + "t=x"
    large, not_json = b"x" * 20_000, b"not json"
    in_range = {"X-Forwarded-For": "192.0.2.7"}
    assert send(wrong_token, method="GET").status == 405
    assert send(wrong_token, large).status == 404
    assert send(address, large).status == 403
    assert send(address, large, in_range).status == 413
    assert send(address, not_json, in_range).status == 400
    assert send(url, large).status == 413
    assert send(url, not_json).status == 401
    assert send(url, not_json, signed(SECRET, not_json)).status == 400


def test_t13_a_refused_address_is_not_asked_for_its_body(proxied: Server, github: Path) -> None:
    tenant = Tenant(proxied, github)
    parts = urlsplit(tenant.webhook(tenant.idle_pipeline(), **ip("192.0.2.0/24"))["url"])
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=5) as peer:
        peer.sendall(head.encode())
        assert peer.recv(4_096).startswith(b"HTTP/1.1 403")


def test_t14_a_delivery_is_recorded_with_its_decision_trace(tenant: Tenant, pipeline: str) -> None:
    rules = [
        {"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"},
        {"jsonPath": "$.merged", "matchEquals": "true"},
    ]
    webhook = tenant.webhook(pipeline, filters=rules)
    filtered = tenant.push(webhook, push_event(merged=False), **{"X-GitHub-Delivery": "abc"})
    delivery = tenant.server.delivery(filtered.delivery_id)
    assert delivery.verdict is Verdict.FILTERED
    assert (delivery.event, delivery.sender_id, delivery.remote) == ("push", "abc", "127.0.0.1")
    assert json.loads(delivery.body or b"") == push_event(merged=False)
    assert delivery.body_size == len(delivery.body or b"")
    assert (delivery.trace["authentication"], delivery.trace["authenticated"]) == (
        "GITHUB_HMAC",
        True,
    )
    seen = [
        (item["jsonPath"], item["found"], item["wanted"], item["passed"])
        for item in delivery.trace["filters"]
    ]
    assert seen == [
        ("$.ref", "refs/heads/main", "refs/heads/main", True),
        ("$.merged", "false", "true", False),
    ]
    assert "$.merged is false, not true" in delivery.trace["reason"]
    reply = tenant.push(webhook, push_event(merged=True))
    delivery = tenant.server.delivery(reply.delivery_id)
    assert (delivery.verdict, delivery.execution_id) == (Verdict.STARTED, reply.execution_id)


def test_t14_headers_are_kept_without_their_secrets(tenant: Tenant, pipeline: str) -> None:
    reply = tenant.push(
        tenant.webhook(pipeline), **{"Authorization": "Bearer hidden", "X-Custom": "shown"}
    )
    headers = tenant.server.delivery(reply.delivery_id).headers
    assert headers["x-custom"] == "shown"
    assert headers["authorization"] == "****"
    assert headers["x-hub-signature-256"] == "****"


def test_a_slow_and_a_broken_sender_disturb_nobody(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline)
    parts = urlsplit(webhook["url"])
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", tenant.server.port)) as slow:
        slow.sendall(head.encode() + b"{")
        assert tenant.push(webhook, push_event(n=1)).outcome == "started"
    for nonsense in (b"\x00\xff\xfe", b"POST /trigger HTTP/9.9\r\n\r\n", b"GET\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", tenant.server.port), timeout=5) as broken:
            broken.sendall(nonsense)
            broken.shutdown(socket.SHUT_WR)
            assert not re.match(rb"HTTP/1.1 (2|5)", broken.recv(4_096))
    assert tenant.push(webhook, push_event(n=2)).outcome == "started"


def test_a_sender_that_hangs_up_is_recorded_and_starts_nothing(
    tenant: Tenant, pipeline: str
) -> None:
    webhook = tenant.webhook(pipeline)
    first: Reply = tenant.push(webhook, push_event(n=1))
    parts = urlsplit(webhook["url"])
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", tenant.server.port)) as peer:
        peer.sendall(head.encode() + b"{")
        time.sleep(0.1)
    recorded = until(
        lambda: [
            delivery.verdict
            for delivery in tenant.server.deliveries(first.delivery_id)
            if delivery.verdict is not Verdict.STARTED
        ],
        2,
    )
    assert recorded == [Verdict.NOT_JSON]
    assert started(tenant, pipeline) == 1


def test_t14_of_refused_deliveries_the_newest_1000_are_kept(tenant: Tenant, pipeline: str) -> None:
    webhook = tenant.webhook(pipeline)
    kept = tenant.push(webhook)
    with ThreadPoolExecutor(8) as pool:
        early = list(pool.map(lambda _: send(webhook["url"], b"{}"), range(100)))
        time.sleep(0.1)
        list(pool.map(lambda _: send(webhook["url"], b"{}"), range(1_050)))
    newest = send(webhook["url"], b"{}")

    def refused() -> set[str]:
        recorded = tenant.server.deliveries(kept.delivery_id)
        return {item.id for item in recorded if item.verdict is Verdict.NO_SIGNATURE}

    assert until(lambda: newest.delivery_id in refused(), 20)
    time.sleep(0.2)
    assert 900 < len(refused()) <= 1_000
    assert not {reply.delivery_id for reply in early} & refused()
    assert tenant.server.delivery(kept.delivery_id).verdict is Verdict.STARTED
