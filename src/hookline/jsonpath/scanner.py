"""The characters of a path: a cursor that knows quoting, escapes, matching brackets and JSON."""

import re
from typing import Any, NoReturn, Self

from hookline.jsonpath.errors import CompileError

MAX_DEPTH = 32

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_DELIMITED = {quote: rf"(?s:{quote}((?:[^\\{quote}]|\\.)*){quote})" for quote in "'\"/"}
# A string or a regular expression and the one character behind it, which counts whatever it is.
_STRING = "|".join([*map(_DELIMITED.__getitem__, "'\""), "(?!['\"])"])
_REGEX = f"{_DELIMITED['/']}|(?!/)"
_PIECE = f"(?s:(?:{_STRING}).)"
_PIECE_OF_FILTER = f"(?s:(?:{_STRING})(?:{_REGEX}).)"
_ESCAPE = re.compile(r"(?s)\\(?:u([0-9a-fA-F]{4})|u(.{0,3}$)|(.))")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_WHITE = r"[ \t\r\n]*"
_COMMAS = r"[ \t\r\n,]*"
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}


class Scanner:
    """A cursor over a part of a path's text.

    Positions count from 0 in the whole text, so a scanner over a part reports errors in place.
    """

    def __init__(self, text: str, position: int, end: int, depth: int = MAX_DEPTH) -> None:
        self.text, self.position, self.end, self.depth = text, position, end, depth
        if depth <= 0:
            self.fail("the path nests too deeply")

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        """Raise the CompileError `message`, at the cursor unless a position is given."""
        raise CompileError(message, self.text, self.position if position is None else position)

    def part(self, start: int, end: int) -> Self:
        """A scanner over a part, which is one level deeper."""
        return type(self)(self.text, start, end, self.depth - 1)

    @property
    def current(self) -> str:
        """The character under the cursor, empty at the end."""
        return self.text[self.position] if self.position < self.end else ""

    def skip_spaces(self) -> str:
        """Pass over spaces, and no other white space; gives the character reached."""
        while self.current == " ":
            self.position += 1
        return self.current

    def accept(self, token: str) -> bool:
        """Pass over `token` if it is at the cursor."""
        found = self.text.startswith(token, self.position, self.end)
        self.position += len(token) * found
        return found

    def expect(self, token: str, message: str, position: int | None = None) -> None:
        """Pass over `token`, or fail."""
        if not self.accept(token):
            self.fail(message, position)

    def take(self, pattern: str) -> str:
        """The text that `pattern` matches at the cursor, maybe none; passes over it."""
        match = re.compile(pattern).match(self.text, self.position, self.end)
        self.position = match.end() if match else self.position
        return match[0] if match else ""

    def delimited(self) -> str:
        """What stands between the quote or slash under the cursor and the next unescaped one."""
        written = self.take(_DELIMITED[self.current])
        return written[1:-1] if written else self.fail(f"the {self.current} is never closed")

    def quoted(self) -> str:
        """The string whose opening quote is under the cursor, its escapes resolved."""
        text = _ESCAPE.sub(self._unescape, self.delimited())
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _unescape(self, match: re.Match[str]) -> str:
        digits, cut_short, char = match.groups()
        if char == "u":
            self.fail("\\u needs four hexadecimal digits")
        if cut_short is not None:
            return ""
        return chr(int(digits, 16)) if digits else _ESCAPES.get(char, char)

    def enclosed(self, *, regexes: bool = False) -> Self:
        """What stands in the bracket that opens under the cursor; passes over the bracket.

        Brackets in strings, or in `regexes`, don't count.
        """
        start, opener, depth = self.position, self.current, 1
        self.position += 1
        while depth:
            written = self.take(_PIECE_OF_FILTER if regexes else _PIECE)
            if not written:
                at = self.position if self.current else start
                self.fail(f"the {self.current or opener} is never closed", at)
            depth += (written[-1] == opener) - (written[-1] == _CLOSERS[opener])
        return self.part(start + 1, self.position - 1)

    def json(self, end: str = "") -> Any:
        """The JSON value at the cursor, with quotes of either kind, bare words, stray commas.

        A bare word goes on up to a comma or `end`, or up to the end of the text without `end`.
        """
        self.take(_WHITE)
        if self.current == "[":
            return [value for _, value in self.enclosed().items("]")]
        if self.current == "{":
            return dict(self.enclosed().items("}"))
        if self.current in ("'", '"'):
            return self.quoted()
        word = self.take(rf"[^,\{end}]*" if end else "(?s:.*)").strip()
        if re.fullmatch("-?[0-9]+", word):
            return int(word)
        return float(word) if _FLOAT.fullmatch(word) else _WORDS.get(word, word)

    def items(self, end: str) -> list[tuple[str, Any]]:
        """The values inside a JSON list or object, which `end` may end early, with their keys."""
        items = []
        self.take(_COMMAS)
        while self.current not in ("", end):
            key = self._key() if end == "}" else ""
            self.take(_WHITE)
            if self.current in ("", "]", "}", ":"):
                self.fail("a value belongs here")
            items.append((key, self.json(end)))
            self.take(_WHITE)
            if end == "}" and self.current not in ("", ",", end):
                self.fail("a comma belongs here")
            self.take(_COMMAS)
        return items

    def _key(self) -> str:
        key = self.quoted() if self.current in ("'", '"') else self.take(r"[^:,\]}]*").strip()
        self.take(_WHITE)
        self.expect(":", "a : belongs after the key")
        return key
