"""CPU time of a server and of all that it starts, by the kernel's own account: a control group.

Times of children, which `ps` knows, leave out what nobody waits for: the programs of actions have
keepers that the kernel reaps.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class Group:
    """A control group of version 1 (`cpuacct`) or 2; to be made by root alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def started(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the group."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", enter, str(self._path / "cgroup.procs"), *command]

    def cpu_seconds(self) -> float:
        """CPU time used so far, also by processes that have ended."""
        usage = self._path / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        fields = dict(line.split() for line in (self._path / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6


@contextlib.contextmanager
def group(name: str) -> Iterator[Group]:
    """A new control group. Raises SystemExit where this machine or user can't have one."""
    first = _ROOT / "cpuacct"
    path = (first if first.is_dir() else _ROOT) / f"hookline-{name}-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        raise SystemExit(f"CPU is counted by a control group, which needs root: {error}") from error
    try:
        yield Group(path)
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()
