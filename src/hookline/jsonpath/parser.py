"""A path's text to its syntax tree; every mistake becomes a CompileError with its place."""

import re
from collections.abc import Callable
from decimal import Decimal

from hookline.jsonpath.comparison import OPERATORS
from hookline.jsonpath.errors import CompileError
from hookline.jsonpath.literals import read_json
from hookline.jsonpath.regex import FLAGS, Regex
from hookline.jsonpath.scanner import Scanner
from hookline.jsonpath.syntax import (
    AllOf,
    AnyOf,
    Call,
    Comparison,
    Condition,
    Existence,
    Filter,
    Indexes,
    JsonLiteral,
    Literal,
    Names,
    Not,
    Operand,
    ParsedPath,
    Scan,
    Slice,
    Step,
    Wildcard,
)

MAX_LENGTH = 1_000
MAX_DEPTH = 32

_ROOTS = ("$", "@")
_INT32 = 2**31
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_NUMBERS = re.compile(r"[-\d:, ]+", re.ASCII)
_NUMBER = re.compile(r"[-\d.eE]*", re.ASCII)
_DECIMAL = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d{1,9})?", re.ASCII)
_SYMBOLS = re.compile(r"[<>=~!]+")
_WORD = re.compile(r"[^ ]*")
_FLAGS = re.compile(f"[{FLAGS}]*")
_LITERALS = (("true", True), ("false", False), ("null", None))


def parse(text: str) -> ParsedPath:
    """The syntax tree of `text`, which must begin with `$` or `@`.

    Raises:
        CompileError: the text isn't a path, is longer than `MAX_LENGTH`, or nests deeper than
            `MAX_DEPTH` filters, parentheses, arguments and lists.
    """
    if len(text) > MAX_LENGTH:
        raise CompileError(f"the path is longer than {MAX_LENGTH:,} characters", text, MAX_LENGTH)
    return _PathParser(Scanner(text, 0, len(text)), MAX_DEPTH).parse()


