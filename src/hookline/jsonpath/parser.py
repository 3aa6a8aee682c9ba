"""A path's text to its steps; every mistake becomes a CompileError with its place."""

import re
from decimal import Decimal
from functools import partial
from typing import Any

from hookline.jsonpath.arguments import Argument, Cutter
from hookline.jsonpath.comparison import OPERATORS, Predicate, comparison, existence, guarded
from hookline.jsonpath.errors import CompileError, FunctionError
from hookline.jsonpath.path import Path
from hookline.jsonpath.reading import Evaluate, Reading
from hookline.jsonpath.regex import FLAGS, Regex
from hookline.jsonpath.scanner import Scanner
from hookline.jsonpath.steps import Step

MAX_LENGTH = 1_000

_ROOTS = ("$", "@")
_QUOTES = ("'", '"')
_MEASURES = ("length", "size")
_INT32 = 2**31
_SLICE = re.compile(r"(-?[0-9]+)?:(-?[0-9]+)?(?::[-0-9:]*)?")
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]-?[0-9]{1,9})?")
_CONSTANTS = {"true": True, "false": False, "null": None}


def compile(text: str) -> Path:  # noqa: A001 - the word of the trade, as in re.compile
    """Compile a path of the dialect.

    Raises:
        CompileError: `text` is no path, is longer than `MAX_LENGTH`, nests deeper than `MAX_DEPTH`,
            or has a regular expression that can't be run in linear time.
    """
    prefix = "" if text[:1] in _ROOTS else "$."
    parser = _Parser(prefix + text, 0, len(prefix + text))
    try:
        if not text:
            parser.fail("the path is empty")
        if len(parser.text) > MAX_LENGTH:
            parser.fail(f"the path is longer than {MAX_LENGTH:,} characters", MAX_LENGTH)
        return parser.path()
    except CompileError as error:
        raise CompileError(error.message, text, error.position - len(prefix)) from None
    except RecursionError:
        raise CompileError("the path nests too deeply", text, 0) from None


