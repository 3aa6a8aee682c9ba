"""Java's regular expressions on RE2, which takes linear time.

What RE2 can't do, or does otherwise than Java, is refused by name, never run with another
meaning. Where the two only spell things differently, the pattern is rewritten.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs; it is used only here

FLAGS = "dixmsuU"

_MAX_MEMORY = 2 << 20
_SETS = {
    r"\d": "0-9",
    r"\D": r"\x{0}-\x{2F}\x{3A}-\x{10FFFF}",
    r"\w": "0-9A-Z_a-z",
    r"\W": r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{5E}\x{60}\x{7B}-\x{10FFFF}",
    r"\s": r"\x{9}-\x{D}\x{20}",
    r"\S": r"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{10FFFF}",
}
_UNICODE_SETS = {
    r"\d": r"\p{Nd}",
    r"\w": r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}",
    r"\s": r"\x{9}-\x{D}\x{20}\x{85}\p{Z}",
}
_POSIX = re.compile(
    "Lower|Upper|ASCII|Alpha|Digit|Alnum|Punct|Graph|Print|Blank|Cntrl|XDigit|Space"
)
_PROPERTY = re.compile(r"(?:Is|script=|sc=)?([LMNPSZ][a-z]?|C[cfo])|(?:Is|script=|sc=)([A-Z]\w+)")
_CASED = re.compile("(?:Is)?(?:Lu|Ll|Lt|Lower|Upper)")
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}

_ESCAPE = r"""
    (?P<set> \\[dDwWsS] | \\[pP](?:\{[^}]*\}|\w) )
  | (?P<code> \\(?: x[0-9a-fA-F]{2} | x\{[0-9a-fA-F]{1,6}\} | uD[89AB]..\\uD[C-F]..
                  | u[0-9a-fA-F]{4} | c. | [tnrfae] | [^a-zA-Z0-9] ) )"""
_TOKEN = re.compile(
    rf"""(?s: {_ESCAPE}
  | (?P<quotation> \\Q .*? (?:\\E|\Z) )
  | (?P<zero> \\[bBAz] )
  | (?P<group> \( (?: \?(?: : | <[A-Za-z][A-Za-z0-9]*> ) | (?!\?) ) )
  | (?P<flags> \(\? [{FLAGS}]* (?:-[{FLAGS}]*)? [:)] )
  | (?P<close> \) )
  | (?P<repeat> (?: [*+?] | \{{\d+(?:,\d*)?\}} ) \?? (?![+*?{{]) )
  | (?P<class> \[ )
  | (?P<refused> \\. | \\\Z | \(\?.?.? | (?:[*+?]|\{{[^}}]*\}}).? | \{{ )
  | (?P<any> . ) )""",
    re.VERBOSE,
)
_ITEM = re.compile(rf"(?s: {_ESCAPE} | (?P<refused> \\.|\[|&& ) | (?P<any> . ) )", re.VERBOSE)
_NAMES = {
    **dict.fromkeys([rf"\{digit}" for digit in "123456789k"], "a backreference"),
    **dict.fromkeys(["(?=", "(?!", "(?<=", "(?<!"], "a lookaround"),
    **dict.fromkeys(["*+", "++", "?+"], "a possessive quantifier"),
    r"\0": "an octal escape",
    "(?>": "an atomic group",
    "[": "a class within a class",
    "&&": "the intersection of classes",
}
_QUANTIFIER = re.compile(r"[*+?{]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Fail = Callable[[str, int], NoReturn]


class Regex:
    """A compiled pattern; immutable, and safe to share between threads.

    Attributes:
        size: instructions of its program; matching takes at most this many steps a character.
    """

    __slots__ = ("_compiled", "size")

    def __init__(self, pattern: str, flags: str, fail: Fail) -> None:
        """Compile `pattern` as Java reads it; `fail(message, offset)` raises what it can't."""
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY
        options.never_capture = True
        rewritten = _Rewriter(pattern, flags, fail).rewrite()
        try:
            self._compiled: Any = re2.compile(rewritten, options)
        except re2.error as error:
            fail(f"the regular expression can't be compiled: {error.args[0].decode()}", 0)
        self.size: int = self._compiled.programsize

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return self._compiled.fullmatch(_LONE_SURROGATE.sub("\ufffd", text)) is not None


class _Rewriter:
    """One pass over a Java pattern that gives the RE2 pattern of the same meaning."""

    def __init__(self, pattern: str, flags: str, fail: Fail) -> None:
        self.pattern = pattern
        self.position = 0
        self.flags = frozenset(flags)
        self.scopes: list[frozenset[str]] = []
        self.fail = fail

    def rewrite(self) -> str:
        out = []
        parts = []
        while match := _TOKEN.match(self.pattern, self.position):
            start, self.position = self.position, match.end()
            out.append(getattr(self, f"_{match.lastgroup}")(match[0], start))
            parts.append((out[-1], start))
        if self.scopes:
            self.fail("a group of the regular expression is never closed", len(self.pattern))
        self._check_ends(parts)
        return "".join(out)

    def _check_ends(self, parts: list[tuple[str, int]]) -> None:
        """Refuse a `$` that something may follow: Java's also matches before a last newline."""
        outer = [True]
        tail, after = True, ""
        for part, start in reversed(parts):
            if part == ")":
                tail = tail and not _QUANTIFIER.match(after)
                outer.append(tail)
            elif part == "|":
                tail = outer[-1]
            elif part == r"\z" and self.pattern[start] == "$" and not tail:
                self._refused("$ before the end of the pattern", start)
            elif part not in {"", r"\z", "(?:)"}:
                tail = False
                del outer[len(outer) - (part == "(?:") :]
            after = part

    def _refused(self, written: str, start: int) -> NoReturn:
        possessive = "a possessive quantifier" if written[1:].endswith("+") else repr(written)
        name = _NAMES.get(written) or _NAMES.get(written[:3]) or possessive
        self.fail(f"the regular expression uses {name}, which is not supported", start)

    @property
    def _fold(self) -> str:
        return "(?i:" if "i" in self.flags and self.flags & {"u", "U"} else "(?:"

    def _any(self, char: str, start: int) -> str:
        if char == ".":
            excluded = r"\n" if "d" in self.flags else r"\n\r\x{85}\x{2028}\x{2029}"
            return "(?s:.)" if "s" in self.flags else f"[^{excluded}]"
        if char in "^$" and "m" in self.flags:
            return f"(?m:{char})"
        if char == "$":
            return r"\z"
        if "x" in self.flags and (char.isspace() or char == "#"):
            newline = self.pattern.find("\n", start) if char == "#" else self.position
            self.position = len(self.pattern) if newline < 0 else newline
            return ""
        return char if char in "^|" else f"{self._fold}[{self._span(ord(char), ord(char), start)}])"

    def _code(self, written: str, start: int) -> str:
        code = self._code_point(written)
        return f"{self._fold}[{self._span(code, code, start)}])"

    def _code_point(self, written: str) -> int:
        kind, rest = written[1], written[2:]
        if kind == "u" and len(rest) > len("FFFF"):
            high, low = int(rest[:4], 16), int(rest[6:], 16)
            return 0x10000 + ((high - 0xD800) << 10) + low - 0xDC00
        if kind in "xu" and rest:
            return int(rest.strip("{}"), 16)
        return ord(rest) ^ 64 if rest else _CONTROLS.get(kind, ord(kind))

    def _set(self, written: str, start: int) -> str:
        return f"[{self._set_body(written, start)}]"

    def _set_body(self, written: str, start: int) -> str:
        unicode = "U" in self.flags
        sets = _UNICODE_SETS if unicode else _SETS
        name = written[2:].strip("{}")
        found = _PROPERTY.fullmatch(name)
        if name == "" and written in sets:
            return sets[written]
        if "i" in self.flags and _CASED.fullmatch(name):
            self._refused(f"{written} with the flag i", start)
        if found:
            return f"{written[:2]}{{{found[1] or found[2]}}}"
        if unicode or not _POSIX.fullmatch(name):
            self._refused(f"{written} with the flag U" if unicode else written, start)
        return f"[:{'^' * (written[1] == 'P')}{name.lower()}:]"

    def _quotation(self, written: str, start: int) -> str:
        return "".join(
            f"{self._fold}[{self._span(ord(char), ord(char), start)}])"
            for char in written[2:].removesuffix("\\E")
        )

    def _zero(self, written: str, start: int) -> str:
        if "U" in self.flags and written.lower() == r"\b":
            self._refused(f"{written} with the flag U", start)
        return written

    def _group(self, _written: str, _start: int) -> str:
        self.scopes.append(self.flags)
        return "(?:"

    def _flags(self, written: str, _start: int) -> str:
        outer = self.flags
        added, _, removed = written[2:-1].partition("-")
        self.flags = (self.flags | set(added)) - set(removed)
        if written[-1] == ")":
            return "(?:)"
        self.scopes.append(outer)
        return "(?:"

    def _close(self, _written: str, start: int) -> str:
        if not self.scopes:
            self.fail("the regular expression has an unopened )", start)
        self.flags = self.scopes.pop()
        return ")"

    def _repeat(self, written: str, _start: int) -> str:
        return written

    def _class(self, _written: str, start: int) -> str:
        negated = self.pattern.startswith("^", self.position)
        self.position += negated
        items: list[str] = []
        while not items or not self.pattern.startswith("]", self.position):
            items.append(self._item(start))
        self.position += 1
        return f"{self._fold}[{'^' * negated}{''.join(items)}])"

    def _item(self, start: int) -> str:
        match = self._class_token(start)
        if match.lastgroup == "set":
            if self._fold == "(?i:" and match[0][1].isupper():
                self._refused("a negated set in a class with the flags i and u", match.start())
            return self._set_body(match[0], match.start())
        first = last = self._item_code(match)
        if re.compile(r"-[^\]]").match(self.pattern, self.position):
            self.position += 1
            last = self._item_code(self._class_token(start))
        return self._span(first, last, match.start())

    def _class_token(self, start: int) -> re.Match[str]:
        match = _ITEM.match(self.pattern, self.position)
        if match is None:
            self.fail("a character class is never closed", start)
        self.position = match.end()
        spaced = "x" in self.flags and (match[0].isspace() or match[0] == "#")
        if spaced or match.lastgroup == "refused":
            self._refused(match[0], match.start())
        return match

    def _item_code(self, match: re.Match[str]) -> int:
        if match.lastgroup == "set":
            self._refused("a range that ends in a set", match.start())
        return ord(match[0]) if match.lastgroup == "any" else self._code_point(match[0])

    def _span(self, first: int, last: int, start: int) -> str:
        """A class body for the code points `first` to `last`, in both cases under the flag i."""
        spans = [(first, last)]
        if "i" in self.flags and self._fold == "(?:":
            for low, high, shift in ((65, 90, 32), (97, 122, -32)):
                if first <= high and last >= low:
                    spans.append((max(first, low) + shift, min(last, high) + shift))
        try:
            "".join(map(chr, (first, last))).encode()
        except (UnicodeEncodeError, ValueError):
            self._refused("half a character, or none of Unicode's", start)
        return "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in spans)