class _PathParser:
    """Reads one path, which may be a part of a filter or an argument."""

    def __init__(self, scanner: Scanner, depth: int) -> None:
        if depth <= 0:
            scanner.fail("the path nests too deeply")
        self.scanner = scanner
        self.depth = depth
        self.steps: list[Step] = []
        self.ends: list[int] = []

    def parse(self) -> ParsedPath:
        scanner = self.scanner
        while scanner.end > scanner.position and scanner.text[scanner.end - 1] == " ":
            scanner.end -= 1
        from_root = scanner.current == "$"
        scanner.position += 1
        if scanner.text[scanner.end - 1] == ".":
            scanner.fail("a path can't end in a dot", scanner.end - 1)
        if not scanner.at_end and scanner.current not in (".", "["):
            scanner.fail("a . or [ belongs here")
        while not self._finished():
            self._step()
        return self._inverted(from_root)

    def _finished(self) -> bool:
        """At the end, or at one last character: that is ignored once there was a step."""
        left = self.scanner.end - self.scanner.position
        return left <= 0 or (left == 1 and bool(self.steps))

    def _inverted(self, from_root: bool) -> ParsedPath:  # noqa: FBT001 - private, one call
        """`$..x.f()` as `$.f($..x)`, which is what it means."""
        steps, ends = tuple(self.steps), tuple(self.ends)
        if not (steps and isinstance(steps[0], Scan) and isinstance(steps[-1], Call)):
            return ParsedPath(steps, ends, from_root)
        at, call = next((i, step) for i, step in enumerate(steps) if isinstance(step, Call))
        argument = ParsedPath(steps[:at], ends[:at], from_root)
        return ParsedPath(
            (Call(call.function, (argument,)), *steps[at + 1 :]), ends[at:], from_root
        )

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.ends.append(self.scanner.position)

    def _step(self) -> None:
        scanner = self.scanner
        if scanner.accept(".."):
            self._add(Scan())
        else:
            scanner.accept(".")
        if scanner.current == "[":
            self._add(self._bracket())
        elif scanner.accept("*"):
            self._add(Wildcard())
        elif scanner.current in (" ", "."):
            what = "a space" if scanner.current == " " else "a dot too many"
            scanner.fail(f"{what}; a name with spaces or dots is written ['…']")
        else:
            self._name()

    def _name(self) -> None:
        scanner = self.scanner
        start = scanner.position
        name = scanner.name()
        if not name:
            scanner.fail("a name belongs here")
        if scanner.current != "(":
            if scanner.current == " ":
                scanner.fail("a space in a name; write ['…']")
            self._add(Names((name,)))
        elif scanner.starts("()"):
            # What follows a call without arguments is read from its ")" on, as a name.
            scanner.position += 1
            self._add(Call(name, ()))
            self.ends[-1] += 1
        else:
            parts = [self._argument(part) for part in self._arguments(start)]
            self._add(Call(name, tuple(part for part in parts if part is not None)))

    def _arguments(self, start: int) -> list[Scanner]:
        if self.scanner.position + 1 >= self.scanner.end:
            self.scanner.fail("the arguments are never closed", start)
        return self.scanner.arguments()

    def _argument(self, part: Scanner) -> ParsedPath | Literal | None:
        first = part.skip_spaces()
        if first in _ROOTS:
            return _PathParser(part, self.depth - 1).parse()
        if first and (first in '{"-' or first.isdigit()):
            return Literal(read_json(part, self.depth - 1))
        return None

    def _bracket(self) -> Step:
        scanner = self.scanner
        opened = scanner.position
        scanner.position += 1
        first = scanner.skip_spaces()
        if first in ("'", '"'):
            step: Step = self._names(first)
        elif first == "*":
            scanner.position += 1
            step = Wildcard()
        elif first == "?":
            step = self._filter(opened)
        else:
            step = self._numbers()
        scanner.skip_spaces()
        scanner.expect("]", "a ] belongs here")
        return step

    def _names(self, quote: str) -> Names:
        scanner = self.scanner
        names = []
        while True:
            if scanner.skip_spaces() != quote:
                scanner.fail(f"a name between {quote} belongs here")
            names.append(scanner.quoted())
            scanner.skip_spaces()
            if not scanner.accept(","):
                return Names(tuple(names))

    def _numbers(self) -> Step:
        scanner = self.scanner
        start = scanner.position
        written = scanner.take(_NUMBERS).rstrip(" ")
        if not written:
            scanner.fail("a quoted name, a number, *, or ?(…) belongs between the brackets")
        if ":" not in written:
            return Indexes(tuple(self._integer(part, start) for part in written.split(",")))
        if " " in written or "," in written:
            scanner.fail("a slice is written [from:to], without spaces and commas", start)
        first, second = (*written.split(":"), "")[:2]
        if not first and not second:
            scanner.fail("a slice needs at least one end", start)
        return Slice(
            self._integer(first, start) if first else None,
            self._integer(second, start) if second else None,
        )

    def _integer(self, written: str, start: int) -> int:
        digits = written.strip(" ")
        if not _INTEGER.fullmatch(digits) or not -_INT32 <= int(digits) < _INT32:
            self.scanner.fail(f"{digits!r} is no whole number of 32 bits", start)
        return int(digits)

    def _filter(self, opened: int) -> Filter:
        scanner = self.scanner
        scanner.position += 1
        if scanner.skip_spaces() != "(":
            scanner.fail("a filter is written [?(…)]")
        start, end = scanner.position + 1, scanner.closing(regexes=True)
        condition = _ConditionParser(scanner.part(start, end), self.depth - 1).parse()
        scanner.position = end + 1
        if scanner.skip_spaces() != "]":
            scanner.fail("a bracket holds one filter, [?(…)]", opened)
        return Filter(condition)


