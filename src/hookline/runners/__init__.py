"""Where the commands of actions run: on the host, or in a sandbox of bubblewrap's."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    # Where the address book of a resolver may be, to which /etc/resolv.conf is a link.
    *("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"),
)
# A process of root's needs no capability to write to the kernel's settings: bubblewrap leaves some.
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
_TRY_S = 10.0


RUNNER_TAG = "hookline:runner"
"""The tag by which a pipeline asks for a runner of its commands."""


class Runner(Enum):
    """A way to run commands. `host` can read whatever the server can."""

    HOST = "host"
    BUBBLEWRAP = "bubblewrap"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What sandboxed commands see beside the system and their own workspace.

    `visible` are further folders that they may read, `hidden` are folders and files that they
    can't, though they lie in one of those. Without `network` they have none, not even the machine's
    own.
    """

    visible: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program begins, in `folder`, and what it may write to: its `workspace`.

    Both `folder` and `temporary`, which is for temporary files, lie in that.
    """

    workspace: Path
    folder: Path
    temporary: Path


def sandboxed(sandbox: Sandbox, place: Place, argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs `argv` in a sandbox. To be run in a PID namespace of its own."""
    return (
        "bwrap",
        *("--die-with-parent", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"),
        *(() if sandbox.network else ("--unshare-net",)),
        *("--dev", "/dev", "--proc", "/proc", *_read_only(_KERNEL)),
        *("--bind", str(place.temporary), "/tmp", "--symlink", "/tmp", "/var/tmp"),  # noqa: S108 - its own
        *_read_only((*_SYSTEM, *map(str, sandbox.visible))),
        *(word for path in sandbox.hidden for word in _hidden(path, sandbox.visible)),
        *("--bind", str(place.workspace), str(place.workspace), "--remount-ro", "/"),
        *("--chdir", str(place.folder), "--", *argv),
    )


def _read_only(paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in ("--ro-bind-try", path, path)]


def _hidden(path: Path, visible: Iterable[Path]) -> list[str]:
    seen = [folder.resolve() for folder in (*map(Path, _SYSTEM), *visible)]
    if not any(path.is_relative_to(folder) for folder in seen):
        return []
    return ["--tmpfs", str(path)] if path.is_dir() else _empty(path)


def _empty(file: Path) -> list[str]:
    return ["--ro-bind", "/dev/null", str(file)] if file.exists() else []


@cache
def refusal(runner: Runner) -> str | None:
    """Why this machine can't run commands so, and what to do; None if it can. It is tried once."""
    if runner is Runner.HOST:
        return None
    if shutil.which("bwrap") is None:
        return (
            "the program bwrap is missing; install bubblewrap (Debian: apt-get install bubblewrap)"
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        return _tried(sandboxed(Sandbox(network=False), Place(folder, folder, folder), ("true",)))


def _tried(argv: Sequence[str]) -> str | None:
    try:
        tried = subprocess.run(argv, capture_output=True, timeout=_TRY_S, check=False)  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start: {error}"
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip()
        return f"bubblewrap can't make a sandbox on this machine: {said}"
    return None
