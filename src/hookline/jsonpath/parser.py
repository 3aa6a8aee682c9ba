"""A path's text to its steps; every mistake becomes a CompileError with its place."""

import re
from decimal import Decimal
from typing import Any

from hookline.jsonpath import conditions
from hookline.jsonpath.comparison import OPERATORS
from hookline.jsonpath.literals import read_json
from hookline.jsonpath.regex import FLAGS, Regex
from hookline.jsonpath.scanner import Scanner
from hookline.jsonpath.syntax import (
    Call,
    Filter,
    Indexes,
    JsonLiteral,
    Names,
    ParsedPath,
    Predicate,
    Scan,
    Slice,
    Wildcard,
)

MAX_LENGTH = 1_000
MAX_DEPTH = 32

_ROOTS = ("$", "@")
_QUOTES = ("'", '"')
_INT32 = 2**31
_NAME = re.compile(r"[^.\[( ]*")
_INTEGER = re.compile(r" *(-?\d+) *", re.ASCII)
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::[-\d:]*)?", re.ASCII)
_NUMBERS = re.compile(r"[-\d:, ]*", re.ASCII)
_NUMBER = re.compile(r"[-\d.eE]*", re.ASCII)
_DECIMAL = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d{1,9})?", re.ASCII)
_OPERATOR = re.compile(r"[<>=~!]+|[^ ]*")
_NO_OPERATOR = re.compile(r"\)|&&|\|\||$")
_FLAGS = re.compile(f"[{FLAGS}]*")
_CONSTANTS = {"true": True, "false": False, "null": None}

_Simple = Names | Indexes | Slice | Wildcard | Filter | Call


def parse(text: str) -> ParsedPath:
    """The steps of `text`, which must begin with `$` or `@`.

    Raises:
        CompileError: the text isn't a path, is longer than `MAX_LENGTH`, or nests deeper than
            `MAX_DEPTH` filters, parentheses, arguments and lists.
    """
    scanner = Scanner(text, 0, len(text))
    if len(text) > MAX_LENGTH:
        scanner.fail(f"the path is longer than {MAX_LENGTH:,} characters", MAX_LENGTH)
    return _PathParser(scanner, MAX_DEPTH).parse()


class _PathParser:
    """Reads one path, which may be a part of a filter or an argument."""

    def __init__(self, scanner: Scanner, depth: int) -> None:
        if depth <= 0:
            scanner.fail("the path nests too deeply")
        self.scanner = scanner
        self.depth = depth

    def parse(self) -> ParsedPath:
        scanner = self.scanner
        while scanner.text[scanner.end - 1] == " ":
            scanner.end -= 1
        if scanner.text[scanner.end - 1] == ".":
            scanner.fail("a path can't end in a dot", scanner.end - 1)
        root = scanner.current
        scanner.position += 1
        if scanner.current not in ("", ".", "["):
            scanner.fail("a . or [ belongs here")
        steps: list[Scan | _Simple] = []
        ends: list[int] = []
        # One last character is ignored once there was a step.
        while scanner.position + bool(steps) < scanner.end:
            steps.append(self._step())
            ends.append(scanner.position)
        return _inverted(tuple(steps), tuple(ends), from_root=root == "$")

    def _step(self) -> Scan | _Simple:
        if self.scanner.accept(".."):
            return Scan(self._simple())
        self.scanner.accept(".")
        return self._simple()

    def _simple(self) -> _Simple:
        scanner = self.scanner
        if scanner.current == "[":
            return self._bracket()
        if scanner.accept("*"):
            return Wildcard()
        name = scanner.take(_NAME)
        if not name or scanner.current == " ":
            scanner.fail("a name belongs here; one with spaces or dots is written ['…']")
        if scanner.current != "(":
            return Names((name,))
        if scanner.accept("()"):
            # Unless the path ends here, what follows is read from the ")" on, as a name.
            scanner.position -= scanner.position < scanner.end
            return Call(name, ())
        arguments = [self._argument(part) for part in scanner.arguments()]
        return Call(name, tuple(each for each in arguments if each is not None))

    def _argument(self, part: Scanner) -> ParsedPath | JsonLiteral | None:
        first = part.skip_spaces()
        if first in _ROOTS:
            return _PathParser(part, self.depth - 1).parse()
        if first.isdigit() or first in ("{", '"', "-"):
            return JsonLiteral(read_json(part, self.depth - 1))
        return None

    def _bracket(self) -> _Simple:
        scanner = self.scanner
        scanner.position += 1
        first = scanner.skip_spaces()
        if first in _QUOTES:
            step: _Simple = self._names(first)
        elif first == "?":
            step = self._filter()
        else:
            step = Wildcard() if scanner.accept("*") else self._numbers()
        scanner.skip_spaces()
        if not scanner.accept("]"):
            scanner.fail("a ] belongs here")
        return step

    def _names(self, quote: str) -> Names:
        scanner = self.scanner
        names: list[str] = []
        while not names or scanner.accept(","):
            if scanner.skip_spaces() != quote:
                scanner.fail(f"a name between {quote} belongs here")
            names.append(scanner.quoted())
            scanner.skip_spaces()
        return Names(tuple(names))

    def _numbers(self) -> Indexes | Slice:
        start = self.scanner.position
        written = self.scanner.take(_NUMBERS)
        ends = _SLICE.fullmatch(written.rstrip(" "))
        if ends and any(ends.groups()):
            return Slice(*[self._integer(e, start) if e else None for e in ends.groups()])
        return Indexes(tuple([self._integer(each, start) for each in written.split(",")]))

    def _integer(self, written: str, start: int) -> int:
        match = _INTEGER.fullmatch(written)
        if not match or not -_INT32 <= int(match[1]) < _INT32:
            self.scanner.fail("quoted names, numbers, from:to, * or ?(…) belong here", start)
        return int(match[1])

    def _filter(self) -> Filter:
        scanner = self.scanner
        scanner.position += 1
        if scanner.skip_spaces() != "(":
            scanner.fail("a filter is written [?(…)]")
        start, end = scanner.position, scanner.closing(scanner.position, "'\"/")
        scanner.position = end + 1
        inside = Scanner(scanner.text, start + 1, end)
        return Filter(_ConditionParser(inside, self.depth - 1).parse())