class _ConditionParser:
    """Reads what stands between the parentheses of a filter."""

    def __init__(self, scanner: Scanner, depth: int) -> None:
        self.scanner = scanner
        self.depth = depth

    def parse(self) -> Condition:
        condition = self._any_of()
        if self.scanner.skip_spaces():
            self.scanner.fail("the filter should have ended here")
        return condition

    def _any_of(self) -> Condition:
        operands = [self._all_of()]
        while self._accept("||"):
            operands.append(self._all_of())
        return operands[0] if len(operands) == 1 else AnyOf(tuple(operands))

    def _all_of(self) -> Condition:
        operands = [self._operand()]
        while self._accept("&&"):
            operands.append(self._operand())
        return operands[0] if len(operands) == 1 else AllOf(tuple(operands))

    def _accept(self, token: str) -> bool:
        self.scanner.skip_spaces()
        return self.scanner.accept(token)

    def _operand(self) -> Condition:
        scanner = self.scanner
        if scanner.skip_spaces() == "!":
            start = scanner.position
            scanner.position += 1
            if scanner.skip_spaces() not in _ROOTS:
                return Not(self._deeper(self._operand))
            scanner.position = start
        if not scanner.accept("("):
            return self._relation()
        condition = self._deeper(self._any_of)
        scanner.skip_spaces()
        scanner.expect(")", "a ) belongs here")
        return condition

    def _deeper(self, read: Callable[[], Condition]) -> Condition:
        self.depth -= 1
        if self.depth <= 0:
            self.scanner.fail("the filter nests too deeply")
        value = read()
        self.depth += 1
        return value

    def _relation(self) -> Condition:
        scanner = self.scanner
        start = scanner.position
        wanted = scanner.current != "!"
        left = self._value()
        following = scanner.skip_spaces()
        if following not in ("", ")") and not scanner.starts("&&") and not scanner.starts("||"):
            return Comparison(left, self._operator(), self._value())
        if not isinstance(left, ParsedPath):
            scanner.fail("a value by itself is no condition; compare it with something", start)
        return Existence(left, wanted)

    def _operator(self) -> str:
        scanner = self.scanner
        start = scanner.position
        written = scanner.take(_SYMBOLS) or scanner.take(_WORD)
        operator = written.lower()
        if operator not in OPERATORS:
            scanner.fail(f"{written!r} is no operator", start)
        return operator

    def _value(self) -> Operand:
        scanner = self.scanner
        char = scanner.skip_spaces()
        if char == "!":
            scanner.position += 1
            if scanner.skip_spaces() not in _ROOTS:
                scanner.fail("a path belongs after !")
            return self._path()
        if char in _ROOTS:
            return self._path()
        if char in ("'", '"'):
            return Literal(scanner.quoted())
        if char in ("[", "{"):
            return self._json()
        return self._regex() if char == "/" else self._scalar()

    def _scalar(self) -> Literal:
        scanner = self.scanner
        start = scanner.position
        for word, value in _LITERALS:
            if scanner.accept(word):
                return Literal(value)
        written = scanner.take(_NUMBER)
        if not _DECIMAL.fullmatch(written):
            scanner.fail(
                "a path, a string, a number, true, false, null or JSON belongs here", start
            )
        number = Decimal(written)
        return Literal(number if number else abs(number))

    def _json(self) -> JsonLiteral:
        scanner = self.scanner
        end = scanner.closing() + 1
        value = read_json(scanner.part(scanner.position, end), self.depth)
        scanner.position = end
        return JsonLiteral(value)

    def _regex(self) -> Regex:
        scanner = self.scanner
        start = scanner.position + 1
        end = scanner.unescaped("/", start)
        scanner.position = end + 1
        flags = scanner.take(_FLAGS)
        pattern = scanner.text[start:end]
        return Regex(pattern, flags, lambda message, at: scanner.fail(message, start + at))

    def _path(self) -> ParsedPath:
        """The path at the cursor, up to a space, an operator or a parenthesis that isn't its own."""
        scanner = self.scanner
        start = scanner.position
        scanner.position += 1
        while scanner.current and scanner.current not in " <>=~!":
            if scanner.current == "[":
                filtered = scanner.part(scanner.position + 1, scanner.end).skip_spaces() == "?"
                scanner.position = scanner.closing(regexes=filtered)
            elif scanner.current == ")" and not self._closes_call(start):
                break
            scanner.position += 1
        return _PathParser(scanner.part(start, scanner.position), self.depth - 1).parse()

    def _closes_call(self, start: int) -> bool:
        before = self.scanner.text[start : self.scanner.position]
        return before.endswith("(") and "." in before
