"""Runs a program for an action: for a time, and with nothing left behind (ADR 5)."""

import atexit
import fcntl
import functools
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from hookline.actions import keeper
from hookline.actions.locks import lock
from hookline.actions.provider import ActionSettings, Interrupted
from hookline.errors import ActionError

MARKER = "HOOKLINE_ACTION_EXECUTION_ID"
_TICK = 0.1
_CHUNK = 65_536
_LARGEST_PIPE = 1_048_576
_START_S = 10.0
_END_S = 15.0
_log = structlog.get_logger()


class Owner(Protocol):
    """What programs run for: an action execution, or a build of the command line.

    `folder` is locked while any of its programs runs.
    """

    @property
    def action_execution_id(self) -> str: ...  # noqa: D102 - as in ActionContext

    @property
    def folder(self) -> Path: ...  # noqa: D102 - the same

    @property
    def settings(self) -> ActionSettings: ...  # noqa: D102 - the same

    @property
    def runner(self) -> str | None: ...  # noqa: D102 - the same

    @property
    def image(self) -> str | None: ...  # noqa: D102 - the same


@dataclass(frozen=True)
class Child:
    """A program to run for an action; its environment says for which.

    `limits` are the kernel's, by their names in `resource`. A program that `is_monitor` ends by
    itself once what it runs has ended, and is not asked to. One that `records_ids` of processes
    where others read them runs in no PID namespace. The keeper holds the descriptors `locks` until
    all has ended; unless the program succeeded, it runs `removal` then, which ends what others run
    for it. `notes` are lines that precede the output.
    """

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    context: Owner
    limits: Mapping[str, int] = field(default_factory=dict)
    is_monitor: bool = False
    records_ids: bool = False
    removal: Sequence[str] = ()
    notes: Sequence[str] = ()
    locks: Sequence[int] = ()

    def described(self) -> bytes:
        """The program as the keeper reads it."""
        return json.dumps(
            {
                "argv": self.argv,
                "folder": str(self.folder),
                "environment": {**self.environment, MARKER: self.context.action_execution_id},
                "limits": dict(self.limits),
                "is_monitor": self.is_monitor,
                "removal": self.removal,
            }
        ).encode()


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


