"""`hookline import-aws`; a second Hookline plays AWS, since its API is AWS's."""

import json
import os
import pty
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import PROGRAM, run_hookline
from support.sending import push, push_event
from support.server import Server
from support.tenant import ROLE, SECRET, Tenant, build_action

FILTERS = [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}]
TOKEN = "gh-imported-token"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, github: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("aws"), github_url=github.as_uri())
    with server:
        yield server


class Import:
    """An AWS account with things in it, and an empty region of a Hookline to import to."""

    def __init__(self, account: Tenant, hookline: Tenant, folder: Path) -> None:
        self.account, self.hookline, self.folder = account, hookline, folder
        (folder / "token").write_text(f"{TOKEN}\n")
        key, secret = account.server.key()
        (folder / "credentials").write_text(
            f"[real]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        own = {"AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "credentials")}
        return {**self.hookline.server.environment, **own, "AWS_CONFIG_FILE": os.devnull}

    @property
    def arguments(self) -> list[str]:
        address = ["--endpoint-url", self.account.server.url, "--region", self.account.region]
        return ["import-aws", "--profile", "real", *address]

    def run(self, *arguments: str, status: int = 0) -> str:
        done = run_hookline(
            *self.arguments, *arguments, environment=self.environment, folder=self.folder
        )
        output = done.stdout + done.stderr
        assert done.returncode == status, output
        assert SECRET not in output
        assert TOKEN not in output
        return output


@pytest.fixture
def between(aws: Server, server: Server, github: Path, tmp_path: Path) -> Import:
    account = Tenant(aws, github)
    return Import(account, Tenant(server, github, account.region), tmp_path)


def names(tenant: Tenant) -> tuple[set[str], set[str]]:
    pipelines = tenant.client.list_pipelines()["pipelines"]
    webhooks = tenant.client.list_webhooks()["webhooks"]
    return {p["name"] for p in pipelines}, {w["definition"]["name"] for w in webhooks}


def test_pipelines_and_webhooks_come_over_with_generated_secrets(between: Import) -> None:
    pipeline = between.account.idle_pipeline()
    tags = [{"key": "team", "value": "a"}]
    webhook = between.account.webhook(pipeline, tags, filters=FILTERS)
    between.account.webhook(
        pipeline, authentication="UNAUTHENTICATED", authenticationConfiguration={}
    )
    output = between.run("--generate-secrets", "--oauth-token-file", "token", "--yes")
    assert "Found: pipelines 1, webhooks 2, build projects 0, custom action types 0" in output
    assert names(between.hookline) == names(between.account)
    name = webhook["definition"]["name"]
    secret = output.partition("shown this once")[2].split(name)[1].split()[0]
    listed = between.hookline.client.list_webhooks()["webhooks"]
    [imported] = [item for item in listed if item["definition"]["name"] == name]
    assert (imported["arn"], imported["tags"]) == (webhook["arn"], tags)
    assert imported["definition"] == webhook["definition"]
    assert push(imported["url"], secret, push_event(branch="main")).status == 200
    again = between.run("--generate-secrets", "--yes")
    assert "Nothing to do." in again
    assert "shown this once" not in again


def test_generated_secrets_go_to_a_new_file_that_only_its_owner_reads(between: Import) -> None:
    webhook = between.account.webhook(between.account.idle_pipeline())
    file = between.folder / "secrets.json"
    arguments = ("--generate-secrets", "--secrets-file", str(file), "--oauth-token-file", "token")
    output = between.run(*arguments, "--yes")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [(name, secret)] = json.loads(file.read_text()).items()
    assert name == webhook["definition"]["name"]
    assert secret not in output
    [imported] = between.hookline.client.list_webhooks()["webhooks"]
    assert push(imported["url"], secret, push_event()).status == 200
    between.hookline.client.delete_webhook(name=name)
    assert "File exists" in between.run(*arguments, "--yes", status=2)


def test_without_a_terminal_missing_secrets_are_told_with_a_remedy(between: Import) -> None:
    between.account.webhook(between.account.idle_pipeline())
    assert "give --oauth-token-file" in between.run("--yes", status=2)
    output = between.run("--oauth-token-file", "token", "--yes", status=2)
    assert "give --generate-secrets" in output
    assert names(between.hookline) == (set(), set())


def test_at_a_terminal_secrets_are_asked_for_and_not_shown(between: Import) -> None:
    between.account.webhook(between.account.idle_pipeline())
    process, terminal = pty.fork()
    if process == 0:  # the child
        os.chdir(between.folder)
        words = [PROGRAM, *between.arguments, "--yes"]
        os.execve(PROGRAM, words, between.environment)  # noqa: S606 - our own program
    shown = answered(terminal, {"OAuthToken of": TOKEN, "SecretToken of": SECRET})
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, shown
    assert SECRET not in shown
    assert TOKEN not in shown
    [imported] = between.hookline.client.list_webhooks()["webhooks"]
    assert push(imported["url"], SECRET, push_event()).status == 200


