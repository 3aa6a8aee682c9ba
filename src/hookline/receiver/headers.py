"""The headers of a delivery: what they name, and what of them may be kept."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_DELIVERY_IDS = (
    b"x-github-delivery",
    b"x-gitea-delivery",
    b"x-gitlab-event-uuid",
    b"x-request-uuid",
)
_EVENT_NAMES = (b"x-github-event", b"x-gitea-event", b"x-gitlab-event", b"x-event-key")
_SECRET_WORDS = (
    "auth",
    "cookie",
    "token",
    "secret",
    "signature",
    "key",
    "passw",
    "passphrase",
    "credential",
    "session",
    "jwt",
    "assertion",
    "oidc",
)
_NOT_SECRET = frozenset({"x-event-key"})
# Proxies repeat the URL that they were asked for, which is a secret: X-Original-URI and the like.
_URL_TOKEN = re.compile(rb"(?<=[?&]t=)[^&#\s\"']+|(?<=%3[Ff]t%3[Dd])[^&#\s\"']+")
_SCHEMES = (b"bearer ", b"basic ", b"token ")
_SCHEME_LENGTH = 7
_VALUE_LIMIT = 1_000
_NAME_LIMIT = 100
_MASK = "****"


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name in lower case; one that is sent twice has both values (RFC 9110, 5.3)."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def delivery_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The sender's own id of the delivery, where it is one of the senders known."""
    return _first(headers, _DELIVERY_IDS)


@dataclass(frozen=True, slots=True)
class KeptHeaders:
    """What is recorded of a delivery's headers."""

    kept: Mapping[str, str]
    event: str | None
    delivery_id: str | None


def kept_headers(headers: Mapping[bytes, bytes]) -> KeptHeaders:
    """Headers as they are recorded: values that may be secrets are masked, long ones cut."""
    kept = {}
    for raw_name, value in headers.items():
        name, is_secret = _named(raw_name)
        kept[name] = _MASK if is_secret else _shown(value)
    return KeptHeaders(kept, _first(headers, _EVENT_NAMES), _first(headers, _DELIVERY_IDS))


@functools.lru_cache(maxsize=1_024)
def _named(raw_name: bytes) -> tuple[str, bool]:
    """A header's name, and whether its values may be secrets."""
    name = raw_name.decode("latin-1")
    return name, name not in _NOT_SECRET and any(word in name for word in _SECRET_WORDS)


def _shown(value: bytes) -> str:
    if value[:_SCHEME_LENGTH].lower().startswith(_SCHEMES):
        return _MASK
    if b"trigger" in value:
        value = _URL_TOKEN.sub(_MASK.encode(), value)
    return value[:_VALUE_LIMIT].decode("latin-1")


def _first(headers: Mapping[bytes, bytes], names: tuple[bytes, ...]) -> str | None:
    for name in names:
        if name in headers:
            return headers[name][:_NAME_LIMIT].decode("latin-1")
    return None
