"""Private folders of actions, in which commands leave what they like: links, pipes, any depth."""

import os
import stat
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from hookline.errors import ActionError

# No flag may be left out: each keeps a file that a command has left from being more than a file.
# A pipe without a writer, or a device, would block the open; a link would lead elsewhere.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


def fresh(folder: Path) -> Path:
    """Make `folder` exist and be empty, for its owner only."""
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def remove(folder: Path) -> None:
    """Remove `folder` and all in it, however deep and read-only; nothing if it isn't there."""
    try:
        kind = folder.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(kind):
        folder.unlink()
        return
    _unlock(folder)
    descriptor = os.open(folder, _FOLDER)
    try:
        _empty(descriptor)
    finally:
        os.close(descriptor)
    folder.rmdir()


def _empty(top: int) -> None:
    """Remove all in the folder `top`.

    Each folder in it is emptied by moving its folders up into `top`: no recursion, two descriptors,
    and no path that grows.
    """
    prefix = f".removed-{uuid.uuid4().hex}-"
    waiting = _clear(top)
    moved = 0
    while waiting:
        name = waiting.pop()
        _unlock(name, top)
        folder = os.open(name, _FOLDER, dir_fd=top)
        try:
            for inner in _clear(folder):
                _unlock(inner, folder)
                moved += 1
                os.rename(inner, f"{prefix}{moved}", src_dir_fd=folder, dst_dir_fd=top)
                waiting.append(f"{prefix}{moved}")
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=top)


def _clear(folder: int) -> list[str]:
    """Remove all in `folder` but its folders; their names."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _unlock(folder: Path | str, parent: int | None = None) -> None:
    # What belongs to another user is removed if it lets itself be.
    with suppress(PermissionError):
        os.chmod(folder, stat.S_IRWXU, dir_fd=parent)


def _opened(file: Path) -> int:
    """A descriptor to read a regular file that a command may have put there.

    Raises:
        FileNotFoundError: it isn't there.
        ActionError: it is no regular file, or can't be read.
    """
    try:
        descriptor = os.open(file, _FILE)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ActionError(f"{file.name} can't be read: {error.strerror}") from error
    if not _is_regular(descriptor):
        raise ActionError(f"{file.name} is not a regular file")
    return descriptor


def _is_regular(descriptor: int) -> bool:
    """Whether it is a regular file's; that of anything else is closed."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return True
    os.close(descriptor)
    return False


def read(file: Path, most: int) -> bytes:
    """The content of a regular file that a command may have put there, of `most` bytes at most.

    Raises:
        FileNotFoundError: it isn't there.
        ActionError: it is no regular file, can't be read, or has more bytes.
    """
    with os.fdopen(_opened(file), "rb") as content:
        data = content.read(most + 1)
    if len(data) > most:
        raise ActionError(f"{file.name} has more than {most} bytes")
    return data


class Tree:
    """A folder and what is in it, by relative path; a context manager.

    No link in it is ever followed, whoever changes it meanwhile: each component of a path is opened
    by itself. Raises OSError where one is a link or no folder.
    """

    def __init__(self, folder: Path) -> None:
        self._root = os.open(folder, _FOLDER)
        self._at = ""
        self._descriptor = self._root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        os.close(self._root)

    def folder(self, path: str, *, make: bool = False) -> int:
        """The descriptor of the folder at `path`, until the next call; `""` is the root.

        With `make` the folder is made, and those above it.
        """
        if path != self._at:
            self._leave()
            self._descriptor = self._descend(path.split("/") if path else (), make=make)
            self._at = path
        return self._descriptor

    def parent(self, path: str, *, make: bool = False) -> tuple[int, str]:
        """The descriptor of the folder that `path` is in, as by `folder`, and its name there."""
        folder, _, name = path.rpartition("/")
        return self.folder(folder, make=make), name

    def status(self, path: str) -> os.stat_result:
        """The status of what is at `path`; of a link itself."""
        parent, name = self.parent(path)
        return os.stat(name, dir_fd=parent, follow_symlinks=False)

    def target(self, path: str) -> str:
        """Where the link at `path` points."""
        parent, name = self.parent(path)
        return os.readlink(name, dir_fd=parent)

    def open(self, path: str) -> int | None:
        """A new descriptor to read the regular file at `path`; None if it is none."""
        parent, name = self.parent(path)
        descriptor = os.open(name, _FILE, dir_fd=parent)
        return descriptor if _is_regular(descriptor) else None

    def _descend(self, names: Iterable[str], *, make: bool) -> int:
        current = os.dup(self._root)
        try:
            for name in names:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=current)
                inner = os.open(name, _FOLDER, dir_fd=current)
                os.close(current)
                current = inner
        except BaseException:
            os.close(current)
            raise
        return current

    def _leave(self) -> None:
        if self._descriptor != self._root:
            os.close(self._descriptor)
        self._descriptor, self._at = self._root, ""
