"""What the open internet may try on the trigger URL (contract T2-T14)."""

import base64
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from hookline.model import Verdict
from support.postgres import Cluster
from support.sending import push, push_event, send, signature, signed
from support.server import Server, until
from support.tenant import SECRET, Tenant, commands

MakeServer = Callable[..., Server]
OPEN: dict[str, Any] = {"authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}}
FORM = "application/x-www-form-urlencoded"


def ip(allowed: str) -> dict[str, Any]:
    return {"authentication": "IP", "authenticationConfiguration": {"AllowedIPRange": allowed}}


@pytest.fixture
def webhook(tenant: Tenant) -> Any:
    return tenant.webhook(tenant.idle_pipeline())


@pytest.fixture
def anyones(tenant: Tenant) -> Any:
    return tenant.webhook(tenant.idle_pipeline(), **OPEN)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, github: Path) -> Iterator[Server]:
    """A server behind a proxy at 127.0.0.1; a webhook or address may send once in ten seconds."""
    server = Server(
        tmp_path_factory.mktemp("limited"),
        github_url=github.as_uri(),
        trusted_proxies="127.0.0.1",
        rate="0.1",
        address_rate="0.1",
    )
    with server:
        yield server


@pytest.fixture(scope="module")
def shop(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, github: Path
) -> Iterator[Server]:
    """A server on each kind of database."""
    folder, url = tmp_path_factory.mktemp("shop"), make_database()
    server = Server(folder, github_url=github.as_uri(), database_url=url)
    with server:
        yield server


def request(
    url: str, body: bytes = b"{}", headers: Sequence[str] = (), *, announced: bool = True
) -> bytes:
    """The bytes of a request, with the headers as they are given."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path}?{parts.query} HTTP/1.1", "Host: x", *headers]
    if announced:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answer(port: int, sent: bytes, seconds: float = 10.0) -> bytes:
    """The beginning of what is answered to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as peer:
        peer.sendall(sent)
        return peer.recv(65_536)


def status(port: int, sent: bytes) -> int:
    return int(answer(port, sent).split()[1])


def executions(tenant: Tenant, webhook: Any) -> int:
    return len(tenant.executions(webhook["definition"]["targetPipeline"]))


# Signatures


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good, _: [f"X-Hub-Signature-256: sha256={good}"],
        lambda good, _: [f"X-Hub-Signature-256: {good}, {good}"],
        lambda good, _: [f"X-Hub-Signature-256: {good}"] * 2,
        lambda good, _: ["X-Hub-Signature-256: sha256=" + "0" * 64, f"X-Hub-Signature-256: {good}"],
        lambda good, _: [f"X-Hub-Signature-256: {good.replace('sha256', 'SHA256')}"],
        lambda good, _: [f"X-Hub-Signature-256: {good[:-32]}"],
        lambda good, _: [f"X-Hub-Signature-256: {good}\x80"],
        lambda good, _: [f"X-Hub-Signature-256: {good}", "X-Hub-Signature: "],
        lambda good, sha1: [f"X-Hub-Signature-256: {good}", f"X-Hub-Signature: {sha1[:-1]}"],
        lambda _, sha1: ["X-Hub-Signature-256: ", f"X-Hub-Signature: {sha1}"],
        lambda good, _: [f"X-Hub_Signature-256: {good}"],
    ],
)
def test_t2_no_other_form_of_a_good_signature_is_accepted(
    tenant: Tenant, webhook: Any, spoil: Callable[[str, str], list[str]]
) -> None:
    headers = spoil(signature(SECRET, b"{}"), signature(SECRET, b"{}", "sha1"))
    assert status(tenant.server.port, request(webhook["url"], b"{}", headers)) == 401
    assert executions(tenant, webhook) == 0


