"""A process beside the engine that starts programs, and ends all that each of them has started.

It is started by its path, loads nothing of Hookline's, and forks itself for each program. That
costs little, and what outlives the engine holds nothing of the engine's. See ADR 5.
"""

import ctypes
import errno
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

GRACE = 1.0
"""Seconds that a program has, after SIGTERM, before it is killed."""
LENGTH = 4
"""Bytes that tell how long the description of a program is, which follows them."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x0002_0000, 0x1000_0000, 0x2000_0000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_SLAVE = 2, 4, 8, 0x4000, 0x8_0000
_MOST_DESCRIPTORS = 8
_PAUSE_MS, _LONGEST_PAUSE_MS = 1, 250
_CAN_NOT_RUN = 127
_REMOVAL_S = 10.0
# A program starts with what these signals do by default; the keeper outlives the polite ones.
_POLITE = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_RESTORED = (*_POLITE, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)
_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> int:
    """Keep the programs that the engine, at the socket on descriptor 0, hands over; until it ends.

    Each comes as a byte with descriptors: its own socket to the engine, its output, and locks to
    hold. First the engine is told why there are no PID namespaces; nothing if there are.
    """
    engine = socket.socket(fileno=0)
    wanted = arguments == ["namespaces"]
    refused = refusal() if wanted else "switched off by the setting pid_namespaces"
    if refused:
        # A kernel that can't name them should say so before anything runs.
        _children()
    engine.send(json.dumps(refused).encode())
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    # The kernel reaps the keepers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(engine, 1, _MOST_DESCRIPTORS)
        if not data:
            return 0
        for descriptor in descriptors:
            # Python does not hand on the flag that would say so at once.
            os.set_inheritable(descriptor, False)
        _forked(partial(_keep, *descriptors, has_namespaces=refused is None))
        for descriptor in descriptors:
            os.close(descriptor)


def _forked(work: Callable[[], int]) -> int:
    """The id of a new process that does `work` and exits with what that returns."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = work()
        except BaseException:  # noqa: BLE001 - nothing may reach the code of the parent
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def _keep(control: int, output: int, *_locks: int, has_namespaces: bool) -> int:
    """Run the program that `control` describes, and tell how it ended once all of it has.

    The locks are free when this process ends, if no other has them.
    """
    # The engine's socket must not be held by what outlives the launcher.
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    engine = socket.socket(fileno=control)
    program = _received(engine)
    if program is not None:
        try:
            answer = _Keeper(engine, has_namespaces=has_namespaces).keep(program, output)
        except OSError as error:
            answer = {"error": str(error)}
        with suppress(OSError):
            engine.sendall(json.dumps(answer).encode())
    return 0


def _received(engine: socket.socket) -> dict[str, Any] | None:
    length = int.from_bytes(engine.recv(LENGTH, socket.MSG_WAITALL), "big")
    data = engine.recv(length, socket.MSG_WAITALL)
    return json.loads(data) if length and len(data) == length else None


