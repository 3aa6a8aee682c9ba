"""The processes of a server: each role runs in a child that the supervisor forks."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

import uvicorn
from setproctitle import setproctitle

from hookline import installation
from hookline.actions.artifacts import ArtifactStore
from hookline.actions.provider import ActionSettings
from hookline.app import Application
from hookline.config import Settings
from hookline.engine.engine import Engine, NodeSettings
from hookline.engine.heartbeat import check_start
from hookline.errors import HooklineError
from hookline.logs import configure
from hookline.profile import write_profile
from hookline.receiver.protocol import BoundedProtocol
from hookline.receiver.recorder.process import Recorder
from hookline.receiver.recorder.retention import Limits
from hookline.runners import Sandbox
from hookline.scoreboard import Scoreboard, Slot
from hookline.standard_streams import guard_standard_streams
from hookline.store import credentials
from hookline.store.database import Database

_ENGINE_STOP_TIMEOUT_S = 20.0
_WORKER_STOP_TIMEOUT_S = 30
_NICENESS = 10
_LONGEST_ROUND_S = 60.0


def prepare(settings: Settings) -> None:
    """Make the schema, the master key and, on a first start, an access key with its profile.

    And claim the folder of artifacts.
    """
    installation.check_runner(settings)
    installation.claim_artifact_folder(settings)
    database = Database(settings.database, limited=False)
    database.migrate()
    check_start(database, settings.node_name, installation.artifact_place(settings))
    with database.write() as connection:
        seal = installation.prepare_seal(settings, connection)
        existing = credentials.all_of(connection, seal)
        mine = [item for item in existing if item.is_full and item.account == settings.account]
        credential = mine[0] if mine else credentials.create(connection, seal, settings.account)
    write_profile(settings, credential)
    database.close()


def worker(
    settings: Settings, scoreboard: Scoreboard, slot: Slot, listeners: Sequence[socket.socket]
) -> None:
    """Serve HTTP on listening sockets until SIGTERM."""
    BoundedProtocol.budget.limit = settings.max_buffered
    config = uvicorn.Config(
        Application(settings, scoreboard, slot),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # The receiver itself decides whose X-Forwarded-For to believe (contract T3).
        proxy_headers=False,
        timeout_graceful_shutdown=_WORKER_STOP_TIMEOUT_S,
    )
    uvicorn.Server(config).run(sockets=list(listeners))


def recorder(settings: Settings, slot: Slot) -> None:
    """Record what the workers send until SIGTERM, and then until they have hung up."""
    limits = Limits(
        delivery_days=settings.retention_days,
        delivery_count=settings.retention_count,
        execution_days=settings.execution_retention_days,
        dedupe_window=settings.dedupe_window,
    )
    running = Recorder(Database(settings.database), limits, settings.data_dir, Pulse(slot).mark)
    _on_stop_signal(running.stop)
    running.run()
    running.close()


def engine(settings: Settings, slot: Slot) -> None:
    """Run actions until SIGTERM."""
    # Under load a delivery comes before a build: a sender waits seconds at most, a stage can wait.
    # What the engine starts inherits it.
    os.nice(_NICENESS)
    state = installation.open_state(settings)
    state.engine_stopped()
    running = Engine(
        Database(settings.database),
        installation.open_seal(settings),
        NodeSettings(
            name=settings.node_name,
            labels=settings.node_labels,
            work=installation.work_folder(settings),
            artifacts=installation.artifact_place(settings),
            clock_interval=settings.clock_interval,
            once_only=settings.once_only,
        ),
        ArtifactStore(settings.artifacts),
        ActionSettings(
            github_url=settings.github_url,
            time_limit=settings.action_timeout,
            max_log=settings.max_log,
            max_artifact=settings.max_artifact,
            max_source_cache=settings.max_source_cache,
            max_build_cache=settings.max_build_cache,
            pid_namespaces=settings.pid_namespaces,
            runner=settings.runner,
            sandbox=Sandbox(
                visible=settings.sandbox_paths,
                hidden=installation.private_paths(settings),
                network=settings.sandbox_network,
            ),
            containers=installation.containers(settings),
            limits=_limits(settings),
        ),
    )
    _on_stop_signal(running.stop)

    pulse = Pulse(slot)

    def beat() -> None:
        pulse.mark()
        state.beat()

    running.run(ready=state.beat, beat=beat)
    state.engine_stopped()
    running.close(_ENGINE_STOP_TIMEOUT_S)
    # Ends the threads whose actions have not ended by now.
    os._exit(0)


def _limits(settings: Settings) -> dict[str, int]:
    limits = {
        "RLIMIT_DATA": settings.max_memory,
        "RLIMIT_NPROC": settings.max_processes,
        "RLIMIT_FSIZE": settings.max_file,
    }
    return {name: most for name, most in limits.items() if most}


class Pulse:
    """Beats for a process while it marks its progress at least once a minute.

    The engine and the recorder wait for a store that is slow or away, several seconds for each
    statement. To end them for that would interrupt actions, or lose deliveries, for nothing.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._marked = time.monotonic()
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def mark(self) -> None:
        """The process has made progress."""
        self._marked = time.monotonic()

    def _beat(self) -> None:
        while time.monotonic() - self._marked < _LONGEST_ROUND_S:
            self._slot.beat()
            time.sleep(1)


def _on_stop_signal(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _die_with_supervisor(lifeline: int) -> None:
    def watch() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def run(  # noqa: PLR0913 - what a process is given by its supervisor
    role: str,
    settings: Settings,
    *,
    scoreboard: Scoreboard,
    slot: Slot,
    lifeline: int,
    listeners: Sequence[socket.socket],
) -> None:
    """Run one role in a forked process, until SIGTERM or the death of the supervisor."""
    setproctitle(f"hookline: {role}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    guard_standard_streams(slot.lose_line)
    _die_with_supervisor(lifeline)
    roles: dict[str, Callable[[], None]] = {
        "prepare": lambda: prepare(settings),
        "worker": lambda: worker(settings, scoreboard, slot, listeners),
        "recorder": lambda: recorder(settings, slot),
        "engine": lambda: engine(settings, slot),
    }
    try:
        configure(settings.log_format)
        roles[role]()
    except HooklineError as error:
        print(f"hookline: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads it
        sys.exit(1)
