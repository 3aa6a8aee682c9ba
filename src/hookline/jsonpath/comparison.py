"""How a filter compares: which values are equal, which is less, what every operator means."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from hookline.jsonpath.errors import FunctionError, StepError
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.regex import Regex
from hookline.jsonpath.syntax import JsonLiteral
from hookline.jsonpath.texts import number_text, scalar_text

UNDEFINED = object()

Test = Callable[[Any, Any, Reading], bool]

_CHARACTERS_A_NODE = 100
_BITS_A_NODE = 500
_MATCHING_STEPS_A_NODE = 4_000
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_PATH_LIKE = re.compile(r"\s*[$@](?:[.\[]|\s*$)")
_MAX_SIZE_DIGITS = 10


def _kind(value: Any) -> type | None:
    """One Python type for each of JSON's, None for undefined and for regular expressions."""
    if isinstance(value, list | dict | JsonLiteral):
        return list
    if isinstance(value, str | bool | None):
        return type(value)
    return Decimal if isinstance(value, int | float | Decimal) else None


def _decimal(value: Any, reading: Reading) -> Decimal | None:
    """The exact value of a number, or of a string that is one; None for anything else."""
    if isinstance(value, str):
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    if isinstance(value, int):
        reading.spend(value.bit_length() // _BITS_A_NODE)
    return Decimal(value) if _kind(value) is Decimal else None


def equal(left: Any, right: Any, reading: Reading) -> bool:
    """`==`, where the left value's type decides how the right one is read."""
    kind = _kind(left)
    if kind is str:
        reading.spend(len(left) // _CHARACTERS_A_NODE)
        return bool(left == (number_text(right) if _kind(right) is Decimal else right))
    if kind is Decimal:
        number = _decimal(left, reading)
        return number is not None and number == _decimal(right, reading)
    if kind is list:
        return not isinstance(left, JsonLiteral) and _same(left, _plain(right), reading)
    return kind is not None and left is right


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, JsonLiteral) else value


def _same(left: Any, right: Any, reading: Reading) -> bool:
    """Deep equality in which 1, 1.0 and true are three values, as their JSON texts are."""
    if type(left) is not type(right):
        return False
    ours, theirs = (json.dumps(value, sort_keys=True) for value in (left, right))
    reading.spend((len(ours) + len(theirs)) // _CHARACTERS_A_NODE)
    return ours == theirs


def _identical(left: Any, right: Any, reading: Reading) -> bool:
    return _kind(left) is _kind(right) and equal(left, right, reading)


def _ordered(holds: Callable[[Any, Any], bool]) -> Test:
    """A test that is false unless both values are numbers or both are strings."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            reading.spend((len(left) + len(right)) // _CHARACTERS_A_NODE)
            return holds(_utf16(left), _utf16(right))
        if _kind(left) is not Decimal or _kind(right) is not Decimal:
            return False
        number, other = _decimal(left, reading), _decimal(right, reading)
        return number is not None and other is not None and holds(number, other)

    return test


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _elements(value: Any, reading: Reading) -> list[Any] | None:
    """A list's elements for the operators on lists, None for what is no list.

    Strings that look like paths become undefined, since Jayway takes them for paths.
    """
    value = _plain(value)
    if not isinstance(value, list):
        return None
    reading.spend(len(value))
    if any(isinstance(each, list | dict) for each in value):
        raise FunctionError("a filter can't look into a list that holds lists or objects")
    return [UNDEFINED if isinstance(e, str) and _PATH_LIKE.match(e) else e for e in value]


def _in(left: Any, right: Any, reading: Reading, *, wanted: bool = True) -> bool:
    elements = _elements(right, reading)
    if elements is None:
        return False
    return any(equal(left, each, reading) for each in elements) is wanted


def _not_in(left: Any, right: Any, reading: Reading) -> bool:
    return _in(left, right, reading, wanted=False)


def _contains(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        reading.spend(len(left) // _CHARACTERS_A_NODE)
        return right in left
    return _in(right, left, reading)


def _has_size(left: Any, right: Any, reading: Reading) -> bool:
    number = _decimal(right, reading) if _kind(right) is Decimal else None
    left = _plain(left)
    if number is None or number.adjusted() > _MAX_SIZE_DIGITS or _kind(left) not in {str, list}:
        return False
    if isinstance(left, str):
        return len(_utf16(left)) // 2 == int(number)
    return int(number) == (len(left) if isinstance(left, list) else -1)


def _is_empty(left: Any, right: Any, _: Reading) -> bool:
    left = _plain(left)
    if _kind(left) not in {str, list}:
        return False
    if not isinstance(right, bool):
        raise StepError("empty is compared with true or false")
    if isinstance(left, dict):
        raise FunctionError("empty can't be asked of an object")
    return (not left) is right


def _on_lists(holds: Callable[[Iterator[bool]], bool]) -> Test:
    """A test of whether `holds` for: each element of the left list is in the right list."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        ours, theirs = _elements(left, reading), _elements(right, reading)
        if ours is None or theirs is None:
            return False
        reading.spend(len(ours) * len(theirs))
        return holds(any(equal(one, each, reading) for each in theirs) for one in ours)

    return test


def _matches(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, Regex) is isinstance(right, Regex):
        return False
    regex, value = (left, right) if isinstance(left, Regex) else (right, left)
    elements = _elements(value, reading)
    return any(_fits(regex, each, reading) for each in ([value] if elements is None else elements))


def _fits(regex: Regex, value: Any, reading: Reading) -> bool:
    text = scalar_text(value) if isinstance(value, str | bool) else ""
    text = number_text(value) if _kind(value) is Decimal else text
    reading.spend(1 + len(text) * regex.size // _MATCHING_STEPS_A_NODE)
    return regex.matches(text)


def _not(test: Test) -> Test:
    return lambda left, right, reading: not test(left, right, reading)


# Known words that can't be given what they want in a path's text.
_NEVER = ("all", "type", "matches")

OPERATORS: dict[str, Test] = {
    "==": equal,
    "!=": _not(equal),
    "===": _identical,
    "!==": _not(_identical),
    "<": _ordered(lt),
    "<=": _ordered(le),
    ">": _ordered(gt),
    ">=": _ordered(ge),
    "=~": _matches,
    "in": _in,
    "nin": _not_in,
    "contains": _contains,
    "size": _has_size,
    "empty": _is_empty,
    "subsetof": _on_lists(all),
    "anyof": _on_lists(any),
    "noneof": _on_lists(lambda found: not any(found)),
    "exists": lambda left, right, _: isinstance(left, bool) and left is right,
    **dict.fromkeys(_NEVER, lambda _left, _right, _: False),
}