class Launcher:
    """The process that starts programs (see `keeper`), started anew when it is gone."""

    def __init__(self, *, has_namespaces: bool) -> None:
        self._has_namespaces = has_namespaces
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def launch(self, child: Child, output: int) -> socket.socket:
        """Start a program; the socket that tells how it ended, and whose end is the program's.

        Raises OSError.
        """
        own = _opened(child.context.folder)
        mine, theirs = socket.socketpair()
        try:
            fcntl.flock(own, fcntl.LOCK_SH)
            self._hand_over([theirs.fileno(), output, own, *child.locks])
            description = child.described()
            mine.sendall(len(description).to_bytes(keeper.LENGTH, "big") + description)
        except OSError:
            mine.close()
            raise
        finally:
            theirs.close()
            os.close(own)
        return mine

    def _hand_over(self, descriptors: list[int]) -> None:
        with self._lock:
            if self._socket is not None:
                try:
                    socket.send_fds(self._socket, [b"\0"], descriptors)
                except OSError as error:
                    _log.warning("the launcher of programs is gone; starting it", why=str(error))
                    self._close()
                else:
                    return
            self._socket = self._started()
            socket.send_fds(self._socket, [b"\0"], descriptors)

    def _started(self) -> socket.socket:
        mine, theirs = socket.socketpair()
        mode = "namespaces" if self._has_namespaces else "keeper"
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", keeper.__file__, mode],
                stdin=theirs.fileno(),
                # What commands may read of it has nothing of the server's settings.
                env={},
                start_new_session=True,
            )
        mine.settimeout(_START_S)
        told = mine.recv(_CHUNK)
        mine.settimeout(None)
        if not told:
            raise ConnectionError("the launcher of programs ended; its error output says why")
        _log.info("programs run under a keeper", no_pid_namespaces=json.loads(told))
        return mine

    def close(self) -> None:
        """End it. What it has started goes on until this process ends, or ends it."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()
            self._socket = None


@functools.cache
def _launcher(*, has_namespaces: bool) -> Launcher:
    return Launcher(has_namespaces=has_namespaces)


def run(child: Child, limits: Limits, output: Callable[[bytes], object]) -> int:
    """Run `child` to its end and return its exit status, negative for a signal's number.

    `output` gets both of its outputs as they come. When it is time to give up, it gets SIGTERM, and
    a second later SIGKILL. Whatever it started has ended before this returns or raises.

    Raises:
        ActionError: the time is over, or the program can't be started or ended.
        Interrupted: `limits.stop` is set.
    """
    limits.check()
    for note in child.notes:
        output(f"{note}\n".encode())
    source, sink = os.pipe()
    try:
        try:
            wants_namespaces = child.context.settings.pid_namespaces and not child.records_ids
            launcher = _launcher(has_namespaces=wants_namespaces)
            control = launcher.launch(child, sink)
        except OSError as error:
            raise _not_started(child, str(error)) from error
        finally:
            os.close(sink)
        with control:
            answer = _followed(control, source, limits, output)
        _drain(source, output)
    finally:
        os.close(source)
    if "error" in answer:
        raise _not_started(child, answer["error"])
    return int(answer["status"])


def _not_started(child: Child, why: str) -> ActionError:
    return ActionError(f"{child.argv[0]} can't be started: {why}", "SystemUnavailable")


def _followed(
    control: socket.socket, source: int, limits: Limits, output: Callable[[bytes], object]
) -> Mapping[str, Any]:
    """Hand on the output until the program and all that it started ended; what its keeper says."""
    try:
        ended = _Following(control, source, output).until_ended(limits.check)
    except BaseException:
        # The keeper takes it for this process's end, and kills at once.
        control.shutdown(socket.SHUT_WR)
        control.settimeout(_END_S)
        with suppress(OSError):
            control.recv(_CHUNK)
        raise
    if not ended:
        raise ActionError("The keeper of the action's processes was killed", "SystemUnavailable")
    return dict(json.loads(ended))


class _Following:
    """Waits for the end of a program, and reads its output meanwhile."""

    def __init__(
        self, control: socket.socket, source: int, output: Callable[[bytes], object]
    ) -> None:
        self._control = control
        self._source = source
        self._output = output

    def until_ended(self, check: Callable[[], None]) -> bytes:
        """The keeper's answer; the end of a program that `check` raises for is waited for, too."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._source, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)
            try:
                while not self._is_over(selector):
                    check()
            except (ActionError, Interrupted):
                self._control.send(b"\0")
                deadline = time.monotonic() + keeper.GRACE + _END_S
                while not self._is_over(selector):
                    if time.monotonic() > deadline:
                        raise ActionError("Processes of the action can't be killed") from None
                raise
        return self._control.recv(_CHUNK)

    def _is_over(self, selector: selectors.BaseSelector) -> bool:
        ready = {key.fd for key, _ in selector.select(_TICK)}
        if self._source in ready:
            if data := os.read(self._source, _CHUNK):
                self._output(data)
            else:
                selector.unregister(self._source)
        return self._control.fileno() in ready


def _drain(source: int, output: Callable[[bytes], object]) -> None:
    """Hand on what is left in the pipe, without waiting for a stranger that holds it open."""
    os.set_blocking(source, False)
    left = _LARGEST_PIPE
    with suppress(BlockingIOError):
        while left > 0 and (data := os.read(source, _CHUNK)):
            output(data)
            left -= len(data)


def await_end_of_earlier(context: Owner, limits: Limits) -> None:
    """Wait until nothing runs of an interrupted try of the action: its keeper holds a lock.

    Raises what `limits.check` does.
    """
    context.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _opened(context.folder)
    try:
        lock(descriptor, limits.check)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
