"""How a call's text is cut into its arguments: by counting brackets and quotes, as Jayway does."""

from dataclasses import dataclass, field
from typing import NamedTuple

_OPENERS = {")": "(", "]": "[", "}": "{"}
_ROOTS = ("$", "@")
_STARTS = '{"-$@'
_OWN = {"(": 1, "[": 0, "{": 0}
_WHITE = " \t\r\n"


class Argument(NamedTuple):
    """An argument's text, from the character on that shows whether it is JSON or a path."""

    text: str
    position: int
    is_path: bool


@dataclass(slots=True)
class Cutter:
    """Takes a call's text, from behind its parenthesis on, and gives the arguments.

    Quotes don't hide a parenthesis, a comma between them is lost, and the parenthesis that closes
    a call within a path ends the argument. What stands before an argument's first digit or
    character of `_STARTS` is passed over, and so is an argument that has neither.

    Attributes:
        found: the arguments that have ended.
        closed: the call has ended.
    """

    found: list[Argument] = field(default_factory=list)
    closed: bool = False
    _text: str = ""
    _first: str = ""
    _start: int = 0
    _depths: dict[str, int] = field(default_factory=_OWN.copy)
    _quoted: bool = False
    _prior: str = ""

    @property
    def balanced(self) -> bool:
        """Whether as many brackets closed as opened."""
        return not any(self._depths.values())

    def escapes(self, char: str, following: str) -> bool:
        """Take an escaped comma or quote, which loses its backslash; whether there is one."""
        escapes = self._quoted and char == "\\" and following in (",", '"')
        if escapes:
            self._text += following
            self._prior = ""
        return escapes

    def take(self, char: str, position: int) -> bool:
        """Take a character; false for a bracket that closes without having opened."""
        if not self._first:
            if char in _WHITE:
                return True
            self._begin(char, position)
        self._count(char)
        if char == ")" and (self._prior == "(" or self._depths["("] < 0):
            self._text += char
        if self._ends(char):
            self._finish()
        elif self._holds(char):
            self._text += char
        self._prior = char
        return min(self._depths["["], self._depths["{"]) >= 0

    def _begin(self, char: str, position: int) -> None:
        if char in _STARTS or char.isdigit():
            self._first, self._start = char, position

    def _count(self, char: str) -> None:
        if char == '"':
            self._quoted = not self._quoted
        elif char in self._depths:
            self._depths[char] += 1
        elif char in _OPENERS:
            self._depths[_OPENERS[char]] -= 1

    def _ends(self, char: str) -> bool:
        within = self._quoted or self._depths["["] or self._depths["{"]
        depth = self._depths["("]
        return char in (",", ")") and not within and depth in ((0, 1) if char == ")" else (1,))

    def _holds(self, char: str) -> bool:
        return self._first != "" and (char != "," or self._depths != _OWN)

    def _finish(self) -> None:
        self.closed = self._depths["("] == 0
        if self._first:
            self.found.append(Argument(self._text, self._start, self._first in _ROOTS))
            self._text = self._first = ""
