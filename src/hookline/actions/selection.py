"""Which files of a workspace the `files` patterns of an output artifact select."""

import fnmatch
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hookline.actions.archives import DEEPEST, Bounds
from hookline.actions.folders import Tree
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
        return cls(text, tuple(map(_compiled, names)))

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


def _compiled(name: str) -> re.Pattern[str] | None:
    return None if name == _EVERYTHING else re.compile(fnmatch.translate(name))


def select(folder: Path, patterns: Sequence[str], bounds: Bounds) -> list[str]:
    """The paths to archive, relative to `folder`, sorted; links are never followed.

    No patterns select everything, empty folders too; patterns select files and links.

    Raises:
        ActionError: a pattern matches nothing, or leaves the workspace; or there is too much in it.
    """
    compiled = [Pattern.parse(text) for text in patterns]
    if not compiled:
        return sorted(entries(folder, bounds, folders=True))
    files = sorted(entries(folder, bounds, folders=False))
    selected: set[str] = set()
    for pattern in compiled:
        found = {entry for entry in files if _matches(pattern, entry, bounds)}
        if not found:
            raise ActionError(f'No file in the workspace matches "{pattern.text}"')
        selected |= found
    return sorted(selected)


def _matches(pattern: Pattern, entry: str, bounds: Bounds) -> bool:
    bounds.check()
    return pattern.matches(entry)


def entries(folder: Path, bounds: Bounds, *, folders: bool) -> Iterator[str]:
    """What is in `folder`, at any depth that an archive may have; no links are followed.

    Raises:
        ActionError: there is too much in it, or it can't be read.
    """
    count = 0
    with _opened(folder) as tree:
        waiting = [""]
        while waiting:
            bounds.check()
            prefix = waiting.pop()
            for name, is_folder in _listed(tree, prefix.rstrip("/"), bounds):
                count += 1
                if count > bounds.max_files:
                    raise ActionError(
                        f"The workspace has more than {bounds.max_files} files and folders"
                    )
                if is_folder:
                    waiting.append(_deeper(prefix, name))
                if folders or not is_folder:
                    yield prefix + name


def _opened(folder: Path) -> Tree:
    try:
        return Tree(folder)
    except OSError as error:
        raise ActionError(f"The workspace can't be read: {error.strerror}") from error


def _deeper(prefix: str, name: str) -> str:
    if prefix.count("/") >= DEEPEST:
        raise ActionError(f"The workspace has more than {DEEPEST} folders in one another")
    return f"{prefix}{name}/"


def _listed(tree: Tree, folder: str, bounds: Bounds) -> list[tuple[str, bool]]:
    """The names in a folder, and whether each is a folder; none if it can't be read.

    One more than an archive may have at most.
    """
    try:
        with os.scandir(tree.folder(folder)) as entries:
            few = itertools.islice(entries, bounds.max_files + 1)
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in few]
    except OSError:
        return []
