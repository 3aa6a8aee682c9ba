"""JSON as the dialect reads it inside a path: quotes of either kind, bare words, stray commas."""

import re
from typing import Any

from hookline.jsonpath.scanner import Scanner

_WORD = re.compile(r"[^,\]}]*")
_KEY = re.compile(r"[^:,\]}]*")
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_FLOAT = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}
_WHITE = " \t\r\n"


def read_json(scanner: Scanner, depth: int) -> Any:
    """The JSON value at the cursor, which may hold `depth` more levels of lists and objects."""
    _skip_white(scanner)
    if scanner.current in ("[", "{"):
        if depth <= 0:
            scanner.fail("this nests too deeply")
        return (
            _read_list(scanner, depth) if scanner.current == "[" else _read_object(scanner, depth)
        )
    if scanner.current in ("'", '"'):
        return scanner.quoted()
    return _typed(scanner.take(_WORD).strip())


def _skip_white(scanner: Scanner, also: str = "") -> str:
    while scanner.current and scanner.current in _WHITE + also:
        scanner.position += 1
    return scanner.current


def _read_list(scanner: Scanner, depth: int) -> list[Any]:
    values = []
    scanner.position += 1
    while _skip_white(scanner, ",") != "]":
        values.append(read_json(scanner, depth - 1))
        _expect_separator(scanner, "]")
    scanner.position += 1
    return values


def _read_object(scanner: Scanner, depth: int) -> dict[str, Any]:
    values = {}
    scanner.position += 1
    while _skip_white(scanner, ",") != "}":
        quoted = scanner.current in ("'", '"')
        key = scanner.quoted() if quoted else scanner.take(_KEY).strip()
        _skip_white(scanner)
        scanner.expect(":", "a : belongs after the key")
        values[key] = read_json(scanner, depth - 1)
        _expect_separator(scanner, "}")
    scanner.position += 1
    return values


def _expect_separator(scanner: Scanner, closer: str) -> None:
    if _skip_white(scanner) not in (",", closer) or scanner.at_end:
        scanner.fail(f"a comma or {closer} belongs here")


def _typed(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _FLOAT.fullmatch(word) else word
