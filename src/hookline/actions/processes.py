"""Runs a program for an action: in its own session, for a time, and with nothing left behind."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hookline.actions.provider import Interrupted
from hookline.errors import ActionError

MARKER = "HOOKLINE_ACTION_EXECUTION_ID"
_TICK = 0.1
_CHUNK = 65_536
_DRAIN = 1.0
_PATIENCE = 15.0
_LOOKS = 3
_MOST_LOOKS = 30
_PAUSE = 0.002


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
            raise ActionError(
                f"{child.argv[0]} can't be started: {error}", "SystemUnavailable"
            ) from error
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
    """Kill every process of the action execution, and those of the process group `group`.

    They are found by the marker in their environment, which outlives `setsid` and a double fork.
    Whole groups are signalled, since the kernel lets no fork slip through; all are stopped before
    any is killed, so that none starts a new group meanwhile. A program that clears its environment
    *and* leaves the group is not found.

    Raises:
        ActionError: some would not die.
    """
    marker = f"{MARKER}={action_execution_id}".encode()
    deadline = time.monotonic() + _PATIENCE
    if group is not None:
        _signal(group, signal.SIGKILL)
    clear, wanted = 0, _LOOKS
    while clear < wanted:
        groups, missed = _freeze(marker, group, deadline)
        for number in groups:
            _signal(number, signal.SIGKILL)
        if groups and time.monotonic() > deadline:
            raise ActionError(f"Processes of the action can't be killed: groups {sorted(groups)}")
        clear = 0 if groups else clear + 1
        # A chain of processes that each start the next and end is seen only by luck.
        wanted = min(wanted + missed, _MOST_LOOKS)
        time.sleep(_PAUSE)


def _freeze(marker: bytes, group: int | None, deadline: float) -> tuple[set[int], bool]:
    """Stop all their groups until no new one is seen; these, and whether some may be missed."""
    frozen: set[int] = set()
    while True:
        found, missed = _groups(marker, group)
        for number in found - frozen:
            _signal(number, signal.SIGSTOP)
        if found <= frozen or time.monotonic() > deadline:
            return frozen | found, missed
        frozen |= found


def _groups(marker: bytes, group: int | None) -> tuple[set[int], bool]:
    """The groups of the living processes that have `marker`, or are in `group`.

    And whether a process ended before it could be looked at; the newest are looked at first.
    """
    found, missed = set(), False
    for pid in reversed(os.listdir("/proc")):  # noqa: PTH208 - looking must be quicker than forking
        if not pid.isdigit():
            continue
        try:
            number = os.getpgid(int(pid))
            if number in found:
                continue
            if _is_alive(pid) if number == group else _has(pid, marker) and number != os.getpgrp():
                found.add(number)
        except (ProcessLookupError, FileNotFoundError):
            missed = True
        except OSError:
            # Another user's.
            continue
    return found, missed


def _has(pid: str, marker: bytes) -> bool:
    return marker in _read(pid, "environ").split(b"\0")


def _is_alive(pid: str) -> bool:
    state = _read(pid, "stat").rpartition(b")")[2].split()[0]
    return state not in {b"Z", b"X"}


def _read(pid: str, what: str) -> bytes:
    with open(f"/proc/{pid}/{what}", "rb", buffering=0) as file:  # noqa: PTH123 - the same
        return file.readall()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.killpg(group, number)
