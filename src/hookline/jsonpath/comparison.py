"""How a filter compares: which values are equal, which is less, what every operator means."""

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from hookline.jsonpath.errors import FunctionError, StepError
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.regex import Regex
from hookline.jsonpath.syntax import JsonLiteral
from hookline.jsonpath.texts import integer_text, number_text, scalar_text

UNDEFINED = object()

_CHARACTERS_A_NODE = 1_000
_SEARCHING_A_NODE = 100
_MATCHING_A_NODE = 4_000
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_MAX_SIZE = 10
_PATH_LIKE = ("$.", "@.", "$[", "@[")

Test = Callable[[Any, Any, Reading], bool]


def _kind(value: Any) -> type | None:
    """What of JSON's types `value` is: one Python type each for `===`, None for undefined."""
    if value is None or isinstance(value, bool):
        return type(value)
    if isinstance(value, str):
        return str
    if isinstance(value, int | float | Decimal):
        return Decimal
    return list if isinstance(value, list | dict | JsonLiteral) else None


def _decimal(value: Any) -> Decimal | None:
    """The exact value of a number, or of a string that is one; None for anything else."""
    if isinstance(value, str):
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(integer_text(value))
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    return value if isinstance(value, Decimal) else None


def equal(left: Any, right: Any, reading: Reading) -> bool:
    """`==`, where the left value's type decides how the right one is read."""
    kind = _kind(left)
    if kind is str:
        reading.spend(len(left) // _CHARACTERS_A_NODE)
        return bool(left == (number_text(right) if _kind(right) is Decimal else right))
    if kind is Decimal:
        if type(left) is type(right):
            return bool(left == right)
        number, other = _decimal(left), _decimal(right)
        return number is not None and number == other
    if kind is list and not isinstance(left, JsonLiteral):
        return _same(left, right.value if isinstance(right, JsonLiteral) else right, reading)
    return left is right and isinstance(left, bool | None)


def _same(left: Any, right: Any, reading: Reading) -> bool:
    """Deep equality in which 1, 1.0 and true are three values."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        reading.spend(1)
        if type(one) is not type(other):
            return False
        if not isinstance(one, list | dict):
            if one != other:
                return False
        elif len(one) != len(other):
            return False
        elif isinstance(one, list):
            reading.spend(len(one))
            pending.extend(zip(one, other, strict=True))
        elif one.keys() != other.keys():
            return False
        else:
            reading.spend(len(one))
            pending.extend((value, other[key]) for key, value in one.items())
    return True


def _identical(left: Any, right: Any, reading: Reading) -> bool:
    kind = _kind(left)
    return kind is not None and kind is _kind(right) and equal(left, right, reading)


def _ordered(holds: Callable[[Any, Any], bool]) -> Test:
    """A test that is false unless both values are numbers or both are strings."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            reading.spend((len(left) + len(right)) // _CHARACTERS_A_NODE)
            return holds(_utf16(left), _utf16(right))
        if _kind(left) is Decimal is _kind(right):
            number, other = _decimal(left), _decimal(right)
            return number is not None and other is not None and holds(number, other)
        return False

    return test


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _elements(value: Any, reading: Reading) -> list[Any] | None:
    """A list's elements for the operators on lists, None for what is no list.

    Strings that look like paths become undefined, since Jayway takes them for paths.
    """
    value = value.value if isinstance(value, JsonLiteral) else value
    if not isinstance(value, list):
        return None
    reading.spend(len(value))
    if any(isinstance(element, list | dict) for element in value):
        raise FunctionError("a filter can't look into a list that holds lists or objects")
    return [UNDEFINED if _is_path_like(element) else element for element in value]


def _is_path_like(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.lstrip()[:1] in {"$", "@"}
        and (value.strip() in {"$", "@"} or value.lstrip().startswith(_PATH_LIKE))
    )


def _in(left: Any, right: Any, reading: Reading) -> bool:
    elements = _elements(right, reading)
    return elements is not None and any(equal(left, element, reading) for element in elements)


def _not_in(left: Any, right: Any, reading: Reading) -> bool:
    elements = _elements(right, reading)
    return elements is not None and not any(equal(left, element, reading) for element in elements)


def _contains(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        reading.spend(len(left) // _SEARCHING_A_NODE)
        return right in left
    return _in(right, left, reading)


def _has_size(left: Any, right: Any, _: Reading) -> bool:
    number = _decimal(right) if _kind(right) is Decimal else None
    if number is None or number.adjusted() > _MAX_SIZE:
        return False
    if isinstance(left, str):
        return len(_utf16(left)) // 2 == int(number)
    left = left.value if isinstance(left, JsonLiteral) else left
    return isinstance(left, list | dict) and int(number) == (
        len(left) if isinstance(left, list) else -1
    )


def _is_empty(left: Any, right: Any, _: Reading) -> bool:
    left = left.value if isinstance(left, JsonLiteral) else left
    if not isinstance(left, str | list | dict):
        return False
    if not isinstance(right, bool):
        raise StepError("empty is compared with true or false")
    if isinstance(left, dict):
        raise FunctionError("empty can't be asked of an object")
    return (not left) is right


def _on_lists(holds: Callable[[Any, Any], bool]) -> Test:
    """A test of whether `holds(of each left element: is it in the right list)`."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        ours, theirs = _elements(left, reading), _elements(right, reading)
        if ours is None or theirs is None:
            return False
        return holds(_found(one, theirs, reading) for one in ours)

    return test


def _found(one: Any, elements: list[Any], reading: Reading) -> bool:
    reading.spend(len(elements))
    return any(equal(one, element, reading) for element in elements)


def _matches(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, Regex) is isinstance(right, Regex):
        return False
    regex, value = (left, right) if isinstance(left, Regex) else (right, left)
    elements = _elements(value, reading)
    return any(_fits(regex, each, reading) for each in ([value] if elements is None else elements))


def _fits(regex: Regex, value: Any, reading: Reading) -> bool:
    if _kind(value) is Decimal:
        text = number_text(value)
    else:
        text = scalar_text(value) if isinstance(value, str | bool) else ""
    reading.spend(1 + len(text) * regex.size // _MATCHING_A_NODE)
    return regex.matches(text)


def _exists(left: Any, right: Any, _: Reading) -> bool:
    if isinstance(left, bool) and isinstance(right, bool):
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    raise FunctionError("exists is compared with true or false")


def _never(_left: Any, _right: Any, _: Reading) -> bool:
    return False


def _negated(test: Test) -> Test:
    return lambda left, right, reading: not test(left, right, reading)


OPERATORS: dict[str, Test] = {
    "==": equal,
    "!=": _negated(equal),
    "===": _identical,
    "!==": _negated(_identical),
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
    "exists": _exists,
    # Known words that can't be given what they want in a path's text.
    "all": _never,
    "type": _never,
    "matches": _never,
}
