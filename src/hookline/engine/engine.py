"""Runs the actions and rules of stages on this node."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookline import __version__
from hookline.actions import provider_for
from hookline.actions.artifacts import ArtifactStore
from hookline.actions.build_caches import BuildCaches
from hookline.actions.mirrors import Mirrors
from hookline.actions.provider import ActionContext, ActionResult, ActionSettings, Waiting
from hookline.builds.build import Build
from hookline.engine.heartbeat import Heartbeat
from hookline.engine.logs import RunningLogs
from hookline.engine.running import RunningActions
from hookline.engine.runs import Runs, ThreadRuns
from hookline.errors import StoreUnavailableError
from hookline.executions import build_runs, clock
from hookline.executions.nodes import release
from hookline.executions.retention import ArtifactRetention
from hookline.executions.take import prepare, take
from hookline.model import new_id
from hookline.runners.containers import remove_left
from hookline.sealing import Seal
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database
from hookline.store.nodes import Node

_log = structlog.get_logger()
_IDLE_WAIT_S = 1.0
_PAUSE_S = 0.5
# Each action that begins or ends wakes the engine; what is to be abandoned need not be asked then.
_CHECK_EVERY_S = 0.5
# Looks at the clock between two sweeps for idle stages.
_LOOKS_A_SWEEP = 3
_FORGET_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What the operator decides about a node.

    `work` is a folder for workspaces and mirrors of repositories. `artifacts` tells the place of
    artifacts from others. The node runs the actions that have one of its `labels`, and looks at
    what time brings every `clock_interval` seconds. Actions of the types `once_only` are not run
    again when they were interrupted, but fail.
    """

    name: str
    labels: tuple[str, ...]
    work: Path
    artifacts: str
    clock_interval: float
    once_only: tuple[str, ...] = ()


class Engine:
    """Runs actions on this node until stopped, 32 at once at most; more wait in the store."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        node: NodeSettings,
        artifacts: ArtifactStore,
        settings: ActionSettings,
    ) -> None:
        self._database = database
        self._seal = seal
        self._node = node
        self._artifacts = artifacts
        self._settings = settings
        self._mirrors = _mirrors(node, seal, settings)
        self._caches = _caches(node, settings)
        self._stop = threading.Event()
        self._check_due = 0.0
        self._artifact_retention = ArtifactRetention(database, artifacts)
        instance = new_id()
        self._logs = RunningLogs(database, instance)
        self._running = RunningActions(
            database, instance, self._perform, self._logs, node.once_only
        )
        self._heartbeat = Heartbeat(
            database,
            Node(node.name, instance, __version__, node.labels, node.artifacts),
            node.once_only,
            self._running.interrupt,
        )
        self._runs: Runs = ThreadRuns(
            lambda limit, but: take(database, instance, node.labels, limit, but),
            self._running,
            database.listener(),
        )

    def run(self, ready: Callable[[], None], beat: Callable[[], None]) -> None:
        """Take and run actions until `stop`; calls `ready` once and `beat` every few seconds.

        Raises SettingsError when a node of this name is alive.
        """
        self._start()
        self._remove_containers()
        ready()
        threading.Thread(target=self._watch_clock, name="clock", daemon=True).start()
        # Not in the same thread: to delete much takes as long as the store of artifacts needs.
        threading.Thread(target=self._forget_artifacts, name="forget", daemon=True).start()
        threading.Thread(
            target=self._logs.run, args=(self._stop,), name="logs", daemon=True
        ).start()
        while not self._stop.is_set():
            beat()
            try:
                self._runs.work(_IDLE_WAIT_S)
                beat()
                self._check()
            except StoreUnavailableError as error:
                _log.warning("the store is away; trying again", reason=error.message)
                self._stop.wait(_PAUSE_S)

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    def close(self, seconds: float) -> None:
        """Interrupt the running actions and wait up to `seconds`; other nodes run them again."""
        self._runs.close()
        if not self._running.stop(seconds):
            _log.warning("actions still run as the node stops", count=self._running.count)
        try:
            self._heartbeat.stop()
        except StoreUnavailableError as error:
            _log.warning("the store is away; what ran here waits", reason=error.message)

    def _start(self) -> None:
        while True:
            try:
                self._heartbeat.start()
            except StoreUnavailableError as error:
                _log.warning("the store is away; trying again", reason=error.message)
            else:
                return
            if self._stop.wait(_PAUSE_S):
                return

    def _remove_containers(self) -> None:
        try:
            remove_left(self._settings.containers)
        except OSError as error:
            _log.warning("containers that an earlier engine left may still run", reason=str(error))

    def _check(self) -> None:
        if self._running.count and time.monotonic() > self._check_due:
            self._running.check()
            self._check_due = time.monotonic() + _CHECK_EVERY_S

    def _watch_clock(self) -> None:
        for look in itertools.count():
            try:
                clock.end_waits(self._database)
                if look % _LOOKS_A_SWEEP == 0:
                    self._release_unrun()
                    clock.proceed_idle(self._database)
            except StoreUnavailableError:
                pass
            except Exception:  # noqa: BLE001 - a thread that ends would leave all of it undone
                _log.exception("what time brings was not done; trying again")
            if self._stop.wait(self._node.clock_interval):
                return

    def _forget_artifacts(self) -> None:
        while True:
            self._artifact_retention.run()
            if self._stop.wait(_FORGET_EVERY_S):
                return

    def _release_unrun(self) -> None:
        """Let nodes take anew what this one has taken and does not run: a thread has broken."""
        for lost in self._running.check():
            _log.warning("action without a thread released", action_execution=lost.id)
            with self._database.write() as connection:
                release(connection, lost, self._node.once_only)

    def _perform(self, held: ActionExecution, stop: threading.Event) -> ActionResult | Waiting:
        task = prepare(self._database, self._seal, held)
        context = ActionContext(
            action_execution_id=held.id,
            attempt=held.attempt,
            execution_id=held.execution_id,
            pipeline_name=task.pipeline_name,
            pipeline_id=held.pipeline_id,
            stage_name=held.stage_name,
            action=task.action,
            region=task.region,
            source_revision=task.source_revision,
            inputs=task.inputs,
            artifacts=self._artifacts,
            folder=self._node.work / "workspaces" / held.id,
            log=self._logs.open(held, stop),
            settings=self._settings,
            stop=stop,
            secrets=task.secrets,
            runner=task.runner,
            image=task.image,
            mirrors=self._mirrors,
            build=task.build,
            note_build=lambda build: self._note_build(held, build),
            caches=self._caches,
        )
        return provider_for(task.action.type).run(context)

    def _note_build(self, held: ActionExecution, build: Build) -> None:
        try:
            with self._database.write() as connection:
                build_runs.note(connection, held, build)
        except StoreUnavailableError:
            # The build goes on; its next phase, or its end, brings this one, too.
            pass


def _mirrors(node: NodeSettings, seal: Seal, settings: ActionSettings) -> Mirrors | None:
    if not settings.max_source_cache:
        return None
    key = seal.derived_key("source-cache")
    return Mirrors(node.work / "mirrors", key, settings.max_source_cache)


def _caches(node: NodeSettings, settings: ActionSettings) -> BuildCaches | None:
    most = settings.max_build_cache
    return BuildCaches(node.work / "caches", most) if most else None
