import hashlib
import hmac
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.model import Verdict
from hookline.receiver.authentication import (
    check_address,
    check_signature,
    client_address,
    parse_address,
    sender_key,
)
from hookline.receiver.refusal import Refused

SECRET = b"secret"
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))

addresses = st.ip_addresses().map(str)
trusted = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8")).map(
    str
)


def sign(body: bytes, digest: str) -> bytes:
    return f"{digest}={hmac.new(SECRET, body, getattr(hashlib, digest)).hexdigest()}".encode()


def verdict(headers: dict[bytes, bytes], body: bytes) -> Verdict | None:
    try:
        check_signature(SECRET, headers, body)
    except Refused as refused:
        return refused.verdict
    return None


def test_t2_githubs_own_example() -> None:
    headers = {
        b"x-hub-signature-256": b"sha256="
        b"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    }
    check_signature(b"It's a Secret to Everybody", headers, b"Hello, World!")


@given(st.binary())
def test_t2_either_header_or_both_are_accepted_and_give_one_key(body: bytes) -> None:
    sha256 = {b"x-hub-signature-256": sign(body, "sha256")}
    sha1 = {b"x-hub-signature": sign(body, "sha1")}
    keys = {check_signature(SECRET, headers, body) for headers in (sha256, sha1, sha256 | sha1)}
    assert len(keys) == 1


@given(st.binary(), st.binary())
def test_t2_no_other_text_is_a_signature(body: bytes, text: bytes) -> None:
    for name, digest in ((b"x-hub-signature-256", "sha256"), (b"x-hub-signature", "sha1")):
        if text != sign(body, digest):
            assert verdict({name: text}, body) is Verdict.BAD_SIGNATURE


@given(st.binary(), st.data())
def test_t2_one_changed_character_is_refused(body: bytes, data: st.DataObject) -> None:
    good = sign(body, "sha256")
    position = data.draw(st.integers(0, len(good) - 1))
    bad = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
    assert verdict({b"x-hub-signature-256": bad}, body) is Verdict.BAD_SIGNATURE
    assert verdict({b"x-hub-signature-256": good[:position]}, body) is Verdict.BAD_SIGNATURE


def test_t2_both_present_must_both_hold() -> None:
    good = {
        b"x-hub-signature-256": sign(b"body", "sha256"),
        b"x-hub-signature": sign(b"body", "sha1"),
    }
    assert verdict(good, b"body") is None
    for name in good:
        assert verdict({**good, name: b"sha1=0"}, b"body") is Verdict.BAD_SIGNATURE


def test_t2_bitbucket_puts_sha256_where_github_has_sha1() -> None:
    bitbucket = {b"x-hub-signature": sign(b"body", "sha256")}
    github = {b"x-hub-signature-256": sign(b"body", "sha256")}
    assert check_signature(SECRET, bitbucket, b"body") == check_signature(SECRET, github, b"body")
    assert verdict(bitbucket, b"other") is Verdict.BAD_SIGNATURE
    assert (
        verdict({b"x-hub-signature-256": sign(b"body", "sha1")}, b"body") is Verdict.BAD_SIGNATURE
    )


def test_t2_no_header_is_refused() -> None:
    assert verdict({b"x-other": b"x"}, b"") is Verdict.NO_SIGNATURE


def test_t10_different_bodies_have_different_keys() -> None:
    keys = {
        check_signature(SECRET, {b"x-hub-signature": sign(body, "sha1")}, body)
        for body in (b"a", b"b")
    }
    assert len(keys) == 2


@given(addresses, st.lists(addresses))
def test_t3_nobody_is_believed_without_a_trusted_proxy(peer: str, forwarded: list[str]) -> None:
    assert client_address(peer, ", ".join(forwarded).encode(), ()) == parse_address(peer)


@given(trusted, st.lists(addresses), addresses, st.lists(trusted))
def test_t3_the_first_untrusted_address_from_the_right_is_the_clients(
    peer: str, claimed: list[str], client: str, proxies: list[str]
) -> None:
    if any(
        parse_address(client) in network
        for network in PROXIES
        if network.version == ipaddress.ip_address(client).version
    ):
        return
    forwarded = ",".join([*claimed, client, *proxies])
    assert client_address(peer, forwarded.encode(), PROXIES) == parse_address(client)


@given(trusted, st.text(alphabet="0123456789abcdef:.[] x", max_size=20))
def test_t3_an_entry_that_is_no_address_ends_in_doubt(peer: str, entry: str) -> None:
    found = client_address(peer, f"192.0.2.1,{entry}".encode(), PROXIES)
    read = parse_address(entry)
    if read is None:
        assert found is None
    with pytest.raises(Refused):
        check_address(ipaddress.ip_network("192.0.2.0/24"), None)


def test_t3_ipv4_mapped_ipv6_is_ipv4() -> None:
    check_address(ipaddress.ip_network("192.0.2.0/24"), parse_address("::ffff:192.0.2.7"))
    assert parse_address("::ffff:192.0.2.7") == parse_address("192.0.2.7")


@pytest.mark.parametrize(
    ("allowed", "address"),
    [("192.0.2.0/24", "192.0.3.0"), ("0.0.0.0/0", "::1"), ("::/0", "192.0.2.1")],
)
def test_t3_an_address_outside_is_refused(allowed: str, address: str) -> None:
    with pytest.raises(Refused) as caught:
        check_address(ipaddress.ip_network(allowed), parse_address(address))
    assert caught.value.verdict is Verdict.ADDRESS_NOT_ALLOWED


def test_t4_without_a_range_every_address_is_allowed() -> None:
    check_address(None, parse_address("203.0.113.1"))
    check_address(None, None)


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("unknown", "unknown"),
    ],
)
def test_the_addresses_of_an_ipv6_network_are_one_sender(address: str, sender: str) -> None:
    assert sender_key(address) == sender
