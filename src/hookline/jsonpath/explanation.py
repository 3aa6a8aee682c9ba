"""Why a path found nothing: a sentence for the person who wrote it."""

import json
from bisect import bisect_left
from itertools import islice
from typing import Any

from hookline.jsonpath.errors import DepthError, JSONPathError, PathNotFoundError
from hookline.jsonpath.evaluator import compile_path
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import Indexes, Names, ParsedPath, Slice

_SHOWN_KEYS = 8
_SHOWN_CHARACTERS = 60


def explain(text: str, path: ParsedPath, document: Any) -> str:
    """How far `path`, written as `text`, gets in `document`, and what is found there."""
    found = _read(path, document)
    if isinstance(found, JSONPathError) and not isinstance(found, PathNotFoundError):
        return f"`{_short(text)}` can't be read: {found}"
    if _is_miss(path, found):
        return _miss(text, path, document)
    if path.definite:
        return f"`{_short(text)}` is {_shown(found)}"
    return f"`{_short(text)}` selects {_count(found)}"


def _read(path: ParsedPath, document: Any) -> Any:
    """The value, or the error that reading it raises."""
    try:
        return compile_path(path)(document, Reading(document))
    except JSONPathError as error:
        return error
    except RecursionError:
        return DepthError("a value nests too deeply")


def _is_miss(path: ParsedPath, found: Any) -> bool:
    return isinstance(found, JSONPathError) or (not path.definite and not found)


def _miss(text: str, path: ParsedPath, document: Any) -> str:
    def start(count: int) -> ParsedPath:
        return ParsedPath(path.steps[:count], path.ends[:count], path.from_root)

    def misses(count: int) -> bool:
        return _is_miss(start(count), _read(start(count), document))

    # That no step misses and that all do is known.
    count = bisect_left(range(len(path.steps)), True, lo=1, key=misses)
    before, step = start(count - 1), path.steps[count - 1]
    holder = _read(before, document)
    reached = _short(text[: before.ends[-1]] if before.ends else text[0])
    missed = _short(text[: path.ends[count - 1]])
    if not before.definite:
        return f"`{missed}` selects nothing from the {_count(holder)} of `{reached}`"
    if isinstance(step, Names) and not isinstance(holder, dict):
        return f"`{reached}` is {_described(holder)}, not an object"
    if isinstance(step, Indexes | Slice) and not isinstance(holder, list):
        return f"`{reached}` is {_described(holder)}, not a list"
    verb = "is missing" if start(count).definite else "selects nothing"
    return f"`{missed}` {verb}; `{reached}` is {_described(holder)}"


def _described(value: Any) -> str:
    if isinstance(value, dict):
        keys = ", ".join(_short(key) for key in islice(value, _SHOWN_KEYS))
        more = ", …" if len(value) > _SHOWN_KEYS else ""
        return f"an object with keys {keys}{more}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a string" if isinstance(value, str) else "a number"


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
