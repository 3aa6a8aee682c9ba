"""Compares the runtimes that a buildspec wants with those on PATH."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping

_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "docker": ("docker", "--version"),
    "dotnet": ("dotnet", "--version"),
    "golang": ("go", "version"),
    "java": ("java", "-version"),
    "nodejs": ("node", "--version"),
    "php": ("php", "--version"),
    "python": ("python3", "--version"),
    "ruby": ("ruby", "--version"),
}
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_S = 10.0


def check_runtimes(wanted: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[str]:
    """What the log says of each wanted runtime; a warning where it isn't on PATH."""
    for name, version in wanted.items():
        command = _PROGRAMS.get(name)
        found = shutil.which(command[0], path=environment["PATH"]) if command else None
        if command is None or found is None:
            yield f"Warning: runtime {name} {version} is not on PATH, and is not installed"
            continue
        there = _version((found, *command[1:]), environment)
        if _is(version, there):
            yield f"Runtime {name} {version}: {found} is {there}"
        else:
            yield f"Warning: runtime {name} {version} is not installed: {found} is {there}"


def _version(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - of a program of the operator's
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "of an unknown version"
    version = _VERSION.search(done.stdout.decode(errors="replace"))
    return version[0] if version else "of an unknown version"


def _is(wanted: str, there: str) -> bool:
    """Whether the version `there` is one that `wanted` (3.12, 18.x, corretto17, latest) means."""
    if wanted == "latest" or wanted.startswith("$"):
        return True
    number = _VERSION.search(wanted)
    return number is not None and f"{there}.".startswith(f"{number[0]}.")
