"""Packs a folder into a tar.gz, and unpacks one that anybody may have made.

Nothing leaves the folder: every path is opened component by component without following a link
(`folders.Tree`), and no link that leads out of the folder is packed or unpacked.
"""

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from hookline.actions.folders import Tree
from hookline.actions.tar import Kind, Member, TarReader, shown
from hookline.errors import ActionError

DEEPEST = 256
_CHUNK = 1 << 18
_MOST_RATIO = 200
# As the kernel's: what has more leads nowhere.
_MOST_HOPS = 40
# For the ways of all links of an archive: what has more takes too long, and is made to hurt.
_MOST_STEPS = 10_000_000
# A place in a tree of links takes memory, not time.
_STEPS_OF_PLACE = 10
# Paths and targets of links stay in memory until their ways are known.
_MOST_TOLD = 1 << 26
_LATEST = 1 << 33
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large an archive may be, unpacked, and when to give up: then `check` raises.

    Beyond `free_bytes` it may be 200 times as large as it is packed; the utmost is 1,000 times.
    """

    max_bytes: int
    check: Callable[[], None] = lambda: None
    max_files: int = 1_000_000
    free_bytes: int = 1_000_000_000


def pack(target: BinaryIO, folder: Path, paths: Sequence[str], bounds: Bounds) -> tuple[str, ...]:
    """Write what is at `paths` in `folder` to `target`; the same files make the same bytes.

    Returns the paths left out: links that lead out of `folder`, sockets and the like.

    Raises:
        ActionError: it is more than `bounds` allow.
        OSError: something can't be read or written.
    """
    with (
        Tree(folder) as tree,
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, mtime=0) as packed,
    ):
        meter = _Meter(packed, target, bounds)
        with tarfile.open(fileobj=meter, mode="w") as archive:  # type: ignore[call-overload]  # write is all that it calls
            return _Packing(archive, tree, folder, meter, bounds).add(paths)


def unpack(source: BinaryIO, folder: Path, bounds: Bounds) -> None:
    """Write what the archive `source` has into `folder`, which is empty.

    Raises:
        ActionError: it is damaged, more than `bounds` allow, or would leave `folder`. Part of it
            may have been written into `folder` then.
        OSError: something can't be written.
    """
    with Tree(folder) as tree, _damage_told():
        meter = _Meter(gzip.GzipFile(fileobj=source, mode="rb"), source, bounds)
        _Unpacking(tree, bounds).add(TarReader(meter.read))
        # The end has the checksum of all.
        while meter.read(_CHUNK):
            pass


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise ActionError("it ends too early") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise ActionError(f"it is damaged: {error}") from error


class _Meter:
    """The bytes of an archive between tar and gzip, counted against the bounds."""

    def __init__(self, stream: gzip.GzipFile, compressed: BinaryIO, bounds: Bounds) -> None:
        self._stream = stream
        self._compressed = compressed
        self._bounds = bounds
        self._total = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end only."""
        data = self._stream.read(size)
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        self._count(len(data))
        return data

    def write(self, data: bytes) -> int:
        self._count(len(data))
        return self._stream.write(data)

    def tell(self) -> int:
        return self._total

    def reserve(self, size: int) -> None:
        """Raise if there is no room for `size` bytes."""
        if self._total + size > self._bounds.max_bytes:
            raise ActionError(
                f"it has more than {self._bounds.max_bytes} bytes (the setting max_artifact)"
            )

    def _count(self, size: int) -> None:
        self._bounds.check()
        self.reserve(size)
        self._total += size
        free = max(self._bounds.free_bytes, _MOST_RATIO * self._compressed.tell())
        if self._total > free:
            raise ActionError(
                f"its content is more than {_MOST_RATIO} times as large as the archive"
            )


