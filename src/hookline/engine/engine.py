"""Takes waiting stages from the journal and runs their actions, durably."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Engine as SQLAlchemyEngine
from structlog.typing import FilteringBoundLogger

from hookline.actions import provider_for
from hookline.actions.artifacts import ArtifactStore
from hookline.actions.provider import (
    ActionContext,
    ActionResult,
    ActionSettings,
    Interrupted,
    Waiting,
)
from hookline.engine.durable import DurableRuns
from hookline.engine.journal import ActionTask, Journal, StageTurn
from hookline.engine.patience import PatientJournal
from hookline.errors import ActionError

_log = structlog.get_logger()
_CONCURRENT_STAGES = 32
_IDLE_WAIT = 1.0
_TIDY_EVERY_S = 10.0
_FORGET_EVERY_S = 3_600.0


class _Stop(threading.Event):
    """Set when it is set itself, or when the engine's own stop is.

    A signal handler sets the engine's: it may not set many, as it could interrupt one being set.
    """

    def __init__(self, of_engine: threading.Event) -> None:
        super().__init__()
        self._of_engine = of_engine

    def is_set(self) -> bool:
        return super().is_set() or self._of_engine.is_set()


@dataclass(frozen=True, slots=True)
class _Running:
    """An action that runs now, and what ends it early."""

    execution_id: str
    stop: threading.Event


class Engine:
    """Runs stages on this node until stopped.

    `work` is a folder for workspaces and logs. `forget_files`, called each hour, deletes old logs
    and artifacts. At most 32 stages run at once; more wait their turn in the journal.
    """

    def __init__(  # noqa: PLR0913 - what an engine is made of
        self,
        *,
        journal: Journal,
        database: SQLAlchemyEngine,
        node: str,
        work: Path,
        artifacts: ArtifactStore,
        settings: ActionSettings,
        forget_files: Callable[[], None],
    ) -> None:
        self._work = work
        self._artifacts = artifacts
        self._settings = settings
        self._stop = threading.Event()
        self._forget_files = forget_files
        self._forgot = -_FORGET_EVERY_S
        self._journal = PatientJournal(journal, self._stop)
        self._actions_running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        self._runs = DurableRuns(
            database=database,
            node=node,
            next_actions=self._next_actions,
            run_action=self._run_action,
        )

    def run(self, ready: Callable[[], None], beat: Callable[[], None]) -> None:
        """Take and run stages until `stop`; calls `ready` once and `beat` every second or so."""
        self._runs.launch()
        for turn in self._journal.unfinished():
            self._runs.start(turn)
        ready()
        # Not in the loop: after an outage of its database DBOS may wait for a minute.
        threading.Thread(target=self._tidy_up, name="tidy", daemon=True).start()
        while not self._stop.is_set():
            beat()
            self._take()
            self._abandon()
            self._journal.wait(_IDLE_WAIT)

    def _tidy_up(self) -> None:
        while not self._stop.wait(_TIDY_EVERY_S):
            try:
                self._tidy()
            except Exception:  # noqa: BLE001 - a thread that ends would leave all of it undone
                _log.exception("tidying up broke; trying again")

    def _tidy(self) -> None:
        self._journal.settle()
        unfinished = self._journal.unfinished()
        if unfinished:
            self._runs.start_again(unfinished)
        self._runs.forget_finished()
        if time.monotonic() - self._forgot > _FORGET_EVERY_S:
            self._forgot = time.monotonic()
            threading.Thread(target=self._forget_files, name="forget", daemon=True).start()

    def stop(self) -> None:
        """Interrupt the running actions; the next start runs them again."""
        self._stop.set()

    def wait_stopped(self, seconds: float) -> bool:
        """Whether all interrupted actions have ended their processes within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._actions_running, seconds)

    def _take(self) -> None:
        free = _CONCURRENT_STAGES - self._runs.count
        for turn in self._journal.take(free) if free > 0 else ():
            self._runs.start(turn)

    def _abandon(self) -> None:
        """Stop the running actions of executions that are to be stopped without waiting."""
        running = list(self._actions_running.values())
        if not running:
            return
        abandoned = self._journal.abandoned({item.execution_id for item in running})
        for item in running:
            if item.execution_id in abandoned:
                item.stop.set()

    def _next_actions(self, stage_execution_id: str, number: int) -> list[str]:
        return self._journal.next_actions(StageTurn(stage_execution_id, number))

    def _run_action(self, stage_execution_id: str, number: int, action_name: str) -> None:
        task = self._journal.begin(StageTurn(stage_execution_id, number), action_name)
        if task is None:
            return
        log = _log.bind(execution=task.execution_id, stage=task.stage_name, action=action_name)
        try:
            result = self._perform(task)
        except Interrupted:
            log.info("action abandoned")
            self._journal.abandon(task.action_execution_id)
        except ActionError as error:
            log.info("action failed", reason=error.message)
            self._journal.fail(task.action_execution_id, error)
        else:
            self._keep(task.action_execution_id, result, log)

    def _keep(
        self, action_execution_id: str, result: ActionResult | Waiting, log: FilteringBoundLogger
    ) -> None:
        if isinstance(result, Waiting):
            log.info("action waits", seconds=result.time_limit)
            self._journal.wait_for(action_execution_id, result)
        else:
            log.info("action succeeded", summary=result.summary)
            self._journal.succeed(action_execution_id, result)

    def _perform(self, task: ActionTask) -> ActionResult | Waiting:
        with self._running(task) as stop:
            try:
                return self._run_provider(task, stop)
            except (ActionError, Interrupted):
                if not self._stop.is_set():
                    raise
            except Exception as error:
                _log.exception("action broke", action_execution=task.action_execution_id)
                raise ActionError(
                    "Hookline could not run the action; the engine's log says why.",
                    "SystemUnavailable",
                ) from error
        # Interrupted, and the process is about to end: to return would record an outcome, and
        # there is none. The next start runs the action again.
        threading.Event().wait()
        raise AssertionError("unreachable")

    def _run_provider(self, task: ActionTask, stop: threading.Event) -> ActionResult | Waiting:
        if task.abandoned:
            raise Interrupted
        return provider_for(task.action.type).run(self._context(task, stop))

    @contextmanager
    def _running(self, task: ActionTask) -> Iterator[threading.Event]:
        running = _Running(task.execution_id, _Stop(self._stop))
        self._actions_running[task.action_execution_id] = running
        try:
            yield running.stop
        finally:
            with self._changed:
                del self._actions_running[task.action_execution_id]
                self._changed.notify_all()

    def _context(self, task: ActionTask, stop: threading.Event) -> ActionContext:
        return ActionContext(
            action_execution_id=task.action_execution_id,
            execution_id=task.execution_id,
            pipeline_name=task.pipeline_name,
            pipeline_id=task.pipeline_id,
            stage_name=task.stage_name,
            action=task.action,
            region=task.region,
            source_revision=task.source_revision,
            inputs=task.inputs,
            artifacts=self._artifacts,
            folder=self._work / "workspaces" / task.action_execution_id,
            log=log_file(self._work, task.action_execution_id),
            settings=self._settings,
            stop=stop,
            secrets=task.secrets,
        )


def log_file(work: Path, action_execution_id: str) -> Path:
    """Where the output of an action execution is kept under the engine's folder."""
    return work / "logs" / f"{action_execution_id}.log"
