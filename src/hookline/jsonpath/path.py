"""The compiled path, which reads documents and explains what it finds there or doesn't."""

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, final

from hookline.jsonpath.errors import DepthError, JSONPathError, PathNotFoundError
from hookline.jsonpath.reading import Evaluate, Reading
from hookline.jsonpath.steps import Step, compose, look_up

_SHOWN_KEYS = 8
_SHOWN_CHARACTERS = 60


@final
@dataclass(frozen=True)
class Path:
    """A path, ready to be read from any number of documents; immutable and thread-safe.

    Call it with a document (what `json.loads` returns; it is never changed) to get the value.
    A definite path gives the one value, which may be None for a null that is there; an
    indefinite one gives a list, in document order, maybe empty.

    Attributes:
        text: the text as it was given, without trailing spaces, and with `$.` in front if it
            began with neither `$` nor `@`. Compiled again, it is an equal path.
        steps: in the order written, except that `$..x.f()` has become `$.f($..x)`.
        from_root: inside a filter, it is read from the whole document.
    """

    text: str
    steps: tuple[Step, ...] = field(compare=False, repr=False)
    from_root: bool = field(compare=False, repr=False, default=True)

    def __call__(self, document: Any) -> Any:
        """The path's value in `document`.

        Raises:
            PathNotFoundError: the path is definite, or begins so, and leads nowhere.
            StepError: a filter is applied to a scalar, or a function doesn't exist.
            FunctionError: a function or an operator got a value that it can't work on.
            BudgetError: more than `MAX_VISITED` nodes would have been visited.
            DepthError: a value nests too deeply.
        """
        try:
            return self.evaluate(document, Reading(document))
        except RecursionError:
            raise DepthError("a value nests too deeply") from None

    def __str__(self) -> str:
        return self.text

    def explain(self, document: Any) -> str:
        """How far the path gets in `document` and what it finds there, in one sentence."""
        found, shown = _try(self, document), _short(self.text)
        if isinstance(found, JSONPathError) and not isinstance(found, PathNotFoundError):
            return f"`{shown}` can't be read: {found}"
        if _misses(self, document):
            return _miss(self, document)
        return f"`{shown}` {f'is {_shown(found)}' if self.definite else f'selects {_count(found)}'}"

    @cached_property
    def definite(self) -> bool:
        """Whether the path leads to at most one value; several names at its end make one object."""
        *steps, last = self.steps or [Step("names", ("",))]
        merges = last.kind == "names" and not last.scans
        return all(step.definite for step in steps) and (merges or last.definite)

    @cached_property
    def evaluate(self) -> Evaluate:
        """The path as a function of a value, as part of a reading."""
        if all(step.is_key for step in self.steps):
            return look_up([step.value[0] for step in self.steps])
        select = compose(self.steps)
        return (lambda value, reading: _only(select(value, reading))) if self.definite else select

    def in_root(self, _value: Any, reading: Reading) -> Any:
        """The path's value as an argument of a function."""
        return self.evaluate(reading.root, reading)

    def measured(self, value: Any, reading: Reading) -> Any:
        """The same of `length()`: it has to be in the root, but its children in the value count."""
        found = self.in_root(value, reading)
        if not self.steps or self.steps[-1].kind == "call":
            return found
        children = compose((*self.steps, Step("all")))(value, reading)
        return _only(children) if self.definite else children

    def beginning(self, count: int) -> "Path":
        """The path of the first `count` steps."""
        end = self.steps[count - 1].end if count else 1
        return Path(self.text[:end], self.steps[:count], self.from_root)


def _only(values: list[Any]) -> Any:
    if not values:
        raise PathNotFoundError("the path leads nowhere in this document")
    return values[-1]


def _try(path: Path, document: Any) -> Any:
    """The value, or the error that reading it raises."""
    try:
        return path(document)
    except JSONPathError as error:
        return error


def _misses(path: Path, document: Any) -> bool:
    found = _try(path, document)
    return isinstance(found, JSONPathError) or (not path.definite and not found)


def _miss(path: Path, document: Any) -> str:
    def misses(count: int) -> bool:
        return _misses(path.beginning(count), document)

    # That no step misses and that all do is known.
    count = bisect_left(range(len(path.steps)), True, lo=1, key=misses)
    step, before, through = path.steps[count - 1], path.beginning(count - 1), path.beginning(count)
    holder, reached, missed = _try(before, document), _short(before.text), _short(through.text)
    if not before.definite:
        return f"`{missed}` selects nothing from the {_count(holder)} of `{reached}`"
    holders, noun = _HOLDERS.get(step.kind, (object, ""))
    if not isinstance(holder, holders) and not step.scans:
        return f"`{reached}` is {_described(holder)}, not {noun}"
    verb = "is missing" if through.definite else "selects nothing"
    return f"`{missed}` {verb}; `{reached}` is {_described(holder)}"


_HOLDERS = {"names": (dict, "an object")} | dict.fromkeys(("indexes", "slice"), (list, "a list"))
_NOUNS = {type(None): "null", bool: "a boolean", str: "a string"}


def _described(value: Any) -> str:
    if value in ({}, []):
        return "an empty object" if isinstance(value, dict) else "an empty list"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(_short(key) for key in islice(value, _SHOWN_KEYS))
        return f"an object with keys {keys}{', …' * (len(value) > _SHOWN_KEYS)}"
    return _NOUNS.get(type(value), "a number")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return _described(value)
    if isinstance(value, str):
        return json.dumps(_short(value), ensure_ascii=False)
    return _short(json.dumps(value))


def _count(values: list[Any]) -> str:
    return "1 value" if len(values) == 1 else f"{len(values):,} values"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
