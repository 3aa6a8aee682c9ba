"""Everything this package raises, in one small tree.

JSONPathError
├── CompileError
└── EvaluationError
    ├── StepError
    │   └── PathNotFoundError
    ├── FunctionError
    │   └── OutOfRangeError
    ├── BudgetError
    └── DepthError
"""

_WINDOW = 60
_CONTROL = dict.fromkeys([*range(32), 127], " ")


class JSONPathError(Exception):
    """Any failure to compile or to evaluate a path."""


class CompileError(JSONPathError):
    """The text is not a path of the dialect, or asks for what can't be done in bounded time.

    Attributes:
        message: what is wrong, without the place.
        text: the path as it was given.
        position: where in `text`, in characters from 0; `len(text)` when something is missing
            at the end.
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message, text, position)
        self.message = message
        self.text = text
        self.position = max(0, min(position, len(text)))

    @property
    def caret(self) -> str:
        """Two lines: the path, cut to some 120 characters, and a `^` under the place."""
        start = max(0, self.position - _WINDOW)
        end = self.position + _WINDOW
        shown = self.text[start:end].translate(_CONTROL)
        head = "…" if start else ""
        tail = "…" if end < len(self.text) else ""
        return f"{head}{shown}{tail}\n{' ' * (len(head) + self.position - start)}^"

    def __str__(self) -> str:
        return f"{self.message} at position {self.position}\n{self.caret}"


class EvaluationError(JSONPathError):
    """The path compiled, but reading it from this document failed."""


class StepError(EvaluationError):
    """A step met a value that it can't be applied to, or calls a function that doesn't exist.

    Inside a filter this only makes the filter false for the element; every other evaluation
    error ends the whole read.
    """


class PathNotFoundError(StepError):
    """A definite path, or the definite beginning of a path, leads nowhere in this document."""


class FunctionError(EvaluationError):
    """A function or an operator can't work on the value it was given."""


class OutOfRangeError(FunctionError):
    """`first()` of an empty list, or `index(n)` past the end.

    Under a step that walks a list this only leaves the element out.
    """


class BudgetError(EvaluationError):
    """The read would visit more nodes than one evaluation may, see `MAX_VISITED`."""


class DepthError(EvaluationError):
    """A value nests deeper than this read can follow."""