def test_t2_a_signature_behind_the_body_does_not_count(tenant: Tenant, webhook: Any) -> None:
    trailer = f"X-Hub-Signature-256: {signature(SECRET, b'{}')}\r\n"
    body = f"2\r\n{{}}\r\n0\r\n{trailer}\r\n".encode()
    sent = request(webhook["url"], body, ["Transfer-Encoding: chunked"], announced=False)
    assert status(tenant.server.port, sent) == 401


# Addresses


def test_t3_an_address_behind_the_body_does_not_count(limited: Server, github: Path) -> None:
    tenant = Tenant(limited, github)
    url = tenant.webhook(tenant.idle_pipeline(), **ip("192.0.2.0/24"))["url"]
    headers = ["Transfer-Encoding: chunked", "X-Forwarded-For: 203.0.113.9"]
    body = b"2\r\n{}\r\n0\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
    assert status(limited.port, request(url, body, headers, announced=False)) == 403


@pytest.mark.parametrize(
    ("allowed", "forwarded", "expected"),
    [
        ("2001:db8::/32", ["2001:db8::7"], 200),
        ("2001:db8::/32", ["2001:db9::7"], 403),
        ("198.51.100.0/24", ["::ffff:198.51.100.7"], 200),
        ("198.51.100.0/24", ["198.51.100.7", "203.0.113.77"], 403),
        ("198.51.100.0/24", ["203.0.113.78", "198.51.100.8"], 200),
        ("198.51.100.0/24", ["198.51.100.9," + " " * 50 + "203.0.113.79"], 403),
        ("198.51.100.0/24", ["198.51.100.10, ,"], 403),
    ],
)
def test_t3_what_a_trusted_proxy_appended_last_counts(
    limited: Server, github: Path, allowed: str, forwarded: list[str], expected: int
) -> None:
    tenant = Tenant(limited, github)
    url = tenant.webhook(tenant.idle_pipeline(), **ip(allowed))["url"]
    headers = [f"X-Forwarded-For: {item}" for item in forwarded]
    assert status(limited.port, request(url, b"{}", headers)) == expected


def test_t3_a_zone_is_no_part_of_an_address(limited: Server, github: Path) -> None:
    tenant = Tenant(limited, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    reply = tenant.push(webhook, **{"X-Forwarded-For": "fe80::77%" + "x" * 300})
    assert limited.delivery(reply.delivery_id).remote == "fe80::77"


# Rates


def test_t12_over_its_rate_a_webhook_answers_429_and_others_are_unaffected(
    limited: Server, github: Path
) -> None:
    tenant = Tenant(limited, github)
    pipeline = tenant.idle_pipeline()
    first, second = (tenant.webhook(pipeline) for _ in range(2))
    assert tenant.push(first, **{"X-Forwarded-For": "10.0.1.1"}).outcome == "started"
    over = tenant.push(first, push_event(n=1), **{"X-Forwarded-For": "10.0.1.2"})
    assert (over.status, over.outcome) == (429, "refused")
    assert int(over.headers["retry-after"]) > 0
    assert limited.delivery(over.delivery_id).verdict is Verdict.OVER_RATE
    assert tenant.push(second, **{"X-Forwarded-For": "10.0.1.3"}).outcome == "started"


def test_t12_over_its_rate_an_address_answers_429_and_others_are_unaffected(
    limited: Server, github: Path
) -> None:
    tenant = Tenant(limited, github)
    pipeline = tenant.idle_pipeline()
    first, second = (tenant.webhook(pipeline) for _ in range(2))
    assert tenant.push(first, **{"X-Forwarded-For": "10.0.2.1"}).outcome == "started"
    for forged in ("10.0.2.1", "10.0.2.9, 10.0.2.1"):
        over = tenant.push(second, **{"X-Forwarded-For": forged})
        assert (over.status, over.outcome) == (429, "refused")
        assert limited.delivery(over.delivery_id).remote == "10.0.2.1"
    # What an address sent too often did not use up the webhook's own rate.
    assert tenant.push(second, **{"X-Forwarded-For": "10.0.2.2"}).outcome == "started"


# Requests that are none, or two


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 2", "Content-Length: 2"], b"{}"),
        (["Content-Length: 2", "Content-Length: 30"], b"{}"),
        (["Content-Length: 12", "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked", "Content-Length: 12"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked, x"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: xchunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding : chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"-2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"2\n{}\n0\n\n"),
        (["Transfer-Encoding: chunked"], b"ffffffffffffffff1\r\n{}\r\n0\r\n\r\n"),
        (["Content-Length: +2"], b"{}"),
        (["Content-Length: -2"], b"{}"),
        (["Content-Length: 0x2"], b"{}"),
        (["Content-Length: 99999999999999999999999"], b"{}"),
        (["Content-Length: 2", "X-A: a\nX-B: b"], b"{}"),
        (["Content-Length: 2", " folded: x"], b"{}"),
        (["Content-Length: 2", "X-A: a\x00b"], b"{}"),
    ],
)
def test_a_request_that_two_servers_could_read_differently_is_refused(
    tenant: Tenant, anyones: Any, headers: list[str], body: bytes
) -> None:
    sent = request(anyones["url"], body, headers, announced=False)
    with socket.create_connection(("127.0.0.1", tenant.server.port), timeout=10) as peer:
        # A second one behind it must not be taken for a request of its own.
        peer.sendall(sent + request(anyones["url"], b'{"hidden": 1}'))
        received = b""
        while data := peer.recv(65_536):
            received += data
    assert b"started" not in received.partition(b"HTTP/1.1 400")[2]
    assert received.count(b"HTTP/1.1 400") == 1
    assert executions(tenant, anyones) <= 1
    assert tenant.push(anyones, push_event(n="after")).outcome == "started"


