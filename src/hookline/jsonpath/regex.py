"""Java's regular expressions on RE2, which takes linear time.

What RE2 can't do, or does otherwise than Java, is refused by name, never run with another
meaning. Where the two only spell things differently, the pattern is rewritten.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs; it is used only here

FLAGS = "dixmsuU"

_MAX_MEMORY = 2 << 20
_TERMINATORS = r"\n\r\x{85}\x{2028}\x{2029}"
_SHORTHANDS = {
    "d": "0-9",
    "D": r"\x{0}-\x{2F}\x{3A}-\x{10FFFF}",
    "w": "0-9A-Z_a-z",
    "W": r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{5E}\x{60}\x{7B}-\x{10FFFF}",
    "s": r"\x{9}-\x{D}\x{20}",
    "S": r"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{10FFFF}",
}
_UNICODE_SHORTHANDS = {
    "d": r"\p{Nd}",
    "w": r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}",
    "s": r"\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}",
}
_POSIX = frozenset(
    "Lower Upper ASCII Alpha Digit Alnum Punct Graph Print Blank Cntrl XDigit Space".split()
)
_CASED = frozenset(["Lu", "Ll", "Lt", "Lower", "Upper"])
_CATEGORY = re.compile(r"(?:Is)?(L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo])")
_SCRIPT = re.compile(r"(?:Is|script=|sc=)([A-Z][A-Za-z_]+)")
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}
_REFUSED = {
    **dict.fromkeys("123456789k", "a backreference"),
    "0": "an octal escape",
    "E": "an \\E without \\Q",
    "G": "\\G, the end of the previous match",
    "Z": "\\Z, the end before a final line break",
}
_REFUSED_GROUPS = (
    ("<=", "a lookbehind"),
    ("<!", "a lookbehind"),
    ("=", "a lookahead"),
    ("!", "a lookahead"),
    (">", "an atomic group"),
)
_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_FLAG_GROUP = re.compile(r"\?([dixmsuU]*)(?:-([dixmsuU]*))?([:)])")
_NAMED_GROUP = re.compile(r"\?(?::|<[A-Za-z][A-Za-z0-9]*>)")
_HEX = re.compile(r"x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})")
_LOW_SURROGATE = re.compile(r"\\u(D[C-F][0-9A-F]{2})", re.IGNORECASE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Fail = Callable[[str, int], NoReturn]


class Regex:
    """A compiled pattern; immutable, and safe to share between threads."""

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
            reason = error.args[0]
            text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
            fail(f"the regular expression can't be compiled: {text}", 0)
        self.size: int = self._compiled.programsize

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return self._compiled.fullmatch(_LONE_SURROGATE.sub("�", text)) is not None


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Rewriter:
    """One pass over a Java pattern that gives the RE2 pattern of the same meaning."""

    def __init__(self, pattern: str, flags: str, fail: Fail) -> None:
        self.pattern = pattern
        self.position = 0
        self.flags = frozenset(flags)
        self.scopes: list[frozenset[str]] = []
        self.tokens: list[_Token] = []
        self.fail = fail

    def rewrite(self) -> str:
        handlers = {
            "\\": self._escape,
            "[": self._class,
            "(": self._open,
            ")": self._close,
            "|": self._bar,
            ".": self._dot,
            "^": self._start,
            "$": self._end,
            **dict.fromkeys("*+?{", self._quantifier),
        }
        while self.position < len(self.pattern):
            start = self.position
            self.position += 1
            handlers.get(self.pattern[start], self._character)(start)
        if self.scopes:
            self.fail("a group of the regular expression is never closed", len(self.pattern))
        self._check_ends()
        return "".join(token.text for token in self.tokens)

    def _refuse(self, construct: str, start: int) -> NoReturn:
        self.fail(f"the regular expression uses {construct}, which is not supported", start)

    def _add(self, kind: str, text: str, start: int) -> None:
        self.tokens.append(_Token(kind, text, start))

    def _peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    @property
    def _folds_unicode(self) -> bool:
        return "i" in self.flags and not self.flags.isdisjoint("uU")

    # Outside character classes

    def _character(self, start: int) -> None:
        char = self.pattern[start]
        if "x" in self.flags and char in " \t\n\x0b\f\r":
            return
        if "x" in self.flags and char == "#":
            newline = self.pattern.find("\n", start)
            self.position = len(self.pattern) if newline < 0 else newline
            return
        self._literal(ord(char), start)

    def _literal(self, code: int, start: int) -> None:
        body = self._span(code, code, start)
        fold = "(?i:" if self._folds_unicode else "(?:"
        self._add("atom", f"{fold}[{body}])", start)

    def _dot(self, start: int) -> None:
        excluded = r"\n" if "d" in self.flags else _TERMINATORS
        self._add("atom", "(?s:.)" if "s" in self.flags else f"[^{excluded}]", start)

    def _start(self, start: int) -> None:
        self._add("zero", "(?m:^)" if "m" in self.flags else r"\A", start)

    def _end(self, start: int) -> None:
        if "m" in self.flags:
            self._add("zero", "(?m:$)", start)
        else:
            self._add("end", r"\z", start)

    def _bar(self, start: int) -> None:
        self._add("bar", "|", start)

    def _quantifier(self, start: int) -> None:
        match = _QUANTIFIER.match(self.pattern, start)
        if match is None:
            self.fail("the regular expression has a { that is no repetition", start)
        if not self.tokens or self.tokens[-1].kind not in {"atom", "close", "zero", "end"}:
            self.fail(f"the regular expression has nothing before its {match[0]}", start)
        self.position = match.end()
        if self._peek() == "+":
            self._refuse("a possessive quantifier", start)
        lazy = self._peek() == "?"
        self.position += lazy
        self._add("quantifier", match[0] + "?" * lazy, start)

    def _open(self, start: int) -> None:
        scope = self.flags
        if self._peek() == "?":
            named = _NAMED_GROUP.match(self.pattern, self.position)
            if named is None:
                if not self._flags(start):
                    self._add("directive", "", start)
                    return
            else:
                self.position = named.end()
        self.scopes.append(scope)
        self._add("open", "(?:", start)

    def _flags(self, start: int) -> bool:
        """Take in `?i-s:` or `?i-s)`; whether a group is opened by it."""
        match = _FLAG_GROUP.match(self.pattern, self.position)
        if match is None:
            for sign, construct in _REFUSED_GROUPS:
                if self.pattern.startswith("?" + sign, self.position):
                    self._refuse(construct, start)
            self._refuse(f"the group {self.pattern[start : start + 3]}", start)
        self.position = match.end()
        self.flags = (self.flags | set(match[1])) - set(match[2] or "")
        return match[3] == ":"

    def _close(self, start: int) -> None:
        if not self.scopes:
            self.fail("the regular expression has an unopened )", start)
        self.flags = self.scopes.pop()
        self._add("close", ")", start)

    def _escape(self, start: int) -> None:
        char = self._peek()
        if char == "Q":
            self._quotation(start)
        elif char and char in "bBAz":
            if char in "bB" and "U" in self.flags:
                self._refuse(f"\\{char} with the flag U", start)
            self.position += 1
            self._add("zero", "\\" + char, start)
        elif (body := self._set(start)) is not None:
            self._add("atom", f"[{body}]", start)
        else:
            self._literal(self._code(start), start)

    def _quotation(self, start: int) -> None:
        begin = start + 2
        end = self.pattern.find("\\E", begin)
        stop = len(self.pattern) if end < 0 else end
        for position in range(begin, stop):
            self._literal(ord(self.pattern[position]), position)
        self.position = min(stop + 2, len(self.pattern))

    def _check_ends(self) -> None:
        """Refuse a `$` that something may follow: Java's also matches before a final newline."""
        tail = True
        outer: list[bool] = []
        repeated = False
        for kind, _, start in reversed(self.tokens):
            if kind == "close":
                tail = tail and not repeated
                outer.append(tail)
            elif kind == "bar":
                tail = outer[-1] if outer else True
            elif kind == "end" and not tail:
                self._refuse("a $ before the end of the pattern", start)
            elif kind in {"open", "atom"}:
                tail = False
                if kind == "open":
                    outer.pop()
            repeated = kind == "quantifier"

    # Escapes, in and outside of character classes

    def _set(self, start: int) -> str | None:
        """The class body of \\d, \\w, \\s, \\p and their negations, None for another escape."""
        char = self._peek()
        if char and char in "pP":
            return self._property(start)
        if char not in _SHORTHANDS:
            return None
        self.position += 1
        if "U" not in self.flags:
            return _SHORTHANDS[char]
        if char not in _UNICODE_SHORTHANDS:
            self._refuse(f"\\{char} with the flag U", start)
        return _UNICODE_SHORTHANDS[char]

    def _property(self, start: int) -> str:
        match = re.compile(r"([pP])(?:\{([^}]*)\}|(.))").match(self.pattern, self.position)
        if match is None:
            self.fail("the regular expression has an unfinished \\p", start)
        self.position = match.end()
        sign, name = match[1], match[2] or match[3] or ""
        if "i" in self.flags and name.removeprefix("Is") in _CASED:
            self._refuse(f"\\{sign}{{{name}}} with the flag i", start)
        if name in _POSIX and "U" not in self.flags:
            return f"[:{'^' * (sign == 'P')}{name.lower()}:]"
        found = _CATEGORY.fullmatch(name) or _SCRIPT.fullmatch(name)
        if found is None:
            self._refuse(f"\\{sign}{{{name}}}", start)
        return f"\\{sign}{{{found[1]}}}"

    def _code(self, start: int) -> int:
        """The code point that the escape at `start` stands for."""
        char = self._peek()
        if not char:
            self.fail("the regular expression ends in a backslash", start)
        if char in "xu":
            return self._hex(start)
        self.position += 1
        if char == "c" and self._peek():
            self.position += 1
            return ord(self.pattern[self.position - 1]) ^ 64
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isascii() and char.isalnum():
            self._refuse(_REFUSED.get(char, f"\\{char}"), start)
        return ord(char)

    def _hex(self, start: int) -> int:
        match = _HEX.match(self.pattern, self.position)
        if match is None:
            self.fail("the regular expression has an unfinished hexadecimal escape", start)
        self.position = match.end()
        code = int(match[1] or match[2] or match[3], 16)
        low = _LOW_SURROGATE.match(self.pattern, self.position)
        if match[3] and low and 0xD800 <= code <= 0xDBFF:  # noqa: PLR2004 - UTF-16's first halves
            self.position = low.end()
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        return code

    # Character classes

    def _class(self, start: int) -> None:
        negated = self._peek() == "^"
        self.position += negated
        body: list[str] = []
        while self._peek() != "]" or not body:
            if not self._peek():
                self.fail("a character class is never closed", start)
            body.append(self._class_item())
        self.position += 1
        fold = "(?i:" if self._folds_unicode else "(?:"
        self._add("atom", f"{fold}[{'^' * negated}{''.join(body)}])", start)

    def _class_item(self) -> str:
        start = self.position
        char = self._peek()
        if "x" in self.flags and char in " \t\n\x0b\f\r#":
            self._refuse("white space or # in a class with the flag x", start)
        if char == "\\":
            self.position += 1
            body = self._set(start)
            if body is not None:
                if self._folds_unicode and self.pattern[start + 1] in "DWSP":
                    self._refuse("a negated set in a class with the flags i and u", start)
                return body
        first = self._class_code(start)
        last = first
        if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] != "]":
            self.position += 1
            last = self._class_code(self.position)
        return self._span(first, last, start)

    def _class_code(self, start: int) -> int:
        if self.position > start:  # the backslash has been passed
            return self._code(start)
        char = self._peek()
        if char == "\\":
            self.position += 1
            return self._code(start)
        if char == "[":
            self._refuse("a class within a class", start)
        if self.pattern.startswith("&&", start):
            self._refuse("&&, the intersection of classes", start)
        if not char:
            self.fail("a character class is never closed", start)
        self.position += 1
        return ord(char)

    def _span(self, first: int, last: int, start: int) -> str:
        """A class body for the code points `first` to `last`, in both cases under the flag i."""
        if last < first:
            self.fail("a range in a character class goes backwards", start)
        if any(0xD800 <= code <= 0xDFFF for code in (first, last)) or last > 0x10FFFF:  # noqa: PLR2004 - Unicode's own limits
            self._refuse("half a character, or none of Unicode's", start)
        spans = [(first, last)]
        if "i" in self.flags and not self._folds_unicode:
            for low, high, shift in ((65, 90, 32), (97, 122, -32)):
                if first <= high and last >= low:
                    spans.append((max(first, low) + shift, min(last, high) + shift))
        return "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in spans)