class _Keeper:
    """The parent of one program, or of the init process of its namespace."""

    def __init__(self, engine: socket.socket, *, has_namespaces: bool) -> None:
        self._engine = engine
        self._has_namespaces = has_namespaces
        self._first = 0
        self._status: int | None = None
        self._wakeup, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def keep(self, program: Mapping[str, Any], output: int) -> Mapping[str, Any]:
        """Run `program` until it ends or the engine says so, and end the rest; how it ended."""
        report, to_report = os.pipe2(os.O_CLOEXEC)

        def first() -> int:
            signal.set_wakeup_fd(-1)
            os.close(report)
            _die_with_parent(to_report)
            if self._has_namespaces:
                return _telling(to_report, partial(_be_init, program, output, to_report))
            return _telling(to_report, partial(_become, program, output))

        if self._has_namespaces:
            _enter_namespaces()
        else:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._first = _forked(first)
        os.close(to_report)
        by_itself = self._wait(awaits_all=bool(program["removal"]))
        if program["removal"] and not (by_itself and self._status == 0):
            self._remove(program)
        self._end_all()
        with open(report, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            told = file.readline()
        return json.loads(told) if told else {"status": self._status}

    def _remove(self, program: Mapping[str, Any]) -> None:
        """Run the program's `removal`, for some time. What removes is ended with the rest."""
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

        def first() -> int:
            signal.set_wakeup_fd(-1)
            return _become({**program, "argv": program["removal"], "limits": {}}, null)

        removing = _forked(first)
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        deadline = time.monotonic() + _REMOVAL_S
        while self._reap(removing) and time.monotonic() < deadline:
            self._woken(dict(poll.poll(_LONGEST_PAUSE_MS)))

    def _wait(self, *, awaits_all: bool) -> bool:
        """Until the first process ended, the engine has gone, or the grace that it gave is over.

        Whether it ended unasked. In its grace, one that `awaits_all` may end before those that it
        has started: rootless podman does.
        """
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        poll.register(self._engine, select.POLLIN)
        deadline = None
        while self._reap() and (self._status is None or (awaits_all and deadline is not None)):
            ready = dict(poll.poll(_milliseconds_until(deadline)))
            self._woken(ready)
            if self._engine.fileno() in ready:
                if not self._engine.recv(1):
                    return False
                self._terminate()
                deadline = time.monotonic() + GRACE
            elif not ready:
                return False
        return deadline is None

    def _woken(self, ready: Mapping[int, int]) -> None:
        if self._wakeup in ready:
            with suppress(BlockingIOError):
                os.read(self._wakeup, 4096)

    def _terminate(self) -> None:
        if self._has_namespaces:
            # Init passes it on to all.
            _signal(self._first, signal.SIGTERM)
        else:
            _signal(-self._first, signal.SIGTERM)

    def _reap(self, awaited: int | None = None) -> bool:
        """Note the ends of children; whether there are more, alive or dying, and not `awaited`."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == self._first:
                self._status = os.waitstatus_to_exitcode(status)
            if pid == awaited:
                return False
            if pid == 0:
                return True

    def _end_all(self) -> None:
        """Kill until no child is left: the orphans of what dies become children of this process.

        Init is the one child where there are namespaces; its end is that of all in its own.
        """
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        pause = _PAUSE_MS
        while self._reap():
            children = [self._first] if self._has_namespaces else _children()
            if not [pid for pid in children if _killed(pid)]:
                return
            # A dying child gives its own to this process, and wakes it.
            self._woken(dict(poll.poll(pause)))
            pause = min(2 * pause, _LONGEST_PAUSE_MS)


def _milliseconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000


def _children() -> list[int]:
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


def _killed(pid: int) -> bool:
    """Whether a child, and all of its group, was sent SIGKILL; another user's is left alone.

    The group goes as a whole, since then the kernel lets no fork slip through.
    """
    group = os.getpgid(pid)
    if group != os.getpgrp():
        _signal(-group, signal.SIGKILL)
    return _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def _die_with_parent(to_report: int) -> None:
    """Have the kernel kill this process when its parent, which reads `to_report`, ends.

    The parent has one thread: the kernel takes the end of the thread that forked for the parent's.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(to_report, 0)
    if poll.poll(0):
        # No reader: it ended before.
        os._exit(1)


def _be_init(program: Mapping[str, Any], output: int, report: int) -> int:
    """Be the first process of a namespace, which reaps, until the program ends: the rest dies."""
    monitors: set[int] = set()
    signal.signal(signal.SIGTERM, lambda *_: _terminate_all_but(monitors))
    _mount_proc()
    if program["limits"]:
        first = _forked(partial(_telling, report, partial(_become, program, output)))
    else:
        first = _spawned(program, output)
    if program["is_monitor"]:
        monitors.add(first)
    while True:
        pid, status = os.wait()
        if pid == first:
            _tell(report, status=os.waitstatus_to_exitcode(status))
            return 0


def _terminate_all_but(monitors: set[int]) -> None:
    """Ask the processes of this namespace to end; a monitor does when what it watches has ended."""
    if not monitors:
        _signal(-1, signal.SIGTERM)
        return
    here = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    for pid in here - monitors - {os.getpid()}:
        _signal(pid, signal.SIGTERM)


def _become(program: Mapping[str, Any], output: int) -> NoReturn:
    """Be the program: the leader of a session, both outputs into `output`. Raises OSError."""
    os.setsid()
    for name, most in program["limits"].items():
        kind = getattr(resource, name)
        # No more than what the server itself is allowed.
        _, allowed = resource.getrlimit(kind)
        bound = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (bound, bound))
    for number in _RESTORED:
        signal.signal(number, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(program["folder"])
    os.execvpe(program["argv"][0], program["argv"], program["environment"])  # noqa: S606 - no shell


def _spawned(program: Mapping[str, Any], output: int) -> int:
    """Start a program that needs no limits, as `_become` does; its process id. Raises OSError.

    A fork would copy many of this process's pages: more than a millisecond of CPU.
    """
    name, environment = program["argv"][0], program["environment"]
    os.chdir(program["folder"])
    failure: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    for folder in [""] if "/" in name else os.get_exec_path(environment):
        try:
            return os.posix_spawn(
                os.path.join(folder, name),  # noqa: PTH118 - an empty folder is this one
                program["argv"],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2)],
                setsid=True,
                setsigdef=_RESTORED,
            )
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            failure = error
    raise failure


def _telling(report: int, work: Callable[[], int]) -> int:
    """Do `work`, and tell the keeper what hinders it."""
    try:
        return work()
    except OSError as error:
        _tell(report, error=str(error))
        return _CAN_NOT_RUN


def _tell(report: int, **what: object) -> None:
    os.write(report, json.dumps(what).encode() + b"\n")


def _enter_namespaces() -> None:
    """Have the next child be the first process of a new PID namespace, with mounts of its own.

    Who is not root needs a user namespace for it, and stays who they are in that. Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWPID | _CLONE_NEWNS | (_CLONE_NEWUSER if user else 0)
    _checked("unshare", _libc.unshare(flags))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    # The machine's mounts go on to appear here, and none of here there.
    _checked("mount /", _libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None))


def _mount_proc() -> None:
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _checked("mount /proc", _libc.mount(b"proc", b"/proc", b"proc", flags, None))


def _checked(what: str, result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def refusal() -> str | None:
    """Why this machine gives no PID namespaces; None if it does. Tried in a process of its own."""
    reader, writer = os.pipe2(os.O_CLOEXEC)

    def told(work: Callable[[], None]) -> int:
        try:
            work()
        except OSError as error:
            os.write(
                writer, (error.strerror or errno.errorcode.get(error.errno or 0, "?")).encode()
            )
        return 0

    def attempt() -> None:
        _enter_namespaces()
        os.waitpid(_forked(lambda: told(_mount_proc)), 0)

    os.waitpid(_forked(lambda: told(attempt)), 0)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        return file.read().decode() or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
