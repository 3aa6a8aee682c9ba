"""The runner `bubblewrap`: the machine's own system, where a workspace is all that can change."""

import shutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hookline.runners import Place, Sandbox
from hookline.runners.trial import output_of

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    # Where the address book of a resolver may be, to which /etc/resolv.conf is a link.
    *("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"),
)
# A process of root's needs no capability to write to the kernel's settings: bubblewrap leaves some.
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")


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
def refusal() -> str | None:
    """Why this machine can't make sandboxes, and what to do; None if it can. It is tried once."""
    if shutil.which("bwrap") is None:
        return (
            "the program bwrap is missing; install bubblewrap (Debian: apt-get install bubblewrap)"
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        argv = sandboxed(Sandbox(network=False), Place(folder, folder, folder), ("true",))
        try:
            output_of(argv)
        except OSError as error:
            return f"bubblewrap can't make a sandbox on this machine: {error}"
    return None
