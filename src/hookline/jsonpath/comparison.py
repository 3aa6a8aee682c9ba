"""What a filter asks: whether a path is there, and how two values compare by each operator."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from hookline.jsonpath.errors import CompileError, FunctionError, PathNotFoundError, StepError
from hookline.jsonpath.path import Path
from hookline.jsonpath.reading import Evaluate, Reading
from hookline.jsonpath.regex import Regex
from hookline.jsonpath.scanner import Scanner
from hookline.jsonpath.texts import number_text, scalar_text

Predicate = Callable[[Any, Reading], bool]
Test = Callable[[Any, Any, Reading], bool]

_CHARACTERS_A_NODE = 100
_BITS_A_NODE = 500
_MATCHING_STEPS_A_NODE = 4_000
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_PATH_LIKE = re.compile(r"\s*[$@](?:[.\[]|\s*$)")
_JSON_LIKE = re.compile(r"(?s)\s*(?:\[.*\]|\{.*\})\s*")
_QUOTED = re.compile(r"""(?s)'.*'|".*\"""")
_MAX_SIZE_DIGITS = 10
_UNDEFINED = object()
_KINDS = {dict: list, int: Decimal, float: Decimal}


def _kind(value: Any) -> type:
    """One Python type for each of JSON's; undefined and regular expressions have their own."""
    return _KINDS.get(type(value), type(value))


