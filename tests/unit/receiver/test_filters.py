import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.model import Filter
from hookline.receiver.filters import (
    FilterTrace,
    compile_filters,
    match,
    resolve,
)
from hookline.receiver.texts import shown, text_of

scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def trace(path: str, wanted: str | None, event: Any, **configuration: str) -> FilterTrace:
    [compiled] = compile_filters([Filter(path, wanted)])
    return match(compiled, event, configuration)


def passes(path: str, wanted: str | None, event: Any, **configuration: str) -> bool:
    return trace(path, wanted, event, **configuration).reason is None


@given(scalars)
def test_t5_a_scalar_equals_its_own_text_and_no_other(value: Any) -> None:
    text = text_of(value)
    assert text is not None
    assert passes("$.a", text, {"a": value})
    assert not passes("$.a", text + "x", {"a": value})


@given(st.lists(scalars, min_size=1), st.data())
def test_t5_any_element_of_a_list_may_be_the_one(items: list[Any], data: st.DataObject) -> None:
    text = text_of(data.draw(st.sampled_from(items)))
    for path in ("$.a", "$.a[*]"):
        assert passes(path, text, {"a": items})
        assert not passes(path, "no such text, surely", {"a": items})


def test_t5_only_one_list_deep() -> None:
    assert passes("$.a[*].b", "x", {"a": [{"b": ["x"]}]})
    assert not passes("$.a", "x", {"a": [["x"]]})


@given(st.dictionaries(st.text(), values), st.text())
def test_t5_an_object_equals_no_text(value: dict[str, Any], text: str) -> None:
    assert not passes("$.a", text, {"a": value})
    assert not passes("$.a", json.dumps(value), {"a": value})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (12, "12"),
        (-0, "0"),
        (1.5, "1.5"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        ("é", "é"),
        ({}, None),
        ([], None),
    ],
)
def test_t5_the_text_of_a_value(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_t5_numbers_are_plain_decimals_of_the_same_value(value: float) -> None:
    text = text_of(value)
    assert text is not None
    assert "e" not in text.lower()
    assert Decimal(text) == Decimal(repr(value))


@given(st.text(alphabet="ab{}", max_size=12))
def test_t6_unknown_placeholders_stay_as_written(text: str) -> None:
    assert resolve(text, {}) == text


@given(st.text(), st.dictionaries(st.text(alphabet="abc", min_size=1), st.text()))
def test_t6_values_are_put_in_once(text: str, configuration: dict[str, str]) -> None:
    safe = text.replace("{", "").replace("}", "")
    for key, value in configuration.items():
        assert resolve(f"{safe}{{{key}}}", configuration) == safe + value


def test_t6_a_value_is_not_resolved_again() -> None:
    assert resolve("{A}/{B}", {"A": "{B}", "B": "{A}"}) == "{B}/{A}"
    assert passes("$.ref", "refs/heads/{Branch}", {"ref": "refs/heads/x"}, Branch="x")


@given(values)
def test_t7_without_match_equals_something_other_than_null_must_be_selected(value: Any) -> None:
    assert passes("$.a", None, {"a": value}) is (value is not None)
    selected = value if isinstance(value, list) else []
    anything = any(item is not None for item in selected)
    assert passes("$.a[*]", None, {"a": selected}) is anything


def test_t7_what_is_absent_does_not_pass() -> None:
    assert not passes("$.a", None, {})
    assert not passes("$.a.b", None, {"a": 1})
    assert not passes("$..x", None, {"a": 1})


@given(values, st.none() | st.text())
def test_t14_a_trace_always_says_why_not(event: Any, wanted: str | None) -> None:
    for path in ("$.a", "$.a[*].b", "$..a", "$[0]"):
        seen = trace(path, wanted, event)
        assert seen.reason is None or seen.reason
        assert seen.found is None or len(seen.found) <= 200


def test_t14_what_was_found_is_shown_short() -> None:
    assert shown({"a": [1, "é"]}) == '{"a":[1,"é"]}'
    assert len(shown("x" * 500)) == 200
    seen = trace("$.ref", "refs/heads/{Branch}", {"ref": "refs/heads/dev"}, Branch="main")
    assert seen == FilterTrace(
        "$.ref",
        "refs/heads/dev",
        "refs/heads/main",
        "$.ref is refs/heads/dev, not refs/heads/main",
    )
