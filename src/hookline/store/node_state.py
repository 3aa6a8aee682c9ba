"""A few numbers that all processes of this machine share through one mapped file."""

import mmap
import os
import time
from pathlib import Path

_SIZE = 16
_GENERATION, _HEARTBEAT = 0, 1


class NodeState:
    """Reading costs nanoseconds, so that every delivery can ask whether a definition has changed.

    `generation` changes with every change of a webhook or pipeline made on this machine.
    The heartbeat is the engine's, in nanoseconds of the machine's monotonic clock.
    """

    def __init__(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Reserved at once: a write to a mapped hole ends the process when the disk is full.
            os.posix_fallocate(descriptor, 0, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._numbers = memoryview(self._map).cast("Q")

    @property
    def generation(self) -> int:
        """A number that is another one after each change of a definition."""
        return self._numbers[_GENERATION]

    def definitions_changed(self) -> None:
        """Tell every process of this machine that a webhook or pipeline has changed."""
        self._numbers[_GENERATION] = time.time_ns()

    def beat(self) -> None:
        """Note that the engine is at work."""
        self._numbers[_HEARTBEAT] = time.monotonic_ns()

    def engine_stopped(self) -> None:
        """Note that no engine is at work."""
        self._numbers[_HEARTBEAT] = 0

    def engine_age(self) -> float:
        """Seconds since the engine's last heartbeat; very many when there was none."""
        return (time.monotonic_ns() - self._numbers[_HEARTBEAT]) / 1e9