class _Parser(Scanner):
    """Reads a path, or what stands between the parentheses of a filter."""

    def path(self) -> Path:
        """The path that is all of the text, which may be followed by spaces."""
        self.end = self.position + len(self.text[self.position : self.end].rstrip(" "))
        if self.text[self.end - 1] == ".":
            self.fail("a path can't end in a dot", self.end - 1)
        return self._path()

    def _path(self) -> Path:
        start = self.position
        from_root = self.current == "$"
        self.position += 1
        if self.current not in ("", ".", "["):
            self.fail("a . or [ belongs here")
        steps: list[Step] = []
        # One last character is ignored once there was a step.
        while self.position + bool(steps) < self.end:
            scans = self.accept("..")
            if not scans:
                self.accept(".")
            kind, value = self._step()
            steps.append(Step(kind, value, scans, self.position))
        return _inverted(Path(self.text[start : self.end], tuple(steps), from_root))

    def _step(self) -> tuple[str, Any]:
        if self.current == "[":
            return self._bracket()
        if self.accept("*"):
            return "all", None
        name = self.take(r"[^.\[( ]*")
        if self.current == " " or not (name or self.current == "("):
            self.fail("a name belongs here; one with spaces or dots is written ['…']")
        if self.current != "(":
            return "names", (name,)
        if self.accept("()"):
            # Unless the path ends here, what follows is read from the ")" on, as a name.
            self.position -= self.position < self.end
            return "call", (name, ())
        return "call", (name, self._arguments(name))

    def _arguments(self, function: str) -> tuple[Evaluate, ...]:
        found = self._cut_arguments()
        arguments = tuple(self._argument(function, argument) for argument in found)
        if found and function in _MEASURES and not found[0].is_path:
            return (partial(_fail, FunctionError(f"{function}() needs a path")),)
        return arguments

    def _cut_arguments(self) -> list[Argument]:
        opening, cutter = self.position, Cutter()
        self.position += 1
        while self.current and not cutter.closed:
            char = self.current
            self.position += 1
            if cutter.escapes(char, self.current):
                self.position += 1
            elif not cutter.take(char, self.position - 1):
                self.fail(f"the {char} was never opened", opening)
        if not cutter.balanced:
            self.fail("the arguments are never closed", opening)
        return cutter.found

    def _argument(self, function: str, argument: Argument) -> Evaluate:
        part = _Parser(argument.text, 0, len(argument.text), self.depth - 1)
        try:
            if argument.is_path:
                return _read_argument(function, part._path())
            value = part.json()
        except CompileError as error:
            self.fail(error.message, argument.position + error.position)
        return lambda _value, _reading: value

    def _bracket(self) -> tuple[str, Any]:
        self.position += 1
        first = self.skip_spaces()
        if first in _QUOTES:
            step: tuple[str, Any] = ("names", self._names(first))
        elif first == "?":
            step = ("filter", self._filter())
        else:
            step = ("all", None) if self.accept("*") else self._numbers()
        self.skip_spaces()
        self.expect("]", "a ] belongs here")
        return step

    def _names(self, quote: str) -> tuple[str, ...]:
        names: list[str] = []
        while not names or self.accept(","):
            start = self.position
            self.take(rf"(?:\\.|[^\\\],{quote}])*")
            if self.current != quote:
                self.fail(f"a name between {quote} belongs here", start)
            names.append(self.quoted())
            self.skip_spaces()
        return tuple(names)

    def _numbers(self) -> tuple[str, Any]:
        start = self.position
        written = self.take("[-0-9:, ]*")
        ends = _SLICE.fullmatch(written.rstrip(" "))
        if ends and any(ends.groups()):
            return "slice", [self._integer(e, start) if e else None for e in ends.groups()]
        return "indexes", [self._integer(each, start) for each in written.split(",")]

    def _integer(self, written: str, start: int) -> int:
        if not re.fullmatch(" *-?[0-9]+ *", written) or not -_INT32 <= int(written) < _INT32:
            self.fail("quoted names, numbers, from:to, * or ?(…) belong here", start)
        return int(written)

    def _filter(self) -> Predicate:
        self.position += 1
        if self.skip_spaces() != "(":
            self.fail("a filter is written [?(…)]")
        return guarded(self.enclosed(regexes=True).condition())

    def condition(self) -> Predicate:
        operands = [[self.operand()]]
        while self.skip_spaces():
            if self.accept("||"):
                operands.append([])
            elif not self.accept("&&"):
                self.fail("the filter should have ended here")
            operands[-1].append(self.operand())
        if len(operands) == len(operands[0]) == 1:
            return operands[0][0]
        return lambda item, reading: any(
            all(holds(item, reading) for holds in alternative) for alternative in operands
        )

    def operand(self) -> Predicate:
        self.skip_spaces()
        negated = self.accept("!")
        if negated and self.skip_spaces() not in _ROOTS:
            rest = self.part(self.position, self.end)
            condition = rest.operand()
            self.position = rest.position
            return lambda item, reading: not condition(item, reading)
        if self.current == "(":
            return self.enclosed(regexes=True).condition()
        return self._relation(wanted=not negated)

    def _relation(self, *, wanted: bool) -> Predicate:
        left = self._value()
        end = self.position
        more = self.skip_spaces()
        if more and not self.text.startswith(("&&", "||"), self.position, self.end):
            start = self.position
            written = self.take("[<>=~!]+|[^ ]*")
            if written.lower() not in OPERATORS:
                self.fail(f"{written!r} is no operator", start)
            return comparison(left, written.lower(), self._value())
        if not isinstance(left, Path):
            self.fail("a value by itself is no condition; compare it with something", end)
        return existence(left, wanted=wanted)

    def _value(self) -> Any:
        """A path, or a string, number, boolean, null, list, object or Regex."""
        self.skip_spaces()
        negated = self.accept("!")
        char = self.skip_spaces()
        if char in _ROOTS:
            return self._operand_path()
        if negated:
            self.fail("a path belongs after !")
        if char in _QUOTES:
            return self.quoted()
        if char == "/":
            start = self.position + 1
            pattern, flags = self.delimited(), self.take(f"[{FLAGS}]*")
            return Regex(pattern, flags, lambda message, at: self.fail(message, start + at))
        return self.json() if char in ("[", "{") else self._constant()

    def _constant(self) -> bool | Decimal | None:
        start = self.position
        word = self.take("true|false|null")
        if word:
            return _CONSTANTS[word]
        number = self.take("[-0-9.eE]*")
        if not _DECIMAL.fullmatch(number):
            self.fail("a path, string, number, constant, list or object belongs here", start)
        return Decimal(number)

    def _operand_path(self) -> Path:
        """The path at the cursor, up to a space, an operator or a ) that isn't its own."""
        start = self.position
        self.position += 1
        while self.current:
            if self.current == "[":
                self.enclosed()
            before = self.text[start : self.position]
            calls = self.current == ")" and before.endswith("(") and "." in before
            if self.current in ("", *" <>=~!)") and not calls:
                break
            # Whatever it is, so that of two brackets in a row the second isn't taken as a whole.
            self.position += 1
        return self.part(start, self.position).path()


def _inverted(path: Path) -> Path:
    """The path; one like `$..x.f()` as `$.f($..x)`, which is what it means."""
    steps = path.steps
    if not (steps and steps[0].scans and steps[-1].kind == "call"):
        return path
    at, call = next((at, step) for at, step in enumerate(steps) if step.kind == "call")
    argument = Path(path.text, steps[:at], path.from_root)
    read = _scan_to_nothing if call.scans else _read_argument
    call = Step(
        "call", (call.value[0], (read(call.value[0], argument),)), end=call.end, turned=True
    )
    return Path(path.text, (call, *steps[at + 1 :]), path.from_root)


def _scan_to_nothing(_function: str, path: Path) -> Evaluate:
    """The argument that `path..` makes, which fails if there is something to scan."""

    def read(value: Any, reading: Reading) -> list[Any]:
        if not path.steps or path.in_root(value, reading):
            raise FunctionError("a function needs something after ..")
        return []

    return read


def _fail(error: FunctionError, _value: Any, _reading: Reading) -> Any:
    raise error


def _read_argument(function: str, path: Path) -> Evaluate:
    return path.measured if function in _MEASURES else path.in_root
