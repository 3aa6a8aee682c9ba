"""Mirrors of repositories on this node, so that a fetch transfers only what none before has."""

import fcntl
import hmac
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog

from hookline.actions.folders import remove
from hookline.actions.locks import lock
from hookline.errors import ActionError

# Each commit that was fetched alone is a line that git sends to the server at the next fetch.
_LONGEST_SHALLOW = 100 * 41
_SHRINK_EVERY_S = 60.0
_BLOCK = 512
_LOCK = "fetch.lock"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_log = structlog.get_logger()


class MirrorDamagedError(ActionError):
    """The mirror is damaged: it is emptied before the next fetch."""


class Mirror:
    """A mirror while an action uses it: nobody removes it meanwhile.

    `repository` is the bare repository, which may not be there yet; `is_new`, whether it was empty
    at a fetch of this action. The `locks` are to be held by the programs that use it, so that it
    stays locked until they have ended, even if this process is killed.
    """

    def __init__(self, folder: Path, descriptor: int, check: Callable[[], None]) -> None:
        self.repository = folder / "repository"
        self.is_new = False
        self.locks: tuple[int, ...] = (descriptor,)
        self._folder = folder
        self._check = check

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Be the only one that fetches into it. It counts as damaged unless this ends well.

        Raises:
            MirrorDamagedError: it is damaged, but others read it.
            ActionError, Interrupted: it is time to give up, while others fetch.
        """
        with self._locked() as descriptor:
            if os.fstat(descriptor).st_size:
                if not self._emptied():
                    raise MirrorDamagedError("Other actions read the damaged mirror")
                _log.info("a mirror that was damaged or incomplete is made anew", mirror=str(self))
            elif self._is_overgrown():
                self._emptied()
            self.is_new |= not self.repository.exists()
            os.pwrite(descriptor, b"1", 0)
            used, self.locks = self.locks, (*self.locks, descriptor)
            try:
                yield
            finally:
                self.locks = used
            os.ftruncate(descriptor, 0)

    def distrust(self) -> None:
        """Have it emptied before the next fetch."""
        with self._locked() as descriptor:
            os.pwrite(descriptor, b"1", 0)

    def __str__(self) -> str:
        return self._folder.name

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = _opened_lock(self._folder)
        try:
            lock(descriptor, self._check)
            yield descriptor
            # After a failure a program may still hold it, and goes on to.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _is_overgrown(self) -> bool:
        with suppress(FileNotFoundError):
            return (self.repository / "shallow").stat().st_size > _LONGEST_SHALLOW
        return False

    def _emptied(self) -> bool:
        """Remove the repository, unless others read it."""
        descriptor = self.locks[0]
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            remove(self.repository)
            return True
        finally:
            # Whoever else wants to have it alone needs the fetch's lock first.
            fcntl.flock(descriptor, fcntl.LOCK_SH)


class Mirrors:
    """The mirrors in `folder`, which take some `max_bytes` together.

    Each is named by a hash under `key` of what it is of: an address, and the credentials that
    opened it. Beyond the bound, those that were used least recently are removed.
    """

    def __init__(self, folder: Path, key: bytes, max_bytes: int) -> None:
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes
        self._shrinking = threading.Lock()
        self._shrunk = time.monotonic() - _SHRINK_EVERY_S
        self._sizes: dict[str, tuple[int, int]] = {}

    @contextmanager
    def using(self, what: Sequence[str], check: Callable[[], None]) -> Iterator[Mirror]:
        """Use the mirror of `what`, texts without NUL.

        Raises what `check` does, which is called while this waits for others.
        """
        name = hmac.digest(self._key, "\0".join(what).encode(), "sha256").hex()
        folder = self._folder / name
        descriptor = _in_use(folder, check)
        try:
            mirror = Mirror(folder, descriptor, check)
            yield mirror
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)
        self._shrink(at_once=mirror.is_new)

    def _shrink(self, *, at_once: bool) -> None:
        """Remove what is too much: after each first fetch, and of what grows once a minute."""
        with self._shrinking:
            now = time.monotonic()
            if not at_once and now - self._shrunk < _SHRINK_EVERY_S:
                return
            self._shrunk = now
            try:
                self._remove_excess()
            except OSError as error:
                _log.warning("mirrors of repositories can't be removed", why=str(error))

    def _remove_excess(self) -> None:
        names = [folder.name for folder in self._folder.iterdir()]
        self._sizes = {name: self._measured(name) for name in names}
        excess = sum(size for _, size in self._sizes.values()) - self._max_bytes
        for name, (_, size) in sorted(self._sizes.items(), key=lambda item: item[1]):
            if excess <= 0:
                return
            if _removed(self._folder / name):
                excess -= size

    def _measured(self, name: str) -> tuple[int, int]:
        """When a mirror was last fetched into, in nanoseconds, and its size in bytes."""
        fetched = 0
        with suppress(FileNotFoundError):
            fetched = (self._folder / name / _LOCK).stat().st_mtime_ns
        known = self._sizes.get(name)
        if known is not None and known[0] == fetched:
            return known
        return fetched, _size(self._folder / name)


def _size(folder: Path) -> int:
    total = 0
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            # A fetch renames its files when they are complete.
            with suppress(FileNotFoundError):
                total += (Path(path) / name).lstat().st_blocks * _BLOCK
    return total


def _in_use(folder: Path, check: Callable[[], None]) -> int:
    """A descriptor of `folder` that keeps others from removing it."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, _FOLDER)
        except FileNotFoundError:
            continue
        try:
            lock(descriptor, check, fcntl.LOCK_SH)
            if _is_at(descriptor, folder):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    return False


def _removed(folder: Path) -> bool:
    """Remove a mirror, unless it is in use."""
    with ExitStack() as opened:
        fetching = _opened_lock(folder)
        opened.callback(os.close, fetching)
        descriptor = os.open(folder, _FOLDER)
        opened.callback(os.close, descriptor)
        try:
            for each in (fetching, descriptor):
                fcntl.flock(each, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # What is left, should this process be killed, is emptied before the next fetch.
        os.pwrite(fetching, b"1", 0)
        remove(folder / "repository")
        remove(folder)
        return True


def _opened_lock(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
