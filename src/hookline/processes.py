"""What `hookline serve` starts: each is `python -m hookline.processes ROLE SLOT DESCRIPTOR …`.

The descriptors are the lifeline's, the scoreboard's and those of the listening sockets.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

from hookline.config import Settings, load
from hookline.errors import HooklineError
from hookline.logs import configure
from hookline.scoreboard import Scoreboard, Slot
from hookline.standard_streams import guard_standard_streams

_ENGINE_STOP_PATIENCE_S = 20.0
_WORKER_STOP_PATIENCE_S = 30
_NICENESS = 10


def prepare(settings: Settings) -> None:
    """Make the schema, the master key and, on a first start, an access key with its profile.

    And claim the folder of artifacts.
    """
    from hookline import installation  # noqa: PLC0415 - each loads only what it runs
    from hookline.engine.heartbeat import check_name  # noqa: PLC0415 - the same
    from hookline.profile import write_profile  # noqa: PLC0415 - the same
    from hookline.store import credentials  # noqa: PLC0415 - the same
    from hookline.store.database import Database  # noqa: PLC0415 - the same

    installation.claim_artifact_folder(settings)
    database = Database(settings.database, limited=False)
    database.migrate()
    check_name(database, settings.node_name)
    with database.write() as connection:
        seal = installation.prepare_seal(settings, connection)
        existing = credentials.all_of(connection, seal)
        mine = [item for item in existing if item.is_full and item.account == settings.account]
        credential = mine[0] if mine else credentials.create(connection, seal, settings.account)
    write_profile(settings, credential)


def worker(settings: Settings, scoreboard: Scoreboard, slot: Slot, descriptors: list[int]) -> None:
    """Serve HTTP on inherited listening sockets until SIGTERM."""
    import uvicorn  # noqa: PLC0415 - each process loads only what it runs

    from hookline.app import Application  # noqa: PLC0415 - the same
    from hookline.receiver.protocol import BoundedProtocol  # noqa: PLC0415 - the same

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
        timeout_graceful_shutdown=_WORKER_STOP_PATIENCE_S,
    )
    uvicorn.Server(config).run(
        sockets=[socket.socket(fileno=descriptor) for descriptor in descriptors]
    )


def recorder(settings: Settings, slot: Slot) -> None:
    """Record what the workers send until SIGTERM, and then until they have hung up."""
    from hookline.receiver.recorder import Recorder  # noqa: PLC0415 - each loads what it runs
    from hookline.receiver.retention import Limits  # noqa: PLC0415 - the same
    from hookline.store.database import Database  # noqa: PLC0415 - the same

    limits = Limits(
        delivery_days=settings.retention_days,
        delivery_count=settings.retention_count,
        execution_days=settings.execution_retention_days,
        dedupe_window=settings.dedupe_window,
    )
    running = Recorder(Database(settings.database), limits, settings.data_dir, slot.beat)
    _on_stop_signal(running.stop)
    running.run()
    running.close()


def engine(settings: Settings, slot: Slot) -> None:
    """Run stages until SIGTERM."""
    from hookline.actions.artifacts import ArtifactStore  # noqa: PLC0415 - each loads what it runs
    from hookline.actions.provider import ActionSettings  # noqa: PLC0415 - the same
    from hookline.engine.engine import Engine, NodeSettings  # noqa: PLC0415 - the same
    from hookline.installation import open_seal, open_state, work_folder  # noqa: PLC0415 - the same
    from hookline.store.database import Database  # noqa: PLC0415 - the same

    # Under load a delivery comes before a build: a sender waits seconds at most, a stage does not
    # mind. What the engine starts inherits it.
    os.nice(_NICENESS)
    state = open_state(settings)
    state.engine_stopped()
    running = Engine(
        Database(settings.database),
        open_seal(settings),
        NodeSettings(
            name=settings.node_name,
            labels=settings.node_labels,
            work=work_folder(settings),
            kept_days=settings.execution_retention_days,
            once_only=settings.once_only,
        ),
        ArtifactStore(settings.artifacts),
        ActionSettings(
            github_url=settings.github_url,
            time_limit=settings.action_timeout,
            max_log=settings.max_log,
            max_artifact=settings.max_artifact,
            pid_namespaces=settings.pid_namespaces,
        ),
    )
    _on_stop_signal(running.stop)

    def beat() -> None:
        slot.beat()
        state.beat()

    running.run(ready=state.beat, beat=beat)
    state.engine_stopped()
    running.close(_ENGINE_STOP_PATIENCE_S)
    # A thread that has not ended its action by now keeps the process from its end no longer.
    os._exit(0)


def _on_stop_signal(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _die_with_supervisor(lifeline: int) -> None:
    def watch() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def main(arguments: list[str]) -> int:
    """Run one role; the exit status."""
    role = arguments[0]
    index, lifeline, shared, *listeners = map(int, arguments[1:])
    scoreboard = Scoreboard(shared)
    slot = scoreboard.slot(index)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    guard_standard_streams(slot.lose_line)
    _die_with_supervisor(lifeline)
    roles: dict[str, Callable[[Settings], None]] = {
        "prepare": prepare,
        "worker": lambda settings: worker(settings, scoreboard, slot, listeners),
        "recorder": lambda settings: recorder(settings, slot),
        "engine": lambda settings: engine(settings, slot),
    }
    try:
        settings = load()
        configure(settings.log_format)
        roles[role](settings)
    except HooklineError as error:
        print(f"hookline: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