def test_two_requests_in_one_packet_are_answered_in_their_order(
    tenant: Tenant, anyones: Any
) -> None:
    both = request(anyones["url"], b"{}") + request(anyones["url"], b"no json")
    with socket.create_connection(("127.0.0.1", tenant.server.port), timeout=10) as peer:
        peer.sendall(both)
        received = b""
        while received.count(b"HTTP/1.1") < 2 or not received.endswith(b"}"):
            received += peer.recv(65_536)
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 400")


def test_head_is_answered_at_once(tenant: Tenant, anyones: Any) -> None:
    sent = request(anyones["url"], b"").replace(b"POST", b"HEAD", 1)
    assert answer(tenant.server.port, sent, 2.0).startswith(b"HTTP/1.1 405")


# Sizes


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: x" for number in range(101)],
        ["X-Long: " + "x" * 33_000],
        ["X" * 33_000 + ": x"],
        [f"X-{number}: " + "x" * 1_000 for number in range(40)],
    ],
)
def test_too_many_and_too_long_headers_are_431(
    tenant: Tenant, anyones: Any, headers: list[str]
) -> None:
    sent = request(anyones["url"], b"{}", headers)
    received = answer(tenant.server.port, sent)
    assert received.startswith(b"HTTP/1.1 431")
    assert received.endswith(b"The request has too many or too long headers")
    assert executions(tenant, anyones) == 0


def test_headers_within_the_bounds_are_accepted(tenant: Tenant, anyones: Any) -> None:
    for headers in (
        [f"X-{number}: x" for number in range(97)],
        ["X-Long: " + "x" * 31_000],
    ):
        assert status(tenant.server.port, request(anyones["url"], b"{}", headers)) == 200


@pytest.mark.parametrize("begin", [b"POST /trigger?t=", b"POST / HTTP/1.1\r\nX-Endless: ", b""])
def test_a_header_without_an_end_takes_no_memory(tenant: Tenant, begin: bytes) -> None:
    [worker] = tenant.server.children("worker")
    before = worker.memory_info().rss
    with socket.create_connection(("127.0.0.1", tenant.server.port), timeout=10) as peer:
        peer.sendall(begin or b"POST / HTTP/1.1\r\n")
        peer.sendall((b"x" if begin else b"X-Many") * 500_000)
        assert peer.recv(65_536).startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
        # It is listened to, so that it can read the answer, and nothing of that is kept.
        for _ in range(500):
            peer.sendall(b"x" * 65_536)
    assert worker.memory_info().rss - before < 16_000_000


