"""The functions that may end a path, `$.numbers.sum()`; an unknown name is an error only at a read."""

from collections.abc import Callable, Iterator
from math import nan, sqrt
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
        if isinstance(value, list):
            reading.spend(len(value))
            yield from value
        else:
            yield value


def _doubles(values: list[Any], reading: Reading) -> list[float]:
    """The numbers among the values and in the lists among them, as Java's doubles."""
    return [
        _double(value)
        for value in _flattened(values, reading)
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _aggregate(summary: Callable[[list[float]], float]) -> Function:
    def function(value: Any, arguments: list[Any], reading: Reading) -> float:
        own = [value] if isinstance(value, list) else []
        numbers = _doubles(own + arguments, reading)
        if not numbers:
            raise FunctionError("there are no numbers to work on")
        return summary(numbers)

    return function


def _sum(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:
        total += number
    return total


def _average(numbers: list[float]) -> float:
    return _sum(numbers) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    count, total = len(numbers), _sum(numbers)
    variance = _sum([number * number for number in numbers]) / count - total * total / count / count
    return sqrt(variance) if variance >= 0 else nan


def _length(value: Any, arguments: list[Any], _: Reading) -> int | None:
    """The length of the argument's list, else of the input; see the evaluator for the argument."""
    measured = arguments[0] if arguments and isinstance(arguments[0], list) else value
    return len(measured) if isinstance(measured, list | dict) else None


def _keys(value: Any, _arguments: list[Any], reading: Reading) -> list[str] | None:
    if not isinstance(value, dict):
        return None
    reading.spend(len(value))
    return list(value)


def _concat(value: Any, arguments: list[Any], reading: Reading) -> str:
    own = [item for item in _flattened([value], reading) if isinstance(value, list)]
    texts = [item for item in own if isinstance(item, str)]
    texts += [
        value_text(item, reading) for item in _flattened(arguments, reading) if item is not None
    ]
    reading.spend(sum(map(len, texts)) // 100)
    return "".join(texts)


def _append(value: Any, arguments: list[Any], reading: Reading) -> Any:
    if not isinstance(value, list):
        return value
    reading.spend(len(value))
    return value + arguments


def _at(value: Any, index: int) -> Any:
    if not isinstance(value, list):
        raise FunctionError("only a list has a first, a last and an n-th element")
    if index >= len(value):
        raise OutOfRangeError(f"the list has no element {index}")
    if index < 0 and index + len(value) <= 0:
        raise FunctionError(f"the list is too short for element {index}")
    return value[index]


def _index(value: Any, arguments: list[Any], reading: Reading) -> Any:
    numbers = _doubles(arguments, reading)
    if not isinstance(value, list) or numbers:
        index = numbers[0] if numbers else 0.0
        # Java's cast stops at the ends of 32 bits; Python's fails for infinity.
        return _at(value, int(max(-(2.0**31), min(index, 2.0**31 - 1))) if index == index else 0)
    raise OutOfRangeError("index() needs a number")


FUNCTIONS: dict[str, Function] = {
    "min": _aggregate(lambda numbers: min(_GREATEST, *numbers)),
    "max": _aggregate(lambda numbers: max(_TINIEST, *numbers)),
    "sum": _aggregate(_sum),
    "avg": _aggregate(_average),
    "stddev": _aggregate(_deviation),
    "length": _length,
    "size": _length,
    "keys": _keys,
    "concat": _concat,
    "append": _append,
    "first": lambda value, _arguments, _reading: _at(value, 0),
    "last": lambda value, _arguments, _reading: _at(value, -1),
    "index": _index,
}
