"""JSON as the dialect reads it inside a path: quotes of either kind, bare words, stray commas."""

import re
from typing import Any

from hookline.jsonpath.scanner import Scanner

_WORD = re.compile(r"[^,\]}]*")
_KEY = re.compile(r"[^:,\]}]*")
_WHITE = re.compile(r"[ \t\r\n]*")
_COMMAS = re.compile(r"[ \t\r\n,]*")
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_FLOAT = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}


def read_json(scanner: Scanner, depth: int) -> Any:
    """The JSON value at the cursor, which may hold `depth` more levels of lists and objects."""
    scanner.take(_WHITE)
    if scanner.current in ("[", "{"):
        if depth <= 0:
            scanner.fail("this nests too deeply")
        is_list = scanner.accept("[") or not scanner.accept("{")
        items = _items(scanner, depth, is_list=is_list)
        return [value for _, value in items] if is_list else dict(items)
    if scanner.current in ("'", '"'):
        return scanner.quoted()
    word = scanner.take(_WORD).strip()
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _FLOAT.fullmatch(word) else _WORDS.get(word, word)


def _items(scanner: Scanner, depth: int, *, is_list: bool) -> list[tuple[str, Any]]:
    closer = "]" if is_list else "}"
    items = []
    scanner.take(_COMMAS)
    while not scanner.accept(closer):
        key = "" if is_list else _key(scanner)
        items.append((key, read_json(scanner, depth - 1)))
        scanner.take(_WHITE)
        if scanner.current not in (",", closer):
            scanner.fail(f"a comma or {closer} belongs here")
        scanner.take(_COMMAS)
    return items


def _key(scanner: Scanner) -> str:
    key = scanner.quoted() if scanner.current in ("'", '"') else scanner.take(_KEY).strip()
    scanner.take(_WHITE)
    if not scanner.accept(":"):
        scanner.fail("a : belongs after the key")
    return key
