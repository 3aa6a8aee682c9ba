"""What the processes of one server tell each other through shared memory, without a lock."""

import mmap
import os
from typing import Self

_NUMBER_SIZE = 8
_NUMBERS = 1
_LINES_LOST = 0

SUPERVISOR, RECORDER, ENGINE, FIRST_WORKER = range(4)
"""The slots of the processes; the workers have those from `FIRST_WORKER` on."""


class Scoreboard:
    """Numbers in slots, one slot a process; a process that is started again keeps its slot."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._numbers = memoryview(mmap.mmap(descriptor, 0)).cast("Q")

    @classmethod
    def create(cls, workers: int) -> Self:
        """A new one for a server of so many workers; the children inherit its descriptor."""
        descriptor = os.memfd_create("hookline-scoreboard")
        os.ftruncate(descriptor, (FIRST_WORKER + workers) * _NUMBERS * _NUMBER_SIZE)
        return cls(descriptor)

    def slot(self, index: int) -> "Slot":
        """The numbers of one process."""
        return Slot(self._numbers[index * _NUMBERS : (index + 1) * _NUMBERS])

    @property
    def lines_lost(self) -> int:
        """How many log lines all processes have lost since the server's start."""
        return sum(self._numbers[_LINES_LOST::_NUMBERS])


class Slot:
    """What one process tells the others; only that process writes it."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    def lose_line(self) -> None:
        """Count a log line that could not be written."""
        self._numbers[_LINES_LOST] += 1
