"""YAML with the line of each value, within bounds, and the problems that are found in it."""

import itertools
import re
from collections.abc import Mapping

import yaml

from hookline.builds import members
from hookline.errors import BuildspecError

LARGEST = 1_000_000
"""Bytes of a buildspec."""
_MOST_VALUES = 20_000
_YES = frozenset({"yes", "true", "on"})
_NO = frozenset({"no", "false", "off"})
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Entries = Mapping[str, yaml.Node]
"""The members of a mapping by name."""


def compose(data: bytes) -> yaml.Node:
    """The root of a buildspec. Raises BuildspecError: it is no YAML, or too large."""
    if len(data) > LARGEST:
        raise BuildspecError((f"it is larger than {LARGEST} bytes",))
    try:
        root = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise BuildspecError(("it is not UTF-8",)) from error
    except yaml.MarkedYAMLError as error:
        raise BuildspecError((_syntax(error),)) from error
    except yaml.YAMLError as error:
        raise BuildspecError(("it holds characters that YAML doesn't allow",)) from error
    except RecursionError as error:
        raise BuildspecError(("it is nested too deeply",)) from error
    if root is None:
        raise BuildspecError(("it is empty",))
    return root


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}{error.problem or error.context or 'it is not YAML'}"


class Reader:
    """Takes values from nodes, and notes what is wrong with them: all of it, in order of lines."""

    def __init__(self) -> None:
        self._errors: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []
        self._budget = _MOST_VALUES
        # A member is where its name is; its value may begin on a later line.
        self._lines: dict[int, int] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is written there and does nothing."""
        return _in_order(self._warnings)

    def check(self) -> None:
        """Raise BuildspecError if there was an error."""
        if self._errors:
            raise BuildspecError(_in_order(self._errors))

    def error(self, node: yaml.Node, text: str) -> None:
        """Note what is wrong at the line of `node`."""
        self._errors.append((self._line(node), text))

    def warn(self, node: yaml.Node, text: str) -> None:
        """Note what is written at the line of `node` and does nothing."""
        self._warnings.append((self._line(node), text))

    def _line(self, node: yaml.Node) -> int:
        return self._lines.get(id(node), node.start_mark.line) + 1

    def members(
        self, node: yaml.Node | None, path: str, known: frozenset[str] | None = None
    ) -> Entries:
        """The members of the mapping at `path`, with a warning about each that is not `known`.

        Without `known` these are the names that the table of members has for `path`.
        """
        known = members.names(path) if known is None else known
        found = self.entries(node, path or "a buildspec")
        for name in sorted(found.keys() - known):
            where = f"of {path}" if path else "of a buildspec"
            self.warn(found[name], f"{name} is not a member {where}, and does nothing")
        return {name: value for name, value in found.items() if name in known}

    def entries(self, node: yaml.Node | None, path: str) -> Entries:
        """The entries of the mapping at `path`, whatever their names; none if it is left out."""
        if node is None or node.tag == _NULL:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{path} must be a mapping of names to values")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            self._count(key)
            name = self._name(key, path)
            if name in found:
                self.error(key, f"{path} has {name} twice")
            elif name is not None:
                found[name] = value
                self._lines[id(value)] = key.start_mark.line
        return found

    def _name(self, key: yaml.Node, path: str) -> str | None:
        if key.tag == _MERGE:
            self.error(key, "the merge key << is not taken: write the entries out")
        elif isinstance(key, yaml.ScalarNode):
            return str(key.value)
        else:
            self.error(key, f"a name in {path} must be a text")
        return None

    def text(self, node: yaml.Node | None, path: str) -> str | None:
        """The scalar at `path`, as it is written; None if it is left out or is no scalar."""
        if node is None or node.tag == _NULL:
            return None
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self.error(node, f"{path} must be a text, and is a {_kind(node)}")
        return None

    def texts(self, node: yaml.Node | None, path: str) -> tuple[str, ...]:
        """The scalars of the list at `path`, or the one that stands there; none if left out."""
        if node is None or node.tag == _NULL:
            return ()
        if isinstance(node, yaml.ScalarNode):
            return (node.value,) if node.value.strip() else ()
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f"{path} must be a list: each item on a line of its own, after a dash")
            return ()
        return tuple(
            text
            for number, item in enumerate(node.value, 1)
            if (text := self._item(item, path, number)) is not None
        )

    def _item(self, item: yaml.Node, path: str, number: int) -> str | None:
        self._count(item)
        if isinstance(item, yaml.MappingNode):
            self.error(
                item,
                f"item {number} of {path} is a mapping: put it in quotes, as it has a colon"
                " followed by a space",
            )
        elif isinstance(item, yaml.SequenceNode):
            self.error(item, f"item {number} of {path} is a list, and must be a text")
        elif item.tag == _NULL or not item.value.strip():
            self.error(item, f"item {number} of {path} is empty")
        else:
            return str(item.value)
        return None

    def flag(self, node: yaml.Node | None, path: str) -> bool:
        """Whether the yes or no at `path` is yes; no if it is left out."""
        text = (self.text(node, path) or "no").lower()
        if node is not None and text not in _YES | _NO:
            self.error(node, f"{path} must be yes or no")
        return text in _YES

    def choice(self, node: yaml.Node | None, path: str, choices: Mapping[str, str]) -> str | None:
        """What `choices` has for the text at `path`; None if it is left out."""
        text = self.text(node, path)
        if node is None or text is None:
            return None
        if text not in choices:
            self.error(node, f"{path} must be one of {', '.join(choices)}")
        return choices.get(text)

    def variables(self, node: yaml.Node | None, path: str) -> dict[str, str]:
        """The environment variables of the mapping at `path`, without those that AWS reserves."""
        found = {}
        for name, value in self.entries(node, path).items():
            if not is_variable(name):
                self.error(
                    value, f"{path}/{name}: the name of a variable has letters, digits and _"
                )
            elif name.startswith("CODEBUILD_"):
                self.warn(value, f"{path}/{name} is reserved for CodeBuild, and is not set")
            else:
                found[name] = self.text(value, f"{path}/{name}") or ""
        return found

    def _count(self, node: yaml.Node) -> None:
        self._budget -= 1
        if self._budget < 0:
            self.error(node, f"with its aliases it holds more than {_MOST_VALUES} values")
            self.check()


def is_variable(name: str) -> bool:
    """Whether a shell can have a variable of this name."""
    return _VARIABLE.fullmatch(name) is not None


def _kind(node: yaml.Node) -> str:
    return "mapping" if isinstance(node, yaml.MappingNode) else "list"


def _in_order(found: list[tuple[int, str]]) -> tuple[str, ...]:
    lines = itertools.groupby(sorted(found))
    return tuple(f"line {line}: {text}" for (line, text), _ in lines)
