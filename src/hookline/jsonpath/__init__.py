"""The Jayway JsonPath dialect, which AWS names for webhook filters, compiled to closures.

`compile("$.commits[*].id")` gives a `Path`; calling it with a document gives the value.
"""

from hookline.jsonpath.errors import (
    BudgetError,
    CompileError,
    DepthError,
    EvaluationError,
    FunctionError,
    JSONPathError,
    OutOfRangeError,
    PathNotFoundError,
    StepError,
)
from hookline.jsonpath.parser import MAX_LENGTH, compile  # noqa: A004 - as in re.compile
from hookline.jsonpath.path import Path
from hookline.jsonpath.reading import MAX_VISITED
from hookline.jsonpath.scanner import MAX_DEPTH

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_VISITED",
    "BudgetError",
    "CompileError",
    "DepthError",
    "EvaluationError",
    "FunctionError",
    "JSONPathError",
    "OutOfRangeError",
    "Path",
    "PathNotFoundError",
    "StepError",
    "compile",
]
