"""Everything this package raises, in one small tree.

JSONPathError
├── CompileError
└── EvaluationError
    ├── StepError ── PathNotFoundError
    ├── FunctionError ── OutOfRangeError
    ├── BudgetError
    └── DepthError
"""

_WINDOW = 60
_CONTROL = dict.fromkeys([*range(32), 127], " ")


class JSONPathError(Exception):
    """Any failure to compile or to evaluate a path."""


class CompileError(JSONPathError):
    """The text is not a path of the dialect, or asks for what can't be done in bounded time.

    `message` says what is wrong, without the place, which is the character `position` of `text`,
    counted from 0; `len(text)` when something is missing at the end.
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message, text, position)
        self.message = message
        self.text = text
        self.position = max(0, min(position, len(text)))

    @property
    def caret(self) -> str:
        """Two lines: the path, cut to some 120 characters, and a `^` under the place."""
        start, end = max(0, self.position - _WINDOW), self.position + _WINDOW
        head, tail = "…" * (start > 0), "…" * (end < len(self.text))
        shown = head + self.text[start:end].translate(_CONTROL) + tail
        return f"{shown}\n{' ' * (len(head) + self.position - start)}^"

    def __str__(self) -> str:
        return f"{self.message} at position {self.position}\n{self.caret}"


class EvaluationError(JSONPathError):
    """The path compiled, but reading it from this document failed."""


class StepError(EvaluationError):
    """A step can't be applied to a value, or a function doesn't exist; makes a filter false."""


class PathNotFoundError(StepError):
    """A definite path, or the definite beginning of a path, leads nowhere in this document."""


class FunctionError(EvaluationError):
    """A function or an operator can't work on the value it was given; ends the whole read."""


class OutOfRangeError(FunctionError):
    """`first()` of an empty list, or `index(n)` past the end; skipped below `[*]` and its like."""


class BudgetError(EvaluationError):
    """The read would visit more nodes than one evaluation may, see `MAX_VISITED`."""


class DepthError(EvaluationError):
    """A value nests deeper than this read can follow."""
