"""Reads JSON and YAML into plain values, within bounds, whoever wrote them; writes YAML."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hookline.errors import HooklineError

LARGEST = 5_000_000
"""Bytes of a file; CloudFormation takes 1 MB of a template."""
_MOST_VALUES = 200_000
_DEEPEST = 100
_WIDTH = 100
_LINE_BREAKS = "\r\n\x85\u2028\u2029"
_TABBED_HEADER = re.compile(r"([+-]?[1-9]?|[1-9][+-])\t")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. `title` says which, for messages; `warnings` name it, too."""

    file: str
    title: str
    content: Any
    warnings: tuple[str, ...] = ()


_Content = tuple[Any, list[str]]
"""A document's value, and the warnings about how it is written."""


class _Unreadable(Exception):  # noqa: N818 - becomes a HooklineError where the file is known
    """Why a text can't be read, with the line where it is known; never with the text itself."""


def documents(file: str, data: bytes) -> list[Document]:
    """The documents of a file, named `file` in messages. Empty documents are left out.

    JSON where the file says so by its name or its first character, else YAML. Numbers stay as they
    are written: whole ones are ints, others texts. CloudFormation's short tags (`!Ref`) become
    their long forms. Of a repeated key the last value counts, as it does for CloudFormation, with
    a warning. Raises HooklineError.
    """
    try:
        contents = _contents(file, _text(data))
    except _Unreadable as error:
        raise HooklineError(f"{file} can't be read: {error}") from error
    many = len(contents) > 1
    return [
        _document(file, f"{file}, document {number}" if many else file, *found)
        for number, found in enumerate(contents, 1)
        if found[0] is not None
    ]


def _document(file: str, title: str, content: Any, warnings: Iterable[str]) -> Document:
    return Document(file, title, content, tuple(f"{title}: {text}" for text in warnings))


