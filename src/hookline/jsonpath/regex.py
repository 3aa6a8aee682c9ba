"""Java's regular expressions on RE2, which takes linear time.

What RE2 can't do, or does otherwise than Java, is refused by name, never run with another
meaning. Where the two only spell things differently, the pattern is rewritten.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs; it is used only here

FLAGS = "dixmsuU"

_MAX_MEMORY = 2 << 20
_SETS = {r"\s": r"\x{9}-\x{D}\x{20}", r"\S": r"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{10FFFF}"}
_UNICODE_SETS = {
    r"\d": r"\p{Nd}",
    r"\w": r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}",
    r"\s": r"\x{9}-\x{D}\x{20}\x{85}\p{Z}",
}
_POSIX = re.compile(
    "(?:Low|Upp)er|ASCII|Al(?:pha|num)|X?Digit|P(?:unct|rint)|Graph|Blank|Cntrl|Space"
)
_PROPERTY = re.compile(r"(?:Is|script=|sc=)?([LMNPSZ][a-z]?|C[cfo])|(?:Is|script=|sc=)([A-Z]\w+)")
_CASED = re.compile("(?:Is)?(?:Lu|Ll|Lt|Lower|Upper)")
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}

_SET = r"\\[dDwWsS] | \\[pP](?:\{[^}]*\}|\w)"
_HEX = "[0-9a-fA-F]"
_CODE = rf"""\\(?: x{_HEX}{{2}} | x\{{{_HEX}{{1,6}}\}} | c. | [tnrfae] | [^a-zA-Z0-9]
                 | u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}} | u{_HEX}{{4}} )"""
_TOKEN = re.compile(
    rf"""(?s: (?P<set> {_SET} ) | (?P<code> {_CODE} )
  | (?P<quotation> \\Q .*? (?:\\E|\Z) )
  | (?P<same> \^ | \\[bBAz] | (?: [*+?] | \{{\d+(?:,\d*)?\}} ) \?? (?![+*?{{]) )
  | (?P<open> \( (?: \?<[A-Za-z][A-Za-z0-9]*> | (?!\?)
                   | \? (?P<on>[{FLAGS}]*) (?: -(?P<off>[{FLAGS}]*) )? (?P<stop>[:)]) ) )
  | (?P<branch> \| ) | (?P<close> \) ) | (?P<class> \[\^? ) | (?P<dot> \. ) | (?P<dollar> \$ )
  | (?P<refused> \\. | \\\Z | \(\?.?.? | (?:[*+?]|\{{[^}}]*\}}).? | \{{ )
  | (?P<char> . ) )""",
    re.VERBOSE,
)
_ITEM = re.compile(
    rf"""(?s: (?P<set> {_SET} )
  | (?P<span> (?P<first> {_CODE} | (?!&&)[^\\\[] )
      (?: -(?: (?P<last> {_CODE} | (?!&&)[^\\\[\]] ) | (?P<mixed> \\. ) ) )? )
  | (?P<refused> \\. | \[ | && ) )""",
    re.VERBOSE,
)
_NAMES = {
    **dict.fromkeys([rf"\{digit}" for digit in "123456789k"], "a backreference"),
    **dict.fromkeys(["(?=", "(?!", "(?<=", "(?<!"], "a lookaround"),
    r"\0": "an octal escape",
    "(?>": "an atomic group",
    "[": "a class within a class",
    "&&": "the intersection of classes",
}
_NOTHING = {"", "(?:)", ")", "|", r"\z"}
_LAYOUT = re.compile(r"[\s#]")
_SURROGATES = frozenset(range(0xD800, 0xE000))
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
        try:
            self._compiled: Any = re2.compile(_Rewriter(pattern, flags, fail).rewrite(), options)
        except re2.error as error:
            fail(f"the regular expression can't be compiled: {error.args[0].decode()}", 0)
        self.size: int = self._compiled.programsize

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return self.matches(_LONE_SURROGATE.sub("\ufffd", text))


class _Rewriter:
    """One pass over a Java pattern that gives the RE2 pattern of the same meaning."""

    def __init__(self, pattern: str, flags: str, fail: Fail) -> None:
        self.pattern = pattern
        self.position = 0
        self.flags = frozenset(flags)
        self.scopes: list[frozenset[str]] = []
        self.fail = fail
        # Where a $ stands that nothing may follow, since Java's also matches before a last newline:
        # just before here, and at the end of earlier branches of each open group; -1 if nowhere.
        self.dollar, self.dollars = -1, [-1]

    def rewrite(self) -> str:
        out = []
        while match := _TOKEN.match(self.pattern, self.position):
            self.position = match.end()
            before = self.dollar
            out.append(getattr(self, f"_{match.lastgroup}")(match))
            if before >= 0 and out[-1] not in _NOTHING:
                self._refuse("$ before the end of the pattern", before)
        if self.scopes:
            self.fail("a group of the regular expression is never closed", len(self.pattern))
        return "".join(out)

    def _refuse(self, construct: str, start: int) -> NoReturn:
        self.fail(f"the regular expression uses {construct}, which is not supported", start)

    def _refused(self, match: re.Match[str]) -> NoReturn:
        written = match[0]
        possessive = "a possessive quantifier" if written[1:].endswith("+") else repr(written)
        self._refuse(_NAMES.get(written) or _NAMES.get(written[:3], possessive), match.start())

    def _char(self, match: re.Match[str]) -> str:
        if "x" in self.flags and _LAYOUT.match(match[0]):
            end = self.pattern.find("\n", self.position) if match[0] == "#" else self.position
            self.position = end if end >= 0 else len(self.pattern)
            return ""
        return self._one(ord(match[0]), match)

    def _code(self, match: re.Match[str]) -> str:
        return self._one(_code_point(match[0]), match)

    def _quotation(self, match: re.Match[str]) -> str:
        quoted = match[0][2:].removesuffix("\\E")
        return "".join(self._one(ord(char), match) for char in quoted)

    def _dot(self, _match: re.Match[str]) -> str:
        excluded = r"\n" if "d" in self.flags else r"\n\r\x{85}\x{2028}\x{2029}"
        return "(?s:.)" if "s" in self.flags else f"[^{excluded}]"

    def _dollar(self, match: re.Match[str]) -> str:
        if "m" in self.flags:
            return "(?m:$)"
        self.dollar = match.start()
        return r"\z"

    def _branch(self, match: re.Match[str]) -> str:
        self.dollars[-1] = max(self.dollars[-1], self.dollar)
        self.dollar = -1
        return match[0]

    def _one(self, code: int, match: re.Match[str]) -> str:
        return f"{self._fold}[{self._spans(code, code, match)}])"

    @property
    def _fold(self) -> str:
        return "(?i:" if "i" in self.flags and self.flags & {"u", "U"} else "(?:"

    def _set(self, match: re.Match[str]) -> str:
        return f"[{self._set_body(match)}]"

    def _set_body(self, match: re.Match[str]) -> str:
        written = match[0]
        if written[1] in "pP":
            return self._property(match)
        if "U" not in self.flags:
            return _SETS.get(written, written)
        if written not in _UNICODE_SETS:
            self._refuse(f"{written} with the flag U", match.start())
        return _UNICODE_SETS[written]

    def _property(self, match: re.Match[str]) -> str:
        written, unicode = match[0], "U" in self.flags
        name = written[2:].strip("{}")
        if "i" in self.flags and _CASED.fullmatch(name):
            self._refuse(f"{written!r} with the flag i", match.start())
        if found := _PROPERTY.fullmatch(name):
            return f"{written[:2]}{{{found[1] or found[2]}}}"
        if unicode or not _POSIX.fullmatch(name):
            self._refuse(f"{written}{' with the flag U' * unicode}", match.start())
        return f"[:{'^' * (written[1] == 'P')}{name.lower()}:]"

    def _same(self, match: re.Match[str]) -> str:
        if match[0] == "^" and "m" in self.flags:
            return "(?m:^)"
        if "U" in self.flags and match[0].lower() == r"\b":
            self._refuse(f"{match[0]} with the flag U", match.start())
        return match[0]

    def _open(self, match: re.Match[str]) -> str:
        outer = self.flags
        self.flags = (outer | set(match["on"] or "")) - set(match["off"] or "")
        if match["stop"] == ")":
            return "(?:)"
        self.scopes.append(outer)
        self.dollars.append(-1)
        return "(?:"

    def _close(self, match: re.Match[str]) -> str:
        if not self.scopes:
            self.fail("the regular expression has an unopened )", match.start())
        self.flags = self.scopes.pop()
        self.dollar = max(self.dollar, self.dollars.pop())
        return ")"

    def _class(self, match: re.Match[str]) -> str:
        items: list[str] = []
        while not items or not self.pattern.startswith("]", self.position):
            item = _ITEM.match(self.pattern, self.position)
            if item is None:
                self.fail("a character class is never closed", match.start())
            self.position = item.end()
            items.append(getattr(self, f"_item_{item.lastgroup}")(item))
        self.position += 1
        return f"{self._fold}{match[0]}{''.join(items)}])"

    def _item_set(self, item: re.Match[str]) -> str:
        if self._fold == "(?i:" and item[0][1].isupper():
            self._refuse("a negated set in a class with the flags i and u", item.start())
        return self._set_body(item)

    def _item_span(self, item: re.Match[str]) -> str:
        if item["mixed"]:
            self._refuse("a range that ends in a set", item.start("mixed"))
        ends = item["first"], item["last"] or item["first"]
        if "x" in self.flags and any(map(_LAYOUT.fullmatch, ends)):
            self._refused(item)
        return self._spans(_code_point(ends[0]), _code_point(ends[1]), item)

    _item_refused = _refused

    def _spans(self, first: int, last: int, match: re.Match[str]) -> str:
        """A class body for the code points `first` to `last`, in both cases under the flag i."""
        spans = [(first, last)]
        if "i" in self.flags and self._fold == "(?:":
            spans += _in_other_case(first, last)
        if {first, last} & _SURROGATES or last > sys.maxunicode:
            self._refuse("half a character, or none of Unicode's", match.start())
        return "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in spans)


def _in_other_case(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The spans of ASCII's letters from `first` to `last`, in the other case."""
    for low, high, shift in ((65, 90, 32), (97, 122, -32)):
        if first <= high and last >= low:
            yield max(first, low) + shift, min(last, high) + shift


def _code_point(written: str) -> int:
    if len(written) == 1:
        return ord(written)
    kind, rest = written[1], written[2:]
    if kind == "u":
        return ord(json.loads(f'"{written}"'))
    if kind == "x":
        return int(rest.strip("{}"), 16)
    return ord(rest) ^ 64 if rest else _CONTROLS.get(kind, ord(kind))
