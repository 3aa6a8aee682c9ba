"""Who may trigger a webhook: pure checks of addresses and signatures (contract T2-T4)."""

import functools
import hmac
import ipaddress
from collections.abc import Mapping, Sequence

from hookline.config import Network
from hookline.model import Verdict
from hookline.receiver.refusal import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SHA256 = b"x-hub-signature-256"
_SHA1 = b"x-hub-signature"
_NAMES = {_SHA256: "X-Hub-Signature-256", _SHA1: "X-Hub-Signature"}


@functools.lru_cache(maxsize=4_096)
def parse_address(text: str) -> Address | None:
    """An IP address; an IPv4-mapped IPv6 one counts as IPv4. None when it is not one.

    The zone of a link-local one ("fe80::1%eth0") is left out: it may be any text, and it says
    nothing about the sender.
    """
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


@functools.lru_cache(maxsize=4_096)
def address_text(address: Address) -> str:
    """An address in its usual spelling."""
    return str(address)


@functools.lru_cache(maxsize=4_096)
def sender_key(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 that an IPv6 one lies in.

    A network hands out /64s whole, so that one machine has 2^64 addresses to send from (RFC 6177).
    """
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def client_address(
    peer: str, forwarded_for: bytes | None, trusted_proxies: Sequence[Network]
) -> Address | None:
    """The address a delivery comes from; None when it can't be told.

    `X-Forwarded-For` counts only when the peer is a trusted proxy. It is read from the right, since
    only what our own proxies appended can be believed; the first address that is not a trusted
    proxy's is the client's. An entry that is no address ends the walk in doubt.
    """
    address = parse_address(peer)
    hops = forwarded_for.decode("latin-1").split(",") if forwarded_for else []
    while address is not None and hops and _is_within(address, trusted_proxies):
        address = parse_address(hops.pop())
    return address


def check_address(allowed: Network | None, address: Address | None) -> None:
    """Refuse an address outside the allowed range. No range allows every address."""
    if allowed is not None and (address is None or not _is_within(address, (allowed,))):
        raise Refused(
            Verdict.ADDRESS_NOT_ALLOWED,
            f"the sender's address {address or 'is unknown and'} is not in {allowed}",
        )


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def check_signature(secret: bytes, headers: Mapping[bytes, bytes], body: bytes) -> str:
    """Check GitHub's signature of `body`; a key of the event that is the same for each repeat.

    Bitbucket puts an HMAC-SHA256 into the header that GitHub has its HMAC-SHA1 in: the value's
    prefix tells which it is. The key is the HMAC-SHA256 even where only the SHA-1 was sent, so that
    a captured request can't start a second execution by dropping a header.
    Sources: "Validating webhook deliveries", GitHub documentation; "Manage webhooks", Bitbucket
    Cloud documentation.
    """
    sent = [(name, headers[name]) for name in (_SHA256, _SHA1) if name in headers]
    if not sent:
        raise Refused(Verdict.NO_SIGNATURE)
    digest = hmac.digest(secret, body, "sha256").hex()
    for name, signature in sent:
        if name == _SHA256 or signature.startswith(b"sha256="):
            expected = b"sha256=" + digest.encode()
        else:
            expected = b"sha1=" + hmac.digest(secret, body, "sha1").hex().encode()
        if not hmac.compare_digest(expected, signature):
            raise Refused(Verdict.BAD_SIGNATURE, f"{_NAMES[name]} does not match the body")
    return digest
