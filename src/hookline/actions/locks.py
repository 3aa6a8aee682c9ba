"""Locks of open files: they end with the last process that has the file open."""

import fcntl
import time
from collections.abc import Callable

_POLL_S = 0.02


def lock(descriptor: int, check: Callable[[], None], kind: int = fcntl.LOCK_EX) -> None:
    """Wait for the lock of an open file. Raises what `check`, which is called meanwhile, does."""
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            check()
            time.sleep(_POLL_S)
        else:
            return
