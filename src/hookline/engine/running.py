"""The actions that run on this node: what ends them early, and where their outcomes go."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from hookline.actions.provider import Interrupted
from hookline.errors import ActionError, HooklineError
from hookline.executions.finish import Abandoned, Outcome, finish
from hookline.executions.take import Task
from hookline.store import action_executions, executions
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database

_log = structlog.get_logger()
_PAUSE_S = 0.5

Perform = Callable[[Task, threading.Event], Outcome]
"""Runs a task to its end. Raises ActionError or, once the event is set, Interrupted."""


@dataclass(slots=True)
class _Running:
    held: ActionExecution
    stop: threading.Event = field(default_factory=threading.Event)
    abandoned: bool = False


class RunningActions:
    """Runs the tasks of one node, each in the thread that brings it, and reports their outcomes."""

    def __init__(self, database: Database, instance: str, perform: Perform) -> None:
        self._database = database
        self._instance = instance
        self._perform = perform
        self._running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    @property
    def count(self) -> int:
        """How many actions run now."""
        return len(self._running)

    def add(self, task: Task) -> None:
        """Note that a task is about to run: from now on it is not taken for lost."""
        with self._changed:
            self._running[task.held.id] = _Running(task.held)

    def run(self, task: Task) -> None:
        """Run an added task to its end and report its outcome.

        Without an outcome the action is run again, here or elsewhere: this node stops, or it was
        taken from it.
        """
        running = self._running[task.held.id]
        try:
            outcome = task.error or self._outcome(task, running)
            if outcome is not None:
                self._report(task, outcome)
        finally:
            with self._changed:
                del self._running[task.held.id]
                self._changed.notify_all()

    def _outcome(self, task: Task, running: _Running) -> Outcome | None:
        try:
            return self._perform(task, running.stop)
        except Interrupted:
            return Abandoned() if running.abandoned and not self._stopping.is_set() else None
        except ActionError as error:
            # What it ran may have been ended as this node stops.
            return None if running.stop.is_set() else error
        except Exception:  # noqa: BLE001 - whatever it is, the action has failed
            _log.exception("action broke", action_execution=task.held.id)
            return ActionError(
                "Hookline could not run the action; the engine's log says why.",
                "SystemUnavailable",
            )

    def _report(self, task: Task, outcome: Outcome) -> None:
        log = _log.bind(
            execution=task.held.execution_id,
            stage=task.held.stage_name,
            action=task.held.action_name,
        )
        while True:
            try:
                with self._database.write() as connection:
                    counted = finish(connection, task.held, outcome)
            except HooklineError as error:
                log.warning("outcome not recorded; trying again", reason=error.message)
            except Exception:
                log.exception("stage broke; trying again")
            else:
                log.info("action ended", outcome=type(outcome).__name__, counted=counted)
                return
            if self._stopping.wait(_PAUSE_S):
                return

    def check(self) -> list[ActionExecution]:
        """Stop what is to be abandoned or is another node's now; what is lost without a thread.

        Raises StoreUnavailableError.
        """
        with self._changed:
            running = dict(self._running)
        with self._database.read() as connection:
            owned = {item.id: item for item in action_executions.owned(connection, self._instance)}
            executions_running = {item.held.execution_id for item in running.values()}
            abandoned = executions.abandoned(connection, executions_running)
        for identifier, item in running.items():
            mine = owned.get(identifier)
            if item.held.execution_id in abandoned:
                item.abandoned = True
                item.stop.set()
            elif mine is None or mine.attempt != item.held.attempt:
                item.stop.set()
        return [item for identifier, item in owned.items() if identifier not in running]

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
