"""A filter's conditions as functions from an element to true or false."""

from typing import Any

from hookline.jsonpath.comparison import OPERATORS, UNDEFINED
from hookline.jsonpath.errors import FunctionError, PathNotFoundError
from hookline.jsonpath.evaluator import compile_path
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import Call, Evaluate, ParsedPath, Predicate


def any_of(conditions: list[Predicate]) -> Predicate:
    """True if one of the conditions is; those behind it are not asked."""
    return lambda item, reading: any(condition(item, reading) for condition in conditions)


def all_of(conditions: list[Predicate]) -> Predicate:
    """True if all of the conditions are; those behind a false one are not asked."""
    return lambda item, reading: all(condition(item, reading) for condition in conditions)


def negation(condition: Predicate) -> Predicate:
    """True if the condition isn't."""
    return lambda item, reading: not condition(item, reading)


def comparison(left: Any, operator: str, right: Any) -> Predicate:
    """True if the operator holds between the two, each a path or a value."""
    test, ours, theirs = OPERATORS[operator], _operand(left), _operand(right)

    def holds(item: Any, reading: Reading) -> bool:
        reading.spend(1)
        return test(ours(item, reading), theirs(item, reading), reading)

    return holds


def existence(path: ParsedPath, *, wanted: bool) -> Predicate:
    """True if every step of the path is there, or with `wanted` false if not.

    The path is read from the element even when it starts with `$`, as Jayway does.
    """
    evaluate = compile_path(path)

    def exists(item: Any, reading: Reading) -> bool:
        reading.spend(1)
        outer, reading.strict = reading.strict, True
        try:
            evaluate(item, reading)
        except PathNotFoundError:
            return not wanted
        finally:
            reading.strict = outer
        return wanted

    return exists


def _operand(operand: Any) -> Evaluate:
    if not isinstance(operand, ParsedPath):
        return lambda _item, _reading: operand
    keys = operand.keys
    if keys is None or operand.from_root:
        return _path(operand)

    def look_up(item: Any, _: Reading) -> Any:
        try:
            for key in keys:
                item = item[None if isinstance(item, str) else key]
        except (KeyError, IndexError, TypeError):
            return UNDEFINED
        return item

    return look_up


def _path(path: ParsedPath) -> Evaluate:
    """The path's value, UNDEFINED if there is none; worked out once if it starts at the root."""
    evaluate = compile_path(path)
    gives_keys = any(isinstance(step, Call) and step.function == "keys" for step in path.steps[-1:])

    def value(item: Any, reading: Reading) -> Any:
        try:
            found = evaluate(item, reading)
        except PathNotFoundError:
            return UNDEFINED
        if gives_keys and found is not None:
            raise FunctionError("the result of keys() can't be compared")
        return found

    def from_root(_item: Any, reading: Reading) -> Any:
        key = (evaluate, reading.strict)
        if key not in reading.answers:
            reading.answers[key] = value(reading.root, reading)
        return reading.answers[key]

    return from_root if path.from_root else value
