import json
import tracemalloc
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.receiver import payload
from hookline.receiver.payload import parse_event
from hookline.receiver.refusal import Refused

FORM = b"application/x-www-form-urlencoded"
events = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(events)
def test_t8_json_and_a_form_carry_the_same(event: Any) -> None:
    text = json.dumps(event, ensure_ascii=False)
    assert parse_event(text.encode(), b"application/json") == event
    form = urlencode({"payload": text, "other": "x"}).encode()
    assert parse_event(form, FORM + b"; charset=utf-8") == event


@given(st.binary(), st.sampled_from([b"", b"application/json", FORM]))
def test_t8_any_bytes_are_an_event_or_refused(body: bytes, content_type: bytes) -> None:
    with suppress(Refused):
        json.dumps(parse_event(body, content_type))


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_t8_nesting_is_limited_to_200(left: str, right: str) -> None:
    def nested(depth: int) -> bytes:
        return (left * depth + "1" * (left != "[") + right * depth).encode()

    parse_event(nested(200), b"")
    for depth in (201, 1_000, 1_025, 100_000):
        with pytest.raises(Refused):
            parse_event(nested(depth), b"")


def test_t8_many_brackets_are_no_nesting() -> None:
    body = b"[" + b",".join([b"[]"] * 5_000) + b"]"
    assert len(parse_event(body, b"")) == 5_000
    assert parse_event(b'"' + b"[" * 5_000 + b'"', b"") == "[" * 5_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "'a'", "{a: 1}", "01"])
def test_t8_what_json_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_event(text.encode(), b"")


def test_t8_the_last_of_duplicate_keys_counts() -> None:
    assert parse_event(b'{"a": 1, "a": 2}', b"") == {"a": 2}


@given(
    st.lists(
        st.sampled_from(["[", "]", "{", "}", '"', "\\", '\\"', "\\\\", "x", ","]), max_size=80
    ),
    st.integers(1, 7),
)
def test_t8_brackets_are_told_from_text_wherever_a_piece_ends(parts: list[str], size: int) -> None:
    text = json.dumps({"key": "".join(parts), "other": [{"".join(reversed(parts)): []}]}).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "_PIECE", size)
        assert b"".join(payload._brackets(text)) == b"{[{[]}]}"


@given(st.binary(), st.integers(3, 9))
def test_t8_a_form_is_decoded_the_same_in_pieces(value: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "_PIECE", size)
        assert payload._decoded(quote_plus(value).encode()) == value


def test_t8_nesting_is_counted_before_anything_is_decoded() -> None:
    # Were it decoded first, the text would be found to be no JSON.
    with pytest.raises(Refused, match="NOT_JSON") as caught:
        parse_event(b"[" * 201 + b"nothing", b"")
    assert caught.value.detail == "the body is nested deeper than 200 levels"


def test_t8_objects_and_lists_are_limited_to_a_million() -> None:
    def wide(count: int) -> bytes:
        return b"[" + b",".join([b"[]"] * (count - 1)) + b"]"

    assert len(parse_event(wide(1_000_000), b"")) == 999_999
    with pytest.raises(Refused) as caught:
        parse_event(wide(1_000_001), b"")
    assert caught.value.detail == "the body has more than 1,000,000 objects and lists"


def test_t8_a_form_takes_little_more_memory_than_its_size() -> None:
    form = b"payload=" + b"%5B" * 1_000_000
    tracemalloc.start()
    with pytest.raises(Refused):
        parse_event(form, FORM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(form)
