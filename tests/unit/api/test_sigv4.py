"""Signatures made by botocore, and by hand, are verified; every change of a part is refused."""

import dataclasses
import hashlib
import hmac
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from hookline.api import sessions, sigv4
from hookline.api.sigv4 import Received, claimed_scope
from hookline.errors import (
    ApiError,
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from hookline.model import Credential, Scope
from hookline.sealing import Seal

KEY = Credential("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "111122223333", 0.0)
DATE_MISMATCH = (
    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
    "'20260102', from '20260102T030405Z'."
)
DEFAULT = Scope("000000000000", "us-east-1")
BODY = b'{"name": "release"}'
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
STAMP = "20260102T030405Z"


def lookup(access_key_id: str) -> Credential | None:
    return KEY if access_key_id == KEY.access_key_id else None


@pytest.fixture
def seal() -> Seal:
    return Seal([b"k" * 32])


def verify(request: Received, credential: sigv4.Lookup, now: float) -> Scope:
    return sigv4.verify(request, "codepipeline", credential, now).scope


def signed_by_botocore(
    *,
    key: str = KEY.access_key_id,
    secret: str = KEY.secret_access_key,
    token: str | None = None,
    body: bytes = BODY,
) -> tuple[Received, float]:
    """A request signed now by botocore, and the time of its signature."""
    headers = {
        "Host": "localhost:8700",
        "X-Amz-Target": "CodePipeline_20150709.GetPipeline",
        "Content-Type": "application/x-amz-json-1.1",
        "User-Agent": "Boto3/1.44",
    }
    request = AWSRequest("POST", "http://localhost:8700/", headers=headers, data=body)
    credentials = Credentials(key, secret, token)
    SigV4Auth(credentials, "codepipeline", "eu-west-3").add_auth(request)
    pairs = tuple((name.lower(), value) for name, value in request.headers.items())
    return Received("POST", "/", "", pairs, body), time.time()


def signed(
    headers: tuple[tuple[str, str], ...] = (),
    *,
    stamp: str = STAMP,
    date: str | None = None,
    region: str = "eu-west-3",
    service: str = "codepipeline",
    terminator: str = "aws4_request",
    unsigned: frozenset[str] = frozenset(),
    form: str = "AWS4-HMAC-SHA256 Credential={c}, SignedHeaders={h}, Signature={s}",
) -> Received:
    """A request signed by hand, as the description of Signature Version 4 says."""
    given_names = {name for name, _ in headers}
    defaults = {"host": "localhost:8700", "x-amz-target": "CodePipeline_20150709.GetPipeline"}
    if not given_names & {"date", "x-amz-date"}:
        defaults["x-amz-date"] = stamp
    headers += tuple(pair for pair in defaults.items() if pair[0] not in given_names)
    names = sorted({name for name, _ in headers} - unsigned)
    lines = [
        name + ":" + ",".join(" ".join(value.split()) for key, value in headers if key == name)
        for name in names
    ]
    digest = hashlib.sha256(BODY).hexdigest()
    canonical = "\n".join(["POST", "/", "", *lines, "", ";".join(names), digest])
    scope = f"{date or stamp[:8]}/{region}/{service}/{terminator}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{KEY.secret_access_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    header = form.format(c=f"{KEY.access_key_id}/{scope}", h=";".join(names), s=key.hex())
    return Received("POST", "/", "", (*headers, ("authorization", header)), BODY)


def with_header(request: Received, name: str, value: str | None) -> Received:
    headers = tuple(pair for pair in request.headers if pair[0] != name)
    if value is not None:
        headers += ((name, value),)
    return dataclasses.replace(request, headers=headers)


def refused(request: Received, now: float = NOW) -> ApiError:
    with pytest.raises(ApiError) as caught:
        verify(request, lookup, now)
    assert KEY.secret_access_key not in caught.value.message
    return caught.value


def test_w6_the_scope_is_the_keys_account_and_the_signatures_region() -> None:
    request, now = signed_by_botocore()
    assert verify(request, lookup, now) == Scope("111122223333", "eu-west-3")
    assert verify(signed(region="local"), lookup, NOW) == Scope("111122223333", "local")


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{}" * 10_000])
def test_w5_any_body_can_be_signed(body: bytes) -> None:
    request, now = signed_by_botocore(body=body)
    assert verify(request, lookup, now).region == "eu-west-3"


@pytest.mark.parametrize(
    "form",
    [
        "AWS4-HMAC-SHA256 Credential={c},SignedHeaders={h},Signature={s}",
        "AWS4-HMAC-SHA256 Signature={s}, Credential={c},  SignedHeaders={h}",
        "  AWS4-HMAC-SHA256   Credential={c} , SignedHeaders={h} ,Signature={s} ",
        "AWS4-HMAC-SHA256 SignedHeaders={h} Credential={c} Signature={s}",
    ],
)
def test_w5_the_header_may_be_spaced_and_ordered_in_any_way(form: str) -> None:
    assert verify(signed(form=form), lookup, NOW).region == "eu-west-3"


@pytest.mark.parametrize(
    "headers",
    [
        (("user-agent", "aws-cli/2.9 é"), ("amz-sdk-invocation-id", "5"), ("content-length", "19")),
        (("x-amz-content-sha256", hashlib.sha256(BODY).hexdigest()),),
        (("x-double", "  a   b "), ("x-double", "c"), ("accept-encoding", "identity")),
        (("expect", "100-continue"), ("x-amzn-trace-id", "Root=1")),
        (("date", format_datetime(datetime.fromtimestamp(NOW, UTC), usegmt=True)),),
        (("date", "Fri, 02 Jan 2026 04:04:05 +0100"),),
        (("date", "Fri, 02 Jan 2026 03:04:05 -0000"),),
        (("date", STAMP),),
        (("date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("x-amz-date", STAMP)),
    ],
)
def test_w5_exactly_the_signed_headers_count(headers: tuple[tuple[str, str], ...]) -> None:
    request = signed(headers)
    assert verify(request, lookup, NOW).account == "111122223333"
    assert verify(with_header(request, "x-forwarded-for", "10.0.0.1"), lookup, NOW)
    for name, _ in headers:
        if name != "date" or len(headers) == 1:
            assert isinstance(refused(with_header(request, name, "other")), ApiError)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/other"},
        {"path": "//x"},
        {"query": "a=b"},
        {"body": b'{"name": "Release"}'},
        {"body": b""},
    ],
)
def test_w5_a_changed_request_is_refused(change: dict[str, str]) -> None:
    request, now = signed_by_botocore()
    changed = dataclasses.replace(request, **change)  # type: ignore[arg-type]  # one field or another
    assert isinstance(refused(changed, now), InvalidSignatureException)


@pytest.mark.parametrize("name", ["host", "x-amz-target", "content-type"])
def test_w5_a_changed_lost_or_repeated_header_is_refused(name: str) -> None:
    request, now = signed_by_botocore()
    again = dataclasses.replace(request, headers=(*request.headers, (name, "other")))
    for changed in (with_header(request, name, "x"), with_header(request, name, None), again):
        assert isinstance(refused(changed, now), InvalidSignatureException)


def test_w5_a_wrong_secret_is_refused() -> None:
    request, now = signed_by_botocore(secret="guess")
    error = refused(request, now)
    assert isinstance(error, InvalidSignatureException)
    assert error.message.startswith("The request signature we calculated does not match")


@given(st.integers(0, 63), st.sampled_from("0123456789abcdefABCDEFé"))
def test_w5_every_digit_of_the_signature_counts(place: int, digit: str) -> None:
    request = signed()
    header = request.header("authorization") or ""
    place += len(header) - 64
    changed = header[:place] + digit + header[place + 1 :]
    if changed != header:
        error = refused(with_header(request, "authorization", changed))
        assert isinstance(error, InvalidSignatureException)


@pytest.mark.parametrize("cut", [1, 32, 63])
def test_w5_a_part_of_the_signature_is_not_enough(cut: int) -> None:
    request = signed()
    header = (request.header("authorization") or "")[:-cut]
    error = refused(with_header(request, "authorization", header))
    assert isinstance(error, InvalidSignatureException)


@pytest.mark.parametrize("key", ["AKIDEXAMPLF", "akidexample", "é", "' OR 1=1", "A" * 200, ""])
def test_w5_an_unknown_key_is_refused(key: str) -> None:
    request = signed()
    header = (request.header("authorization") or "").replace(KEY.access_key_id, key)
    error = refused(with_header(request, "authorization", header))
    assert isinstance(error, UnrecognizedClientException | IncompleteSignatureException)
    if key.isalnum() and key.isascii():
        assert error.message == "The security token included in the request is invalid."


def test_w5_keys_of_no_known_form_are_never_looked_up() -> None:
    def never(access_key_id: str) -> Credential | None:
        raise AssertionError(access_key_id)

    request = signed()
    header = (request.header("authorization") or "").replace(KEY.access_key_id, "a\x00b")
    with pytest.raises(UnrecognizedClientException):
        verify(with_header(request, "authorization", header), never, NOW)


def test_w5_the_caller_is_the_key_that_signed() -> None:
    assert sigv4.verify(signed(), "codepipeline", lookup, NOW).credential == KEY


def test_w5_a_disabled_key_is_answered_as_an_unknown_one() -> None:
    disabled = dataclasses.replace(KEY, disabled=True)
    for request in (signed(), with_header(signed(), "x-amz-target", "other")):
        with pytest.raises(UnrecognizedClientException) as caught:
            verify(request, lambda _: disabled, NOW)
        assert caught.value.message == "The security token included in the request is invalid."


def test_w5_a_session_token_that_was_not_issued_is_refused_with_what_to_do() -> None:
    request, now = signed_by_botocore(token="session")
    error = refused(request, now)
    assert isinstance(error, UnrecognizedClientException)
    assert "hookline credentials session" in error.message


def test_w5_a_session_counts_as_the_key_that_issued_it_until_it_is_over(seal: Seal) -> None:
    session, token = sessions.issue(seal, KEY, time.time() + 100)
    request, now = signed_by_botocore(
        key=session.access_key_id, secret=session.secret_access_key, token=token
    )

    def caller(now: float, lookup: sigv4.Lookup = lookup) -> sigv4.Caller:
        return sigv4.verify(request, "codepipeline", lookup, now, partial(sessions.opened, seal))

    assert caller(now) == sigv4.Caller(Scope(KEY.account, "eu-west-3"), KEY)
    assert claimed_scope(request, lookup, DEFAULT, partial(sessions.opened, seal)) == Scope(
        KEY.account, "eu-west-3"
    )
    with pytest.raises(ExpiredTokenException):
        caller(now + 101)
    for lost in (None, dataclasses.replace(KEY, disabled=True)):
        with pytest.raises(UnrecognizedClientException):
            caller(now, lambda _, lost=lost: lost)  # type: ignore[misc]  # bound now


def test_w5_a_session_token_is_good_for_its_own_key_and_secret_only(seal: Seal) -> None:
    session, token = sessions.issue(seal, KEY, time.time() + 100)
    other, _ = sessions.issue(seal, KEY, time.time() + 100)
    refusals: list[tuple[str, str, type[ApiError]]] = [
        (session.access_key_id, KEY.secret_access_key, InvalidSignatureException),
        (other.access_key_id, other.secret_access_key, UnrecognizedClientException),
        (KEY.access_key_id, KEY.secret_access_key, UnrecognizedClientException),
    ]
    for key, secret, expected in refusals:
        request, now = signed_by_botocore(key=key, secret=secret, token=token)
        with pytest.raises(expected):
            sigv4.verify(request, "codepipeline", lookup, now, partial(sessions.opened, seal))


@pytest.mark.parametrize("token", ["", "é", "AAAA", "****", "A" * 400])
def test_w5_a_token_that_was_not_issued_opens_no_session(seal: Seal, token: str) -> None:
    assert sessions.opened(seal, token) is None


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (
            "service",
            "codebuild",
            "Credential should be scoped to correct service: 'codepipeline'.",
        ),
        (
            "terminator",
            "aws5_request",
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ),
        ("region", "EU_WEST", "Credential should be scoped to a valid region."),
        ("region", "", "Credential should be scoped to a valid region."),
        ("region", "a" * 33, "Credential should be scoped to a valid region."),
        (
            "date",
            "20260101",
            DATE_MISMATCH,
        ),
    ],
)
def test_w5_a_wrong_scope_is_refused(part: str, value: str, message: str) -> None:
    request = signed(**{part: value})  # type: ignore[arg-type]  # one keyword or another
    error = refused(request)
    assert isinstance(error, InvalidSignatureException)
    assert error.message == message