def test_t8_t12_one_that_announces_too_much_can_read_the_answer(
    tenant: Tenant, webhook: Any
) -> None:
    parts = urlsplit(webhook["url"])
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", tenant.server.port), timeout=10) as peer:
            head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n"
            peer.sendall(head.encode() + b"Content-Length: 40000000\r\n\r\n")
            for _ in range(20):
                peer.sendall(b"x" * 1_000_000)
            received = b""
            while data := peer.recv(65_536):
                received += data
        assert received.startswith(b"HTTP/1.1 413")
        assert received.endswith(b"}")


@pytest.mark.parametrize("announced", [2**31, 2**32, 2**63, 2**64 - 1])
def test_t14_no_announced_size_keeps_others_from_being_recorded(
    shop: Server, github: Path, announced: int
) -> None:
    tenant = Tenant(shop, github)
    filtering = tenant.webhook(tenant.idle_pipeline(), filters=[{"jsonPath": "$.absent"}])
    large = request(filtering["url"], b"", [f"Content-Length: {announced}"], announced=False)
    replies = [tenant.push(filtering, push_event(n=1))]
    assert status(shop.port, large) == 413
    replies.append(tenant.push(filtering, push_event(n=2)))
    for reply in replies:
        assert shop.delivery(reply.delivery_id).verdict is Verdict.FILTERED
    kept = [item.verdict for item in shop.deliveries(replies[0].delivery_id)]
    assert kept.count(Verdict.TOO_LARGE) == 1


# Payloads


HOSTILE = {
    "nul": json.dumps(push_event(branch="a\0b", head_commit={"message": "a\0b"})),
    "escapes": json.dumps(push_event("\x1b[2J\u202e", branch="\x1b]0;x\x07\n{}")),
    "lines": json.dumps({"ref": 'x\n{"event":"delivery","verdict":"started"}\r\n\u2028\u0085'}),
    "numbers": '{"ref": 1e308, "n": 18446744073709551616, "m": -9223372036854775809, "z": 1e-400}',
    "long": json.dumps({"ref": "x" * 100_000, "after": "2" * 40, "commits": [{"id": "2" * 40}]}),
    "unicode": json.dumps({"ref": "\U0010ffff\ufffe\u200b", "after": 1, "head_commit": []}),
    "keys": json.dumps({"": {"": ""}, "__proto__": 1, "ref": {"$": "@"}, "after": None}),
}
REFUSED = {
    "1e400": b'{"ref": 1e400}',
    "4000 digits": b'{"ref": ' + b"9" * 4_000 + b"}",
    "a lone surrogate": b'{"ref": "\\ud800"}',
    "a low surrogate": b'{"ref": "\\udc00"}',
    "an encoded surrogate": b'{"ref": "\xed\xa0\x80"}',
    "an overlong form": b'{"ref": "\xc0\x80"}',
    "UTF-16": '{"ref": 1}'.encode("utf-16"),
    "UTF-8 with BOM": b'\xef\xbb\xbf{"ref": 1}',
    "-Infinity": b'{"ref": -Infinity}',
    "a comment": b'{"ref": 1} // x',
    "two documents": b"{}{}",
    "a raw control character": b'{"ref": "\x1b"}',
}