def _text(data: bytes) -> str:
    if len(data) > LARGEST:
        raise _Unreadable(f"it is larger than {LARGEST // 1_000_000} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable("it is not UTF-8") from error


def _contents(file: str, text: str) -> list[_Content]:
    if file.endswith(".json"):
        return [_from_json(text)]
    if not text.lstrip().startswith(("{", "[")):
        return _from_yaml(text)
    # YAML's flow style begins as JSON does.
    try:
        return [_from_json(text)]
    except _Unreadable as as_json:
        try:
            return _from_yaml(text)
        except _Unreadable:
            raise as_json from None


def _from_json(text: str) -> _Content:
    warnings: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        warnings.extend(_repetitions(pairs, text))
        return dict(pairs)

    try:
        content = json.loads(
            text,
            object_pairs_hook=members,
            parse_float=str,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise _Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:
        raise _Unreadable("a number in it is too long") from error
    except RecursionError as error:
        raise _Unreadable("it is nested too deeply") from error
    _check_bounds(content)
    return content, warnings


def _refuse_constant(name: str) -> Any:
    raise _Unreadable(f"{name} is not JSON")


def _repetitions(pairs: list[tuple[str, Any]], text: str) -> Iterator[str]:
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            yield f"{_line_of_repetition(key, text)}{_repeated(key)}"


def _repeated(key: str) -> str:
    return f"the key '{key}' is repeated; its last value counts"


def _line_of_repetition(key: str, text: str) -> str:
    # The JSON parser tells no positions; where the key is there just twice, the second is it.
    found = [match.start() for match in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    if len(found) != 2:  # noqa: PLR2004 - the first and its repetition
        return ""
    return f"line {text.count(chr(10), 0, found[1]) + 1}: "


def _check_bounds(content: Any) -> None:
    budget = _MOST_VALUES
    waiting = [(content, 1)]
    while waiting:
        value, depth = waiting.pop()
        budget -= 1
        if budget < 0:
            raise _Unreadable(f"it holds more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise _Unreadable(f"it is nested more than {_DEEPEST} levels deep")
        children = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting.extend((child, depth + 1) for child in children)


# The parser in C crashes the process on deep nesting; this one raises RecursionError.
class _Loader(yaml.SafeLoader):
    """Composes nodes. Dates and fractions stay texts, as do numbers that would lose digits."""

    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.rpartition(":")[2] in {"bool", "null", "merge"}
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    # YAML lets tabs part words, end lines and stand on empty ones; PyYAML takes only spaces there.

    def scan_to_next_token(self) -> None:
        """Skip blanks, comments and line breaks; a tab that indents in block style stays."""
        super().scan_to_next_token()
        while self.peek() == "\t" and not self._indents():
            self._skip_blanks()
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: int, start_mark: yaml.Mark) -> list[str]:
        """The blanks inside a plain text; those before a line break are no part of it."""
        length = self._blanks()
        if self.peek(length) in _LINE_BREAKS:
            self.forward(length)
            return super().scan_plain_spaces(indent, start_mark) or []
        blanks = self.prefix(length)
        self.forward(length)
        return [blanks] if blanks else []

    def scan_block_scalar_indicators(self, start_mark: yaml.Mark) -> tuple[bool | None, int | None]:
        """Whether the line breaks at the end are kept, and by how much the text is indented."""
        header = _TABBED_HEADER.match(self.prefix(3))
        if header is None:
            return super().scan_block_scalar_indicators(start_mark)
        self.forward(len(header[1]))
        sign, digit = header[1].strip("123456789"), header[1].strip("+-")
        return (sign == "+" if sign else None), (int(digit) if digit else None)

    def scan_block_scalar_ignored_line(self, start_mark: yaml.Mark) -> None:
        """Skip the rest of a line that begins a literal or folded text."""
        self._skip_blanks()
        super().scan_block_scalar_ignored_line(start_mark)

    def _blanks(self) -> int:
        return next(n for n in itertools.count() if self.peek(n) not in {" ", "\t"})

    def _skip_blanks(self) -> None:
        self.forward(self._blanks())

    def _indents(self) -> bool:
        if self.flow_level or self.peek(self._blanks()) in f"#\0{_LINE_BREAKS}":
            return False
        before = self.buffer[self.pointer - self.column : self.pointer]
        return not before.strip()


def _from_yaml(text: str) -> list[_Content]:
    try:
        return list(_Conversion().contents(_Loader(text)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _Unreadable(f"{where}{error.problem or error.context or 'it is not YAML'}") from error
    except yaml.YAMLError as error:
        raise _Unreadable("it holds characters that YAML doesn't allow") from error
    except RecursionError as error:
        raise _Unreadable("it is nested too deeply") from error


class _Conversion:
    """From YAML's nodes to values; counts what aliases repeat, so that they can't multiply."""

    def __init__(self) -> None:
        self._budget = _MOST_VALUES
        self._warnings: list[str] = []

    def contents(self, loader: _Loader) -> Iterator[_Content]:
        """The value of each document, with its warnings."""
        while loader.check_node():
            node = loader.get_node()
            self._warnings = []
            yield (None if node is None else self.value(node, 1)), self._warnings

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._budget -= 1
        if self._budget < 0:
            raise _Unreadable(f"with its aliases it holds more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise _refused(node, f"it is nested more than {_DEEPEST} levels deep")
        if node.tag in _PLAIN_TAGS:
            return self._untagged(node, depth)
        return self._call(node, depth)

    def _untagged(self, node: yaml.Node, depth: int) -> Any:
        match node:
            case yaml.ScalarNode():
                return _scalar(node)
            case yaml.SequenceNode():
                return [self.value(item, depth + 1) for item in node.value]
            case yaml.MappingNode():
                return dict(self._entries(node, depth))
        raise _refused(node, "this can't be read")

    def _entries(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise _refused(key, "the merge key << is not taken: write the entries out")
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(key, "a key must be a text")
            if key.value in seen:
                self._warnings.append(f"line {key.start_mark.line + 1}: {_repeated(key.value)}")
            seen.add(key.value)
            yield key.value, self.value(value, depth + 1)

    def _call(self, node: yaml.Node, depth: int) -> Any:
        function = _SHORT_TAGS.get(node.tag)
        if function is None:
            raise _refused(node, f"the tag {node.tag} is not one of CloudFormation's")
        if isinstance(node, yaml.ScalarNode):
            return {function: _ARGUMENTS.get(function, str)(node.value)}
        return {function: self._untagged(node, depth)}


def _scalar(node: yaml.ScalarNode) -> Any:
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return yaml.SafeLoader.bool_values[node.value.lower()]
    if kind in {"str", "int"} and node.style is None and _INTEGER.fullmatch(node.value):
        return int(node.value)
    return node.value


def _refused(node: yaml.Node, why: str) -> _Unreadable:
    return _Unreadable(f"line {node.start_mark.line + 1}: {why}")


_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "map", "null", "seq", "str")
)
_SHORT_TAGS: Mapping[str, str] = {
    "!Ref": "Ref",
    "!Condition": "Condition",
    **{
        f"!{name}": f"Fn::{name}"
        for name in (
            *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If"),
            *("ImportValue", "Join", "Length", "Not", "Or", "Select", "Split", "Sub"),
            *("ToJsonString", "Transform"),
        )
    },
}
_ARGUMENTS: Mapping[str, Callable[[str], Any]] = {
    "Fn::GetAtt": lambda text: list(text.partition(".")[::2])
}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines, such as buildspecs, line by line."""

    def represent_text(self, text: str) -> yaml.Node:
        """A text, in literal style if it has line breaks."""
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


def as_yaml(value: Any) -> str:
    """A plain value as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
