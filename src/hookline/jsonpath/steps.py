"""The steps of a path: each gives, for a value, the list of the values it leads to.

A path carries whole lists of values from step to step, in document order, so that neither its
length nor a document's depth turns into recursion.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from hookline.jsonpath.errors import OutOfRangeError, PathNotFoundError, StepError
from hookline.jsonpath.functions import FUNCTIONS
from hookline.jsonpath.reading import Evaluate, Reading

Expand = Callable[[Any, Reading], list[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path.

    Attributes:
        kind: one of `_KINDS`.
        value: names, indexes, a slice, a condition, or a function's name and its arguments.
        scans: it stands behind `..`.
        end: where its text ends in the path's text.
        turned: of a function: it stood behind a scan, which has become its argument.
    """

    kind: str
    value: Any = None
    scans: bool = False
    end: int = 0
    turned: bool = False

    @property
    def is_key(self) -> bool:
        """Whether it is one name or one index."""
        return self.kind in {"names", "indexes"} and len(self.value) == 1 and not self.scans

    @property
    def definite(self) -> bool:
        """Whether it leads to at most one value."""
        return self.is_key or (self.kind == "call" and not self.scans)

    @property
    def guards(self) -> bool:
        """Whether an element of a list at which a function fails is left out."""
        return self.kind in {"indexes", "slice", "all", "filter"} and not self.scans

    @property
    def of_object(self) -> bool:
        """Whether it gives values of an object, each as a result of its own."""
        return (self.kind == "all" or (self.kind == "names" and self.is_key)) and not self.scans


class Place(NamedTuple):
    """Where in a path a step stands."""

    before: tuple[Step, ...]
    after: tuple[Step, ...]

    @property
    def definite(self) -> bool:
        """Whether all steps before lead to at most one value, as they were written."""
        return all(step.definite and not step.turned for step in self.before)

    @property
    def calls(self) -> bool:
        """Whether a function is called further on."""
        return any(step.kind == "call" for step in self.after)


class Kind(NamedTuple):
    """What a step applies to, how, and what a definite path raises where it meets others."""

    holders: tuple[type, ...]
    expansion: Callable[[Step, Place], Expand]
    error: Callable[[], StepError] | None = None


def compose(steps: tuple[Step, ...], start: int = 0) -> Expand:
    """The steps from `start` on as one function."""
    stages = []
    for position, step in enumerate(steps[start:], start):
        place = Place(steps[:position], steps[position + 1 :])
        holders, expansion, error = _KINDS["scan" if step.scans else step.kind]
        expansion = _guarded if step.guards and place.calls else expansion
        stages.append((holders, expansion(step, place), error if place.definite else None))
        if expansion in (_call, _guarded):
            break

    def select(value: Any, reading: Reading) -> list[Any]:
        values = [value]
        for holders, expand, error in stages:
            reached, values = values, []
            for each in reached:
                if isinstance(each, holders):
                    found = expand(each, reading)
                    reading.spend(len(found) or 1)
                    values += found
                elif error:
                    raise error()
        return values

    return select


def look_up(keys: list[str | int]) -> Evaluate:
    """The value of a path like `$.a[0].b`, which needs no budget."""

    def read(value: Any, _reading: Reading) -> Any:
        try:
            for key in keys:
                # Python would also index a string.
                value = value[None if isinstance(value, str) else key]
        except (KeyError, IndexError, TypeError):
            raise PathNotFoundError("the path leads nowhere in this document") from None
        return value

    return read


def _names(step: Step, place: Place) -> Expand:
    names = step.value
    merges = len(names) > 1 and not place.after
    required = len(names) == 1 and place.after and place.definite

    def expand(value: Any, reading: Reading) -> list[Any]:
        found = [value[name] for name in names if name in value]
        if len(found) < len(names) and (required or reading.strict):
            raise PathNotFoundError("a name of the path is missing")
        return [{name: value[name] for name in names if name in value}] if merges else found

    return expand


def _indexes(step: Step, _place: Place) -> Expand:
    indexes = step.value
    return lambda value, _: [value[i] for i in indexes if -len(value) <= i < len(value)]


