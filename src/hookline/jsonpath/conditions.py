"""A filter's condition as one function from an element to true or false."""

from collections.abc import Callable
from typing import Any

from hookline.jsonpath.comparison import OPERATORS, UNDEFINED
from hookline.jsonpath.errors import FunctionError, PathNotFoundError
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import (
    AllOf,
    AnyOf,
    Call,
    Comparison,
    Condition,
    Existence,
    Literal,
    Not,
    Operand,
    ParsedPath,
)

Evaluate = Callable[[Any, Reading], Any]
Predicate = Callable[[Any, Reading], bool]
CompilePath = Callable[[ParsedPath, bool], Evaluate]


class ConditionCompiler:
    """Compiles the conditions of one path.

    Args:
        compile_path: makes a path within a condition a function; its second argument says
            whether every step has to be there, as in tests of existence.
        strict: whether the paths that are compared stand within such a test.
    """

    def __init__(self, compile_path: CompilePath, *, strict: bool) -> None:
        self.compile_path = compile_path
        self.strict = strict

    def compile(self, condition: Condition) -> Predicate:
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Existence):
            return self._existence(condition)
        if isinstance(condition, Not):
            operand = self.compile(condition.operand)
            return lambda item, reading: not operand(item, reading)
        return self._logic(condition)

    def _logic(self, condition: AllOf | AnyOf) -> Predicate:
        operands = [self.compile(operand) for operand in condition.operands]
        joined = all if isinstance(condition, AllOf) else any
        return lambda item, reading: joined(operand(item, reading) for operand in operands)

    def _comparison(self, comparison: Comparison) -> Predicate:
        test = OPERATORS[comparison.operator]
        left, right = self._operand(comparison.left), self._operand(comparison.right)
        return lambda item, reading: test(left(item, reading), right(item, reading), reading)

    def _existence(self, existence: Existence) -> Predicate:
        evaluate = self.compile_path(existence.path, True)
        wanted = existence.wanted

        def predicate(item: Any, reading: Reading) -> bool:
            try:
                evaluate(item, reading)
            except PathNotFoundError:
                return not wanted
            return wanted

        return predicate

    def _operand(self, operand: Operand) -> Evaluate:
        if not isinstance(operand, ParsedPath):
            value = operand.value if isinstance(operand, Literal) else operand
            return lambda _item, _reading: value
        names = operand.plain_names
        if names is not None and not operand.from_root:
            return lambda item, _reading: look_up(item, names)
        evaluate = self._value(operand)
        return _remembered(evaluate) if operand.from_root else evaluate

    def _value(self, path: ParsedPath) -> Evaluate:
        evaluate = self.compile_path(path, self.strict)
        last = path.steps[-1] if path.steps else None
        gives_keys = isinstance(last, Call) and last.function == "keys"

        def value(item: Any, reading: Reading) -> Any:
            try:
                found = evaluate(item, reading)
            except PathNotFoundError:
                return UNDEFINED
            if gives_keys and found is not None:
                raise FunctionError("the result of keys() can't be compared")
            return found

        return value


def _remembered(evaluate: Evaluate) -> Evaluate:
    """`evaluate` of the root document, worked out once in a reading."""

    def from_root(_item: Any, reading: Reading) -> Any:
        if evaluate not in reading.answers:
            reading.answers[evaluate] = evaluate(reading.root, reading)
        return reading.answers[evaluate]

    return from_root


def look_up(value: Any, names: tuple[str, ...]) -> Any:
    """What the names lead to, UNDEFINED if nothing."""
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED
        value = value[name]
    return value
