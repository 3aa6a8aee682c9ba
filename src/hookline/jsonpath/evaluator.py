"""Steps to closures: each is a function from the values reached to the next ones.

Steps work on whole lists of values, in document order, so that neither a path's length nor a
document's depth turns into recursion.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from hookline.jsonpath.errors import FunctionError, OutOfRangeError, PathNotFoundError, StepError
from hookline.jsonpath.functions import FUNCTIONS
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import (
    Call,
    Evaluate,
    Filter,
    Indexes,
    JsonLiteral,
    Names,
    ParsedPath,
    Predicate,
    Scan,
    Slice,
    Step,
    Wildcard,
)

Values = list[Any]
Select = Callable[[Values, Reading], Values]


def compile_path(path: ParsedPath) -> Evaluate:
    """A function from a document to the path's value, or its list of values when indefinite."""
    select = _compose(path, 0)
    if not path.definite:
        return lambda document, reading: select([document], reading)

    def evaluate(document: Any, reading: Reading) -> Any:
        values = select([document], reading)
        if not values:
            raise PathNotFoundError("the path leads nowhere in this document")
        return values[-1]

    return evaluate


def _compose(path: ParsedPath, start: int) -> Select:
    """All steps from `start` on, as one function."""
    names = [] if start else _leading_names(path)
    selects: list[Select] = [_walk(names)] if names else []
    for position, step in enumerate(path.steps[start + len(names) :], start + len(names)):
        last = position == len(path.steps) - 1
        if isinstance(step, Call):
            rest = None if last else _compose(path, position + 1)
            selects.append(_call(step, path.steps[:position], rest))
            break
        selects.append(_select(step, definite=path.starts_definite(position), last=last))

    def select(values: Values, reading: Reading) -> Values:
        for each in selects:
            values = each(values, reading)
        return values

    return selects[0] if len(selects) == 1 else select


def _leading_names(path: ParsedPath) -> list[str]:
    """The single names that the path begins with, except the last step."""
    single = takewhile(lambda step: isinstance(step, Names) and len(step.names) == 1, path.steps)
    names = [step.names[0] for step in single if isinstance(step, Names)]
    return names[: len(path.steps) - 1]


def _walk(names: list[str]) -> Select:
    """Follow the names from one value."""

    def select(values: Values, _reading: Reading) -> Values:
        (value,) = values
        for name in names:
            if not isinstance(value, dict) or name not in value:
                raise PathNotFoundError("a name of the path is missing")
            value = value[name]
        return [value]

    return select


def _select(step: Step, *, definite: bool, last: bool) -> Select:
    """One step; `definite` tells whether all before it are, `last` whether it ends the path."""
    if isinstance(step, Names):
        return _names(step.names, definite=definite, last=last)
    if isinstance(step, Indexes):
        return _indexes(step.indexes, _suitable(list, "list", definite=definite))
    if isinstance(step, Slice):
        return _slice(step, _suitable(list, "list", definite=definite))
    if isinstance(step, Filter):
        return _filter(_passes(step), definite=definite)
    return _scan(step.step, last=last) if isinstance(step, Scan) else _children


def _suitable(kind: type, name: str, *, definite: bool) -> Callable[[Values], Values]:
    """The values that a step applies to: a definite path fails on others, else they drop out."""

    def suitable(values: Values) -> Values:
        found = [value for value in values if isinstance(value, kind)]
        if definite and len(found) < len(values):
            raise PathNotFoundError(f"a step of the path meets something that is no {name}")
        return found

    return suitable


def _names(names: tuple[str, ...], *, definite: bool, last: bool) -> Select:
    objects = _suitable(dict, "object", definite=definite)
    merges = last and len(names) > 1
    required = definite and not last and len(names) == 1

    def select(values: Values, reading: Reading) -> Values:
        reading.spend(len(values) * len(names))
        found = objects(values)
        if (required or reading.strict) and not all(_has(value, names) for value in found):
            raise PathNotFoundError("a name of the path is missing")
        if merges:
            return [{name: value[name] for name in names if name in value} for value in found]
        return [value[name] for value in found for name in names if name in value]

    return select


def _has(value: Any, names: tuple[str, ...]) -> bool:
    return all(name in value for name in names)


def _indexes(indexes: tuple[int, ...], lists: Callable[[Values], Values]) -> Select:
    def select(values: Values, reading: Reading) -> Values:
        reading.spend(len(values) * len(indexes))
        return [
            value[index]
            for value in lists(values)
            for index in indexes
            if -len(value) <= index < len(value)
        ]

    return select


def _slice(step: Slice, lists: Callable[[Values], Values]) -> Select:
    def select(values: Values, reading: Reading) -> Values:
        out: Values = []
        for value in lists(values):
            chosen = _range(step.start, step.stop, len(value))
            reading.spend(1 + len(chosen))
            out.extend(value[index] for index in chosen)
        return out

    return select


