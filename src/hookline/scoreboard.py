"""What the processes of one server tell each other through shared memory, without a lock."""

import mmap
import os
import time
from typing import Self

_NUMBER_SIZE = 8
_NUMBERS = 3
_LINES_LOST, _HEARTBEAT, _DRAINING = range(_NUMBERS)

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
    def draining(self) -> bool:
        """Whether the server is about to stop: load balancers shall go to another."""
        return bool(self._numbers[SUPERVISOR * _NUMBERS + _DRAINING])

    @property
    def lines_lost(self) -> int:
        """How many log lines all processes have lost since the server's start."""
        return sum(self._numbers[_LINES_LOST::_NUMBERS])


class Slot:
    """What one process tells the others; only that process writes it, and its supervisor."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    @property
    def heartbeat(self) -> int:
        """A number that is another one after each beat; 0 before the first one."""
        return self._numbers[_HEARTBEAT]

    @property
    def silence(self) -> float:
        """Seconds since the last heartbeat; very many when there was none."""
        return (time.monotonic_ns() - self.heartbeat) / 1e9

    def beat(self) -> None:
        """Tell that this process is at work."""
        self._numbers[_HEARTBEAT] = time.monotonic_ns()

    def begin(self) -> None:
        """Forget the heartbeat of an earlier process."""
        self._numbers[_HEARTBEAT] = 0

    def drain(self) -> None:
        """Tell that the server is about to stop; the supervisor does."""
        self._numbers[_DRAINING] = 1

    def lose_line(self) -> None:
        """Count a log line that could not be written."""
        self._numbers[_LINES_LOST] += 1