def test_t8_t14_hostile_events_are_judged_recorded_and_shown(shop: Server, github: Path) -> None:
    tenant = Tenant(shop, github)
    pipeline = tenant.idle_pipeline()
    filtering = tenant.webhook(pipeline, filters=[{"jsonPath": "$.ref", "matchEquals": "x"}])
    starting = tenant.webhook(pipeline)
    texts = []
    started = set()
    for name, event in HOSTILE.items():
        body = event.encode()
        headers = {**signed(SECRET, body), "X-GitHub-Event": "p\x9b2Jx", "X-Trick": '"\\\x85\xff'}
        replies = [send(hook["url"], body, headers) for hook in (filtering, starting)]
        assert [reply.outcome for reply in replies] == ["filtered", "started"], name
        assert shop.delivery(replies[0].delivery_id).body == body
        started.add(replies[1].execution_id)
        tenant.finished(pipeline, replies[1].execution_id)
        if name in {"escapes", "lines"}:
            shown = shop.hookline("deliveries", "show", replies[0].delivery_id)
            assert shown.returncode == 0
            texts.append(shown.stdout)
    assert {item["pipelineExecutionId"] for item in tenant.executions(pipeline)} == started
    texts.append(shop.hookline("deliveries", "list", "--region", tenant.region).stdout)
    for text in (*texts, shop.output):
        assert not [item for item in text if not item.isprintable() and item != "\n"]
    check_log_lines(shop)


@pytest.mark.parametrize("name", REFUSED)
def test_t8_what_json_readers_disagree_about_is_refused(
    tenant: Tenant, webhook: Any, name: str
) -> None:
    body = REFUSED[name]
    assert send(webhook["url"], body, signed(SECRET, body)).status == 400
    form = b"payload=" + b"".join(b"%%%02X" % byte for byte in body)
    reply = send(webhook["url"], form, {**signed(SECRET, form), "Content-Type": FORM})
    assert reply.status == 400
    assert executions(tenant, webhook) == 0


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br, gzip", "deflate", "identity, gzip", "x"])
def test_t8_nothing_is_ever_unpacked(anyones: Any, encoding: str) -> None:
    assert send(anyones["url"], b"{}", {"Content-Encoding": encoding}).status == 415


def check_log_lines(server: Server) -> list[dict[str, Any]]:
    """Every line since the server was ready is a JSON object of its own."""
    lines = server.output.split("\n\n")[-1].split("\n")
    events = [json.loads(line) for line in lines if line and not line.startswith("export ")]
    assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
    return events


def test_a_log_line_of_the_console_format_stays_one_line(
    make_server: MakeServer, github: Path
) -> None:
    server = make_server(log_format="console").start()
    tenant = Tenant(server, github)
    reply = tenant.push(
        tenant.webhook(tenant.idle_pipeline()),
        **{"X-GitHub-Event": "a\x9b31m\x85b\xa0"},
    )
    assert reply.outcome == "started"
    [line] = until(
        lambda: [line for line in server.output.splitlines() if reply.delivery_id in line]
    )
    assert line.isprintable()
    assert r"a\x9b31m\x85b\xa0" in line


# Tokens


def test_t12_unknown_tokens_cost_no_query_and_are_not_recorded(
    make_server: MakeServer, cluster: Cluster, github: Path
) -> None:
    server = make_server(database_url=cluster.create_database()).start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    first = tenant.push(webhook)
    base = webhook["url"].split("?")[0]
    guesses = [base64.urlsafe_b64encode(secrets.token_bytes(40)).decode().rstrip("=")]
    guesses += ["x", "", "a" * 5_000, "%00", "..%2F", "'--", "\xff", "%F0%9F%98%80"]
    cluster.stop()
    try:
        time.sleep(1)
        # The one that exists can't be looked up.
        assert tenant.push(webhook, push_event(n=1)).status == 503
        for guess in guesses:
            line = f"POST {urlsplit(base).path}?t={guess}&v=1 HTTP/1.1\r\nHost: x\r\n\r\n"
            assert status(server.port, line.encode("latin-1")) in {404, 400}, guess
    finally:
        cluster.start()
    assert until(lambda: tenant.push(webhook, push_event(n=2)).outcome == "started")
    verdicts = {item.verdict for item in server.deliveries(first.delivery_id)}
    assert Verdict.UNKNOWN_TOKEN not in verdicts