def _range(start: int | None, stop: int | None, length: int) -> range:
    """The positions that a slice reads; when it has both ends, negative ones stay negative."""
    if stop is None:
        start = start or 0
        return range(max(start + length if start < 0 else start, 0), length)
    if start is None:
        return range(min(stop + length if stop < 0 else stop, length))
    return range(max(start, -length), min(stop, length))


def _children(values: Values, reading: Reading) -> Values:
    out: Values = []
    for value in values:
        if isinstance(value, dict | list):
            reading.spend(1 + len(value))
            out.extend(value.values() if isinstance(value, dict) else value)
    return out


def _passes(step: Filter) -> Predicate:
    def passes(item: Any, reading: Reading) -> bool:
        try:
            return step.condition(item, reading)
        except StepError:
            return False

    return passes


def _filter(passes: Predicate, *, definite: bool) -> Select:
    def select(values: Values, reading: Reading) -> Values:
        out: Values = []
        for value in values:
            if isinstance(value, dict | list):
                items = value if isinstance(value, list) else [value]
                reading.spend(1 + len(items))
                out.extend([item for item in items if passes(item, reading)])
            elif definite:
                raise StepError("a filter can only be applied to a list or an object")
        return out

    return select


def _scan(step: Step | None, *, last: bool) -> Select:
    """`..`: the step, applied to every object and list in the values that it suits."""
    if step is None:
        return _nowhere
    if isinstance(step, Call):
        return lambda _values, _reading: []
    if isinstance(step, Names) and len(step.names) == 1:
        return _scan_name(step.names[0])
    select = _select(step, definite=False, last=last)
    suits = _suits(step, last=last)

    def scan(values: Values, reading: Reading) -> Values:
        out: Values = []
        for value in _containers(values, reading):
            if suits(value, reading):
                out.extend(select([value], reading))
        return out

    return scan


def _suits(step: Step, *, last: bool) -> Predicate:
    """Whether `..` tries the step at a value; several names at the end must all be there."""
    if isinstance(step, Filter):
        return _passes(step)
    if isinstance(step, Names):
        names = step.names if last else ()
        return lambda value, _: isinstance(value, dict) and _has(value, names)
    return lambda _value, _: True


def _scan_name(name: str) -> Select:
    def scan(values: Values, reading: Reading) -> Values:
        return [
            value[name]
            for value in _containers(values, reading)
            if isinstance(value, dict) and name in value
        ]

    return scan


def _nowhere(_values: Values, _reading: Reading) -> Values:
    raise FunctionError("a function needs something after ..")


def _containers(values: Values, reading: Reading) -> Iterator[Any]:
    """Every object and list in the values, parents first, in document order."""
    for value in values:
        stack = [value] if isinstance(value, dict | list) else []
        while stack:
            current = stack.pop()
            reading.spend(1 + len(current))
            yield current
            children = current.values() if isinstance(current, dict) else current
            stack.extend([each for each in children if isinstance(each, dict | list)][::-1])


def _call(call: Call, before: tuple[Step, ...], rest: Select | None) -> Select:
    """The function's result, and what the rest of the path makes of it."""
    invoke = _invocation(call)
    skipped: list[type[Exception]] = []
    if any(isinstance(step, Indexes | Slice | Wildcard | Filter) for step in before):
        skipped.append(OutOfRangeError)
    if any(isinstance(step, Wildcard) for step in before):
        skipped.append(PathNotFoundError)
    ignored = tuple(skipped)

    def select(values: Values, reading: Reading) -> Values:
        out: Values = []
        for value in values:
            reading.spend(1)
            try:
                out.append(invoke(value, reading))
                out.extend(rest(out[-1:], reading) if rest else ())
            except ignored:
                continue
        return out

    return select


def _invocation(call: Call) -> Evaluate:
    """The call as a function of the value it is applied to."""
    function = FUNCTIONS.get(call.function)
    measures = call.function in {"length", "size"}
    arguments = [_measured(each) if measures else _argument(each) for each in call.arguments]

    def invoke(value: Any, reading: Reading) -> Any:
        if function is None:
            raise StepError(f"there is no function {call.function}()")
        return function(value, [argument(value, reading) for argument in arguments], reading)

    return invoke


def _argument(argument: ParsedPath | JsonLiteral) -> Evaluate:
    if isinstance(argument, JsonLiteral):
        return lambda _value, _reading: argument.value
    evaluate = compile_path(argument)
    return lambda _value, reading: evaluate(reading.root, reading)


def _measured(argument: ParsedPath | JsonLiteral) -> Evaluate:
    """The argument of `length()`: `[*]` is put behind it, and if it was definite the last counts.

    It has to be there in the root document, but is measured in the value.
    """
    if isinstance(argument, JsonLiteral) or isinstance((None, *argument.steps)[-1], Call | None):
        return _argument(argument)
    in_root = _argument(argument)
    children = ParsedPath((*argument.steps, Wildcard()), (*argument.ends, 0))
    select = _compose(children, 0)

    def measured(value: Any, reading: Reading) -> Any:
        in_root(value, reading)
        values = select([value], reading)
        if argument.definite and not values:
            raise PathNotFoundError("the argument of length() holds nothing")
        return values[-1] if argument.definite else values

    return measured