@pytest.mark.parametrize("skew", [-300, 0, 300])
def test_w5_the_clock_may_differ_by_five_minutes(skew: int) -> None:
    assert verify(signed(), lookup, NOW + skew)


def test_w5_a_signature_too_old_or_too_new_is_refused() -> None:
    old = refused(signed(), NOW + 301)
    assert isinstance(old, InvalidSignatureException)
    assert old.message == (
        "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z "
        "(20260102T030906Z - 5 min.)"
    )
    new = refused(signed(), NOW - 301)
    assert isinstance(new, InvalidSignatureException)
    assert new.message == (
        "Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z "
        "(20260102T025904Z + 5 min.)"
    )


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "20260102",
        "2026-01-02T03:04:05Z",
        "20261302T030405Z",
        "00000102T030405Z",
        "²0260102T030405Z",
        "Fri, 02 Jan 2026",
        "Fri, 31 Dec 9999 23:59:00 -2359",
        "20260102T030405Z,20260102T030405Z",
    ],
)
def test_w5_a_garbled_date_is_refused(date: str) -> None:
    error = refused(with_header(signed(), "x-amz-date", date))
    assert isinstance(error, IncompleteSignatureException)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_w5_any_text_for_a_date_is_refused(date: str) -> None:
    assert isinstance(refused(with_header(signed(), "x-amz-date", date)), ApiError)


