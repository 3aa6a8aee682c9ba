"""Contract X3: a commit that an event names runs only where the branch or the trigger has it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from hookline.actions import reachability
from hookline.model import Action, ActionType, OutputArtifact, SourceRevision
from support.git_http import served
from support.workshop import Workshop

Commit = Callable[..., str]

ACTION = Action(
    "Fetch",
    ActionType("Source", "ThirdParty", "GitHub", "1"),
    configuration={"Owner": "acme", "Repo": "app", "Branch": "main"},
    output_artifacts=(OutputArtifact("Source"),),
)
PULL = "refs/pull/1/head"


def git(workshop: Workshop, *arguments: str) -> str:
    folder = workshop.folder / "repositories" / "acme" / "app"
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments]
    return subprocess.check_output(command, cwd=folder, env=environment, text=True).strip()


def ran(workshop: Workshop, commit: str, *refs: str, **changes: str) -> str | None:
    """The commit that the source action takes for an event that names `commit` and `refs`."""
    claimed = SourceRevision("Fetch", commit, reachable_from=refs)
    return workshop.run(ACTION, source_revision=claimed, **changes).external_execution_id


@pytest.fixture
def pulled(workshop: Workshop, repository: Commit) -> tuple[str, str]:
    """A repository whose pull request has a commit of its own: that, and the branch's head."""
    head = repository("echo main > a")
    git(workshop, "checkout", "--quiet", "--detach")
    stranger = repository("echo stranger > a")
    git(workshop, "update-ref", PULL, stranger)
    git(workshop, "checkout", "--quiet", "main")
    return stranger, head


def test_x3_a_commit_on_no_branch_does_not_run(workshop: Workshop, pulled: tuple[str, str]) -> None:
    stranger, head = pulled
    assert ran(workshop, stranger) == head
    assert f"Commit {stranger} is not in the history of refs/heads/main" in workshop.log


def test_x3_a_commit_of_another_branch_does_not_run(workshop: Workshop, repository: Commit) -> None:
    head = repository("echo main > a")
    git(workshop, "checkout", "--quiet", "-b", "other")
    other = repository("echo other > a")
    assert ran(workshop, other) == head


def test_x3_a_pull_request_that_the_trigger_names_has_its_commit(
    workshop: Workshop, pulled: tuple[str, str]
) -> None:
    stranger, head = pulled
    assert ran(workshop, stranger, PULL) == stranger
    assert ran(workshop, stranger, "refs/pull/2/head") == head
    assert ran(workshop, stranger, "refs/pull/*/head", "--upload-pack=x", "refs/heads/..") == head


@pytest.mark.parametrize("branch", ["main", "master"])
def test_x3_an_older_commit_of_the_branch_runs(
    workshop: Workshop, repository: Commit, branch: str
) -> None:
    first = repository("echo 1 > a")
    repository("echo 2 > a")
    git(workshop, "branch", "--quiet", "--move", branch)
    action = replace(ACTION, configuration={**ACTION.configuration, "Branch": branch})
    claimed = SourceRevision("Fetch", first, reachable_from=())
    assert workshop.run(action, source_revision=claimed).external_execution_id == first


def test_x3_the_commit_of_an_annotated_tag_runs(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a")
    git(workshop, "checkout", "--quiet", "--detach")
    tagged = repository("echo tagged > a")
    git(workshop, "tag", "--annotate", "--message", "One", "v1")
    git(workshop, "checkout", "--quiet", "main")
    assert ran(workshop, tagged, "refs/tags/v1") == tagged


def test_x3_after_a_forced_push_the_head_is_fetched(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a")
    lost = repository("echo 2 > a")
    git(workshop, "reset", "--quiet", "--hard", "HEAD~1")
    head = repository("echo 3 > a")
    assert ran(workshop, lost) == head


def test_x3_a_commit_that_nobody_has_does_not_run(workshop: Workshop, repository: Commit) -> None:
    head = repository("echo 1 > a")
    assert ran(workshop, "1" * 40) == head


def test_x3_in_a_repository_that_uses_sha256(workshop: Workshop, repository: Commit) -> None:
    first = repository("echo 1 > a", options="--object-format=sha256")
    repository("echo 2 > a")
    assert ran(workshop, first) == first


def test_a_key_may_choose_any_commit(workshop: Workshop, pulled: tuple[str, str]) -> None:
    stranger, _ = pulled
    chosen = SourceRevision("Fetch", stranger)
    assert workshop.run(ACTION, source_revision=chosen).external_execution_id == stranger


@pytest.fixture
def github_url(workshop: Workshop) -> Iterator[str]:
    with served(workshop.folder / "repositories") as server:
        yield server.url


@pytest.mark.parametrize("filters", ["true", "false"])
def test_x3_over_http_with_and_without_filters(
    workshop: Workshop, repository: Commit, github_url: str, filters: str
) -> None:
    first = repository("echo 1 > a")
    for number in range(2, 6):
        head = repository(f"echo {number} > a")
    git(workshop, "config", "uploadpack.allowFilter", filters)
    git(workshop, "checkout", "--quiet", "--detach")
    stranger = repository("echo stranger > a")
    git(workshop, "checkout", "--quiet", "main")
    assert ran(workshop, first, github_url=github_url) == first
    assert ran(workshop, stranger, github_url=github_url) == head


@pytest.fixture
def shallow_depths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_DEPTHS", (2, 8))


@pytest.mark.usefixtures("shallow_depths")
@pytest.mark.parametrize(("filters", "reach"), [("true", 8), ("false", 2)])
def test_x3_history_is_deepened_as_far_as_is_cheap(
    workshop: Workshop,
    repository: Commit,
    github_url: str,
    filters: str,
    reach: int,
) -> None:
    commits = [repository(f"echo {number} > a") for number in range(9)]
    git(workshop, "config", "uploadpack.allowFilter", filters)
    newest_first = commits[::-1]
    for age in (1, 2, 7, 8):
        expected = newest_first[age] if age < reach else newest_first[0]
        assert ran(workshop, newest_first[age], github_url=github_url) == expected, age
