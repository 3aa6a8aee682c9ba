"""Smithy RPC v2 CBOR: what is read, what is refused, and nothing built by the library."""

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import cbor2
import pytest

from hookline.api import protocol
from hookline.api.cbor import CBOR
from hookline.api.protocol import MAX_DEPTH
from hookline.api.service import CODEBUILD, CODEPIPELINE
from hookline.errors import SerializationException

BEFORE = "The request body is not valid CBOR"
TAG = f"{BEFORE}: only tag 1, a timestamp, is accepted."


def parse(operation: str, body: bytes) -> dict[str, Any]:
    return CBOR.parse(CODEPIPELINE.operations[operation], body)


def render(operation: str, output: Any) -> bytes:
    return CBOR.render(CODEPIPELINE.operations[operation], output)


def refused(operation: str, body: bytes) -> str:
    with pytest.raises(SerializationException) as caught:
        parse(operation, body)
    return caught.value.message


def named(text: str) -> bytes:
    """A map of `name` to the item in hexadecimal digits."""
    return b"\xa1\x64name" + bytes.fromhex(text)


def created(text: str) -> bytes:
    return b"\xa1\x6eactionRevision\xa1\x67created" + bytes.fromhex(text)


def test_w1_the_model_has_no_shape_that_the_walk_does_not_know() -> None:
    assert protocol._READERS.keys() == protocol._WRITERS.keys()
    for service in (CODEPIPELINE, CODEBUILD):
        types = {service.shape(name).type_name for name in service.model.shape_names}
        assert types <= protocol._READERS.keys()


def test_w1_no_body_is_no_parameters() -> None:
    assert parse("ListWebhooks", b"") == parse("ListWebhooks", b"\xa0") == {}


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("c1 1a 6553f100", 1_700_000_000),
        ("c1 fb 41d954fc40200000", 1_700_000_000.5),
        ("c1 fa 4f000000", 2_147_483_648),
        ("c1 f9 3c00", 1),
        ("c1 20", -1),
        ("d8 01 00", 0),
    ],
)
def test_w1_timestamps_are_numbers_of_any_size_in_tag_1(item: str, value: float) -> None:
    parameters = parse("PutActionRevision", created(item))
    seconds = parameters["actionRevision"]["created"]
    assert (type(seconds), seconds) == (float, value)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("00", "actionRevision.created: expected epoch seconds in tag 1, found an integer."),
        ("f93c00", "actionRevision.created: expected epoch seconds in tag 1, found a number."),
        ("c1 f97e00", "actionRevision.created: the number is no time between years 1 and 9999."),
        ("c1 f97c00", "actionRevision.created: the number is no time between years 1 and 9999."),
        ("c1 f9fc00", "actionRevision.created: the number is no time between years 1 and 9999."),
        ("c1 1bffffffffffffffff", None),
        ("c1 f5", f"{BEFORE}: tag 1 holds no number."),
        ("c1 f6", f"{BEFORE}: tag 1 holds no number."),
        ("c1 c1 00", f"{BEFORE}: tag 1 holds no number."),
        ("c1 61 31", f"{BEFORE}: tag 1 holds no number."),
        ("c0 74 323032362d30312d30325430333a30343a30355a", TAG),
    ],
)
def test_w4_a_timestamp_of_another_form_is_refused(item: str, message: str | None) -> None:
    text = refused("PutActionRevision", created(item))
    assert text == message or message is None


@pytest.mark.parametrize(
    "item",
    [
        "c2 49 ffffffffffffffffff",
        "c3 49 ffffffffffffffffff",
        "c4 82 3a 7fffffff 01",
        "c5 82 1a 7fffffff 01",
        "d8 18 41 00",
        "d8 1c 81 d8 1d 00",
        "d8 1d 00",
        "d9 0100 82 6161 d8 19 00",
        "d9 0102 81 01",
        "d8 23 61 61",
        "d8 24 61 61",
        "d8 25 50 00000000000000000000000000000000",
        "d9 0104 44 7f000001",
        "d9 d9f7 61 61",
        "d9 ffff 00",
        "db ffffffffffffffff 00",
    ],
)
@pytest.mark.parametrize("key", [b"\x64name", b"\x65extra"])
def test_w4_no_other_tag_is_read_even_where_nobody_looks(item: str, key: bytes) -> None:
    assert refused("GetPipeline", b"\xa1" + key + bytes.fromhex(item)) == TAG


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xa1",
        b"\xa0\xa0",
        b"\xff",
        b"\x1c",
        b"\x1f",
        b"\xf8\x14",
        b"\xbf\x64name\x61a",
        b"\xbf\x64name\xff",
        b"\xa1\x00\x61a",
        b"\xa1\x80\x61a",
        b"\xa1\x44name\x61a",
        b"\xa1\xf6\x61a",
        b"\xa1\xc1\x00\x61a",
        named("61 ff"),
        named("63 eda080"),
        named("7f 41 61 ff"),
        named("7b ffffffffffffffff 00"),
        named("7b 00000000ffffffff 00"),
        named("9b ffffffffffffffff 00"),
        named("9b 00000000ffffffff 00"),
        named("bb 00000000ffffffff 00"),
        b"\x9f" * 500_000,
        b"\x81" * 500_000,
        b"\xc1" * 500_000,
        b"\xbf\x60" * 500_000,
        b"\x7f" * 500_000,
    ],
)
def test_w4_what_is_not_cbor_is_a_serialization_exception(body: bytes) -> None:
    assert refused("GetPipeline", body).startswith(BEFORE)


