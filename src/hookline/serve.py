"""`hookline serve`: one process that supervises the HTTP workers, the recorder and the engine.

It loads what they run, once, and forks them: they share that memory, and begin at once. So it must
not have threads.
"""

import fcntl
import gc
import http.client
import math
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from pathlib import Path

from setproctitle import setproctitle

from hookline import processes
from hookline.config import Settings, load
from hookline.errors import HooklineError, SettingsError
from hookline.listeners import listen
from hookline.profile import exports
from hookline.scoreboard import ENGINE, FIRST_WORKER, RECORDER, SUPERVISOR, Scoreboard, Slot
from hookline.standard_streams import guard_standard_streams, open_missing_streams
from hookline.store.database import Database

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = {*_STOP_SIGNALS, signal.SIGCHLD}
_LOCK_TIMEOUT_S, _LOCK_RETRY_S = 5.0, 0.05
# Longer than a worker and the engine take to stop.
_ORPHANS_TIMEOUT_S = 60.0
_READY_RETRY_S = 0.1
_STOP_TIMEOUT_S = 40.0
_FIRST_DELAY_S, _LAST_DELAY_S, _STEADY_S = 0.1, 5.0, 30.0
_CHECK_EVERY_S = 1.0
# Without a heartbeat for so long a process is replaced; before its first one, as it starts.
_SILENCE_LIMIT_S, _START_LIMIT_S = 10.0, 300.0


