"""Puts the files of a build's artifact or report together, as the buildspec says."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hookline.actions.archives import Bounds, inside
from hookline.actions.folders import Tree
from hookline.actions.selection import Pattern, entries
from hookline.builds.buildspec import FileSet
from hookline.errors import ActionError

_REFERENCE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


@dataclass(frozen=True)
class Source:
    """The folders of a build after its commands, and their environment then.

    Paths are relative to `folder`; `others` are those in which base directories may be, too.
    """

    folder: Path
    others: tuple[Path, ...]
    environment: Mapping[str, str]
    bounds: Bounds
    say: Callable[[str], object]

    def path(self, text: str) -> str:
        """`text` with its variables, as a path in the source folder."""
        path = self.expanded(text)
        return path.removeprefix(f"{self.folder}/") if path != str(self.folder) else "."

    def expanded(self, text: str) -> str:
        """`text` with its variables."""
        return _REFERENCE.sub(lambda found: self.environment.get(found[1] or found[2], ""), text)

    def around(self, text: str) -> "Source":
        """The same, with the folder that the base directory `text` is in."""
        path = self.expanded(text)
        folders = (self.folder, *self.others)
        within = (one for one in folders if f"{path}/".startswith(f"{one}/"))
        return replace(self, folder=next(within, self.folder))


def assemble(file_set: FileSet, source: Source, target: Path) -> int:
    """Put the files of `file_set` into the new folder `target`; how many.

    Raises:
        ActionError: a pattern leaves the source folder, or there is too much in it.
        OSError: a file can't be copied.
    """
    target.mkdir(parents=True)
    source = source.around(file_set.base_directory)
    placed: dict[str, str] = {}
    for path, inner in _selected(file_set, source):
        name = inner.rpartition("/")[2] if file_set.discard_paths else inner
        if name in placed:
            source.say(f"{path} takes the place of {placed[name]}: both become {name}")
        placed[name] = path
    kept = _links_kept(placed, source) if file_set.enable_symlinks else {}
    with Tree(source.folder) as tree, Tree(target) as into:
        copied = [_copy(tree, path, into, name, source, kept) for name, path in placed.items()]
    return sum(copied)


def _selected(file_set: FileSet, source: Source) -> Iterator[tuple[str, str]]:
    """The paths of the files, in the source folder and below their base directory."""
    source.say(f"Expanding base directory path: {file_set.base_directory}")
    below = _below_bases(file_set, source)
    excluded = [Pattern.parse(source.path(text)) for text in file_set.exclude_paths]
    below = [(path, inner) for path, inner in below if not _matches(excluded, inner, source)]
    for text in file_set.files:
        source.say(f"Expanding {text}")
        pattern = [Pattern.parse(source.path(text))]
        found = [(path, inner) for path, inner in below if _matches(pattern, inner, source)]
        if not found:
            source.say(f"Skipping invalid file path {text}")
        yield from found


def _below_bases(file_set: FileSet, source: Source) -> list[tuple[str, str]]:
    files = sorted(entries(source.folder, source.bounds, folders=False))
    bases = _bases(source.path(file_set.base_directory), source)
    return [
        (path, path.removeprefix(base)) for base in bases for path in files if path.startswith(base)
    ]


def _matches(patterns: list[Pattern], path: str, source: Source) -> bool:
    source.bounds.check()
    return any(pattern.matches(path) for pattern in patterns)


def _bases(text: str, source: Source) -> list[str]:
    """The base directories that a pattern matches, each with a slash at its end."""
    if text.strip("/.") == "" and not text.startswith(("/", "..")):
        return [""]
    pattern = Pattern.parse(text)
    files = set(entries(source.folder, source.bounds, folders=False))
    folders = sorted(set(entries(source.folder, source.bounds, folders=True)) - files)
    bases: list[str] = []
    for folder in folders:
        inner = any(folder.startswith(base) for base in bases)
        if not inner and _matches([pattern], folder, source):
            bases.append(f"{folder}/")
    return bases


def _links_kept(placed: Mapping[str, str], source: Source) -> Mapping[str, str]:
    """Those of the selected links, by their new paths, that stay inside of the artifact."""
    with Tree(source.folder) as tree:
        links = {
            name: tree.target(path)
            for name, path in placed.items()
            if stat.S_ISLNK(tree.status(path).st_mode)
        }
    return inside(links, source.bounds.check)


def _copy(  # noqa: PLR0913, PLR0917 - two trees with a path each, and the rules between them
    tree: Tree, path: str, into: Tree, name: str, source: Source, kept: Mapping[str, str]
) -> bool:
    """Whether what is at `path` was put at `name`."""
    source.bounds.check()
    folder, last = into.parent(name, make=True)
    with suppress(FileNotFoundError):
        os.unlink(last, dir_fd=folder)
    status = tree.status(path)
    if stat.S_ISREG(status.st_mode):
        _link_or_copy(tree, path, folder, last)
        return True
    if stat.S_ISLNK(status.st_mode):
        if name in kept:
            os.symlink(kept[name], last, dir_fd=folder)
            return True
        if (target := _file_behind(path, source)) is not None:
            _link_or_copy(tree, target, folder, last)
            return True
    source.say(f"{path} is left out: it is no file in the source folder")
    return False


def _file_behind(path: str, source: Source) -> str | None:
    """The path of the file in the source folder to which the link at `path` leads."""
    root = source.folder.resolve()
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return str(target.relative_to(root)) if target.is_relative_to(root) else None


def _link_or_copy(tree: Tree, path: str, folder: int, name: str) -> None:
    """Put the file at `path` into `folder`: by a hard link, or its content where none can be."""
    parent, last = tree.parent(path)
    try:
        os.link(last, name, src_dir_fd=parent, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise
        _copy_content(tree, path, folder, name)


def _copy_content(tree: Tree, path: str, folder: int, name: str) -> None:
    descriptor = tree.open(path)
    if descriptor is None:
        raise ActionError(f"{path} is not a regular file")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(descriptor, "rb") as content:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        made = os.open(name, flags, mode & 0o777, dir_fd=folder)
        with os.fdopen(made, "wb") as copy:
            shutil.copyfileobj(content, copy)