def test_t12_a_token_is_found_however_its_query_is_written(anyones: Any) -> None:
    base, query = anyones["url"].split("?")
    token = query.removeprefix("t=").removesuffix("&v=1")
    escaped = "".join(f"%{ord(item):02X}" for item in token)
    found = [f"v=1&t={token}", f"t={token}", f"t={escaped}&v=1", f"t={token}&v=1&x=%FF&y"]
    lost = [
        f"t={token}&t={token}&v=1",
        f"t={token}&t=x&v=1",
        f"t=x&t={token}&v=1",
        f"T={token}&v=1",
        f"t={token}%00&v=1",
        f"t={token}%20&v=1",
        f"t=%20{token}&v=1",
        f"t={token}=&v=1",
        f"t={token.swapcase()}&v=1",
        "&".join(f"a{number}=1" for number in range(1_000)) + f"&t={token}",
    ]
    assert [send(f"{base}?{item}", b"{}").status for item in found] == [200] * len(found)
    assert [send(f"{base}?{item}", b"{}").status for item in lost] == [404] * len(lost)


def test_t12_no_path_beside_the_trigger_url_receives(tenant: Tenant, anyones: Any) -> None:
    _, query = anyones["url"].split("?")
    for path in (
        "/trigger/",
        "//trigger",
        "/trigger/x",
        "/Trigger",
        "/trigger%3Fx",
        "/x/../trigger",
    ):
        assert send(f"{tenant.server.url}{path}?{query}", b"{}").status in {400, 404, 405}, path
    assert executions(tenant, anyones) == 0


# Secrets


