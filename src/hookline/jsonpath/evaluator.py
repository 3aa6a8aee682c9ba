"""Syntax tree to closures: each step is a function from the values reached to the next ones.

Steps work on whole lists of values, in document order, so that no path's length and no
document's depth turns into recursion.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hookline.jsonpath.conditions import ConditionCompiler, Evaluate, Predicate
from hookline.jsonpath.errors import (
    EvaluationError,
    FunctionError,
    OutOfRangeError,
    PathNotFoundError,
    StepError,
)
from hookline.jsonpath.functions import FUNCTIONS
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import (
    Call,
    Filter,
    Indexes,
    Literal,
    Names,
    ParsedPath,
    Scan,
    Slice,
    Step,
    Wildcard,
)

Values = list[Any]
Select = Callable[[Values, Reading], Values]
Expand = Callable[[Any, Reading], Values]


def compile_path(path: ParsedPath, strict: bool = False) -> Evaluate:  # noqa: FBT001, FBT002 - a callback's positional flag
    """A function from a document to the path's value, or its list of values when indefinite.

    Args:
        path: what to compile.
        strict: every name has to be there, also below indefinite steps; tests of existence
            ask for that.
    """
    select = _Steps(path, strict=strict).select(0)
    if not path.definite:
        return lambda document, reading: select([document], reading)

    def evaluate(document: Any, reading: Reading) -> Any:
        values = select([document], reading)
        if not values:
            raise PathNotFoundError("the path leads nowhere in this document")
        return values[-1]

    return evaluate


class _Steps:
    """Compiles the steps of one path."""

    def __init__(self, path: ParsedPath, *, strict: bool) -> None:
        self.path = path
        self.strict = strict
        self.conditions = ConditionCompiler(compile_path, strict=strict)
        self.compilers: dict[type[Step], Callable[[int, Any], Select]] = {
            Names: self._names,
            Indexes: self._indexes,
            Slice: self._slice,
            Wildcard: lambda _position, _step: _children,
            Filter: self._filter,
            Call: self._call,
        }

    def select(self, position: int) -> Select:
        """All steps from `position` on, as one function."""
        steps = self.path.steps
        selects: list[Select] = []
        while position < len(steps):
            step = steps[position]
            if isinstance(step, Scan):
                position += 1
                selects.append(self._scan(position))
            else:
                selects.append(self.compilers[type(step)](position, step))
            position += 1
            if isinstance(step, Call):
                break  # it has taken the rest in

        def select(values: Values, reading: Reading) -> Values:
            for each in selects:
                values = each(values, reading)
            return values

        return selects[0] if len(selects) == 1 else select

    def _is_last(self, position: int) -> bool:
        return position == len(self.path.steps) - 1

    def _of_type(self, position: int, kind: type, name: str) -> Callable[[Values], Values]:
        """The values a step applies to: a definite path fails on others, else they drop out."""
        definite = self.path.starts_definite(position)

        def suitable(values: Values) -> Values:
            found = [value for value in values if isinstance(value, kind)]
            if definite and len(found) < len(values):
                raise PathNotFoundError(f"a step of the path meets something that is no {name}")
            return found

        return suitable

    def _names(self, position: int, step: Names) -> Select:
        objects = self._of_type(position, dict, "object")
        names = step.names
        last = self._is_last(position)
        required = self.strict or (
            len(names) == 1 and not last and self.path.starts_definite(position)
        )
        if len(names) > 1 and last:
            return self._merged(objects, names)
        if len(names) == 1 and not required:
            return self._name(position, objects, names[0])

        def select(values: Values, reading: Reading) -> Values:
            reading.spend(len(values) * len(names))
            found = objects(values)
            if required:
                _require(found, names)
            return [value[name] for value in found for name in names if name in value]

        return select

    def _name(self, position: int, objects: Callable[[Values], Values], name: str) -> Select:
        def last(values: Values, _reading: Reading) -> Values:
            return [value[name] for value in objects(values) if name in value]

        def among(values: Values, reading: Reading) -> Values:
            reading.spend(len(values))
            return [value[name] for value in values if isinstance(value, dict) and name in value]

        return last if self.path.starts_definite(position) else among

    def _merged(self, objects: Callable[[Values], Values], names: tuple[str, ...]) -> Select:
        def select(values: Values, reading: Reading) -> Values:
            reading.spend(len(values) * len(names))
            found = objects(values)
            if self.strict:
                _require(found, names)
            return [{name: value[name] for name in names if name in value} for value in found]

        return select

    def _indexes(self, position: int, step: Indexes) -> Select:
        lists = self._of_type(position, list, "list")
        indexes = step.indexes

        def select(values: Values, reading: Reading) -> Values:
            reading.spend(len(values) * len(indexes))
            return [
                value[index]
                for value in lists(values)
                for index in indexes
                if -len(value) <= index < len(value)
            ]

        return select

    def _slice(self, position: int, step: Slice) -> Select:
        lists = self._of_type(position, list, "list")

        def select(values: Values, reading: Reading) -> Values:
            out: Values = []
            for value in lists(values):
                chosen = _range(step, len(value))
                reading.spend(1 + len(chosen))
                out.extend(value[index] for index in chosen)
            return out

        return select

    def _predicate(self, step: Filter) -> Predicate:
        condition = self.conditions.compile(step.condition)

        def passes(item: Any, reading: Reading) -> bool:
            try:
                return condition(item, reading)
            except StepError:
                return False

        return passes

    def _filter(self, position: int, step: Filter) -> Select:
        passes = self._predicate(step)
        definite = self.path.starts_definite(position)

        def select(values: Values, reading: Reading) -> Values:
            out: Values = []
            for value in values:
                if not isinstance(value, list | dict) and definite:
                    raise StepError("a filter can only be applied to a list or an object")
                items = value if isinstance(value, list) else [value] * isinstance(value, dict)
                reading.spend(1 + len(items))
                out.extend([item for item in items if passes(item, reading)])
            return out

        return select

    def _call(self, position: int, step: Call) -> Select:
        invoke = _invocation(step)
        rest = None if self._is_last(position) else self.select(position + 1)
        above = self.path.steps[:position]
        skipped: tuple[type[Exception], ...] = ()
        if any(isinstance(each, Indexes | Slice | Wildcard | Filter) for each in above):
            skipped = (OutOfRangeError,)
        if any(isinstance(each, Wildcard) for each in above) and not self.strict:
            skipped = (OutOfRangeError, PathNotFoundError)

        def select(values: Values, reading: Reading) -> Values:
            out: Values = []
            for value in values:
                reading.spend(1)
                try:
                    out.append(invoke(value, reading))
                    if rest is not None:
                        out.extend(rest(out[-1:], reading))
                except skipped:
                    continue
            return out

        return select

    def _scan(self, position: int) -> Select:
        """`..` together with the step at `position`, which it applies at every depth."""
        step = self.path.steps[position] if position < len(self.path.steps) else None
        if step is None:
            return _nowhere
        if isinstance(step, Call):
            return lambda _values, _reading: []
        if isinstance(step, Names) and len(step.names) == 1:
            return _scan_name(step.names[0])
        on_object, on_list = self._targets(position, step)
        following = self.path.steps[position + 1 :]
        if len(following) == 1 and not isinstance(step, Names) and not self.strict:
            (after,) = following
            if isinstance(after, Wildcard) or (isinstance(after, Names) and len(after.names) == 1):
                single = isinstance(step, Indexes) and len(step.indexes) == 1
                label = step.indexes[0] if single else None
                return _scan_numbered(on_object, on_list, label, isinstance(after, Wildcard))
        return _scan_all(on_object, on_list)

    def _targets(self, position: int, step: Step) -> tuple[Expand, Expand]:
        """What the step after `..` gives at an object, and at a list.

        At a list every element is handed on, whichever the step means, unless it is the last.
        """
        if isinstance(step, Filter):
            return self._filter_targets(position, step)
        select = self.compilers[type(step)](position, step)

        def apply(value: Any, reading: Reading) -> Values:
            return select([value], reading)

        def named(value: Any, reading: Reading) -> Values:
            return apply(value, reading) if value.keys() >= set(step.names) else []

        if isinstance(step, Names):
            return (named if self._is_last(position) else apply), _nothing
        on_list = apply if self._is_last(position) else _everything
        return (apply if isinstance(step, Wildcard) else _nothing), on_list

    def _filter_targets(self, position: int, step: Filter) -> tuple[Expand, Expand]:
        passes = self._predicate(step)
        last = self._is_last(position)

        def on_object(value: Any, reading: Reading) -> Values:
            return [value] if passes(value, reading) else []

        def on_list(value: Any, reading: Reading) -> Values:
            if not passes(value, reading):
                return []
            return [item for item in value if passes(item, reading)] if last else value

        return on_object, on_list


def _require(values: Values, names: tuple[str, ...]) -> None:
    for value in values:
        if any(name not in value for name in names):
            raise PathNotFoundError("a name of the path is missing")


def _range(step: Slice, length: int) -> range:
    """The positions that the slice reads; when it has both ends, negative ones stay negative."""
    start, stop = step.start, step.stop
    if stop is None:
        return range(max(start + length if start < 0 else start, 0), length)
    if start is None:
        return range(min(stop + length if stop < 0 else stop, length))
    return range(max(start, -length), min(stop, length))


def _children(values: Values, reading: Reading) -> Values:
    out: Values = []
    for value in values:
        if isinstance(value, dict):
            reading.spend(1 + len(value))
            out.extend(value.values())
        elif isinstance(value, list):
            reading.spend(1 + len(value))
            out.extend(value)
    return out


def _containers(values: Values, reading: Reading) -> Iterator[Any]:
    """Every object and list in the values, parents first, in document order."""
    for value in values:
        stack = [value]
        while stack:
            current = stack.pop()
            if isinstance(current, dict):
                children: Any = current.values()
            elif isinstance(current, list):
                children = current
            else:
                continue
            reading.spend(1 + len(children))
            yield current
            inner = [child for child in children if isinstance(child, dict | list)]
            stack.extend(reversed(inner))


def _nothing(_value: Any, _reading: Reading) -> Values:
    return []


def _everything(value: Any, _reading: Reading) -> Values:
    return value


def _nowhere(_values: Values, _reading: Reading) -> Values:
    raise FunctionError("a function needs something after ..")


def _scan_name(name: str) -> Select:
    def select(values: Values, reading: Reading) -> Values:
        return [
            value[name]
            for value in _containers(values, reading)
            if isinstance(value, dict) and name in value
        ]

    return select


def _scan_all(on_object: Expand, on_list: Expand) -> Select:
    def select(values: Values, reading: Reading) -> Values:
        out: Values = []
        for value in _containers(values, reading):
            expand = on_object if isinstance(value, dict) else on_list
            out.extend(expand(value, reading))
        return out

    return select


def _scan_numbered(on_object: Expand, on_list: Expand, label: int | None, loose: bool) -> Select:
    """`_scan_all` before a last name or `*`.

    Jayway numbers the elements it hands on and lets a result count only when the number is the
    one in the brackets, or when no list has been met yet. That is what makes `$..[0].k` right.
    With `loose`, before `*`, the number matters only for objects.
    """

    def select(values: Values, reading: Reading) -> Values:
        out: Values = []
        unnumbered = True
        for value in _containers(values, reading):
            if isinstance(value, dict):
                items = on_object(value, reading)
                chosen = range(len(items) * unnumbered)
            else:
                items = on_list(value, reading)
                unnumbered = unnumbered and not items
                chosen = range(len(items))[label : label + 1] if label is not None else range(0)
            out.extend(
                item
                for number, item in enumerate(items)
                if number in chosen or (loose and not isinstance(item, dict))
            )
        return out

    return select


def _invocation(call: Call) -> Evaluate:
    """The call as a function of the value it is applied to."""
    function = FUNCTIONS.get(call.function)
    if function is None:
        return _raising(StepError, f"there is no function {call.function}()")
    if call.function in {"length", "size"} and call.arguments:
        arguments = [_measured(call.arguments[0])]
    else:
        arguments = [_argument(argument) for argument in call.arguments]

    def invoke(value: Any, reading: Reading) -> Any:
        return function(value, [argument(value, reading) for argument in arguments], reading)

    return invoke


def _raising(error: type[EvaluationError], message: str) -> Evaluate:
    def invoke(_value: Any, _reading: Reading) -> Any:
        raise error(message)

    return invoke


def _argument(argument: ParsedPath | Literal) -> Evaluate:
    if isinstance(argument, Literal):
        value = argument.value
        return lambda _value, _reading: value
    evaluate = compile_path(argument)
    return lambda _value, reading: evaluate(reading.root, reading)


def _measured(argument: ParsedPath | Literal) -> Evaluate:
    """The argument of `length()`: `[*]` is put behind it, and if it was definite the last counts.

    It has to be there in the root document, but is measured in the value.
    """
    if isinstance(argument, Literal):
        return _raising(FunctionError, "the argument of length() is a path")
    if not argument.steps or isinstance(argument.steps[-1], Call):
        return compile_path(argument)
    in_root = compile_path(argument)
    inner = ParsedPath((*argument.steps, Wildcard()), (*argument.ends, 0), argument.from_root)
    in_value = compile_path(inner)

    def measured(value: Any, reading: Reading) -> Any:
        in_root(reading.root, reading)
        values = in_value(value, reading)
        if not argument.definite:
            return values
        if not values:
            raise PathNotFoundError("the argument of length() holds nothing")
        return values[-1]

    return measured
