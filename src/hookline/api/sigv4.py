"""Signature Version 4, verified by signing again with botocore's own signer (contract W5)."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from hookline.errors import (
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from hookline.model import Credential, Scope, Session

MAX_SKEW = 300
"""How far the signer's clock may be from ours, in seconds."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_PARAMETERS = ("Credential", "SignedHeaders", "Signature")
_BASIC_DATE = "%Y%m%dT%H%M%SZ"
_BASIC_DATE_FORM = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_REGION_FORM = re.compile(r"[a-z0-9-]{1,32}")
_ACCESS_KEY_FORM = re.compile(r"[A-Za-z0-9_]{1,128}")

_TOKEN = "x-amz-security-token"  # noqa: S105 -- the name of a header

# Verified against when the access key is unknown, so that both answers take as long.
_NOBODYS_SECRET = secrets.token_hex(20)

Lookup = Callable[[str], Credential | None]
"""Finds an access key by its id."""

Sessions = Callable[[str], Session | None]
"""Finds a session by its token; None for a token that this server did not issue."""


def no_sessions(_token: str) -> None:
    """Know no session token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, for which scope; `credential` is None for one that is only believed."""

    scope: Scope
    credential: Credential | None = None

    @property
    def is_read_only(self) -> bool:
        """Whether it may change nothing, and see no secret."""
        return self.credential is not None and self.credential.read_only

    @property
    def arn(self) -> str:
        """The ARN that stands for it: a user by the access key, or the account itself."""
        if self.credential is None:
            return self.scope.root_arn
        return self.scope.user_arn(self.credential.access_key_id)


