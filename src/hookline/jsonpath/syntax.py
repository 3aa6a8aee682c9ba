"""What the parser hands to the evaluator: a path as a tuple of frozen steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hookline.jsonpath.reading import Reading

Evaluate = Callable[[Any, Reading], Any]
Predicate = Callable[[Any, Reading], bool]


@dataclass(frozen=True, slots=True)
class Names:
    """`.name`, `['name']`, `['a','b']`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    """`[0]`, `[-1]`, `[0,2]`."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """`[1:]`, `[:2]`, `[1:2]`; at least one end is there."""

    start: int | None
    stop: int | None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`.*`, `[*]`."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(…)]`, its condition compiled."""

    condition: Predicate


@dataclass(frozen=True, slots=True)
class Call:
    """`.name(…)`."""

    function: str
    arguments: tuple["ParsedPath | JsonLiteral", ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """`..` with the step that it looks for; None when a function took that away."""

    step: Names | Indexes | Slice | Wildcard | Filter | Call | None


@dataclass(frozen=True, slots=True)
class JsonLiteral:
    """JSON written in a path. As the left side of a comparison it equals nothing."""

    value: Any


Step = Names | Indexes | Slice | Wildcard | Filter | Call | Scan


@dataclass(frozen=True, slots=True)
class ParsedPath:
    """A whole path.

    Attributes:
        steps: in the order written, except that `$..x.f()` has become `$.f($..x)`.
        ends: for each step, where its text ends in the path's text.
        from_root: it starts with `$`, not with `@`.
    """

    steps: tuple[Step, ...]
    ends: tuple[int, ...]
    from_root: bool = True

    @property
    def definite(self) -> bool:
        """Whether the path leads to at most one value."""
        last = self.steps[-1:]
        merges = bool(last) and isinstance(last[0], Names)
        return self.starts_definite(len(self.steps) - merges)

    def starts_definite(self, count: int) -> bool:
        """Whether the first `count` steps, with more behind them, lead to at most one value."""
        return all(
            (isinstance(step, Names) and len(step.names) == 1)
            or (isinstance(step, Indexes) and len(step.indexes) == 1)
            or isinstance(step, Call)
            for step in self.steps[:count]
        )

    @property
    def keys(self) -> tuple[str | int, ...] | None:
        """The names and indexes of a path like `$.a[0].b`, None for any other path."""
        keys: list[str | int] = []
        for step in self.steps:
            if isinstance(step, Names):
                keys += step.names
            elif isinstance(step, Indexes):
                keys += step.indexes
        return tuple(keys) if self.definite and len(keys) == len(self.steps) else None