def test_w5_no_date_is_refused() -> None:
    error = refused(with_header(signed(), "x-amz-date", None))
    assert isinstance(error, IncompleteSignatureException)
    assert "'X-Amz-Date' or a 'Date' header" in error.message


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-target"])
def test_w5_the_headers_that_bind_the_request_must_be_signed(name: str) -> None:
    error = refused(signed(unsigned=frozenset({name})))
    assert isinstance(error, InvalidSignatureException)
    assert error.message == f"These headers must be among the SignedHeaders: {name}."


def test_w5_a_signed_header_lost_on_the_way_is_told() -> None:
    error = refused(with_header(signed((("x-lost", "1"),)), "x-lost", None))
    assert isinstance(error, InvalidSignatureException)
    assert error.message == "SignedHeaders names a header that the request lacks."


@pytest.mark.parametrize(
    "value",
    ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", hashlib.sha256().hexdigest()],
)
def test_w5_the_body_must_be_signed(value: str) -> None:
    for request in (
        signed((("x-amz-content-sha256", value),)),
        with_header(signed(), "x-amz-content-sha256", value),
    ):
        error = refused(request)
        assert isinstance(error, InvalidSignatureException)
        assert "x-amz-content-sha256 must be the SHA-256" in error.message


def test_w5_an_unsigned_request_is_refused() -> None:
    error = refused(with_header(signed(), "authorization", None))
    assert isinstance(error, MissingAuthenticationTokenException)
    assert error.message == "Missing Authentication Token"


