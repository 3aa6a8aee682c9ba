"""Removes each guard of `guards.toml` in a copy of the checkout: do its tests notice?"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LIST = CHECKOUT / "tests" / "guards.toml"
_PACKAGES = Path("tests", "node", "node_modules")
_SOME_FAILED = 1


@dataclass(frozen=True)
class Guard:
    """A text of a file, what stands there without it, and the tests that must fail then."""

    name: str
    file: str
    text: str
    without: str
    tests: Sequence[str]


def read() -> list[Guard]:
    """The guards that the list names."""
    return [Guard(**item) for item in tomllib.loads(LIST.read_text())["guard"]]


def main(arguments: Sequence[str]) -> int:
    """Try the guards whose names hold one of `arguments`, or all; 1 if one can go unnoticed."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("part", nargs="*", help="part of the names of the guards to remove")
    parts = parser.parse_args(arguments).part
    guards = [item for item in read() if not parts or any(part in item.name for part in parts)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy(copy)
        unmutated = _tests(copy, sorted({test for guard in guards for test in guard.tests}))
        if unmutated.returncode:
            _say(f"The tests fail with all guards in place:\n{unmutated.stdout}")
            return 2
        unnoticed = [guard for guard in guards if not _is_noticed(copy, guard)]
    _say(f"{len(guards)} guards removed, {len(unnoticed)} unnoticed")
    return 1 if unnoticed else 0


def _copy(folder: Path) -> None:
    names = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT
    )
    for name in names.decode().split("\0"):
        source, target = CHECKOUT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # Too large to be copied, and not changed.
    (folder / _PACKAGES).symlink_to(CHECKOUT / _PACKAGES)


def _is_noticed(copy: Path, guard: Guard) -> bool:
    file = copy / guard.file
    whole = file.read_text()
    file.write_text(whole.replace(guard.text, guard.without))
    try:
        done = _tests(copy, guard.tests)
    finally:
        file.write_text(whole)
    noticed = done.returncode == _SOME_FAILED
    _say(f"{'noticed  ' if noticed else 'UNNOTICED'}  {guard.name}")
    if done.returncode > _SOME_FAILED:
        _say(done.stdout)
    return noticed


def _tests(copy: Path, tests: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env=_environment(copy),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _environment(copy: Path) -> dict[str, str]:
    # Before the checkout itself, which the environment of the tests has installed.
    return {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a person reads it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
