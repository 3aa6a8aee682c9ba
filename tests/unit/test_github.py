"""What GitHub is asked for, and what its answers become (contract R1, R3, R6)."""

import datetime as dt
import ipaddress
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookline import config
from hookline.errors import GitHubError, SettingsError
from hookline.github import connection
from hookline.github.hook_client import events_of
from hookline.github.hooks import Access, Hook, upsert_hook
from hookline.model import Filter
from support.github_api import Answer, DrippingServer, GitHubApi


def later(seconds: float = 15.0) -> float:
    return time.monotonic() + seconds


HOOK = Hook("https://hooks.example.com/trigger?t=URL-TOKEN&v=1", 'se"cret', ("push",))


@pytest.mark.parametrize(
    ("rules", "events"),
    [
        ([], ("push",)),
        ([("$.ref", "refs/heads/{Branch}")], ("push",)),
        ([("$.repository.full_name", "acme/app")], ("push",)),
        ([("$.pull_request.merged", "true")], ("pull_request",)),
        ([("$['pull_request']['merged']", "true")], ("pull_request",)),
        ([("$.pull_request_review", None)], ("push",)),
        ([("$.release.tag_name", None)], ("release",)),
        ([("$.action", "published")], ("release",)),
        ([("$.action", "opened")], ("pull_request",)),
        ([("$.action", "edited")], ("pull_request", "release")),
        ([("$.action", None)], ("pull_request", "release")),
        ([("$.action", "edited"), ("$.release.draft", "false")], ("release",)),
        ([("$.action", "closed"), ("$.pull_request.base.ref", "main")], ("pull_request",)),
        ([("$.commits[*].action", "x"), ("$.x.release", "y")], ("push",)),
    ],
)
def test_r1_filters_imply_the_events(
    rules: list[tuple[str, str | None]], events: tuple[str, ...]
) -> None:
    assert events_of(Filter(*rule) for rule in rules) == events


@pytest.mark.parametrize(
    "repository",
    [
        "acme",
        "acme/app/x",
        "../app",
        "acme/..",
        "acme/.",
        "acme/",
        "/app",
        "acme/a?b",
        "acme/a#b",
        "acme/a%2fb",
        "acme/a\\b",
        "acme/a b",
        "acmé/app",
        "evil.example.com@acme/app:1",
    ],
)
def test_r6_a_name_that_is_more_than_one_path_segment_is_refused(repository: str) -> None:
    with pytest.raises(GitHubError, match="is not an owner and a repository"):
        Access("http://127.0.0.1:1", repository, "token", later())


@pytest.mark.parametrize("token", ["a\r\nHost: evil", "a b", "tøken"])
def test_r6_a_token_that_no_header_can_hold_is_refused_unseen(token: str) -> None:
    with pytest.raises(GitHubError) as caught:
        Access("http://127.0.0.1:1", "acme/app", token, later())
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://github.example.com",
        "github.example.com",
        "https://",
        "https://user:password@github.example.com",
        "https://github.example.com/api?x=1",
        "https://github.example.com/#x",
    ],
)
def test_r6_the_address_of_the_api_is_checked(address: str) -> None:
    with pytest.raises(SettingsError, match="HOOKLINE_GITHUB_API_URL"):
        config.load({"HOOKLINE_GITHUB_API_URL": address})


def test_r6_the_address_of_the_api_is_githubs_unless_set() -> None:
    assert config.Settings().github_api_url == "https://api.github.com"
    given = {"HOOKLINE_GITHUB_API_URL": "https://github.example.com/api/v3/"}
    assert config.load(given).github_api_url == "https://github.example.com/api/v3"


def refused(answer: Answer, patience: float = 0.0) -> GitHubError:
    with GitHubApi() as api:
        api.answers += [answer] * 9
        access = Access(api.url, "acme/app", "TOKEN", later(), ("URL-TOKEN", HOOK.secret), patience)
        with pytest.raises(GitHubError) as caught:
            upsert_hook(access, HOOK, None)
    return caught.value


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "Bad request"),
        (401, "Invalid credentials"),
        (403, "Forbidden"),
        (404, "Not found"),
        (409, "GitHub's answer is not that of its API"),
        (422, "Validation failed"),
        (429, "Rate limit exceeded"),
        (500, "GitHub is not available"),
        (503, "GitHub is not available"),
    ],
)
def test_r3_each_status_has_its_cause(status: int, cause: str) -> None:
    error = refused(Answer(status, {"message": "No"}))
    assert (
        error.message == f'Error cause: {cause} [StatusCode: {status}, Body: {{"message": "No"}}]'
    )
    assert error.status == status


def test_r3_a_rate_limit_is_told_from_a_ban() -> None:
    body = {"message": "You have exceeded a secondary rate limit."}
    assert "Rate limit exceeded" in refused(Answer(403, body)).message


@pytest.mark.parametrize("body", [{"x": 1}, [], b"<html>", b"", {"id": "7"}])
def test_r3_a_success_that_is_not_githubs_is_none(body: object) -> None:
    assert "not that of its API" in refused(Answer(200, body)).message


