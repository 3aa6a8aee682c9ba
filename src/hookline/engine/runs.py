"""How the actions that may be run reach a node, and the threads that run them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hookline.engine.running import RunningActions
from hookline.executions.take import Task
from hookline.store.dialect import Listener

CONCURRENT_ACTIONS = 32


class Runs(Protocol):
    """Brings a node the actions that it may run, as many as it has threads for."""

    def work(self, seconds: float) -> None:
        """Begin what may be run now, and return when there may be more, or after `seconds`.

        Raises StoreUnavailableError.
        """

    def close(self) -> None:
        """Take nothing more."""


class ThreadRuns:
    """Takes actions from the store itself, told by its listener when there may be some."""

    def __init__(
        self, take: Callable[[int], list[Task]], running: RunningActions, listener: Listener
    ) -> None:
        self._take = take
        self._running = running
        self._listener = listener
        self._threads = ThreadPoolExecutor(CONCURRENT_ACTIONS, "action")

    def work(self, seconds: float) -> None:
        """See Runs."""
        free = CONCURRENT_ACTIONS - self._running.count
        if free > 0:
            for task in self._take(free):
                self._running.add(task)
                self._threads.submit(self._running.run, task)
        self._listener.wait(seconds)

    def close(self) -> None:
        """See Runs."""
        self._threads.shutdown(wait=False)
        self._listener.close()
