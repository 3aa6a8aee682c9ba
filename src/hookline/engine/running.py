"""The actions that run on this node: what ends them early, and where their outcomes go."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from hookline.actions.provider import Interrupted
from hookline.engine.logs import RunningLogs
from hookline.errors import ActionError, HooklineError, StoreUnavailableError
from hookline.executions.finish import Abandoned, Outcome, finish, give_up
from hookline.executions.nodes import release
from hookline.store import action_executions, action_logs, executions
from hookline.store.action_executions import ActionExecution
from hookline.store.action_logs import Part
from hookline.store.database import Database

_log = structlog.get_logger()
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
# After so many failures that are not the store's absence, an outcome is given up.
_TRIES = 5

Perform = Callable[[ActionExecution, threading.Event], Outcome]
"""Runs an action to its end. Raises ActionError or, once the event is set, Interrupted."""


@dataclass(slots=True)
class _Running:
    held: ActionExecution
    stop: threading.Event = field(default_factory=threading.Event)
    abandoned: bool = False


class RunningActions:
    """Runs what one node has taken, each in the thread that brings it, and reports the outcomes.

    Actions of the types `once_only` are not run again when they were interrupted.
    """

    def __init__(
        self,
        database: Database,
        instance: str,
        perform: Perform,
        logs: RunningLogs,
        once_only: Collection[str] = (),
    ) -> None:
        self._database = database
        self._instance = instance
        self._perform = perform
        self._logs = logs
        self._once_only = once_only
        self._running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        # Held from a take until what was taken is known here: else a look at the store between the
        # two would find actions without a thread.
        self._taking = threading.Lock()
        self._stopping = threading.Event()

    @property
    def count(self) -> int:
        """How many actions run now."""
        return len(self._running)

    def take(
        self, take: Callable[[Collection[str]], list[ActionExecution]]
    ) -> list[ActionExecution]:
        """What `take` gives, which is told the ids of those that still run here, to be run."""
        with self._taking:
            taken = take(list(self._running))
            with self._changed:
                self._running |= {held.id: _Running(held) for held in taken}
        return taken

    def run(self, held: ActionExecution) -> None:
        """Run what was taken to its end, and report its outcome.

        Without an outcome it is run again, here or elsewhere: this node stops, or can't tell others
        that it is alive.
        """
        running = self._running[held.id]
        try:
            outcome = self._outcome(held, running)
            rest = self._logs.close(held)
            if outcome is None:
                self._give_back(held, rest)
            else:
                self._report(held, outcome, rest)
        finally:
            with self._changed:
                del self._running[held.id]
                self._changed.notify_all()

    def _outcome(self, held: ActionExecution, running: _Running) -> Outcome | None:
        try:
            return self._performed(held, running)
        except Interrupted:
            pass
        except HooklineError as error:
            # Otherwise, what it ran may have been ended with the node.
            if not running.stop.is_set():
                return _as_action_error(error)
        except Exception:  # noqa: BLE001 - whatever it is, the action has failed
            _log.exception("action broke", action_execution=held.id)
            return _BROKEN
        return Abandoned() if running.abandoned else None

    def _performed(self, held: ActionExecution, running: _Running) -> Outcome:
        while True:
            try:
                return self._perform(held, running.stop)
            except StoreUnavailableError as error:
                # It has not begun: the store was asked for what it needs.
                _log.warning("action can't begin; trying again", reason=error.message)
                if running.stop.wait(_PAUSE_S):
                    raise Interrupted from error

    def _report(self, held: ActionExecution, outcome: Outcome, rest: Part | None) -> None:
        def note(connection: Any) -> str:
            if not finish(connection, held, outcome):
                return "not counted: the action is another's now"
            _append(connection, rest)
            return type(outcome).__name__

        if not self._persist(held, "ended", note):
            self._persist(held, "failed", lambda connection: give_up(connection, held, _BROKEN))

    def _give_back(self, held: ActionExecution, rest: Part | None) -> None:
        def note(connection: Any) -> None:
            if release(connection, held, self._once_only):
                _append(connection, rest)

        self._persist(held, "given back", note)

    def _persist(self, held: ActionExecution, what: str, write: Callable[[Any], object]) -> bool:
        """Write until it is written or the node stops; False where that breaks again and again."""
        log = _log.bind(
            execution=held.execution_id,
            stage=held.stage_name,
            action=held.action_name,
            what=what,
        )
        tries, pause = 0, _PAUSE_S
        while True:
            try:
                with self._database.write() as connection:
                    result = write(connection)
            except HooklineError as error:
                log.warning("action not recorded; trying again", reason=error.message)
            except Exception:
                log.exception("action not recorded; trying again")
                tries, pause = tries + 1, min(pause * 2, _LONGEST_PAUSE_S)
                if tries == _TRIES:
                    return False
            else:
                log.info("action recorded", outcome=result)
                return True
            if self._stopping.wait(pause):
                return True

    def check(self) -> list[ActionExecution]:
        """Stop what is to be abandoned or is another node's now; what is here without a thread.

        Raises StoreUnavailableError.
        """
        with self._taking:
            with self._changed:
                running = dict(self._running)
            with self._database.read() as connection:
                owned = action_executions.owned(connection, self._instance)
                ids = {item.held.execution_id for item in running.values()}
                abandoned = executions.abandoned(connection, ids)
        _stop_unwanted(running, owned, abandoned)
        return [item for item in owned if item.id not in running]

    def interrupt(self) -> None:
        """Stop all that runs, without outcomes."""
        with self._changed:
            for item in self._running.values():
                item.stop.set()

    def stop(self, seconds: float) -> bool:
        """Stop all that runs, as the node stops; whether it has ended within `seconds`."""
        self._stopping.set()
        self.interrupt()
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)


def _stop_unwanted(
    running: Mapping[str, _Running], owned: Iterable[ActionExecution], abandoned: Collection[str]
) -> None:
    attempts = {item.id: item.attempt for item in owned}
    for identifier, item in running.items():
        if item.held.execution_id in abandoned:
            item.abandoned = True
        if item.abandoned or attempts.get(identifier) != item.held.attempt:
            item.stop.set()


_BROKEN = ActionError(
    "Hookline could not run the action; the engine's log says why.", "SystemUnavailable"
)


def _append(connection: Any, rest: Part | None) -> None:
    """Write the rest of a log, in the transaction that ends the attempt that it is of."""
    if rest is not None:
        action_logs.append(connection, rest)


def _as_action_error(error: HooklineError) -> ActionError:
    return error if isinstance(error, ActionError) else ActionError(error.message, _BROKEN.code)
