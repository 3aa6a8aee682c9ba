"""Which files of a workspace the `files` patterns of an output artifact select."""

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hookline.errors import ActionError

_EVERYTHING = "**"
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: per path component a regular expression, or None for `**`."""

    text: str
    parts: tuple[re.Pattern[str] | None, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Compile `text`, such as `**/*`, `target/*.jar` or `dist` (a folder, with all in it).

        Raises:
            ActionError: the pattern leaves the workspace.
        """
        names = [name for name in text.split("/") if name not in {"", "."}]
        if text.startswith("/") or ".." in names or not names:
            raise ActionError(
                f'The pattern "{text}" is not a path inside the workspace', "ConfigurationError"
            )
        if _WILDCARDS.isdisjoint(names[-1]):
            names.append(_EVERYTHING)
        return cls(text, tuple(None if n == _EVERYTHING else _compiled(n) for n in names))

    def matches(self, path: str) -> bool:
        """Whether the file at `path` (relative, with slashes) is selected."""
        states = self._closed({0})
        for name in path.split("/"):
            states = self._closed({after for at in states for after in self._step(at, name)})
        return len(self.parts) in states

    def _step(self, at: int, name: str) -> Iterable[int]:
        """Where the pattern goes on when its part `at` has met the component `name`."""
        if at < len(self.parts):
            part = self.parts[at]
            if part is None:
                yield at
            elif part.fullmatch(name):
                yield at + 1

    def _closed(self, states: set[int]) -> set[int]:
        """`states` with those reached by letting a `**` stand for nothing."""
        closed = set(states)
        for state in states:
            step = state
            while step < len(self.parts) and self.parts[step] is None:
                step += 1
                closed.add(step)
        return closed


def _compiled(name: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(name))


def select(folder: Path, patterns: Sequence[str]) -> list[str]:
    """The paths to archive, relative to `folder`, sorted; links are never followed.

    No patterns select everything, empty folders too; patterns select files and links.

    Raises:
        ActionError: a pattern matches nothing, or leaves the workspace.
    """
    compiled = [Pattern.parse(text) for text in patterns]
    if not compiled:
        return sorted(_entries(folder, folders=True))
    entries = sorted(_entries(folder, folders=False))
    selected: set[str] = set()
    for pattern in compiled:
        found = [entry for entry in entries if pattern.matches(entry)]
        if not found:
            raise ActionError(f'No file in the workspace matches "{pattern.text}"')
        selected.update(found)
    return sorted(selected)


def _entries(folder: Path, *, folders: bool) -> Iterable[str]:
    root = os.fspath(folder)
    for parent, directories, files in os.walk(root):
        for name in directories:
            path = os.path.join(parent, name)  # noqa: PTH118 - Path is 5 times slower per file
            if folders or os.path.islink(path):  # noqa: PTH114 - the same
                yield os.path.relpath(path, root)
        for name in files:
            yield os.path.relpath(os.path.join(parent, name), root)  # noqa: PTH118 - the same
