"""Forgets what is old, in steps so small that the recorder never waits for them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from hookline.executions import retention as executions
from hookline.model import first_id_at
from hookline.store import builds, deliveries
from hookline.store.database import Database

_STEP = 500
_FIRST_S = 1.0
_DAY_S = 86_400.0
# So that more can go in a second than is likely to come.
_PAUSE_S = 0.2
_REST_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long deliveries and executions are kept, in days, how many deliveries, and events.

    Builds are kept as long as executions.
    """

    delivery_days: float
    delivery_count: int
    execution_days: float
    dedupe_window: float


class Retention:
    """Applies the limits, one step at a time, when it is called.

    `beat` is called before each transaction.
    """

    def __init__(self, database: Database, limits: Limits, beat: Callable[[], None]) -> None:
        self._database = database
        self._limits = limits
        self._beat = beat
        self._due = time.monotonic() + _FIRST_S
        # Those older than this are too many. To find it takes time, so it is kept until all are
        # forgotten.
        self._surplus: str | None = None
        # The execution up to which the last step has come.
        self._looked_at: executions.Cursor | None = None

    def due_in(self) -> float:
        """Seconds until the next step."""
        return max(0.0, self._due - time.monotonic())

    def step(self) -> None:
        """Forget at most 500 rows of each kind; rest for a minute when there were fewer."""
        steps: list[Callable[[Connection], bool]] = [
            self._old_deliveries,
            self._surplus_deliveries,
            self._old_events,
            self._old_executions,
            self._old_builds,
        ]
        is_all = True
        for forget in steps:
            self._beat()
            with self._database.write() as connection:
                is_all = forget(connection) and is_all
        self._due = time.monotonic() + (_REST_S if is_all else _PAUSE_S)

    def rest(self) -> None:
        """Let a minute pass before the next step."""
        self._due = time.monotonic() + _REST_S

    # Each tells whether that was all.

    def _old_deliveries(self, connection: Connection) -> bool:
        before = time.time() - self._limits.delivery_days * _DAY_S
        return deliveries.forget_before(connection, first_id_at(before), _STEP) < _STEP

    def _surplus_deliveries(self, connection: Connection) -> bool:
        if self._surplus is None:
            count = self._limits.delivery_count
            self._surplus = deliveries.oldest_of_newest(connection, count)
        if self._surplus is None:
            return True
        is_all = deliveries.forget_before(connection, self._surplus, _STEP) < _STEP
        if is_all:
            self._surplus = None
        return is_all

    def _old_events(self, connection: Connection) -> bool:
        before = time.time() - self._limits.dedupe_window
        return deliveries.forget_events(connection, before, _STEP) < _STEP

    def _old_executions(self, connection: Connection) -> bool:
        before = time.time() - self._limits.execution_days * _DAY_S
        # After the last one, from the oldest again: what was needed may be so no more.
        self._looked_at = executions.forget(connection, before, self._looked_at, _STEP)
        return self._looked_at is None

    def _old_builds(self, connection: Connection) -> bool:
        before = time.time() - self._limits.execution_days * _DAY_S
        return builds.forget_before(connection, before, _STEP) < _STEP
