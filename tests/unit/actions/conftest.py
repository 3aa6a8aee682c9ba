"""Fixtures: a workshop for actions, and a real repository."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.workshop import Workshop


@pytest.fixture(params=[True, False], ids=["namespaces", "keeper"])
def workshop(tmp_path: Path, request: pytest.FixtureRequest) -> Workshop:
    """One whose programs run in PID namespaces, and one where the machine has none."""
    return Workshop(tmp_path, pid_namespaces=request.param)


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., str]:
    """Makes commits in file://…/acme/app: shell lines in, the commit's id out."""
    folder = tmp_path / "repositories" / "acme" / "app"

    def commit(script: str, message: str = "A commit", options: str = "") -> str:
        folder.mkdir(parents=True, exist_ok=True)
        lines = f"set -e; [ -d .git ] || git init -q -b main {options}; {script}\n git add -A"
        who = {"AUTHOR": "2020-01-02T03:04:05+02:00", "COMMITTER": "2021-01-02T03:04:05Z"}
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{role}_DATE": date for role, date in who.items()},
            **{f"GIT_{role}_NAME": "A" for role in who},
            **{f"GIT_{role}_EMAIL": "a@example.com" for role in who},
        }
        for command in (["bash", "-c", lines], ["git", "commit", "-q", "-m", message]):
            subprocess.run(command, cwd=folder, env=environment, check=True)
        head = ["git", "rev-parse", "HEAD"]
        return subprocess.check_output(head, cwd=folder, text=True).strip()

    return commit