def _inverted(
    steps: tuple[Scan | _Simple, ...], ends: tuple[int, ...], *, from_root: bool
) -> ParsedPath:
    """The path; one like `$..x.f()` as `$.f($..x)`, which is what it means."""
    plain = [step.step if isinstance(step, Scan) else step for step in steps]
    if not (steps and isinstance(steps[0], Scan) and isinstance(plain[-1], Call)):
        return ParsedPath(steps, ends, from_root)
    at, call = next((at, step) for at, step in enumerate(plain) if isinstance(step, Call))
    scanned = steps[:at] if isinstance(steps[at], Call) else (*steps[:at], Scan(None))
    argument = ParsedPath(scanned, ends[: len(scanned)], from_root)
    return ParsedPath((Call(call.function, (argument,)), *steps[at + 1 :]), ends[at:])


class _ConditionParser:
    """Reads what stands between the parentheses of a filter."""

    def __init__(self, scanner: Scanner, depth: int) -> None:
        if depth <= 0:
            scanner.fail("the filter nests too deeply")
        self.scanner = scanner
        self.depth = depth

    def parse(self) -> Predicate:
        condition = self.any_of()
        if self.scanner.skip_spaces():
            self.scanner.fail("the filter should have ended here")
        return condition

    def any_of(self) -> Predicate:
        operands = [self._all_of()]
        while self._accept("||"):
            operands.append(self._all_of())
        return conditions.any_of(operands) if operands[1:] else operands[0]

    def _all_of(self) -> Predicate:
        operands = [self.operand()]
        while self._accept("&&"):
            operands.append(self.operand())
        return conditions.all_of(operands) if operands[1:] else operands[0]

    def operand(self) -> Predicate:
        negated = self._accept("!")
        if negated and self.scanner.skip_spaces() not in _ROOTS:
            return conditions.negation(self._deeper().operand())
        if negated or not self._accept("("):
            return self._relation(wanted=not negated)
        condition = self._deeper().any_of()
        if not self._accept(")"):
            self.scanner.fail("a ) belongs here")
        return condition

    def _accept(self, token: str) -> bool:
        self.scanner.skip_spaces()
        return self.scanner.accept(token)

    def _deeper(self) -> "_ConditionParser":
        return _ConditionParser(self.scanner, self.depth - 1)

    def _relation(self, *, wanted: bool) -> Predicate:
        scanner = self.scanner
        left = self._value()
        start = scanner.position
        scanner.skip_spaces()
        if not _NO_OPERATOR.match(scanner.text, scanner.position, scanner.end):
            return conditions.comparison(left, self._operator(), self._value())
        if not isinstance(left, ParsedPath):
            scanner.fail("a value by itself is no condition; compare it with something", start)
        return conditions.existence(left, wanted=wanted)

    def _operator(self) -> str:
        start = self.scanner.position
        written = self.scanner.take(_OPERATOR)
        if written.lower() not in OPERATORS:
            self.scanner.fail(f"{written!r} is no operator", start)
        return written.lower()

    def _value(self) -> Any:
        """A path, or a string, number, boolean, null, JsonLiteral or Regex."""
        scanner = self.scanner
        negated = self._accept("!")
        char = scanner.skip_spaces()
        if char in _ROOTS:
            return self._path()
        if negated:
            scanner.fail("a path belongs after !")
        if char in _QUOTES:
            return scanner.quoted()
        if char in ("[", "{"):
            end = scanner.closing(scanner.position) + 1
            json = Scanner(scanner.text, scanner.position, end)
            scanner.position = end
            return JsonLiteral(read_json(json, self.depth))
        return self._regex() if char == "/" else self._constant()

    def _constant(self) -> bool | Decimal | None:
        scanner = self.scanner
        start = scanner.position
        for word, value in _CONSTANTS.items():
            if scanner.accept(word):
                return value
        written = scanner.take(_NUMBER)
        if not _DECIMAL.fullmatch(written):
            scanner.fail("a path, string, number, constant, list or object belongs here", start)
        return Decimal(written)

    def _regex(self) -> Regex:
        scanner = self.scanner
        start = scanner.position + 1
        scanner.position = scanner.unescaped("/", start) + 1
        pattern = scanner.text[start : scanner.position - 1]
        flags = scanner.take(_FLAGS)
        return Regex(pattern, flags, lambda message, at: scanner.fail(message, start + at))

    def _path(self) -> ParsedPath:
        """The path at the cursor, up to a space, an operator or a ) that isn't its own."""
        scanner = self.scanner
        start = scanner.position
        scanner.position += 1
        while scanner.current and scanner.current not in " <>=~!":
            if scanner.current == "[":
                rest = Scanner(scanner.text, scanner.position + 1, scanner.end)
                quotes = "'\"/" if rest.skip_spaces() == "?" else "'\""
                scanner.position = scanner.closing(scanner.position, quotes)
            before = scanner.text[start : scanner.position]
            if scanner.current == ")" and not (before.endswith("(") and "." in before):
                break
            scanner.position += 1
        part = Scanner(scanner.text, start, scanner.position)
        return _PathParser(part, self.depth - 1).parse()
