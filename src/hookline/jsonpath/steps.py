"""The steps of a path: each gives, for a value, the list of the values it leads to.

A path carries whole lists of values from step to step, in document order, so that neither its
length nor a document's depth turns into recursion.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
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
    """

    kind: str
    value: Any = None
    scans: bool = False
    end: int = 0

    @property
    def is_key(self) -> bool:
        """Whether it is one name or one index."""
        return self.kind in {"names", "indexes"} and len(self.value) == 1 and not self.scans

    @property
    def definite(self) -> bool:
        """Whether it leads to at most one value."""
        return self.is_key or (self.kind == "call" and not self.scans)


class Place(NamedTuple):
    """Where in a path a step stands."""

    before: tuple[Step, ...]
    after: tuple[Step, ...]

    @property
    def definite(self) -> bool:
        """Whether all steps before lead to at most one value."""
        return all(step.definite for step in self.before)


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
        stages.append((holders, expansion(step, place), error if place.definite else None))
        if expansion is _call:
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
    """`..`: the step, applied to every object and list that it suits."""
    holders, expansion, _ = _KINDS[step.kind]
    expand = expansion(step, Place((step,), place.after))
    passes = step.value if step.kind == "filter" else lambda _value, _: step.kind != "call"
    whole = step.kind == "names" and (len(step.value) == 1 or not place.after)
    names: tuple[str, ...] = step.value if whole else ()

    def scan(value: Any, reading: Reading) -> list[Any]:
        found = []
        for each in _containers(value, reading):
            if all(name in each for name in names) and isinstance(each, holders):
                found += expand(each, reading) if passes(each, reading) else []
        return found

    return scan


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


def _call(step: Step, place: Place) -> Expand:
    """The function's result, and what the rest of the path makes of it."""
    name, arguments = step.value
    function = FUNCTIONS.get(name)
    path = (*place.before, step, *place.after)
    rest = compose(path, len(place.before) + 1) if place.after else lambda _value, _reading: []
    kinds = {each.kind for each in place.before if not each.scans}
    # Failures that only leave an element out.
    skipped: list[type[Exception]] = [PathNotFoundError] if "all" in kinds else []
    skipped += [OutOfRangeError] if kinds & {"indexes", "slice", "all", "filter"} else []

    def expand(value: Any, reading: Reading) -> list[Any]:
        if function is None:
            raise StepError(f"there is no function {name}()")
        found: list[Any] = []
        with suppress(*skipped):
            given = [argument(value, reading) for argument in arguments]
            found.append(function(value, given, reading))
            found += rest(found[0], reading)
        return found

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
