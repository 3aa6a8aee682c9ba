"""The compiled path: what this package is for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

from hookline.jsonpath.errors import CompileError, DepthError, PathNotFoundError
from hookline.jsonpath.evaluator import compile_path
from hookline.jsonpath.explanation import explain
from hookline.jsonpath.parser import parse
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import ParsedPath


@final
@dataclass(frozen=True, slots=True)
class Path:
    """A path, ready to be read from any number of documents; immutable and thread-safe.

    Call it with a document (what `json.loads` returns; it is never changed) to get the value.
    A definite path gives the one value, which may be None for a null that is there; an
    indefinite one gives a list, in document order, maybe empty.

    Attributes:
        text: the text as it was given, without trailing spaces, and with `$.` in front if it
            began with neither `$` nor `@`. Compiled again, it is an equal path.
        definite: whether the path leads to at most one value.
    """

    text: str
    definite: bool = field(compare=False)
    _parsed: ParsedPath = field(compare=False, repr=False)
    _read: Callable[[Any], Any] = field(compare=False, repr=False)

    def __call__(self, document: Any) -> Any:
        """The path's value in `document`.

        Raises:
            PathNotFoundError: the path is definite, or begins so, and leads nowhere.
            StepError: a filter is applied to a scalar, or a function doesn't exist.
            FunctionError: a function or an operator got a value that it can't work on.
            BudgetError: more than `MAX_VISITED` nodes would have been visited.
            DepthError: a value nests too deeply.
        """
        return self._read(document)

    def __str__(self) -> str:
        return self.text

    def explain(self, document: Any) -> str:
        """How far the path gets in `document` and what it finds there, in one sentence."""
        return explain(self.text, self._parsed, document)


def compile(text: str) -> Path:  # noqa: A001 - the word of the trade, as in re.compile
    """Compile a path of the dialect.

    Raises:
        CompileError: `text` is no path, is too long or too deep, or has a regular expression
            that can't be run in linear time.
    """
    if not text:
        raise CompileError("the path is empty", text, 0)
    prefix = "" if text[0] in "$@" else "$."
    rooted = prefix + text
    try:
        parsed = parse(rooted)
        path = Path(rooted.rstrip(" "), parsed.definite, parsed, _reader(parsed))
    except CompileError as error:
        raise CompileError(error.message, text, error.position - len(prefix)) from None
    except RecursionError:
        raise CompileError("the path nests too deeply", text, 0) from None
    return path


def _reader(parsed: ParsedPath) -> Callable[[Any], Any]:
    if parsed.keys is not None:
        return _key_reader(parsed.keys)
    evaluate = compile_path(parsed)

    def read(document: Any) -> Any:
        try:
            return evaluate(document, Reading(document))
        except RecursionError:
            raise DepthError("a value nests too deeply") from None

    return read


def _key_reader(keys: tuple[str | int, ...]) -> Callable[[Any], Any]:
    """`$.a[0].b` visits no more nodes than it has steps, so it needs no budget."""

    def read(document: Any) -> Any:
        try:
            for key in keys:
                # Python would also index a string.
                document = document[None if isinstance(document, str) else key]
        except (KeyError, IndexError, TypeError):
            raise PathNotFoundError("the path leads nowhere in this document") from None
        return document

    return read