def serve(settings: Settings, workers: int) -> int:
    """Run until SIGTERM or SIGINT; the exit status.

    Raises SettingsError when the data folder or the port can't be used.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    # Before any other file is opened, which would take the place of a stream that is closed.
    open_missing_streams()
    scoreboard = Scoreboard.create(workers)
    guard_standard_streams(scoreboard.slot(SUPERVISOR).lose_line)
    lock = Lock(settings.data_dir)
    settings, listeners = listen(settings)
    # Loads the database's driver, so that the children share that memory too.
    Database(settings.database).close()
    # Keeps the collector off what has been loaded: each child would copy the pages it touches.
    gc.collect()
    gc.freeze()
    supervisor = Supervisor(settings, workers, listeners, lock, scoreboard)
    prepared = supervisor.prepare()
    if prepared != 0:
        return prepared
    supervisor.start()
    supervisor.watch()
    return 0


@dataclass
class Child:
    """A process under supervision, started anew when it ends or is silent."""

    role: str
    index: int
    slot: Slot
    process: ForkProcess | None = None
    started: float = 0.0
    delay: float = _FIRST_DELAY_S
    due: float = field(default=0.0)
    heartbeat: int = 0
    silence: float = 0.0

    def is_silent(self, elapsed: float) -> bool:
        """Whether there was no heartbeat for too long; `elapsed` seconds after the last look."""
        if self.slot.heartbeat != self.heartbeat:
            self.heartbeat, self.silence = self.slot.heartbeat, 0.0
        else:
            self.silence += elapsed
        return self.silence > (_SILENCE_LIMIT_S if self.heartbeat else _START_LIMIT_S)


class Supervisor:
    """Starts the workers and the engine, restarts what dies, and stops all in order."""

    def __init__(
        self,
        settings: Settings,
        workers: int,
        listeners: list[socket.socket],
        lock: "Lock",
        scoreboard: Scoreboard,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._lock = lock
        self._scoreboard = scoreboard
        # The children hold its other end: they learn of the supervisor's death, however it came.
        self._lifeline, self._lifeline_held = os.pipe()
        self._workers = [self._child("worker", FIRST_WORKER + number) for number in range(workers)]
        self._recorder = self._child("recorder", RECORDER)
        self._engine = self._child("engine", ENGINE)
        self._children = (self._recorder, self._engine, *self._workers)
        self._checked = time.monotonic()
        self._announced = False

    def _child(self, role: str, index: int) -> Child:
        return Child(role, index, self._scoreboard.slot(index))

    def prepare(self) -> int:
        """Make what a first start needs, in a process of its own; its exit status."""
        # It has the slot of the supervisor, which only waits for it.
        process = self._fork(self._child("prepare", SUPERVISOR))
        while process.exitcode is None:
            received = signal.sigtimedwait(_SIGNALS, _CHECK_EVERY_S)
            if received is not None and received.si_signo in _STOP_SIGNALS:
                process.terminate()
        # As a shell reports a process that a signal has ended.
        return process.exitcode if process.exitcode >= 0 else 128 - process.exitcode

    def start(self) -> None:
        """Start all children."""
        for child in self._children:
            self._start(child)

    def watch(self) -> None:
        """Keep the children running until a signal says stop; then stop them.

        After SIGTERM load balancers get time to see it, unless a second signal comes.
        """
        received = self._keep_running(math.inf)
        self._scoreboard.slot(SUPERVISOR).drain()
        if received == signal.SIGTERM:
            self._keep_running(self._settings.drain)
        # When the last worker has closed them, too, whoever connects is refused at once, or waits
        # for the next server where systemd holds them.
        self._close_listeners()
        # The recorder writes down what the workers still send.
        self._stop([*self._workers, self._engine])
        self._stop([self._recorder])

    def _keep_running(self, seconds: float) -> int | None:
        """Keep the children running for so long, or until a signal to stop; its number."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            received = signal.sigtimedwait(_SIGNALS, min(remaining, self._poll_timeout()))
            # Not just anything but SIGCHLD: after a SIGSTOP, Python may return what is no signal.
            if received is not None and received.si_signo in _STOP_SIGNALS:
                return received.si_signo
            self._kill_silent()
            self._revive()
            self._announce()
        return None

    def _poll_timeout(self) -> float:
        waiting = [child.due for child in self._children if child.process is None]
        due = max(0.0, min(waiting) - time.monotonic()) if waiting else _CHECK_EVERY_S
        return min(due, _CHECK_EVERY_S if self._announced else _READY_RETRY_S)

    def _kill_silent(self) -> None:
        now = time.monotonic()
        # Time that this process did not see, since the machine slept or the whole server was
        # stopped, does not count: the others could not beat then either.
        elapsed = min(now - self._checked, 2 * _CHECK_EVERY_S)
        self._checked = now
        for child in self._children:
            if child.process is not None and child.is_silent(elapsed):
                print(  # noqa: T201 - the supervisor has no logger
                    f"hookline: the {child.role} has not answered for {child.silence:.0f} s; "
                    "ending it",
                    file=sys.stderr,
                )
                child.process.kill()
                child.silence = 0.0

    def _revive(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.exitcode is not None:
                status = child.process.exitcode
                child.delay = (
                    _FIRST_DELAY_S
                    if now - child.started > _STEADY_S
                    else min(child.delay * 2, _LAST_DELAY_S)
                )
                child.process, child.due = None, now + child.delay
                print(  # noqa: T201 - the supervisor has no logger
                    f"hookline: the {child.role} ended with status {status}; "
                    f"starting it again in {child.delay:.1f} s",
                    file=sys.stderr,
                )
            if child.process is None and child.due <= now:
                self._start(child)

    def _start(self, child: Child) -> None:
        child.slot.begin()
        child.heartbeat, child.silence = 0, 0.0
        child.process, child.started = self._fork(child), time.monotonic()

    def _fork(self, child: Child) -> ForkProcess:
        process = ForkProcess(target=self._run, args=(child.role, child.slot), name=child.role)
        process.start()
        return process

    def _run(self, role: str, slot: Slot) -> None:
        """Run a role in a child, without what only the supervisor may hold open."""
        os.close(self._lifeline_held)
        self._lock.disown()
        if role != "worker":
            self._close_listeners()
        processes.run(
            role,
            self._settings,
            scoreboard=self._scoreboard,
            slot=slot,
            lifeline=self._lifeline,
            listeners=self._listeners,
        )

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _announce(self) -> None:
        if self._announced or not is_ready(self._settings):
            return
        self._announced = True
        print(  # noqa: T201 - shell lines must not be wrapped or styled
            f"Hookline listens on {self._settings.endpoint_url}\n"
            f"  trigger URLs begin with {self._settings.trigger_url}/trigger\n"
            "  for the AWS CLI, boto3 and other SDKs:\n\n"
            f"{exports(self._settings)}\n",
            flush=True,
        )

    @staticmethod
    def _stop(children: list[Child]) -> None:
        running = [child.process for child in children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for process in running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.exitcode is None:
                process.kill()


class Lock:
    """Takes the data folder for this server, for as long as any of its processes lives.

    The children inherit it, so that it is free when the last of them has ended. They do not keep a
    second one, which tells whether their supervisor lives. Raises SettingsError where the folder is
    in use, or can't be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own = os.open(folder / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
            shared = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(
                f"The data folder {folder} can't be written ({error.strerror}). Make it writable, "
                "or name another one with --data-dir or HOOKLINE_DATA_DIR."
            ) from error
        if not _acquire(self._own, _LOCK_TIMEOUT_S):
            holder = os.pread(self._own, 20, 0).decode("ascii", "replace").strip()
            raise SettingsError(
                f"The data folder {folder} is in use by another hookline serve (process "
                f"{holder or 'unknown'}). Stop that one, or name another folder with "
                "--data-dir or HOOKLINE_DATA_DIR."
            )
        os.ftruncate(self._own, 0)
        os.pwrite(self._own, str(os.getpid()).encode(), 0)
        if not _acquire(shared, 0.0):
            _wait_for_orphans(folder, shared)

    def disown(self) -> None:
        """Leave to the supervisor what only it may hold."""
        os.close(self._own)


def _wait_for_orphans(folder: Path, lock: int) -> None:
    """Wait for the processes of a server whose supervisor was killed: they finish their work."""
    print(  # noqa: T201 - the supervisor has no logger
        "hookline: waiting for the processes of the server before, whose supervisor has died",
        file=sys.stderr,
    )
    if not _acquire(lock, _ORPHANS_TIMEOUT_S):
        raise SettingsError(
            f"The data folder {folder} is in use by processes of the server before, whose "
            f"supervisor has died. `fuser {folder / 'lock'}` names them: end them, and start again."
        )


def _acquire(descriptor: int, seconds: float) -> bool:
    """Whether a lock could be taken within so many seconds. A signal to stop ends the process."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            if signal.sigtimedwait(_STOP_SIGNALS, _LOCK_RETRY_S) is not None:
                sys.exit(0)
        else:
            return True


def is_ready(settings: Settings) -> bool:
    """Whether the server at the settings' address says that it is ready."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """Serve with so many workers as the one argument says; the exit status."""
    setproctitle("hookline: serve")
    try:
        return serve(load(), int(arguments[0]))
    except HooklineError as error:
        print(f"hookline: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads it
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