def _decimal(value: Any, reading: Reading) -> Decimal | None:
    """The exact value of a number, or of a string that is one; None for anything else."""
    if isinstance(value, str):
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    if isinstance(value, int):
        reading.spend(value.bit_length() // _BITS_A_NODE)
    return Decimal(value) if _kind(value) is Decimal else None


def _equal(left: Any, right: Any, reading: Reading) -> bool:
    """`==`, where the left value's type decides how the right one is read."""
    kind = _kind(left)
    if kind is str:
        reading.spend(len(left) // _CHARACTERS_A_NODE)
        return bool(left == (number_text(right) if _kind(right) is Decimal else right))
    if kind is Decimal:
        number = _decimal(left, reading)
        return number is not None and number == _decimal(right, reading)
    if kind is list:
        return _same(left, right, reading)
    return left is right is not _UNDEFINED


def _same(left: Any, right: Any, reading: Reading) -> bool:
    """Deep equality in which 1, 1.0 and true are three values, as their JSON texts are."""
    if type(left) is not type(right):
        return False
    ours, theirs = (json.dumps(value, sort_keys=True) for value in (left, right))
    reading.spend((len(ours) + len(theirs)) // _CHARACTERS_A_NODE)
    return ours == theirs


def _identical(left: Any, right: Any, reading: Reading) -> bool:
    return _kind(left) is _kind(right) and _equal(left, right, reading)


def _ordered(holds: Callable[[Any, Any], bool]) -> Test:
    """A test that is false unless both values are numbers or both are strings."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        order = _ORDERS.get(_kind(left))
        if order is None or _kind(left) is not _kind(right):
            return False
        ours, theirs = order(left, reading), order(right, reading)
        return ours is not None and theirs is not None and holds(ours, theirs)

    return test


def _utf16(text: str, reading: Reading) -> bytes:
    reading.spend(len(text) // _CHARACTERS_A_NODE)
    return text.encode("utf-16-be", "surrogatepass")


_ORDERS: dict[type, Callable[[Any, Reading], Any]] = {str: _utf16, Decimal: _decimal}


def _elements(value: Any, reading: Reading) -> list[Any] | None:
    """A list's elements for the operators on lists, None for an object.

    Raises:
        StepError: it is neither; the filter is false then, negated or not.
        FunctionError: the list holds lists or objects.
    """
    if isinstance(value, dict):
        return None
    if not isinstance(value, list):
        raise StepError("the operator needs a list")
    reading.spend(len(value))
    if any(isinstance(each, list | dict) for each in value):
        raise FunctionError("a filter can't look into a list that holds lists or objects")
    return [_reread(each) if isinstance(each, str) else each for each in value]


def _reread(text: str) -> Any:
    """A string in a list, read like a literal: without its quotes, undefined if path or JSON."""
    if _PATH_LIKE.match(text) or (_JSON_LIKE.fullmatch(text) and _is_json(text)):
        return _UNDEFINED
    return text[1:-1] if _QUOTED.fullmatch(text) else text


def _is_json(text: str) -> bool:
    try:
        Scanner(text, 0, len(text)).json()
    except CompileError:
        return False
    return True


def _among(left: Any, right: Any, reading: Reading) -> bool:
    elements = _elements(right, reading)
    return elements is not None and any(_equal(left, each, reading) for each in elements)


def _contains(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        reading.spend(len(left) // _CHARACTERS_A_NODE)
        return right in left
    return isinstance(left, list) and _among(right, left, reading)


def _has_size(left: Any, right: Any, reading: Reading) -> bool:
    number = _decimal(right, reading) if _kind(right) is Decimal else None
    if number is None or number.adjusted() > _MAX_SIZE_DIGITS or _kind(left) not in {str, list}:
        return False
    if isinstance(left, str):
        return len(_utf16(left, reading)) // 2 == int(number)
    return int(number) == (len(left) if isinstance(left, list) else -1)


def _is_empty(left: Any, right: Any, _: Reading) -> bool:
    if _kind(left) not in {str, list}:
        return False
    if isinstance(left, dict):
        raise FunctionError("empty can't be asked of an object")
    if not isinstance(right, bool):
        raise StepError("empty is compared with true or false")
    return (not left) is right


def _exists(left: Any, right: Any, _: Reading) -> bool:
    booleans = isinstance(left, bool) + isinstance(right, bool)
    if not booleans:
        raise FunctionError("exists compares booleans")
    if booleans == 1:
        raise StepError("exists compares a boolean with a boolean")
    return left is right


def _unanswerable(_left: Any, _right: Any, _: Reading) -> bool:
    """A known word that can't be given what it wants in a path's text."""
    raise StepError("the operator can't be used in a path")


def _on_lists(holds: Callable[[Iterator[bool]], bool]) -> Test:
    """A test of whether `holds` for: each element of the left list is in the right list."""

    def test(left: Any, right: Any, reading: Reading) -> bool:
        theirs = _elements(right, reading)
        ours = None if theirs is None else _elements(left, reading)
        if theirs is None or ours is None:
            return False
        reading.spend(len(ours) * len(theirs))
        return holds(any(_equal(one, each, reading) for each in theirs) for one in ours)

    return test


def _matches(left: Any, right: Any, reading: Reading) -> bool:
    if isinstance(left, Regex) is isinstance(right, Regex):
        return False
    regex, value = (left, right) if isinstance(left, Regex) else (right, left)
    elements = _elements(value, reading) if isinstance(value, list) else None
    return any(_fits(regex, each, reading) for each in ([value] if elements is None else elements))


def _fits(regex: Regex, value: Any, reading: Reading) -> bool:
    text = scalar_text(value) if isinstance(value, str | bool) else ""
    text = number_text(value) if _kind(value) is Decimal else text
    reading.spend(1 + len(text) * regex.size // _MATCHING_STEPS_A_NODE)
    return regex.matches(text)


def _not(test: Test) -> Test:
    return lambda left, right, reading: not test(left, right, reading)


_EQUALITIES: dict[str, Test] = {
    "==": _equal,
    "!=": _not(_equal),
    "===": _identical,
    "!==": _not(_identical),
}
OPERATORS: dict[str, Test] = _EQUALITIES | {
    "<": _ordered(lt),
    "<=": _ordered(le),
    ">": _ordered(gt),
    ">=": _ordered(ge),
    "=~": _matches,
    "in": _among,
    "nin": _not(_among),
    "contains": _contains,
    "size": _has_size,
    "empty": _is_empty,
    "subsetof": _on_lists(all),
    "anyof": _on_lists(any),
    "noneof": _on_lists(lambda found: not any(found)),
    "exists": _exists,
    **dict.fromkeys(("all", "type", "matches"), _unanswerable),
}


def guarded(condition: Predicate) -> Predicate:
    """False where a step of the condition can't be applied to the element."""

    def passes(item: Any, reading: Reading) -> bool:
        try:
            return condition(item, reading)
        except StepError:
            return False

    return passes


def comparison(left: Any, operator: str, right: Any) -> Predicate:
    """True if the operator holds between the two, each a path or a value."""
    if isinstance(left, dict | list) and operator in _EQUALITIES:
        left = _UNDEFINED  # since in Jayway a literal equals something only on the right
    test, ours, theirs = OPERATORS[operator], _operand(left), _operand(right)

    def holds(item: Any, reading: Reading) -> bool:
        reading.spend(1)
        return test(ours(item, reading), theirs(item, reading), reading)

    return holds


def existence(path: Path, *, wanted: bool) -> Predicate:
    """True if every step of the path is there, or with `wanted` false if not.

    The path is read from the element even when it starts with `$`, as Jayway does.
    """

    def exists(item: Any, reading: Reading) -> bool:
        reading.spend(1)
        outer, reading.strict = reading.strict, True
        try:
            path.evaluate(item, reading)
        except PathNotFoundError:
            return not wanted
        finally:
            reading.strict = outer
        return wanted

    return exists


def _operand(operand: Any) -> Evaluate:
    """The operand's value, _UNDEFINED if there is none; worked out once if it is the root's."""
    if not isinstance(operand, Path):
        return lambda _item, _reading: operand
    evaluate = operand.evaluate
    last = [step.value[0] for step in operand.steps[-1:] if step.kind == "call" and not step.scans]
    gives_keys = operand.definite and last == ["keys"]

    def value(item: Any, reading: Reading) -> Any:
        try:
            found = evaluate(item, reading)
        except PathNotFoundError:
            return _UNDEFINED
        if gives_keys and found is not None:
            raise FunctionError("the result of keys() can't be compared")
        return found

    def from_root(_item: Any, reading: Reading) -> Any:
        key = (evaluate, reading.strict)
        if key not in reading.answers:
            reading.answers[key] = value(reading.root, reading)
        return reading.answers[key]

    return from_root if operand.from_root else value
