"""Mirrors: only what is new is fetched, nothing is given that the remote repository would not."""

import base64
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookline.actions import mirrors
from hookline.actions.mirrors import Mirrors
from hookline.actions.provider import ActionResult, Interrupted
from hookline.errors import ActionError
from hookline.model import Action, ActionType, OutputArtifact, SourceRevision
from support.git_http import served
from support.workshop import KeptLog, Workshop

Commit = Callable[..., str]

TOKEN = "ghp_verySecretToken"
ACTION = Action(
    "Fetch",
    ActionType("Source", "ThirdParty", "GitHub", "1"),
    configuration={"Owner": "acme", "Repo": "app", "Branch": "main"},
    output_artifacts=(OutputArtifact("Source"),),
)
_TESTS = Path(__file__).parents[2]
_ENGINE = """
import sys
from pathlib import Path
from unit.actions.test_mirrors import ACTION
from support.workshop import Workshop
folder, namespaces = sys.argv[1:]
Workshop(Path(folder), pid_namespaces=namespaces == "True").run(ACTION)
"""


def fetch(workshop: Workshop, commit: str | None = None, **changes: Any) -> ActionResult:
    revision = None if commit is None else SourceRevision("Fetch", commit)
    return workshop.run(ACTION, source_revision=revision, **changes)


def content(workshop: Workshop, result: ActionResult) -> str:
    return (workshop.unpacked(result.artifacts[0]) / "a").read_text().strip()


def mirror(workshop: Workshop) -> Path:
    (found,) = (workshop.folder / "mirrors").iterdir()
    return found


def git(workshop: Workshop, *arguments: str) -> None:
    folder = workshop.folder / "repositories" / "acme" / "app"
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def opened_by(token: str) -> Action:
    return replace(ACTION, configuration={**ACTION.configuration, "OAuthToken": token})


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """What another action, or another process, does with a mirror."""
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, kind)
    yield
    os.close(descriptor)


def test_a_second_push_transfers_what_is_new_only(workshop: Workshop, repository: Commit) -> None:
    repository("head -c 1000000 /dev/urandom > large; echo 1 > a")
    with served(workshop.folder / "repositories") as server:
        assert content(workshop, fetch(workshop, github_url=server.url)) == "1"
        assert server.sent > 1_000_000
        server.sent = 0
        repository("echo 2 > a")
        assert content(workshop, fetch(workshop, github_url=server.url)) == "2"
        assert server.sent < 5_000
        server.sent = 0
        fetch(workshop, github_url=server.url, mirrors=None)
        assert server.sent > 1_000_000


