"""What the parser hands to the evaluator: a path as a tree of frozen records."""

from dataclasses import dataclass
from typing import Any

from hookline.jsonpath.regex import Regex


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
    """`[1:]`, `[:2]`, `[1:2]`; never both ends absent."""

    start: int | None
    stop: int | None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`.*`, `[*]`."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The `..` before a step."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(…)]`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Call:
    """`.name(…)`; an argument is a path, read from the root document, or a JSON literal."""

    function: str
    arguments: tuple["ParsedPath | Literal", ...]


Step = Names | Indexes | Slice | Wildcard | Scan | Filter | Call


@dataclass(frozen=True, slots=True)
class ParsedPath:
    """A whole path.

    Attributes:
        steps: in the order written, except that `$..x.f()` has become `$.f($..x)`.
        ends: for each step, where its text ends in the path's text.
        from_root: starts with `$`, not with `@`.
    """

    steps: tuple[Step, ...]
    ends: tuple[int, ...]
    from_root: bool = True

    def starts_definite(self, count: int) -> bool:
        """Whether each of the first `count` steps leads to at most one place."""
        return all(self._is_definite(position) for position in range(count))

    @property
    def definite(self) -> bool:
        return self.starts_definite(len(self.steps))

    @property
    def plain_names(self) -> tuple[str, ...] | None:
        """The names of a path like `$.a.b`, None for any other path."""
        names = [step.names for step in self.steps if isinstance(step, Names)]
        if len(names) < len(self.steps) or any(len(each) > 1 for each in names):
            return None
        return tuple(name for (name,) in names)

    def _is_definite(self, position: int) -> bool:
        step = self.steps[position]
        if isinstance(step, Names):
            return len(step.names) == 1 or position == len(self.steps) - 1
        if isinstance(step, Indexes):
            return len(step.indexes) == 1
        return isinstance(step, Call)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the path: a string, a Decimal, a boolean or null; in a call, JSON."""

    value: Any


@dataclass(frozen=True, slots=True)
class JsonLiteral:
    """A list or an object written in a filter; unlike one from a document it equals nothing
    when it stands on the left.
    """

    value: list[Any] | dict[str, Any]


Operand = ParsedPath | Literal | JsonLiteral | Regex


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Existence:
    path: ParsedPath
    wanted: bool


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    operands: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    operands: tuple["Condition", ...]


Condition = Comparison | Existence | Not | AllOf | AnyOf
