"""A journal whose calls outlast an outage of the store.

A stage that failed since the store was away for a moment would never end: its workflow would be
over, and its stage would stay occupied.
"""

import threading
from collections.abc import Callable, Collection
from typing import NoReturn, TypeVar

import structlog

from hookline.actions.provider import ActionResult, Waiting
from hookline.engine.journal import ActionTask, Journal, StageTurn
from hookline.errors import ActionError, StoreUnavailableError

_log = structlog.get_logger()
_PAUSE_S = 0.5

T = TypeVar("T")


class PatientJournal:
    """`Journal` over another one; a call that finds the store away is made again until it answers.

    Once `stop` is set nobody waits for the store: the engine's own loop then gets nothing, and
    what a stage or an action asks never returns, as the process is about to end.
    """

    def __init__(self, journal: Journal, stop: threading.Event) -> None:
        self._journal = journal
        self._stop = stop

    def take(self, limit: int) -> list[StageTurn]:
        """See Journal."""
        return self._asked(lambda: self._journal.take(limit), list)

    def unfinished(self) -> list[StageTurn]:
        """See Journal."""
        return self._asked(self._journal.unfinished, list)

    def wait(self, seconds: float) -> None:
        """See Journal."""
        self._journal.wait(seconds)

    def next_actions(self, turn: StageTurn) -> list[str]:
        """See Journal."""
        return self._asked(lambda: self._journal.next_actions(turn), _never)

    def begin(self, turn: StageTurn, action_name: str) -> ActionTask | None:
        """See Journal."""
        return self._asked(lambda: self._journal.begin(turn, action_name), _never)

    def abandoned(self, execution_ids: Collection[str]) -> list[str]:
        """See Journal."""
        return self._asked(lambda: self._journal.abandoned(execution_ids), list)

    def abandon(self, action_execution_id: str) -> None:
        """See Journal."""
        self._asked(lambda: self._journal.abandon(action_execution_id), _never)

    def wait_for(self, action_execution_id: str, waiting: Waiting) -> None:
        """See Journal."""
        self._asked(lambda: self._journal.wait_for(action_execution_id, waiting), _never)

    def settle(self) -> None:
        """See Journal."""
        self._asked(self._journal.settle, lambda: None)

    def succeed(self, action_execution_id: str, result: ActionResult) -> None:
        """See Journal."""
        self._asked(lambda: self._journal.succeed(action_execution_id, result), _never)

    def fail(self, action_execution_id: str, error: ActionError) -> None:
        """See Journal."""
        self._asked(lambda: self._journal.fail(action_execution_id, error), _never)

    def _asked(self, call: Callable[[], T], stopped: Callable[[], T]) -> T:
        while not self._stop.is_set():
            try:
                return call()
            except StoreUnavailableError as error:
                _log.warning("the store is away; trying again", reason=error.message)
                self._stop.wait(_PAUSE_S)
        return self._last(call, stopped)

    @staticmethod
    def _last(call: Callable[[], T], stopped: Callable[[], T]) -> T:
        try:
            return call()
        except StoreUnavailableError:
            return stopped()


def _never() -> NoReturn:
    while True:
        threading.Event().wait()