class _Packing:
    def __init__(
        self, archive: tarfile.TarFile, tree: Tree, folder: Path, meter: _Meter, bounds: Bounds
    ) -> None:
        self._archive = archive
        self._tree = tree
        self._root = folder.resolve()
        self._meter = meter
        self._bounds = bounds
        self._first: dict[tuple[int, int], str] = {}
        self._links: dict[str, str] = {}

    def add(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Add what is at `paths`; those left out."""
        links = {}
        for path in paths:
            self._bounds.check()
            if stat.S_ISLNK(self._tree.status(path).st_mode):
                links[path] = _relative(self._root, path, self._tree.target(path))
        self._links = inside(links, self._bounds.check)
        return tuple(path for path in paths if not self._add(path))

    def _add(self, path: str) -> bool:
        status = self._tree.status(path)
        if stat.S_ISDIR(status.st_mode):
            self._archive.addfile(_entry(path, tarfile.DIRTYPE, status))
        elif path in self._links:
            entry = _entry(path, tarfile.SYMTYPE, status)
            entry.linkname = self._links[path]
            self._archive.addfile(entry)
        else:
            return stat.S_ISREG(status.st_mode) and self._add_file(path)
        return True

    def _add_file(self, path: str) -> bool:
        descriptor = self._tree.open(path)
        if descriptor is None:
            return False
        with os.fdopen(descriptor, "rb") as content:
            status = os.fstat(descriptor)
            entry = _entry(path, tarfile.REGTYPE, status)
            if (first := self._earlier(path, status)) is not None:
                entry.type, entry.linkname = tarfile.LNKTYPE, first
                self._archive.addfile(entry)
                return True
            self._meter.reserve(status.st_size)
            entry.size = status.st_size
            self._archive.addfile(entry, content)
        return True

    def _earlier(self, path: str, status: os.stat_result) -> str | None:
        """The path at which the same file was added; None where it was not."""
        if status.st_nlink == 1:
            return None
        first = self._first.setdefault((status.st_dev, status.st_ino), path)
        return first if first != path else None


def _entry(path: str, kind: bytes, status: os.stat_result) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type = kind
    entry.mode = stat.S_IMODE(status.st_mode)
    entry.mtime = int(status.st_mtime)
    return entry


def _relative(root: Path, path: str, target: str) -> str:
    """The target of the link at `path`.

    If it names `root` by its own path, or by way of its parent, it is made relative.
    """
    folder = os.path.dirname(path)  # noqa: PTH120 - a path in the archive
    lands = os.path.normpath(os.path.join(folder, target))  # noqa: PTH118 - the same
    if not lands.startswith(("/", "..")):
        return target
    absolute = Path(os.path.normpath(root / folder / target))
    if not absolute.is_relative_to(root):
        return target
    return os.path.relpath(absolute, root / folder)


class _Unpacking:
    def __init__(self, tree: Tree, bounds: Bounds) -> None:
        self._tree = tree
        self._bounds = bounds
        self._links: dict[str, str] = {}
        self._told = 0

    def add(self, archive: TarReader) -> None:
        for number, member in enumerate(archive):
            if number >= self._bounds.max_files:
                raise ActionError(f"it has more than {self._bounds.max_files} files and folders")
            self._add(member, archive)
        links = _Links(self._links)
        for path in self._links:
            self._bounds.check()
            if links.leaves(path):
                raise ActionError(f"the link {shown(path)} leads out of it")

    def _add(self, member: Member, archive: TarReader) -> None:
        path = _path(member.name)
        try:
            self._make(path, member, archive)
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise ActionError(f"{shown(path)} is in the place of something else in it") from error

    def _make(self, path: str, member: Member, archive: TarReader) -> None:
        if member.kind is Kind.SPECIAL:
            raise ActionError(f"{shown(path)} is {member.kind.value}")
        if member.kind is Kind.FOLDER:
            self._tree.folder(path, make=True)
            return
        if not path:
            raise ActionError("it has a file without a name")
        parent, name = self._tree.parent(path, make=True)
        if member.kind is Kind.HARD_LINK:
            self._link_again(path, _path(member.target))
            return
        self._clear(path)
        if member.kind is Kind.LINK:
            self._link(path, member.target)
        else:
            _write(os.open(name, _FRESH, 0o600, dir_fd=parent), member, archive)

    def _link(self, path: str, target: str) -> None:
        self._told += len(path) + len(target)
        if self._told > _MOST_TOLD:
            raise ActionError("it has too many links")
        if not target:
            raise ActionError(f"the link {shown(path)} leads nowhere")
        parent, name = self._tree.parent(path)
        os.symlink(target, name, dir_fd=parent)
        self._links[path] = target

    def _clear(self, path: str) -> None:
        """An archive may have a file twice: the last one counts."""
        parent, name = self._tree.parent(path)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        self._links.pop(path, None)

    def _link_again(self, path: str, first: str) -> None:
        if path == first:
            return
        try:
            file = self._tree.open(first)
        except OSError:
            file = None
        if file is None:
            raise ActionError(
                f"the hard link {shown(path)} is to {shown(first)}, which is no file in it"
            )
        os.close(file)
        self._clear(path)
        there, name = self._tree.parent(first)
        there = os.dup(there)
        try:
            parent, new = self._tree.parent(path)
            os.link(name, new, src_dir_fd=there, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(there)


def _path(name: str) -> str:
    """A member's name as a path of the archive; empty for its root."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts:
        raise ActionError(f"{shown(name)} would be written outside of it")
    if len(parts) - 1 > DEEPEST:
        raise ActionError(f"it has more than {DEEPEST} folders in one another")
    return "/".join(parts)


def _write(descriptor: int, member: Member, archive: TarReader) -> None:
    with os.fdopen(descriptor, "wb") as file:
        for data in archive.content():
            file.write(data)
        file.flush()
        mode = member.mode & 0o755 | 0o600
        os.fchmod(descriptor, mode if mode & 0o100 else mode & ~0o111)
        modified = min(max(member.modified, 0), _LATEST)
        os.utime(descriptor, (modified, modified))


def inside(links: Mapping[str, str], check: Callable[[], None]) -> dict[str, str]:
    """Those of the links of a folder, path → target, that stay in it, through whichever others.

    Raises:
        ActionError: to find out would take too long.
    """
    kept = dict(links)
    tree = _Links(links)
    outside = [""]
    # Without those that go, others may lead elsewhere.
    while outside:
        outside = []
        for path in kept:
            check()
            if tree.leaves(path):
                outside.append(path)
        for path in outside:
            tree.remove(path)
            del kept[path]
    return kept


@dataclass(slots=True)
class _Place:
    """A link, or a folder with links in it; `target` is that of a link."""

    parent: "_Place | None" = None
    target: str | None = None
    places: "dict[str, _Place]" = field(default_factory=dict)


class _Links:
    """The links of a folder as a tree, on which their ways are followed in a bounded time."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._steps_left = _MOST_STEPS
        self._root = _Place()
        self._at: dict[str, _Place] = {}
        for path, target in links.items():
            self._at[path] = place = self._make(path)
            place.target = target

    def remove(self, path: str) -> None:
        self._at.pop(path).target = None

    def leaves(self, path: str) -> bool:
        """Whether the way of the link at `path` leads out of the folder at any point."""
        link = self._at[path]
        # The last place on the way that has links, and how far the way has gone below it.
        place, below = link.parent, 0
        waiting = self._way(link)
        hops = 1
        while waiting and place is not None and hops <= _MOST_HOPS:
            name = waiting.pop()
            found = None if below else place.places.get(name)
            if found is not None and found.target is not None:
                waiting += self._way(found)
                hops += 1
            else:
                place, below = _next(place, below, name)
        return place is None

    def _make(self, path: str) -> _Place:
        place = self._root
        for name in path.split("/"):
            if name not in place.places:
                self._take(_STEPS_OF_PLACE)
                place.places[name] = _Place(place)
            place = place.places[name]
        return place

    def _way(self, link: _Place) -> list[str]:
        target = link.target or ""
        self._take(target.count("/") + 1)
        return _components(target)

    def _take(self, steps: int) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise ActionError("its links take too many steps to follow")


def _next(place: _Place, below: int, name: str) -> tuple[_Place | None, int]:
    """Where a way is after `name`, which is no link; no place is outside of the folder."""
    if name == "/":
        return None, 0
    if name == "..":
        return (place, below - 1) if below else (place.parent, 0)
    if below or name not in place.places:
        return place, below + 1
    return place.places[name], 0


def _components(target: str) -> list[str]:
    """The components of a link's target, the last one first; `/` where it is absolute."""
    names = [name for name in target.split("/") if name not in {"", "."}]
    return [*reversed(names), *(["/"] if target.startswith("/") else [])]
