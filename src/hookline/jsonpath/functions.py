"""The functions that a path may call; an unknown name is an error only when it is read."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import reduce
from math import isnan, nan, sqrt
from operator import add
from typing import Any

from hookline.jsonpath.errors import FunctionError, OutOfRangeError
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.texts import value_text

Function = Callable[[Any, list[Any], Reading], Any]

# Double.MIN_VALUE and MAX_VALUE, from which Jayway's max() and min() start.
_TINIEST = 5e-324
_GREATEST = 1.7976931348623157e308


def _flattened(values: list[Any], reading: Reading) -> Iterator[Any]:
    for value in values:
        items = value if isinstance(value, list) else [value]
        reading.spend(len(items))
        yield from items


def _doubles(values: list[Any], reading: Reading) -> list[float]:
    """The numbers among the values, and in the lists among them, as Java's doubles."""
    numbers = [value for value in _flattened(values, reading) if type(value) in {int, float}]
    # By way of Decimal, since too large an int is infinite here, and an OverflowError for float().
    return [float(Decimal(number)) for number in numbers]


def _aggregate(summary: Callable[[list[float]], float]) -> Function:
    def function(value: Any, arguments: list[Any], reading: Reading) -> float:
        own = [value] if isinstance(value, list) else []
        numbers = _doubles(own + arguments, reading)
        if not numbers:
            raise FunctionError("there are no numbers to work on")
        return summary(numbers)

    return function


def _sum(numbers: list[float]) -> float:
    # Not sum(), which rounds otherwise since Python 3.12.
    return reduce(add, numbers, 0.0)


def _deviation(numbers: list[float]) -> float:
    count, total = len(numbers), _sum(numbers)
    variance = _sum([number * number for number in numbers]) / count - total * total / count / count
    return sqrt(variance) if variance >= 0 else nan


def _length(value: Any, arguments: list[Any], _: Reading) -> int | None:
    measured = arguments[0] if arguments and isinstance(arguments[0], list) else value
    return len(measured) if isinstance(measured, list | dict) else None


def _keys(value: Any, _arguments: list[Any], reading: Reading) -> list[str] | None:
    reading.spend(len(value) if isinstance(value, dict) else 0)
    return list(value) if isinstance(value, dict) else None


def _concat(value: Any, arguments: list[Any], reading: Reading) -> str:
    own = list(_flattened([value], reading)) if isinstance(value, list) else []
    given = [each for each in _flattened(arguments, reading) if each is not None]
    strings = [each for each in own if isinstance(each, str)]
    return "".join([value_text(each, reading) for each in strings + given])


def _append(value: Any, arguments: list[Any], reading: Reading) -> Any:
    reading.spend(len(value) if isinstance(value, list) else 0)
    return value + arguments if isinstance(value, list) else value


def _elements(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FunctionError("only a list has a first, a last and an n-th element")
    return value


def _at(value: Any, index: int) -> Any:
    elements = _elements(value)
    if index >= len(elements):
        raise OutOfRangeError(f"the list has no element {index}")
    if index < 0 and index + len(elements) <= 0:
        raise FunctionError(f"the list is too short for element {index}")
    return elements[index]


def _index(value: Any, arguments: list[Any], reading: Reading) -> Any:
    elements, numbers = _elements(value), _doubles(arguments, reading)
    if not numbers or isnan(numbers[0]):
        raise OutOfRangeError("index() needs a number")
    return _at(elements, int(max(-(2.0**31), min(numbers[0], 2.0**31))))


FUNCTIONS: dict[str, Function] = {
    "min": _aggregate(lambda numbers: min(_GREATEST, *numbers)),
    "max": _aggregate(lambda numbers: max(_TINIEST, *numbers)),
    "sum": _aggregate(_sum),
    "avg": _aggregate(lambda numbers: _sum(numbers) / len(numbers)),
    "stddev": _aggregate(_deviation),
    "length": _length,
    "size": _length,
    "keys": _keys,
    "concat": _concat,
    "append": _append,
    "first": lambda value, _arguments, _: _at(value, 0),
    "last": lambda value, _arguments, _: _at(value, -1),
    "index": _index,
}