@dataclass(frozen=True, slots=True)
class Received:
    """An HTTP request as it came in: path and query raw, header names in small letters."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the header `name`; repeated ones joined by commas, as they are signed."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class _Authorization:
    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    signed_headers: frozenset[str]
    signature: str


def verify(
    received: Received,
    service: str,
    credential: Lookup,
    now: float,
    sessions: Sessions = no_sessions,
) -> Caller:
    """Who signed the request for `service`, AWS's name of one as in `codepipeline`.

    The scope is the key's account and the signature's region.

    `now` is epoch seconds. A session counts as the key that issued it.

    Raises MissingAuthenticationTokenException (unsigned), IncompleteSignatureException (signed in
    a way that can't be read), UnrecognizedClientException (unknown or disabled key, or the session
    token of nobody), ExpiredTokenException (a session that is over) and InvalidSignatureException
    (all the rest: secret, scope, clock, headers, body).
    """
    authorization = _authorization(received)
    _check_scope(authorization, service)
    timestamp, date_header = _timestamp(received)
    _check_clock(authorization, timestamp, now)
    _check_signed_headers(received, authorization, date_header)
    digest = _body_digest(received)
    session = _session(received, authorization, sessions, now)
    known = _known(authorization, session, credential)
    secret = (session or known).secret_access_key if known else _NOBODYS_SECRET
    expected = _signature(received, authorization, timestamp, digest, secret)
    matches = hmac.compare_digest(expected.encode(), authorization.signature.encode())
    # A disabled key is answered as an unknown one, so that nobody learns which keys there were.
    if known is None or known.disabled:
        raise UnrecognizedClientException
    if not matches:
        raise InvalidSignatureException(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    return Caller(Scope(known.account, authorization.region), known)


def claimed_scope(
    received: Received, credential: Lookup, default: Scope, sessions: Sessions = no_sessions
) -> Scope:
    """The scope that the request claims, believed without a check of its signature.

    What the Authorization header does not say, or says wrongly, is taken from `default`.
    """
    try:
        authorization = _authorization(received)
        _check_region(authorization)
    except (
        IncompleteSignatureException,
        InvalidSignatureException,
        MissingAuthenticationTokenException,
    ):
        return default
    session = sessions(received.header(_TOKEN) or "")
    known = _known(authorization, session, credential)
    return Scope(known.account if known else default.account, authorization.region)


def _authorization(received: Received) -> _Authorization:
    header = received.header("authorization")
    if any(key.lower().startswith("x-amz-") for key, _ in parse_qsl(received.query)):
        raise IncompleteSignatureException(
            "Signatures in the query string are not accepted; sign the Authorization header."
        )
    if header is None:
        raise MissingAuthenticationTokenException("Missing Authentication Token")
    # Nothing of the header is quoted in a message: it may hold a token of another kind.
    algorithm, _, rest = header.strip(" \t").partition(" ")
    if algorithm != _ALGORITHM:
        raise IncompleteSignatureException(f"Authorization header requires {_ALGORITHM}.")
    parts = _parameters(rest)
    match parts["Credential"].split("/"):
        case [access_key_id, date, region, service, terminator]:
            signed = frozenset(parts["SignedHeaders"].split(";"))
            signature = parts["Signature"]
            return _Authorization(
                access_key_id, date, region, service, terminator, signed, signature
            )
        case _:
            raise IncompleteSignatureException(
                "Credential must have exactly 5 slash-delimited elements, "
                "e.g. keyid/date/region/service/term."
            )


def _parameters(text: str) -> dict[str, str]:
    # Most clients write ", " between the parameters, some only a comma.
    pairs = [part.partition("=") for part in re.findall(r"[^, \t]+", text)]
    parts = {key: value for key, _, value in pairs}
    missing = [key for key in _PARAMETERS if not parts.get(key)]
    if missing:
        raise IncompleteSignatureException(
            " ".join(f"Authorization header requires '{key}' parameter." for key in missing)
        )
    if len(pairs) != len(_PARAMETERS):
        raise IncompleteSignatureException(
            f"Authorization header takes only {', '.join(_PARAMETERS)}, each once."
        )
    return parts


def _check_scope(authorization: _Authorization, service: str) -> None:
    _check_region(authorization)
    if authorization.service != service:
        raise InvalidSignatureException(
            f"Credential should be scoped to correct service: '{service}'."
        )
    if authorization.terminator != _TERMINATOR:
        raise InvalidSignatureException(
            f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'."
        )


def _check_region(authorization: _Authorization) -> None:
    if _REGION_FORM.fullmatch(authorization.region) is None:
        raise InvalidSignatureException("Credential should be scoped to a valid region.")


def _timestamp(received: Received) -> tuple[datetime, str]:
    """The time of the signature, and the header that says it: X-Amz-Date goes before Date."""
    for name in ("x-amz-date", "date"):
        value = received.header(name)
        if value is not None:
            return _read_time(value.strip(" \t")), name
    raise IncompleteSignatureException(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    )


def _read_time(text: str) -> datetime:
    try:
        if _BASIC_DATE_FORM.fullmatch(text):
            return datetime.strptime(text, _BASIC_DATE).replace(tzinfo=UTC)
        time = parsedate_to_datetime(text)
        # A zone of -0000 is UTC of an unknown place (RFC 5322); Python leaves it out.
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise IncompleteSignatureException(
            "Date must be in ISO-8601 'basic format', e.g. 20260102T030405Z."
        ) from None


def _check_clock(authorization: _Authorization, timestamp: datetime, now: float) -> None:
    signed_at = timestamp.strftime(_BASIC_DATE)
    if authorization.date != signed_at[:8]:
        raise InvalidSignatureException(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{signed_at[:8]}', from '{signed_at}'."
        )
    skew = timestamp.timestamp() - now
    if skew < -MAX_SKEW:
        raise InvalidSignatureException(
            f"Signature expired: {signed_at} is now earlier than {_basic(now - MAX_SKEW)} "
            f"({_basic(now)} - {MAX_SKEW // 60} min.)"
        )
    if skew > MAX_SKEW:
        raise InvalidSignatureException(
            f"Signature not yet current: {signed_at} is still later than {_basic(now + MAX_SKEW)} "
            f"({_basic(now)} + {MAX_SKEW // 60} min.)"
        )


def _basic(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_BASIC_DATE)


def _check_signed_headers(
    received: Received, authorization: _Authorization, date_header: str
) -> None:
    present = {name for name, _ in received.headers}
    # x-amz-target names the operation: left unsigned, a request could be turned into another.
    needed = {"host", date_header} | ({"x-amz-target"} & present)
    unsigned = sorted(needed - authorization.signed_headers)
    if unsigned:
        raise InvalidSignatureException(
            f"These headers must be among the SignedHeaders: {', '.join(unsigned)}."
        )
    if not authorization.signed_headers <= present:
        raise InvalidSignatureException("SignedHeaders names a header that the request lacks.")


def _body_digest(received: Received) -> str:
    digest = hashlib.sha256(received.body).hexdigest()
    if received.header("x-amz-content-sha256") not in {None, digest}:
        raise InvalidSignatureException(
            "x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal; "
            "unsigned and streaming payloads are not accepted."
        )
    return digest


def _session(
    received: Received, authorization: _Authorization, sessions: Sessions, now: float
) -> Session | None:
    token = received.header(_TOKEN)
    if token is None:
        return None
    session = sessions(token)
    if session is None or session.access_key_id != authorization.access_key_id:
        raise UnrecognizedClientException(
            "The security token included in the request is invalid. Access keys of this server "
            "have none, except temporary ones: send no session token, or the one that "
            "'hookline credentials session' showed with this key."
        )
    if session.expires_at <= now:
        raise ExpiredTokenException
    return session


def _known(
    authorization: _Authorization, session: Session | None, credential: Lookup
) -> Credential | None:
    """The access key that is said to have signed, or that issued the session that has."""
    if session is not None:
        return credential(session.issuer)
    if _ACCESS_KEY_FORM.fullmatch(authorization.access_key_id) is None:
        return None
    return credential(authorization.access_key_id)


def _signature(
    received: Received,
    authorization: _Authorization,
    timestamp: datetime,
    digest: str,
    secret: str,
) -> str:
    headers = [pair for pair in received.headers if pair[0] in authorization.signed_headers]
    key = Credentials(authorization.access_key_id, secret)
    signer = _Signer(key, authorization, headers, digest)
    query = f"?{received.query}" if received.query else ""
    # The signer looks only at the path and the query; the host it signs is the header's.
    request = AWSRequest(received.method, f"http://host{received.path}{query}")
    request.context["timestamp"] = timestamp.strftime(_BASIC_DATE)
    canonical = signer.canonical_request(request)
    return signer.signature(signer.string_to_sign(request, canonical), request)


class _Signer(SigV4Auth):
    """botocore's signer over exactly the headers that the client signed.

    A client may sign headers that botocore leaves out (`user-agent`), and leave out others.
    """

    def __init__(
        self,
        key: Credentials,
        authorization: _Authorization,
        headers: list[tuple[str, str]],
        digest: str,
    ) -> None:
        super().__init__(key, authorization.service, authorization.region)
        self._headers = headers
        self._digest = digest

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        del request
        headers = HTTPHeaders()
        for name, value in self._headers:
            headers[name] = value
        return headers

    def payload(self, request: AWSRequest) -> str:
        del request
        return self._digest
