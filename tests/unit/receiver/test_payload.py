import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
