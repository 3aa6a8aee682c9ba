"""What a source action takes of a large repository, with the mirrors of a node and without.

    benchmarks/source_cache.py [--megabytes 100] [--small 20]

Makes a repository of --megabytes that do not compress, which git's own program serves over HTTP on
this machine, and lets source actions fetch it in this process: at first, and after a push of one
line. Prints time, CPU of the git programs of the action, and bytes that the server sent. Then
--small pushes to a repository of one small file over file://, in turn with and without: medians.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from engine import machine

from hookline.actions import provider_for
from hookline.actions.artifacts import ArtifactStore
from hookline.actions.mirrors import Mirrors
from hookline.actions.provider import ActionContext, ActionSettings
from hookline.model import Action, ActionType, SourceRevision, new_id
from support.git_http import served

FILE = 100_000
SOURCE = ActionType("Source", "ThirdParty", "GitHub", "1")
WITNESS = """#!/bin/bash
[ -z "$WITNESSED" ] || exec {git} "$@"
TIMEFORMAT='%3U %3S'
{{ time WITNESSED=1 {git} "$@" 2>&3; }} 3>&2 2>>{times}
"""
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.com")


def commit(repository: Path, write: Callable[[], object]) -> str:
    """A commit of what `write` writes; its id."""
    repository.mkdir(parents=True, exist_ok=True)
    if not (repository / ".git").exists():
        git(repository, "init", "--quiet", "--initial-branch=main")
    write()
    git(repository, "add", "--all")
    git(repository, *IDENTITY, "commit", "--quiet", "--message", "A commit")
    return git(repository, "rev-parse", "HEAD")


def git(repository: Path, *arguments: str) -> str:
    """What git prints."""
    return subprocess.check_output(["git", *arguments], cwd=repository, text=True).strip()


def write_large(repository: Path, megabytes: int) -> None:
    """Random files of 100 KB, 100 a folder."""
    for number in range(megabytes * 1_000_000 // FILE):
        folder = repository / f"{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}").write_bytes(os.urandom(FILE))


def source(folder: Path, url: str, name: str, head: str, mirrors: Mirrors | None) -> None:
    """Run a source action, as after a signed push of `head`."""
    number = new_id()
    configuration = {"Owner": "acme", "Repo": name, "Branch": "main"}
    action = Action("App", SOURCE, configuration=configuration)
    context = ActionContext(
        action_execution_id=number,
        attempt=1,
        execution_id=number,
        pipeline_name="p",
        pipeline_id=1,
        stage_name="Source",
        action=action,
        region="us-east-1",
        source_revision=SourceRevision("App", head, reachable_from=()),
        inputs=(),
        artifacts=ArtifactStore(str(folder / "artifacts")),
        folder=folder / "workspaces" / number,
        log=folder / "logs" / number,
        settings=ActionSettings(github_url=url),
        stop=threading.Event(),
        mirrors=mirrors,
    )
    assert provider_for(SOURCE).run(context).external_execution_id == head


def measured(folder: Path, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that `work` took, and seconds of CPU of the git programs that it started."""
    times = folder / "times"
    times.write_text("")
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, sum(map(float, times.read_text().split()))


def count_programs(folder: Path) -> None:
    """Have git's CPU noted: keepers are reaped by the kernel, which forgets what they used."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(WITNESS.format(git=shutil.which("git"), times=folder / "times"))
    program.chmod(0o755)
    os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"


def measure_large(folder: Path, megabytes: int, console: Console) -> None:
    """Print what two pushes of a large repository take."""
    repository = folder / "repositories" / "acme" / "large"
    cache = Mirrors(folder / "mirrors", b"key", 10**12)
    table = Table(f"{megabytes} MB over HTTP", "s", "CPU of git, s", "bytes sent")
    writes = (
        ("first push", lambda: write_large(repository, megabytes)),
        ("second push", lambda: (repository / "line").write_text("one more\n")),
    )
    with served(folder / "repositories") as server:
        for push, write in writes:
            head = commit(repository, write)
            for kind, mirrors in (("without", None), ("with mirrors", cache)):
                server.sent = 0
                took, used = measured(
                    folder, partial(source, folder, server.url, "large", head, mirrors)
                )
                table.add_row(f"{push}, {kind}", f"{took:.2f}", f"{used:.2f}", f"{server.sent:,}")
    console.print(table)


def measure_small(folder: Path, pushes: int, console: Console) -> None:
    """Print what pushes of a small repository take."""
    repository, url = folder / "repositories" / "acme" / "small", (folder / "repositories").as_uri()
    cache = Mirrors(folder / "mirrors", b"key", 10**12)
    taken: dict[str, list[tuple[float, float]]] = {"without": [], "with mirrors": []}
    for number in range(pushes + 1):
        head = commit(repository, lambda: (repository / "a").write_text(str(number)))  # noqa: B023
        for kind, mirrors in zip(taken, (None, cache), strict=True):
            work = partial(source, folder, url, "small", head, mirrors)
            taken[kind].append(measured(folder, work))
    table = Table(f"{pushes} pushes of a small file", "ms", "CPU of git, ms")
    for kind, figures in taken.items():
        # The first one makes the mirror.
        medians = (statistics.median(each) * 1e3 for each in zip(*figures[1:], strict=True))
        table.add_row(kind, *(f"{median:.1f}" for median in medians))
    console.print(table)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--small", type=int, default=20)
    options = parser.parse_args()
    console = Console(width=120)
    here = Path(__file__).parent
    console.print(f"{git(here, 'rev-parse', '--short', 'HEAD')}; {machine()}")
    with tempfile.TemporaryDirectory(prefix="hookline-mirrors-") as folder:
        count_programs(Path(folder))
        measure_large(Path(folder), options.megabytes, console)
        measure_small(Path(folder), options.small, console)


if __name__ == "__main__":
    main()
