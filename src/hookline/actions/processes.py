"""Runs a program for an action: in its own session, for a time, and with nothing left behind."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from hookline.actions.provider import Interrupted
from hookline.errors import ActionError

MARKER = "HOOKLINE_ACTION_EXECUTION_ID"
_TICK = 0.1
_CHUNK = 65_536
_DRAIN = 1.0
_PATIENCE = 15.0
_LOOKS = 2


@dataclass(frozen=True)
class Child:
    """A program to run. The marker in its environment is how all that it starts is found."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    action_execution_id: str

    def start(self, output: int) -> subprocess.Popen[bytes]:
        """Start it as the leader of a new session, both outputs into the descriptor `output`."""
        return subprocess.Popen(  # noqa: S603 - running declared programs is what actions are
            self.argv,
            cwd=self.folder,
            env={**self.environment, MARKER: self.action_execution_id},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@dataclass(frozen=True)
class Limits:
    """When to give up: `deadline` on the monotonic clock, and what `limit` in seconds it was."""

    deadline: float
    limit: float
    stop: threading.Event

    @classmethod
    def of(cls, limit: float, stop: threading.Event) -> "Limits":
        """`limit` seconds from now, or until `stop` is set."""
        return cls(time.monotonic() + limit, limit, stop)

    def check(self) -> None:
        """Raise if it is time to give up.

        Raises:
            ActionError: the time is over.
            Interrupted: `stop` is set.
        """
        if self.stop.is_set():
            raise Interrupted
        if time.monotonic() >= self.deadline:
            raise ActionError(
                f"The action took longer than its time limit of {in_words(self.limit)}"
            )


def in_words(seconds: float) -> str:
    """A duration as people say it: `90 seconds`, `5 minutes`."""
    minutes, rest = divmod(seconds, 60)
    if minutes and not rest:
        return f"{minutes:.0f} minute{'s' if minutes != 1 else ''}"
    return f"{seconds:g} second{'s' if seconds != 1 else ''}"


def run(child: Child, limits: Limits, output: Callable[[bytes], object]) -> int:
    """Run `child` to its end and return its exit status, negative for a signal's number.

    `output` gets both of its outputs as they come. Whatever it started is killed before this
    returns or raises.

    Raises:
        ActionError: the time is over, or the program can't be started.
        Interrupted: `limits.stop` is set.
    """
    limits.check()
    source, sink = os.pipe()
    try:
        try:
            process = child.start(sink)
        except OSError as error:
            raise ActionError(f"{child.argv[0]} can't be started: {error}") from error
        finally:
            os.close(sink)
        try:
            _follow(process, source, limits, output)
        finally:
            end(child.action_execution_id, process.pid)
            _drain(source, output)
            status = process.wait()
    finally:
        os.close(source)
    return status


def _follow(
    process: subprocess.Popen[bytes],
    source: int,
    limits: Limits,
    output: Callable[[bytes], object],
) -> None:
    """Hand on the output until the process ends, and leave it unreaped: its id stays its own."""
    with _pidfd(process.pid) as ended, selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(_TICK)}
            if ended in ready:
                return
            if source in ready:
                if data := os.read(source, _CHUNK):
                    output(data)
                else:
                    selector.unregister(source)
            limits.check()


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _drain(source: int, output: Callable[[bytes], object]) -> None:
    """Hand on what is left in the pipe, without waiting for a stranger that holds it open."""
    deadline = time.monotonic() + _DRAIN
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(_TICK):
            data = os.read(source, _CHUNK)
            if not data:
                return
            output(data)


def end(action_execution_id: str, group: int | None = None) -> None:
    """Kill every process of the action execution, and those of the process group.

    They are found by the marker in their environment, which outlives `setsid` and a double fork.
    All are stopped before any is killed, so that none is born meanwhile; and it takes two looks
    in a row that find none, since the environment can't be read while a program is replaced.

    Raises:
        ActionError: some would not die.
    """
    deadline = time.monotonic() + _PATIENCE
    clear = 0
    while clear < _LOOKS:
        found = _freeze(action_execution_id, group, deadline)
        clear = 0 if found else clear + 1
        for process in found:
            _signal(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            ids = ", ".join(str(process.pid) for process in found)
            raise ActionError(f"Processes of the action can't be killed: {ids}")
        _await_death(found)


def _freeze(action_execution_id: str, group: int | None, deadline: float) -> set[psutil.Process]:
    """Stop all of them, and look again until no new one is seen."""
    frozen: set[psutil.Process] = set()
    while new := set(_living(action_execution_id, group)) - frozen:
        for process in new:
            _signal(process, signal.SIGSTOP)
        frozen |= new
        if time.monotonic() > deadline:
            break
    return frozen


def _living(action_execution_id: str, group: int | None) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _belongs(process, action_execution_id, group):
                yield process


def _belongs(process: psutil.Process, action_execution_id: str, group: int | None) -> bool:
    if process.environ().get(MARKER) == action_execution_id:
        return True
    return os.getpgid(process.pid) == group and _is_alive(process)


def _await_death(killed: Iterable[psutil.Process]) -> None:
    """Give the kernel a moment; who is dead by then may still await its parent's notice."""
    deadline = time.monotonic() + _TICK
    while any(map(_is_alive, killed)) and time.monotonic() < deadline:
        time.sleep(_TICK / 20)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)
