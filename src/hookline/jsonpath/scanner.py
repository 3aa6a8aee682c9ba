"""The characters of a path: a cursor that knows quoting, escapes and matching brackets."""

import re
from typing import NoReturn

from hookline.jsonpath.errors import CompileError

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u(.{0,3}$)|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_BAD_UNICODE = "\\u needs four hexadecimal digits"


class Scanner:
    """A cursor over a part of a path's text.

    Positions count from 0 in the whole text, so a scanner over a part reports errors in place.
    """

    def __init__(self, text: str, position: int, end: int) -> None:
        self.text = text
        self.position = position
        self.end = end

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        """Raise the CompileError `message`, at the cursor unless a position is given."""
        raise CompileError(message, self.text, self.position if position is None else position)

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

    def take(self, pattern: re.Pattern[str]) -> str:
        """The text that `pattern` matches at the cursor, maybe none; passes over it."""
        match = pattern.match(self.text, self.position, self.end)
        self.position = match.end() if match else self.position
        return match[0] if match else ""

    def quoted(self) -> str:
        """The string whose opening quote is under the cursor, its escapes resolved."""
        start = self.position + 1
        close = self.unescaped(self.current, start)
        self.position = close + 1
        text = _ESCAPE.sub(self._unescape, self.text[start:close])
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _unescape(self, match: re.Match[str]) -> str:
        digits, cut_short, char = match.groups()
        if char == "u":
            self.fail(_BAD_UNICODE)
        if cut_short is not None:
            return ""
        return chr(int(digits, 16)) if digits else _ESCAPES.get(char, char)

    def unescaped(self, char: str, start: int) -> int:
        """Where `char` stands next, from `start` on, without a backslash before it."""
        position = start
        while position < self.end and self.text[position] != char:
            position += 1 + (self.text[position] == "\\")
        if position >= self.end:
            self.fail(f"the {char} is never closed", start - 1)
        return position

    def closing(self, start: int, quotes: str = "'\"") -> int:
        """Where the bracket at `start` is closed; what stands between `quotes` doesn't count."""
        opener = self.text[start]
        position, depth = start, 0
        while position < self.end:
            char = self.text[position]
            if char in quotes:
                position = self.unescaped(char, position + 1)
            depth += (char == opener) - (char == _CLOSERS[opener])
            if not depth:
                break
            position += 1
        else:
            self.fail(f"the {opener} is never closed", start)
        return position

    def arguments(self) -> list["Scanner"]:
        """The comma-separated parts between the parentheses that open under the cursor."""
        parts = []
        start = position = self.position + 1
        while position < self.end:
            char = self.text[position]
            if char in "'\"":
                position = self.unescaped(char, position + 1)
            elif char in _CLOSERS:
                position = self.closing(position)
            elif char in "),":
                parts.append(Scanner(self.text, start, position))
                start = position + 1
            if char in ")]}":
                break
            position += 1
        if position >= self.end or self.text[position] != ")":
            self.fail("the arguments are never closed")
        self.position = start
        return parts