def test_no_secret_is_in_a_log_an_answer_a_file_or_a_process_argument(
    make_server: MakeServer, github: Path
) -> None:
    master = base64.b64encode(b"MASTER-KEY-THAT-NOBODY-MAY-SEE!!").decode()
    server = make_server(master_key=f"{master}", reveal_secrets="false").start()
    tenant = Tenant(server, github)
    source = tenant.source()
    source["configuration"]["OAuthToken"] = "oauth-OAUTH-SECRET"
    pipeline = tenant.pipeline(
        ("Build", commands("Make", "env", "cat /proc/$PPID/cmdline")), source_action=source
    )
    secret = "webhook-SECRET-TOKEN"
    given = {"authenticationConfiguration": {"SecretToken": secret}}
    webhook = tenant.webhook(pipeline, **given)
    gone = tenant.webhook(pipeline, name="gone", **given)
    tenant.client.delete_webhook(name="gone")
    url = webhook["url"]
    tokens = [item["url"].split("t=")[1].split("&")[0] for item in (webhook, gone)]
    where = urlsplit(url)
    telling = {
        "Authorization": "Bearer header-AUTHORIZATION",
        "Proxy-Authorization": "Basic header-PROXY",
        "Cookie": "session=header-COOKIE",
        "X-Gitlab-Token": "header-GITLAB",
        "X-Api-Key": "header-API-KEY",
        "X-Amzn-Oidc-Data": "header-OIDC",
        "Cf-Access-Jwt-Assertion": "header-JWT",
        "X-Forwarded-User-Session": "header-SESSION",
        "X-Upstream": "Bearer header-BEARER",
        "X-Original-URI": f"{where.path}?{where.query}",
        "X-Original-URL": url,
        "X-Forwarded-Uri": url.replace("t=", "v=1&t="),
        "Referer": "http://sso.example/?next=%2Ftrigger%3Ft%3D" + tokens[0] + "%26v%3D1",
    }
    body = json.dumps(push_event(tenant.repository.commit("Secrets"))).encode()
    replies = [
        send(url, body, {**signed(secret, body), **telling}),
        send(url, body, {**signed("wrong", body), **telling}),
        send(url, b"no json", {**signed(secret, b"no json"), **telling}),
        send(url, body, telling, method="GET"),
        push(gone["url"], secret),
        send(f"{server.url}/{where.path}x?{where.query}", body, telling),
    ]
    assert [reply.status for reply in replies] == [200, 401, 400, 405, 404, 404]
    answer(server.port, request(url, body, ["Content-Length: 1"]))
    answer(server.port, request(url, body, ["X: " + "y" * 40_000]))
    tenant.finished(pipeline, replies[0].execution_id)
    key_id, key_secret = server.key()
    key_secret_twice = server.client("us-east-1", (key_id, "wrong-KEY-SECRET"))
    with pytest.raises(Exception, match="InvalidSignature"):
        key_secret_twice.list_webhooks()
    answers: list[Any] = [
        tenant.client.list_webhooks(),
        tenant.client.get_pipeline(name=pipeline),
        tenant.client.list_pipeline_executions(pipelineName=pipeline),
        tenant.client.list_action_executions(pipelineName=pipeline),
    ]
    shown = server.hookline("deliveries", "show", replies[0].delivery_id)
    logs = server.hookline("logs", replies[0].execution_id)
    assert (shown.returncode, logs.returncode) == (0, 0), shown.stderr + logs.stderr
    time.sleep(0.5)
    processes = psutil.Process(server.process.pid).children(recursive=True)
    arguments = " ".join(item for process in processes for item in process.cmdline())
    hidden = [
        master,
        "MASTER-KEY-THAT",
        "oauth-OAUTH-SECRET",
        secret,
        key_secret,
        "wrong-KEY-SECRET",
        *tokens,
        *(value.split()[-1] for value in telling.values() if "header-" in value),
    ]
    own = {Path(item).resolve() for item in server.profile().values()}
    files = [
        file for file in server.data.rglob("*") if file.is_file() and file.resolve() not in own
    ]
    assert {"hookline.db", "metrics.prom"} <= {file.name for file in files}
    texts = {str(file): file.read_bytes() for file in files} | {
        "log": server.output.encode(),
        "arguments": arguments.encode(),
        "answers": repr([reply.content for reply in replies]).encode(),
        "api": repr([{**item, "webhooks": None} for item in answers]).encode(),
        "list": repr([item["definition"] for item in answers[0]["webhooks"]]).encode(),
        "show": (shown.stdout + shown.stderr + logs.stdout).encode(),
    }
    for where_found, text in texts.items():
        for item in hidden:
            assert item.encode() not in text, f"{item} is in {where_found}"
    check_log_lines(server)


# Time


def test_slow_headers_and_a_body_that_never_comes_are_given_up(
    tenant: Tenant, anyones: Any
) -> None:
    """One test for what takes its time, so that the waits are one."""
    drips = {"silent": b"", "dripping": b"X: y\r\n", "blank lines": b"\r\n"}
    peers = {
        name: socket.create_connection(("127.0.0.1", tenant.server.port), timeout=5)
        for name in drips
    }
    peers["dripping"].sendall(b"POST / HTTP/1.1\r\n")
    peers["blank lines"].sendall(request(anyones["url"]))
    assert peers["blank lines"].recv(65_536).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    ended: dict[str, float] = {}
    while len(ended) < len(peers) and time.monotonic() - began < 14:
        for name in peers.keys() - ended.keys():
            if hung_up(peers[name], drips[name]):
                ended[name] = time.monotonic() - began
        time.sleep(0.2)
    for peer in peers.values():
        peer.close()
    assert ended.keys() == peers.keys()
    assert all(9 < seconds < 13 for seconds in ended.values()), ended


def hung_up(peer: socket.socket, sent: bytes) -> bool:
    """Send a little more; whether the server has closed the connection."""
    peer.settimeout(0.05)
    try:
        peer.sendall(sent)
        return peer.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
