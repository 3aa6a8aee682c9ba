"""Why a path found nothing: a sentence for the person who wrote it."""

import json
from bisect import bisect_left
from itertools import islice
from typing import Any

from hookline.jsonpath.errors import DepthError, JSONPathError, PathNotFoundError
from hookline.jsonpath.evaluator import compile_path
from hookline.jsonpath.reading import Reading
from hookline.jsonpath.syntax import Indexes, Names, ParsedPath, Scan, Slice

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
    counts = [
        count
        for count in range(len(path.steps) + 1)
        if not count or not isinstance(path.steps[count - 1], Scan)
    ]

    def misses(count: int) -> bool:
        start = _start(path, count)
        return _is_miss(start, _read(start, document))

    # The last is known to miss, and the document itself, counts[0], to be there.
    at = bisect_left(counts, True, lo=1, hi=len(counts) - 1, key=misses)
    before = _start(path, counts[at - 1])
    reached, holder = text[: before.ends[-1]] if before.ends else text[:1], _read(before, document)
    missed = text[: path.ends[counts[at] - 1]]
    if not before.definite:
        return (
            f"`{_short(missed)}` selects nothing from the {_count(holder)} of `{_short(reached)}`"
        )
    return _missed_step(path, counts[at], holder, _short(missed), _short(reached))


def _start(path: ParsedPath, count: int) -> ParsedPath:
    return ParsedPath(path.steps[:count], path.ends[:count], path.from_root)


def _missed_step(path: ParsedPath, count: int, holder: Any, missed: str, reached: str) -> str:
    step = path.steps[count - 1]
    scanned = count > 1 and isinstance(path.steps[count - 2], Scan)
    if isinstance(step, Names) and not isinstance(holder, dict) and not scanned:
        return f"`{reached}` is {_described(holder)}, not an object"
    if isinstance(step, Indexes | Slice) and not isinstance(holder, list) and not scanned:
        return f"`{reached}` is {_described(holder)}, not a list"
    verb = "is missing" if path.starts_definite(count) else "selects nothing"
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
