"""What git is told at each call, seen by a program in its place that hands on to it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookline.model import Action, ActionType, OutputArtifact, SourceRevision
from support.workshop import Workshop

ACTION = Action(
    "Fetch",
    ActionType("Source", "ThirdParty", "GitHub", "1"),
    configuration={"Owner": "acme", "Repo": "app", "Branch": "main"},
    output_artifacts=(OutputArtifact("Source"),),
)
WITNESS = """#!{python}
import json, os, subprocess, sys
hooks = subprocess.run(["{git}", "config", "core.hooksPath"], capture_output=True, text=True)
call = dict(
    arguments=sys.argv[1:],
    protocols=os.environ.get("GIT_ALLOW_PROTOCOL"),
    hooks=hooks.stdout.strip(),
)
with open("{calls}", "a") as file:
    file.write(json.dumps(call) + "\\n")
os.execv("{git}", ["git", *sys.argv[1:]])
"""


@pytest.fixture
def calls(workshop: Workshop, repository: Callable[..., str], monkeypatch: Any) -> Any:
    """The calls of git that fetch an older commit of a branch take."""
    first = repository("echo 1 > a")
    repository("echo 2 > a")
    file, program = workshop.folder / "calls", workshop.folder / "bin" / "git"
    git = shutil.which("git")
    assert git is not None
    program.parent.mkdir()
    program.write_text(WITNESS.format(python=sys.executable, git=git, calls=file))
    program.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(program.parent), prepend=":")
        claimed = SourceRevision("Fetch", first, reachable_from=("refs/tags/v1",))
        assert workshop.run(ACTION, source_revision=claimed).external_execution_id == first
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def of_verb(calls: Any, verb: str) -> Any:
    return [call for call in calls if call["arguments"][0] == verb]


def test_git_may_use_only_the_protocol_of_the_setting(calls: Any) -> None:
    allowed = {
        verb: {call["protocols"] for call in of_verb(calls, verb)}
        for verb in ("ls-remote", "fetch", "read-tree", "merge-base")
    }
    assert allowed == {
        "ls-remote": {"file"},
        "fetch": {"file"},
        "read-tree": {"file"},
        # Of a partial repository git would fetch what is missing.
        "merge-base": {"none"},
    }


def test_no_repository_nor_template_has_hooks(calls: Any) -> None:
    assert {call["hooks"] for call in calls} == {"/dev/null"}


def test_addresses_and_refs_are_never_options(calls: Any) -> None:
    for call in (*of_verb(calls, "fetch"), *of_verb(calls, "ls-remote")):
        before, dashes, after = call["arguments"], "--", []
        place = before.index(dashes)
        after = before[place + 1 :]
        assert after[0].startswith("file://")
        assert not any(argument.startswith("file://") for argument in before[:place])