def test_what_is_not_applied_leaves_no_secret(between: Import) -> None:
    between.account.webhook(between.account.idle_pipeline())
    file = between.folder / "secrets.json"
    arguments = ("--generate-secrets", "--oauth-token-file", "token")
    output = between.run(*arguments, "--secrets-file", str(file), status=2)
    assert "Nothing was done: there is no terminal to ask at." in output
    assert not file.exists()
    assert "shown this once" not in between.run(*arguments, status=2)
    assert names(between.hookline) == (set(), set())


def test_a_webhook_that_outlived_its_pipeline_is_left_out(between: Import) -> None:
    pipeline, gone = between.account.idle_pipeline(), between.account.idle_pipeline()
    left = between.account.webhook(gone)["definition"]["name"]
    between.account.client.delete_pipeline(name=gone)
    output = between.run("--oauth-token-file", "token", "--yes")
    assert f"note: webhook {left} is left out: its pipeline '{gone}' does not exist" in output
    assert names(between.hookline) == ({pipeline}, set())


def test_the_custom_action_types_that_pipelines_use_come_over(between: Import) -> None:
    details = {"minimumCount": 0, "maximumCount": 5}
    for provider in ("Used", "Unused"):
        between.account.client.create_custom_action_type(
            category="Build",
            provider=provider,
            version="1",
            configurationProperties=[
                {"name": "Project", "required": True, "key": True, "secret": False}
            ],
            inputArtifactDetails=details,
            outputArtifactDetails=details,
        )
    action = {
        "name": "Make",
        "actionTypeId": {
            "category": "Build",
            "owner": "Custom",
            "provider": "Used",
            "version": "1",
        },
        "configuration": {"Project": "shop"},
        "inputArtifacts": [{"name": "Code"}],
    }
    between.account.pipeline(("Build", action))
    output = between.run("--oauth-token-file", "token", "--yes")
    assert "done: create custom action type Build Used 1" in output
    listed = between.hookline.client.list_action_types(actionOwnerFilter="Custom")["actionTypes"]
    assert [item["id"]["provider"] for item in listed] == ["Used"]
    assert "Nothing to do." in between.run("--yes")


def test_the_build_projects_that_pipelines_use_come_over(between: Import) -> None:
    region = between.account.region
    source, target = (
        tenant.server.client(region, service="codebuild")
        for tenant in (between.account, between.hookline)
    )
    project = {
        "source": {"type": "CODEPIPELINE", "buildspec": "ci.yml"},
        "artifacts": {"type": "CODEPIPELINE"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        "serviceRole": ROLE,
        "timeoutInMinutes": 20,
        "tags": [{"key": "team", "value": "a"}],
    }
    for name in ("used", "unused"):
        source.create_project(name=name, **project)
    between.account.pipeline(("Build", build_action("used")))
    between.account.pipeline(("Build", build_action("gone")))
    output = between.run("--oauth-token-file", "token", "--yes")
    assert "Found: pipelines 2, webhooks 0, build projects 1, custom action types 0" in output
    assert "note: build project gone does not exist, and a pipeline uses it" in output
    assert output.index("create build project used") < output.index("create pipeline")
    assert target.list_projects()["projects"] == ["used"]
    [before], [after] = (
        client.batch_get_projects(names=["used"])["projects"] for client in (source, target)
    )
    for shown in (before, after):
        del shown["created"], shown["lastModified"]
    assert after == before
    assert "Nothing to do." in between.run("--yes")


def answered(terminal: int, answers: dict[str, str]) -> str:
    """What is shown at a terminal where each question is answered when it stands there."""
    waiting = dict(answers)
    shown = ""
    try:
        while part := os.read(terminal, 65_536):
            shown += part.decode()
            for question in [item for item in waiting if item in shown]:
                # The blank comes last, when what is typed is no longer thrown away.
                if shown.endswith(": "):
                    os.write(terminal, f"{waiting.pop(question)}\n".encode())
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(terminal)
    return shown


def test_only_the_pipelines_that_are_named_come_over(between: Import) -> None:
    first, second = between.account.idle_pipeline(), between.account.idle_pipeline()
    for pipeline in (first, second):
        between.account.webhook(
            pipeline, authentication="UNAUTHENTICATED", authenticationConfiguration={}
        )
    between.run(second, "--oauth-token-file", "token", "--yes")
    pipelines, webhooks = names(between.hookline)
    assert (pipelines, len(webhooks)) == ({second}, 1)
    assert "has no pipeline 'nobody'" in between.run("nobody", "--yes", status=2)


def test_more_than_a_page_of_webhooks_comes_over(between: Import) -> None:
    pipeline = between.account.idle_pipeline()
    for _ in range(103):
        between.account.webhook(
            pipeline, authentication="UNAUTHENTICATED", authenticationConfiguration={}
        )
    between.run("--oauth-token-file", "token", "--yes")
    pages: Any = between.hookline.client.get_paginator("list_webhooks").paginate()
    assert sum(len(page["webhooks"]) for page in pages) == 103


def test_a_profile_that_is_not_there_is_told(between: Import) -> None:
    done = run_hookline(
        *("import-aws", "--profile", "nope", "--region", "us-east-1"),
        environment=between.environment,
        folder=between.folder,
    )
    assert done.returncode == 2
    assert "The profile nope can't be used" in done.stderr