def test_w5_a_presigned_url_is_told_to_use_the_header() -> None:
    unsigned = with_header(signed(), "authorization", None)
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
    for request in (unsigned, signed()):
        error = refused(dataclasses.replace(request, query=query))
        assert isinstance(error, IncompleteSignatureException)
        assert "sign the Authorization header" in error.message


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer hush",
        "Basic aHVzaA==",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 hush",
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00, hush=1",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Signature=1, SignedHeaders=host, Signature=2",
    ],
)
def test_w5_a_header_that_cannot_be_read_is_refused_unquoted(header: str) -> None:
    request = with_header(signed(), "authorization", header)
    error = refused(request)
    assert isinstance(error, IncompleteSignatureException)
    assert "hush" not in error.message
    assert claimed_scope(request, lookup, DEFAULT) == DEFAULT


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_w5_any_text_for_a_header_is_refused(text: str) -> None:
    request = signed()
    header = request.header("authorization") or ""
    for value in (text, header.replace("Credential=", "Credential=" + text, 1), header + text):
        if value.strip(" \t") != header:
            changed = with_header(request, "authorization", value)
            assert claimed_scope(changed, lookup, DEFAULT).account in {KEY.account, DEFAULT.account}
            if text.strip(" \t,"):
                refused(changed)


def test_w6_a_claimed_scope_is_believed_as_far_as_it_goes() -> None:
    request = with_header(signed(), "x-amz-date", None)
    assert claimed_scope(request, lookup, DEFAULT) == Scope("111122223333", "eu-west-3")
    assert claimed_scope(request, lambda _: None, DEFAULT) == Scope("000000000000", "eu-west-3")
    assert claimed_scope(signed(region="No Region"), lookup, DEFAULT) == DEFAULT
    assert claimed_scope(with_header(request, "authorization", None), lookup, DEFAULT) == DEFAULT
