"""The characters of a path: a cursor that knows quoting, escapes and matching brackets."""

import re
from typing import NoReturn

from hookline.jsonpath.errors import CompileError

_NAME = re.compile(r"[^.\[( ]*")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Scanner:
    """A cursor over a part of a path's text.

    Positions count from 0 in the whole text, so a scanner over a part reports errors in place.
    """

    def __init__(self, text: str, position: int, end: int) -> None:
        self.text = text
        self.position = position
        self.end = end

    def part(self, start: int, end: int) -> "Scanner":
        return Scanner(self.text, start, end)

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        raise CompileError(message, self.text, self.position if position is None else position)

    @property
    def current(self) -> str:
        """The character under the cursor, empty at the end."""
        return self.text[self.position] if self.position < self.end else ""

    @property
    def at_end(self) -> bool:
        return self.position >= self.end

    def starts(self, token: str) -> bool:
        return self.text.startswith(token, self.position, self.end)

    def skip_spaces(self) -> str:
        """Pass over spaces, and no other white space; gives the character reached."""
        while self.current == " ":
            self.position += 1
        return self.current

    def accept(self, token: str) -> bool:
        if self.starts(token):
            self.position += len(token)
            return True
        return False

    def expect(self, token: str, message: str) -> None:
        if not self.accept(token):
            self.fail(message)

    def take(self, pattern: re.Pattern[str]) -> str:
        """The text that `pattern` matches at the cursor, maybe none."""
        match = pattern.match(self.text, self.position, self.end)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def name(self) -> str:
        return self.take(_NAME)

    def quoted(self) -> str:
        """The string whose opening quote is under the cursor, its escapes resolved."""
        start = self.position + 1
        close = self.unescaped(self.current, start)
        value = self._unescape(start, close)
        self.position = close + 1
        return value

    def unescaped(self, char: str, start: int) -> int:
        """Where `char` stands next, from `start` on, without a backslash before it."""
        position = start
        while position < self.end:
            if self.text[position] == "\\":
                position += 1
            elif self.text[position] == char:
                return position
            position += 1
        self.fail(f"the {char} is never closed", start - 1)

    def closing(self, *, regexes: bool = False) -> int:
        """Where the bracket under the cursor is closed.

        Brackets in quotes don't count, nor, with `regexes`, those between slashes.
        """
        opener = self.current
        closer = _CLOSERS[opener]
        quotes = "'\"/" if regexes else "'\""
        depth = 0
        position = self.position
        while position < self.end:
            char = self.text[position]
            if char in quotes:
                position = self.unescaped(char, position + 1)
            depth += (char == opener) - (char == closer)
            if depth == 0:
                return position
            position += 1
        self.fail(f"the {opener} is never closed")

    def arguments(self) -> list["Scanner"]:
        """The comma-separated parts between the parentheses that open under the cursor."""
        expected = []
        parts = []
        start = position = self.position + 1
        while position < self.end:
            char = self.text[position]
            if char in "'\"":
                position = self.unescaped(char, position + 1)
            elif char in _CLOSERS:
                expected.append(_CLOSERS[char])
            elif char in ")]}" and (expected or char != ")"):
                if not expected or expected.pop() != char:
                    self.fail(f"the {char} was never opened", position)
            elif char in "),":
                if not expected:
                    parts.append(self.part(start, position))
                    start = position + 1
                if char == ")":
                    self.position = start
                    return parts
            position += 1
        self.fail("the arguments are never closed")

    def _unescape(self, start: int, close: int) -> str:
        if "\\" not in self.text[start:close]:
            return self.text[start:close]
        out = []
        position = start
        while position < close:
            char = self.text[position]
            position += 1
            if char == "\\":
                char = self.text[position]
                position += 1
                if char == "u":
                    char = self._unicode(position, close)
                    position += 4
                else:
                    char = _ESCAPES.get(char, char)
            out.append(char)
        return joined("".join(out))

    def _unicode(self, position: int, close: int) -> str:
        if close - position < len("FFFF"):
            return ""
        match = _HEX4.match(self.text, position, close)
        if match is None:
            self.fail("\\u needs four hexadecimal digits", position)
        return chr(int(match[0], 16))


def joined(text: str) -> str:
    """`text` with pairs of UTF-16 surrogates made one character each."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
