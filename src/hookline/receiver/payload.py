"""From raw bytes to an event: JSON, or a form that carries it (contract T8)."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from hookline.model import Verdict
from hookline.receiver.refusal import Refused

_MAX_NESTING = 200
# What they take in memory is many times what they take in the body.
_MAX_CONTAINERS = 1_000_000
_MAX_FORM_FIELDS = 100
_FORM = b"application/x-www-form-urlencoded"
_PIECE = 65_536
_NO_BRACKETS = bytes(set(range(256)) - set(b'"[]{}'))
# As signed bytes: 1 for a bracket that opens, -1 for one that closes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def parse_event(body: bytes, content_type: bytes) -> Any:
    """The JSON document in `body`.

    Refuses what is not JSON, more than 1,000,000 objects and lists, and nesting deeper than 200.
    """
    text = _form_payload(body) if content_type.lower().startswith(_FORM) else body
    # Counting brackets is cheap and never too low; only a suspicious body is looked at closely.
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > _MAX_NESTING:
        _check_brackets(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(Verdict.NOT_JSON, f"the body is not JSON: {error}") from error


def _check_brackets(text: bytes) -> None:
    depth = containers = 0
    for brackets in _brackets(text):
        opened = brackets.count(b"[") + brackets.count(b"{")
        containers += opened
        if containers > _MAX_CONTAINERS:
            raise Refused(
                Verdict.NOT_JSON, f"the body has more than {_MAX_CONTAINERS:,} objects and lists"
            )
        if depth + opened > _MAX_NESTING:
            steps = memoryview(brackets.translate(_STEPS)).cast("b")
            if max(accumulate(steps, initial=depth)) > _MAX_NESTING:
                raise Refused(
                    Verdict.NOT_JSON, f"the body is nested deeper than {_MAX_NESTING} levels"
                )
        depth += 2 * opened - len(brackets)


def _brackets(text: bytes) -> Iterator[bytes]:
    """The brackets of a JSON text that are outside of its strings, a piece of the text at a time.

    Each step is one call of C over a whole piece, and between pieces other threads can run.
    """
    in_string, backslash = 0, b""
    for start in range(0, len(text), _PIECE):
        piece = backslash + text[start : start + _PIECE]
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"")
            backslash = b"\\" if piece.endswith(b"\\") else b""
            piece = piece.removesuffix(b"\\").replace(b'\\"', b"")
        else:
            backslash = b""
        # Two quotes with no bracket between them say nothing, whichever of them opens a string.
        parts = piece.translate(None, _NO_BRACKETS).replace(b'""', b"").split(b'"')
        yield b"".join(parts[in_string::2])
        in_string ^= (len(parts) - 1) & 1


def _form_payload(body: bytes) -> bytes:
    if not body.isascii() or body.count(b"&") >= _MAX_FORM_FIELDS:
        raise Refused(Verdict.NOT_JSON, "the form can't be read")
    fields = (field.partition(b"=") for field in body.split(b"&"))
    values = [value for name, _, value in fields if value and _decoded(name) == b"payload"]
    if len(values) != 1:
        raise Refused(Verdict.NOT_JSON, "the form must have one field payload with JSON")
    return _decoded(values[0])


def _decoded(text: bytes) -> bytes:
    """A form's text without its escapes, decoded in pieces: one by one they take much memory."""
    decoded, start = bytearray(), 0
    while start < len(text):
        end = start + _PIECE
        # No escape is cut in two.
        cut = text.rfind(b"%", end - 2, end)
        end = end if cut < 0 else cut
        decoded += unquote_to_bytes(text[start:end].replace(b"+", b" "))
        start = end
    return bytes(decoded)
