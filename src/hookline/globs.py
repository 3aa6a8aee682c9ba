"""Glob patterns as AWS documents them for triggers, run by RE2: no pattern can be made to hang.

Source: "Working with glob patterns in syntax" of the AWS CodePipeline user guide.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs

LONGEST = 255
"""Characters of a pattern, as in the service model."""

_MAX_MEMORY = 4 << 20
_TOKEN = re.compile(
    r"""
    \\(?P<escaped>.) | (?P<across>\*\*+) | (?P<within>\*) | (?P<one>\?)
    | (?P<set>\[(?P<not>!?)(?P<members>[^\]]+)\])
    | (?P<open>\{) | (?P<close>\}) | (?P<comma>,) | (?P<broken>[\\\[]) | (?P<literal>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SPECIAL = re.compile(r"[\\*?\[{]")


class GlobError(ValueError):
    """The pattern can't be used; the text names it and says why."""


class Globs:
    """Patterns, compiled into one automaton; immutable.

    Attributes:
        size: instructions of its program; matching takes at most this many steps a byte.
    """

    __slots__ = ("_compiled", "size")

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile the patterns. Raises GlobError."""
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY
        options.never_capture = True
        options.dot_nl = True
        text = "|".join(f"(?:{_translated(pattern)})" for pattern in patterns)
        try:
            self._compiled: Any = re2.compile(text, options)
        except re2.error as error:
            raise GlobError(f"The patterns {', '.join(patterns)} are too large") from error
        self.size: int = self._compiled.programsize

    def matches(self, text: str) -> bool:
        """Whether a pattern matches the whole of `text`."""
        # Given a string, the wrapper counts its characters first.
        return self._compiled.fullmatch(text.encode(errors="replace")) is not None


def escaped(text: str) -> str:
    """The pattern that matches `text` and nothing else."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def _translated(pattern: str) -> str:
    if len(pattern) > LONGEST:
        raise GlobError(f"A pattern has {len(pattern)} characters; {LONGEST} is the most")
    return "".join(_parts(pattern))


_SIMPLE = {"across": ".*", "within": "[^/]*", "one": "[^/]"}
# What stands for a character outside and inside of a group.
_GROUPING = {"open": ("(?:", ""), "close": (r"\}", ")"), "comma": (",", "|")}
_IN_GROUP_AFTER = {"open": True, "close": False}


def _parts(pattern: str) -> Iterator[str]:
    in_group = False
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup or ""
        if kind == "open" and in_group:
            _fail(pattern, "has a group within a group")
        if kind in _GROUPING:
            yield _GROUPING[kind][in_group]
            in_group = _IN_GROUP_AFTER.get(kind, in_group)
        else:
            yield _SIMPLE.get(kind) or _character(pattern, token, kind)
    if in_group:
        _fail(pattern, "has a { without }")


def _character(pattern: str, token: re.Match[str], kind: str) -> str:
    if kind == "broken":
        _fail(pattern, "ends in \\" if token[0] == "\\" else "has a [ without ]")
    if kind == "set":
        return _set(pattern, token["members"], negated=bool(token["not"]))
    return str(re2.escape(token[kind]))


def _set(pattern: str, members: str, *, negated: bool) -> str:
    """A set of characters; the / that parts folders is never one of them."""
    out: list[str] = []
    position = 0
    while position < len(members):
        first = last = members[position]
        position += 1
        if members[position : position + 1] == "-" and position + 1 < len(members):
            last = members[position + 1]
            position += 2
        if last < first:
            _fail(pattern, f"has the range {first}-{last}, which is empty")
        out += _ranges(ord(first), ord(last))
    if negated:
        return f"[^/{''.join(out)}]"
    if not out:
        _fail(pattern, "has / in [ ], which matches no /")
    return f"[{''.join(out)}]"


def _ranges(first: int, last: int) -> Iterator[str]:
    slash = ord("/")
    if first <= slash <= last:
        if first < slash:
            yield from _ranges(first, slash - 1)
        if slash < last:
            yield from _ranges(slash + 1, last)
    else:
        yield f"\\x{{{first:x}}}-\\x{{{last:x}}}"


def _fail(pattern: str, reason: str) -> NoReturn:
    raise GlobError(f"The pattern '{pattern}' {reason}")