def _slice(step: Step, _place: Place) -> Expand:
    start, stop = step.value
    if start is None or stop is None:
        return lambda value, _: value[start:stop]
    # With both ends, negative ones stay negative, and so do the indexes between them.
    return lambda value, _: [
        value[index] for index in range(max(start, -len(value)), min(stop, len(value)))
    ]


def _all(_step: Step, _place: Place) -> Expand:
    return lambda value, _: list(value.values()) if isinstance(value, dict) else value


def _filter(step: Step, _place: Place) -> Expand:
    passes = step.value

    def expand(value: Any, reading: Reading) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        return [item for item in items if passes(item, reading)]

    return expand


def _scan(step: Step, place: Place) -> Expand:
    """`..`: the step, applied to every object and list that it suits.

    As in Jayway, a list that it suits hands on all its elements if there are further steps; but
    if only one follows, and that one gives values of an object, the list hands on of its objects
    only the one whose number stands in the bracket, and objects from elsewhere count no more.
    """
    holders, expansion, _ = _KINDS[step.kind]
    expand = expansion(step, Place((step,), place.after))
    whole = step.kind == "names" and (len(step.value) == 1 or not place.after)
    names = frozenset(step.value) if whole else None
    passes = step.value if step.kind == "filter" else None
    suited: Any = () if step.kind == "call" else holders
    numbered = len(place.after) == 1 and place.after[0].of_object
    number = _only_number(step)

    def reach(holder: Any, reading: Reading) -> list[Any]:
        if not (isinstance(holder, list) and place.after):
            return expand(holder, reading)
        if numbered and holder:
            reading.numbered.add(scan)
        return holder

    def scan(value: Any, reading: Reading) -> list[Any]:
        found = []
        for each in _containers(value, reading):
            if not isinstance(each, suited) or (names and not names <= each.keys()):
                continue
            reached = reach(each, reading) if passes is None or passes(each, reading) else []
            if scan in reading.numbered and not reading.strict:
                reached = [v for at, v in enumerate(reached) if at == number or type(v) is not dict]
            found += reached
        return found

    return scan


def _only_number(step: Step) -> Any:
    return step.value[0] if step.kind == "indexes" and len(step.value) == 1 else None


def _containers(value: Any, reading: Reading) -> Iterator[Any]:
    """Every object and list in the value, parents first, in document order."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict | list):
            reading.spend(1 + len(current))
            yield current
            children = current.values() if isinstance(current, dict) else current
            stack += [each for each in children if isinstance(each, dict | list)][::-1]


def _guarded(step: Step, place: Place) -> Expand:
    """The step and the rest of the path, which leaves out a list's element where that fails."""
    expand = _KINDS[step.kind].expansion(step, place)
    rest = compose((*place.before, step, *place.after), len(place.before) + 1)

    def guard(value: Any, reading: Reading) -> list[Any]:
        found: list[Any] = []
        for each in expand(value, reading):
            try:
                found += rest(each, reading)
            except OutOfRangeError:
                if not isinstance(value, list):
                    raise
            except PathNotFoundError:
                if step.kind != "all" or not isinstance(value, list) or reading.strict:
                    raise
        return found

    return guard


def _call(step: Step, place: Place) -> Expand:
    """The function's result, and what the rest of the path makes of it."""
    name, arguments = step.value
    function = FUNCTIONS.get(name)
    path = (*place.before, step, *place.after)
    rest = compose(path, len(place.before) + 1) if place.after else lambda _value, _reading: []

    def expand(value: Any, reading: Reading) -> list[Any]:
        if function is None:
            raise StepError(f"there is no function {name}()")
        result = function(value, [argument(value, reading) for argument in arguments], reading)
        return [result, *rest(result, reading)]

    return expand


def _unsuited(kind: str) -> PathNotFoundError:
    return PathNotFoundError(f"a step of the path meets something that is no {kind}")


_KINDS = {
    "names": Kind((dict,), _names, partial(_unsuited, "object")),
    "indexes": Kind((list,), _indexes, partial(_unsuited, "list")),
    "slice": Kind((list,), _slice, partial(_unsuited, "list")),
    "all": Kind((dict, list), _all),
    "filter": Kind(
        (dict, list),
        _filter,
        partial(StepError, "a filter can only be applied to a list or an object"),
    ),
    "scan": Kind((dict, list), _scan),
    "call": Kind((object,), _call),
}