def test_a_commit_that_the_remote_no_longer_has_is_not_taken_from_the_mirror(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    lost = repository("echo secret > a")
    assert content(workshop, fetch(workshop, lost)) == "secret"
    git(workshop, "reset", "--quiet", "--hard", "HEAD~1")
    git(workshop, "reflog", "expire", "--all", "--expire=now")
    git(workshop, "prune", "--expire=now")

    with served(workshop.folder / "repositories") as server:
        for url in (server.url, f"file://{workshop.folder}/repositories"):
            with pytest.raises(ActionError, match=f"not our ref {lost}"):
                fetch(workshop, lost, github_url=url)


def test_a_token_gets_nothing_that_another_has_fetched(
    workshop: Workshop, repository: Commit
) -> None:
    repository("head -c 1000000 /dev/urandom > large; echo 1 > a")
    with served(workshop.folder / "repositories") as server:
        for token in (TOKEN, "ghp_another"):
            server.sent = 0
            workshop.run(opened_by(token), github_url=server.url)
            assert server.sent > 1_000_000


def test_a_token_that_has_lost_access_gets_nothing(workshop: Workshop, repository: Commit) -> None:
    commit = repository("echo 1 > a")
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    with served(workshop.folder / "repositories") as server:
        workshop.run(opened_by(TOKEN), github_url=server.url)
        server.refused = {f"Basic {basic}"}
        for revision in (None, SourceRevision("Fetch", commit)):
            with pytest.raises(ActionError, match="403"):
                workshop.run(opened_by(TOKEN), source_revision=revision, github_url=server.url)


def test_neither_name_nor_files_of_a_mirror_tell_the_token(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    with served(workshop.folder / "repositories") as server:
        workshop.run(opened_by(TOKEN), github_url=server.url)
    assert len(bytes.fromhex(mirror(workshop).name)) == 32
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode())
    for file in mirror(workshop).rglob("*"):
        if file.is_file():
            held = file.read_bytes()
            assert TOKEN.encode() not in held
            assert basic not in held


def packed(folder: Path) -> Path:
    """The pack of the first fetch."""
    (found,) = (folder / "repository" / "objects" / "pack").glob("*.pack")
    return found


def truncate(folder: Path) -> None:
    file = packed(folder)
    file.chmod(0o600)
    os.truncate(file, file.stat().st_size // 2)


def overwrite(folder: Path) -> None:
    file = packed(folder)
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(100)
        opened.write(bytes(file.stat().st_size - 200))


def remove_index(folder: Path) -> None:
    packed(folder).with_suffix(".idx").unlink()


def break_refs(folder: Path) -> None:
    for ref in (folder / "repository" / "refs" / "kept").iterdir():
        ref.write_text("rubbish\n")


def break_shallow(folder: Path) -> None:
    (folder / "repository" / "shallow").write_text("rubbish\n")


def remove_head(folder: Path) -> None:
    (folder / "repository" / "HEAD").unlink()


def break_settings(folder: Path) -> None:
    (folder / "repository" / "config").write_text("[core\n")


DAMAGES = [
    *(truncate, overwrite, remove_index, break_refs, break_shallow, remove_head, break_settings)
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pushed", ["2", "3"])
def test_damage_is_mended_by_fetching_anew(
    workshop: Workshop, repository: Commit, damage: Callable[[Path], None], pushed: str
) -> None:
    repository("for i in $(seq 150); do echo $RANDOM > f$i; done; echo 1 > a")
    repository("echo 2 > a")
    fetch(workshop)
    damage(mirror(workshop))
    if pushed == "3":
        repository("echo 3 > a")

    assert content(workshop, fetch(workshop)) == pushed
    # Of a commit that it finds it does not have, git just fetches all.
    assert "is damaged" in workshop.log or damage in {truncate, remove_index}
    (workshop.folder / "log").unlink()
    repository("echo 4 > a")
    assert content(workshop, fetch(workshop)) == "4"
    assert "is damaged" not in workshop.log


def test_what_the_remote_refuses_is_no_damage(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a")
    fetch(workshop)
    before = mirror(workshop).joinpath("repository").stat().st_ino
    with pytest.raises(ActionError, match="not our ref"):
        fetch(workshop, "1" * 40)
    assert content(workshop, fetch(workshop)) == "1"
    assert mirror(workshop).joinpath("repository").stat().st_ino == before
    assert "is damaged" not in workshop.log


def test_a_damaged_mirror_that_others_read_is_left_to_them(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    fetch(workshop)
    remove_head(mirror(workshop))
    with locked(mirror(workshop), fcntl.LOCK_SH):
        assert content(workshop, fetch(workshop)) == "1"
        assert not (mirror(workshop) / "repository" / "HEAD").exists()
    assert content(workshop, fetch(workshop)) == "1"
    assert (mirror(workshop) / "repository" / "HEAD").exists()


def test_after_kill_9_of_the_engine_in_a_fetch_the_mirror_is_made_anew(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    fetch(workshop)
    repository("echo 2 > a")
    programs, begun = workshop.folder / "bin", workshop.folder / "begun"
    programs.mkdir()
    (programs / "git").write_text(
        f'#!/bin/sh\n[ "$1" = fetch ] || exec {shutil.which("git")} "$@"\n'
        f'touch "$GIT_DIR/shallow.lock" {begun}; exec sleep 300\n'
    )
    (programs / "git").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{_TESTS}:{_TESTS.parent / 'src'}",
    }
    command = [sys.executable, "-c", _ENGINE, str(workshop.folder), str(workshop.pid_namespaces)]
    with subprocess.Popen(command, env=environment) as engine:
        while not begun.exists():
            assert engine.poll() is None
            time.sleep(0.01)
        engine.send_signal(signal.SIGKILL)

    assert content(workshop, fetch(workshop)) == "2"
    assert not (mirror(workshop) / "repository" / "shallow.lock").exists()


def test_actions_of_one_repository_at_once_get_what_each_asked_for(
    workshop: Workshop, repository: Commit
) -> None:
    commits = [repository(f"echo {number} > a") for number in range(6)]
    shared = Mirrors(workshop.folder / "mirrors", b"key", 1_000_000_000)
    got: dict[str, str] = {}

    def take(commit: str) -> None:
        log = KeptLog(workshop.folder / commit)
        own = {"folder": workshop.folder / f"work-{commit}", "log": log}
        got[commit] = content(workshop, fetch(workshop, commit, mirrors=shared, **own))

    threads = [threading.Thread(target=take, args=(commit,)) for commit in commits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[commit] for commit in commits] == [str(number) for number in range(6)]


def test_waiting_for_another_fetch_obeys_the_time_limit_and_the_stop(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    fetch(workshop)
    with locked(mirror(workshop) / "fetch.lock", fcntl.LOCK_EX):
        with pytest.raises(ActionError, match=r"time limit of 0\.3 seconds"):
            fetch(workshop, time_limit=0.3)
        threading.Timer(0.1, workshop.stop.set).start()
        with pytest.raises(Interrupted):
            fetch(workshop)


def test_other_repositories_and_readers_are_not_waited_for(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    fetch(workshop)
    first = mirror(workshop)
    shutil.copytree(
        workshop.folder / "repositories" / "acme", workshop.folder / "repositories" / "other"
    )
    other = replace(ACTION, configuration={**ACTION.configuration, "Owner": "other"})
    with locked(first / "fetch.lock", fcntl.LOCK_EX):
        assert content(workshop, workshop.run(other)) == "1"
    with locked(first, fcntl.LOCK_SH):
        repository("echo 2 > a")
        assert content(workshop, fetch(workshop)) == "2"


def test_beyond_the_bound_the_least_recently_used_mirror_goes(
    workshop: Workshop, repository: Commit
) -> None:
    repository("head -c 1000000 /dev/urandom > large; echo 1 > a")
    bounded = Mirrors(workshop.folder / "mirrors", b"key", 2_500_000)

    def names() -> set[str]:
        return {folder.name for folder in (workshop.folder / "mirrors").iterdir()}

    for token in ("one", "two"):
        with served(workshop.folder / "repositories") as server:
            workshop.run(opened_by(token), github_url=server.url, mirrors=bounded)
    with served(workshop.folder / "repositories") as server:
        url = server.url
        before = names()
        workshop.run(opened_by("three"), github_url=url, mirrors=bounded)
        kept = names()
        assert len(kept) == 2
        (fresh,) = kept - before
        (used,) = kept - {fresh}
        with locked(workshop.folder / "mirrors" / used, fcntl.LOCK_SH):
            workshop.run(opened_by("four"), github_url=url, mirrors=bounded)
        # That of the third is older than the fourth's; the oldest is in use.
        assert used in names()
        assert fresh not in names()


def test_a_repository_larger_than_the_bound_leaves_no_mirror(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    none = Mirrors(workshop.folder / "mirrors", b"key", 1)
    assert content(workshop, fetch(workshop, mirrors=none)) == "1"
    assert not list((workshop.folder / "mirrors").iterdir())


def test_a_mirror_does_not_grow_without_end(
    workshop: Workshop, repository: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "_LONGEST_SHALLOW", 2 * 41)
    repository("echo 0 > a")
    for number in range(1, 9):
        repository(f"echo {number} > a")
        assert content(workshop, fetch(workshop)) == str(number)
        shallow = (mirror(workshop) / "repository" / "shallow").read_text().splitlines()
        assert len(shallow) <= 3
    assert "is damaged" not in workshop.log