@pytest.mark.parametrize(
    "answer",
    [
        Answer(201, b"[" * 100_000),
        Answer(201, b'{"a":' * 100_000),
        Answer(201, b'{"id": 1' + b"0" * 30 + b"}"),
        Answer(201, b'{"id": 1' + b"0" * 5_000 + b"}"),
        Answer(201, {"id": True}),
        Answer(201, {"id": -1}),
        Answer(201, {"id": 7.5}),
        Answer(422, b"[" * 100_000),
        Answer(422, b"\xff\xfe"),
        Answer(301, headers={"Location": "http://["}),
        Answer(301, headers={"Location": "http://127.0.0.1:99999999/"}),
        Answer(301, headers={"Location": "//"}),
        Answer(302, headers={"Location": "\x80"}),
        Answer(307),
        Answer(429, headers={"Retry-After": "9" * 999}),
        Answer(429, headers={"Retry-After": "-1e999"}),
        Answer(500, headers={"Content-Encoding": "gzip"}, body=b"no gzip"),
        Answer(200, headers={"Content-Type": "\x80; charset=\x00"}, body=b"{}"),
        Answer(201, {"x": 1}, {"X-RateLimit-Remaining": "many", "X-RateLimit-Limit": "\x80"}),
        Answer(99),
        Answer(999),
    ],
    ids=lambda answer: f"{answer.status} {answer.content[:12]!r} {dict(answer.headers)}"[:60],
)
def test_r3_an_odd_answer_is_an_error_like_any_other(answer: Answer) -> None:
    assert refused(answer).message.startswith("Error cause: ")


@pytest.mark.parametrize("headers", [{"X-RateLimit-Remaining": "many", "X-RateLimit-Limit": "?"}])
def test_r3_odd_headers_of_a_success_are_an_error_or_nothing(headers: dict[str, str]) -> None:
    with GitHubApi() as api:
        api.answers += [Answer(201, {"id": 7}, headers)]
        with suppress(GitHubError):
            assert upsert_hook(Access(api.url, "acme/app", "TOKEN", later()), HOOK, None) == 7


@pytest.mark.parametrize(
    ("scheme", "begin"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 201 Created\r\nX: "),
        ("http", b"HTTP/1.1 201 Created\r\n\r\n"),
        # A record of TLS with 16 KB to come.
        ("https", b"\x16\x03\x03\x40\x00"),
    ],
)
def test_r3_an_answer_that_drips_ends_at_the_deadline(scheme: str, begin: bytes) -> None:
    with DrippingServer(begin) as server:
        started = time.monotonic()
        access = Access(
            f"{scheme}://127.0.0.1:{server.port}", "acme/app", "TOKEN", later(1.0), retry_for=8.0
        )
        with pytest.raises(GitHubError, match=r"No answer from 127\.0\.0\.1"):
            upsert_hook(access, HOOK, None)
        assert 0.9 < time.monotonic() - started < 4


def test_r3_after_the_deadline_nothing_is_connected_to() -> None:
    with DrippingServer(b"") as server:
        access = Access(f"http://127.0.0.1:{server.port}", "acme/app", "TOKEN", later(-1.0))
        with pytest.raises(GitHubError, match=r"No answer from 127\.0\.0\.1"):
            upsert_hook(access, HOOK, None)
        assert not server.callers


def test_r3_secrets_are_masked_and_the_body_is_cut() -> None:
    text = 'TOKEN se\\"cret t=URL-TOKEN \x00\x1b[31m ' + "x" * 2_000
    error = refused(Answer(400, text.encode()))
    assert error.body.startswith("**** **** t=**** ")
    assert error.body.isprintable()
    assert len(error.body) == 1_000


def test_r3_an_answer_without_end_is_not_read() -> None:
    assert "AnswerTooLargeError" in refused(Answer(200, b"x" * 2_000_000)).message


def test_r6_a_circle_of_redirects_ends() -> None:
    with GitHubApi() as api:
        api.answers += [Answer(307, headers={"Location": "/repositories/1/hooks"})] * 9
        with pytest.raises(GitHubError, match="redirects to another address"):
            upsert_hook(Access(api.url, "acme/app", "TOKEN", later()), HOOK, None)
        assert len(api.asked) == 3


def test_r2_the_page_with_the_hook_is_found_without_the_servers_links() -> None:
    exists = {"message": "Validation Failed", "errors": [{"message": "Hook already exists on …"}]}
    links = {"Link": '<http://127.0.0.1:1/evil>; rel="next"'}
    with GitHubApi() as api:
        api.answers += [
            Answer(422, exists),
            Answer(200, [{"id": 1, "config": {"url": "https://x"}}, {"id": 2}], links),
            Answer(200, [{"id": 3, "config": {"url": HOOK.url}}]),
            Answer(200, {"id": 3}),
        ]
        assert upsert_hook(Access(api.url, "acme/app", "TOKEN", later()), HOOK, None) == 3
        assert api.lines == [
            "POST /repos/acme/app/hooks",
            "GET /repos/acme/app/hooks?page=1&per_page=100",
            "GET /repos/acme/app/hooks?page=2&per_page=100",
            "PATCH /repos/acme/app/hooks/3",
        ]


def tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the certificate that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority, both = folder / "authority.pem", folder / "both.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + authority.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, authority


def test_r6_the_api_is_asked_over_tls_whose_certificate_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls(tmp_path)
    with GitHubApi(tls=context) as api:
        api.answers += [Answer(201, {"id": 7})]
        access = Access(api.url, "acme/app", "TOKEN", later())
        with pytest.raises(GitHubError, match=r"No answer from 127\.0\.0\.1:\d+ \(SSLError\)"):
            upsert_hook(access, HOOK, None)
        assert api.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        assert upsert_hook(access, HOOK, None) == 7


def test_pygithub_is_not_imported_before_it_is_used() -> None:
    program = "import hookline.app, sys; sys.exit('github' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_r3_a_github_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        access = Access(f"http://127.0.0.1:{silent.getsockname()[1]}", "acme/app", "TOKEN", later())
        asking = pool.submit(upsert_hook, access, HOOK, None)
        conversation, _ = silent.accept()
        try:
            error = asking.exception(timeout=10)
        finally:
            conversation.close()
    assert isinstance(error, GitHubError)
