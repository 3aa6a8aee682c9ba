"""How the actions that may be run reach a node, and the threads that run them."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hookline.engine.running import RunningActions
from hookline.store.action_executions import ActionExecution
from hookline.store.dialect import Listener

CONCURRENT_ACTIONS = 32

Take = Callable[[int, Collection[str]], list[ActionExecution]]
"""Gives the node up to so many actions, but for those with the ids."""


class Runs(Protocol):
    """Brings a node the actions that it may run, as many as it has threads for."""

    def work(self, seconds: float) -> None:
        """Wait until there may be some to run, or for `seconds`, and begin them.

        Raises StoreUnavailableError.
        """

    def close(self) -> None:
        """Take nothing more."""


class ThreadRuns:
    """Takes actions from the store itself, told by its listener when there may be some."""

    def __init__(self, take: Take, running: RunningActions, listener: Listener) -> None:
        self._take = take
        self._running = running
        self._listener = listener
        self._threads = ThreadPoolExecutor(CONCURRENT_ACTIONS, "action")

    def work(self, seconds: float) -> None:
        """See Runs."""
        self._listener.wait(seconds)
        free = CONCURRENT_ACTIONS - self._running.count
        if free > 0:
            for held in self._running.take(lambda running: self._take(free, running)):
                self._threads.submit(self._run, held)

    def _run(self, held: ActionExecution) -> None:
        self._running.run(held)
        # There is a thread again, and what follows in the stage may be run.
        self._listener.wake()

    def close(self) -> None:
        """See Runs."""
        self._threads.shutdown(wait=False)
        self._listener.close()
