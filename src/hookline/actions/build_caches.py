"""What builds of a project keep for the next one on this node: the paths of a buildspec's cache."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hookline.actions import archives
from hookline.actions.archives import Bounds
from hookline.actions.folders import fresh, remove
from hookline.actions.selection import Pattern, entries
from hookline.errors import ActionError

SOURCE, HOME = "src", "home"
"""The folders of a build in which paths of a cache can be."""
# How paths begin that are in one of them; AWS's builds are root's.
_ROOTS = {
    **dict.fromkeys(("$CODEBUILD_SRC_DIR", "${CODEBUILD_SRC_DIR}"), SOURCE),
    **dict.fromkeys(("/root", "~", "$HOME", "${HOME}"), HOME),
}


@dataclass(frozen=True)
class Folders:
    """A build's folder, which has its source and its home, and its log."""

    folder: Path
    bounds: Bounds
    say: Callable[[str], object]

    def inner(self, path: str) -> str:
        """A path of a buildspec's cache, relative to the folder. Raises ActionError."""
        for root, name in _ROOTS.items():
            if path == root or path.startswith(f"{root}/"):
                return f"{name}/{path.removeprefix(root).strip('/')}"
        if path.startswith(("/", "$")):
            raise ActionError("it is neither in the source nor in the home folder")
        return f"{SOURCE}/{path}"


class BuildCache:
    """The cache of one project on this node, in `file`, which may not be there yet."""

    def __init__(self, file: Path, shrink: Callable[[], object]) -> None:
        self._file = file
        self._shrink = shrink

    def restore(self, build: Folders) -> None:
        """Put what is kept into a build's folders, where nothing is yet.

        A cache that can't be used is left out, and the log says so. Raises what `bounds.check`
        does.
        """
        unpacked = fresh(build.folder / "cache")
        try:
            with self._file.open("rb") as source:
                archives.unpack(source, unpacked, build.bounds)
            os.utime(self._file)
            for name in (SOURCE, HOME):
                if (unpacked / name).is_dir():
                    _merge(unpacked / name, build.folder / name)
        except FileNotFoundError:
            build.say("There is no cache of this project on this node yet")
        except (ActionError, OSError) as error:
            build.bounds.check()
            build.say(f"The cache can't be used: {error}")
        else:
            build.say("Restored the cache of this project on this node")
        finally:
            remove(unpacked)

    def save(self, build: Folders, paths: Sequence[str]) -> None:
        """Keep what is at `paths` in a build's folders, and nothing else any longer.

        A failure is told by the log only. Raises what `bounds.check` does.
        """
        patterns = list(_patterns(build, paths))
        if not patterns:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".new-", dir=self._file.parent)
        try:
            with os.fdopen(handle, "wb") as target:
                found = sorted(_selected(build, patterns))
                archives.pack(target, build.folder, found, build.bounds)
            Path(name).replace(self._file)
            build.say(f"Cached {len(found)} files on this node")
        except (ActionError, OSError) as error:
            build.bounds.check()
            build.say(f"The cache can't be kept: {error}")
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
        self._shrink()


def _patterns(build: Folders, paths: Sequence[str]) -> Iterator[Pattern]:
    for path in paths:
        try:
            yield Pattern.parse(build.inner(path))
        except ActionError as error:
            build.say(f"Unable to cache {path}: {error.message}")


def _selected(build: Folders, patterns: Sequence[Pattern]) -> Iterator[str]:
    for name in (SOURCE, HOME):
        for entry in entries(build.folder / name, build.bounds, folders=False):
            path = f"{name}/{entry}"
            if any(pattern.matches(path) for pattern in patterns):
                yield path


def _merge(kept: Path, target: Path) -> None:
    """Move what is in the folder `kept` into `target`, but for what has a place there already.

    No command runs meanwhile, so what was no link a moment ago is none.
    """
    waiting = [(kept, target)]
    while waiting:
        folder, into = waiting.pop()
        for item in sorted(folder.iterdir()):
            place = into / item.name
            if not os.path.lexists(place):
                item.rename(place)
            elif all(path.is_dir() and not path.is_symlink() for path in (item, place)):
                waiting.append((item, place))


class BuildCaches:
    """The caches in `folder`, which take some `max_bytes` together.

    Beyond the bound, those that were used least recently are removed.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def of(self, project_arn: str) -> BuildCache:
        """That of a project."""
        name = hashlib.sha256(project_arn.encode()).hexdigest()
        return BuildCache(self._folder / f"{name}.tar.gz", self._shrink)

    def _shrink(self) -> None:
        found = []
        for file in self._folder.iterdir():
            # Another build may have replaced or removed it.
            with suppress(FileNotFoundError):
                status = file.stat()
                found.append((status.st_mtime_ns, status.st_size, file))
        excess = sum(size for _, size, _ in found) - self._max_bytes
        for _, size, file in sorted(found):
            if excess <= 0:
                return
            file.unlink(missing_ok=True)
            excess -= size