def test_w4_what_the_library_says_of_a_body_is_not_repeated() -> None:
    assert "hush" not in refused("GetPipeline", named("7f 44 68757368 ff"))


def test_w4_nesting_is_limited_where_the_model_looks_and_where_not() -> None:
    def nested(depth: int, head: bytes, last: bytes) -> bytes:
        return b"\xa2\x64name\x61a\x65extra" + head * (depth - 2) + last

    for head, last in ((b"\x81", b"\x80"), (b"\xa1\x61a", b"\xa0")):
        assert parse("GetPipeline", nested(MAX_DEPTH, head, last)) == {"name": "a"}
        assert refused("GetPipeline", nested(MAX_DEPTH + 1, head, last)) == f"{BEFORE}."


def test_w1_members_unknown_null_or_undefined_are_absent() -> None:
    body = cbor2.dumps({"name": "a", "colour": [{}, b"", 1.5], "version": None})
    assert parse("GetPipeline", body) == {"name": "a"}
    assert parse("GetPipeline", named("f7")) == parse("GetPipeline", named("f6")) == {}


def test_w1_the_last_of_a_repeated_key_counts() -> None:
    assert parse("GetPipeline", b"\xa2\x64name\x61a\x64name\x61b") == {"name": "b"}


def test_w1_lengths_may_be_indefinite() -> None:
    assert parse("GetPipeline", b"\xbf\x64name\x7f\x61a\x61b\xff\xff") == {"name": "ab"}
    tags = b"\xbf\x64tags\x9f\xbf\x63key\x61k\xff\xff\xff"
    assert parse("TagResource", tags) == {"tags": [{"key": "k"}]}


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("GetPipeline", {"name": 5}, "name: expected a string, found an integer."),
        ("GetPipeline", {"name": "a\0"}, "name: the string has the character U+0000."),
        ("GetPipeline", {"name": b"a"}, "name: expected a string, found a byte string."),
        ("GetPipeline", {"name": cbor2.undefined, "version": "5"}, None),
        ("GetPipeline", {"version": 5.0}, "version: expected an integer, found a number."),
        ("GetPipeline", {"version": True}, "version: expected an integer, found a boolean."),
        ("GetPipeline", {"version": 1 << 31}, "version: the number does not fit in 32 bits."),
        ("GetPipeline", {"version": (1 << 64) - 1}, "version: the number does not fit in 32 bits."),
        (
            "GetPipeline",
            {"name": cbor2.CBORSimpleValue(99)},
            "name: expected a string, found another type.",
        ),
        ("GetPipeline", [], "The request body: expected an object, found a list."),
        (
            "TagResource",
            {"tags": [{}, {"key": ["hush"]}]},
            "tags.2.member.key: expected a string, found a list.",
        ),
        (
            "PutActionRevision",
            {"actionRevision": {"revisionId": math.nan}},
            "actionRevision.revisionId: expected a string, found a number.",
        ),
    ],
)
def test_w3_a_member_of_another_type_is_named(
    operation: str, parameters: Any, message: str | None
) -> None:
    text = refused(operation, cbor2.dumps(parameters))
    assert text == message or message is None


def test_w1_timestamps_are_written_in_tag_1() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 250_000, UTC)
    for given in (moment, moment.timestamp()):
        body = render("ListWebhooks", {"webhooks": [{"lastTriggered": given}]})
        assert b"\x6dlastTriggered\xc1\xfb" in body
        assert cbor2.loads(body)["webhooks"][0]["lastTriggered"] == moment


def test_w1_only_members_of_the_model_are_rendered() -> None:
    class Word(StrEnum):
        IP = "IP"

    webhook = {"definition": {"authentication": Word.IP}, "token": "hush", "url": None}
    assert cbor2.loads(render("PutWebhook", {"webhook": webhook, "extra": 1})) == {
        "webhook": {"definition": {"authentication": "IP"}}
    }
    assert render("DeletePipeline", None) == b""
    assert render("DeleteWebhook", None) == b"\xa0"
