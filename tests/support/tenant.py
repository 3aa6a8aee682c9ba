"""One region of a server, with pipelines, webhooks and repositories of its own."""

import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

from .programs import program
from .sending import Reply, push, push_event
from .server import Server, until

SECRET = "It's a Secret to Everybody"
ROLE = "arn:aws:iam::000000000000:role/hookline"
_numbers = itertools.count(1)


def action_type(category: str, owner: str, provider: str) -> dict[str, str]:
    """An action type of version 1."""
    return {"category": category, "owner": owner, "provider": provider, "version": "1"}


def source(owner: str = "acme", repo: str = "app", branch: str = "main") -> dict[str, Any]:
    """A GitHub source action `App` with the artifact `Code`."""
    return {
        "name": "App",
        "actionTypeId": action_type("Source", "ThirdParty", "GitHub"),
        "configuration": {"Owner": owner, "Repo": repo, "Branch": branch, "OAuthToken": "gh-token"},
        "outputArtifacts": [{"name": "Code"}],
    }


def commands(name: str, *lines: str, **more: Any) -> dict[str, Any]:
    """An action that runs commands on the artifact `Code`."""
    return {
        "name": name,
        "actionTypeId": action_type("Compute", "AWS", "Commands"),
        "commands": list(lines),
        "inputArtifacts": [{"name": "Code"}],
        **more,
    }


def build_action(project: str) -> dict[str, Any]:
    """An action that builds the artifact `Code` with a project of CodeBuild's."""
    return {
        "name": "Make",
        "actionTypeId": action_type("Build", "AWS", "CodeBuild"),
        "configuration": {"ProjectName": project},
        "inputArtifacts": [{"name": "Code"}],
    }


def declaration(name: str, source_action: dict[str, Any], *stages: Any, **more: Any) -> Any:
    """A pipeline: the source, then stages as (name, action, …)."""
    return {
        "name": name,
        "roleArn": ROLE,
        "artifactStore": {"type": "S3", "location": "artifacts"},
        "stages": [
            {"name": "Source", "actions": [source_action]},
            *({"name": stage[0], "actions": list(stage[1:])} for stage in stages),
        ],
        **more,
    }


class Repository:
    """A git repository under the folder that stands for GitHub."""

    def __init__(self, github: Path, owner: str, name: str) -> None:
        self.owner, self.name, self.folder = owner, name, github / owner / name
        self.folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    def commit(self, message: str = "A commit", **files: str) -> str:
        """Commit files; the commit's id."""
        for name, text in (files or {"file": f"{next(_numbers)}"}).items():
            (self.folder / name).write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A"), ("EMAIL", "a@example.com"))
        }
        return subprocess.check_output(
            [program("git"), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who},
            text=True,
        ).strip()


class Tenant:
    """A region that no other test uses, seen through boto3."""

    def __init__(self, server: Server, github: Path, region: str = "") -> None:
        self.server = server
        self.github = github
        self.region = region or f"test-region-{next(_numbers)}"
        self.client = server.client(self.region)
        self._repository: Repository | None = None

    def move_to(self, server: Server) -> None:
        """Go on through another server of the same database."""
        self.server = server
        self.client = server.client(self.region)

    @property
    def arn(self) -> str:
        """The ARN that stands for whoever calls through `client`."""
        return f"arn:aws:iam::000000000000:user/{self.server.key()[0]}"

    @property
    def repository(self) -> Repository:
        """This tenant's repository, with one commit to begin with."""
        if self._repository is None:
            self._repository = Repository(self.github, "acme", f"app-{next(_numbers)}")
            self._repository.commit("The first commit")
        return self._repository

    def source(self, branch: str = "main") -> dict[str, Any]:
        """A source action on this tenant's repository."""
        return source(self.repository.owner, self.repository.name, branch)

    def pipeline(self, *stages: Any, source_action: Any = None, **more: Any) -> str:
        """Create a pipeline; its name. Without stages it has one that does nothing."""
        name = f"pipeline-{next(_numbers)}"
        chosen = stages or (("Build", commands("Make", "true")),)
        declared = declaration(name, source_action or self.source(), *chosen, **more)
        self.client.create_pipeline(pipeline=declared)
        return name

    def idle_pipeline(self) -> str:
        """A pipeline whose repository does not exist: its executions end at once."""
        return self.pipeline(source_action=source("nobody", "nothing"))

    def webhook(self, pipeline: str, tags: Any = None, **definition: Any) -> Any:
        """Put a GITHUB_HMAC webhook without filters, but for what `definition` says."""
        whole = {
            "name": f"webhook-{next(_numbers)}",
            "targetPipeline": pipeline,
            "targetAction": "App",
            "filters": [],
            "authentication": "GITHUB_HMAC",
            "authenticationConfiguration": {"SecretToken": SECRET},
            **definition,
        }
        tagging = {} if tags is None else {"tags": tags}
        return self.client.put_webhook(webhook=whole, **tagging)["webhook"]

    def push(self, webhook: Any, event: Any = None, **headers: str) -> Reply:
        """Send a signed push, of this tenant's newest commit unless said otherwise."""
        return push(webhook["url"], SECRET, push_event() if event is None else event, **headers)

    def execution(self, pipeline: str, execution_id: str) -> Any:
        """An execution as it is now."""
        answer = self.client.get_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution_id
        )
        return answer["pipelineExecution"]

    def finished(self, pipeline: str, execution_id: str, seconds: float = 90.0) -> Any:
        """An execution when it has ended."""

        def ended() -> Any:
            execution = self.execution(pipeline, execution_id)
            return execution if execution["status"] != "InProgress" else None

        found = until(ended, seconds)
        assert found is not None, f"{execution_id} did not end:\n{self.server.output[-4000:]}"
        return found

    def executions(self, pipeline: str) -> list[Any]:
        """All executions of a pipeline, the newest first."""
        pages = self.client.get_paginator("list_pipeline_executions").paginate(
            pipelineName=pipeline
        )
        return [item for page in pages for item in page["pipelineExecutionSummaries"]]

    def actions(self, pipeline: str, execution_id: str) -> dict[str, Any]:
        """What ListActionExecutions tells of an execution's actions, by name."""
        answer = self.client.list_action_executions(
            pipelineName=pipeline, filter={"pipelineExecutionId": execution_id}
        )
        return {detail["actionName"]: detail for detail in answer["actionExecutionDetails"]}

    def error(self, pipeline: str, execution_id: str, action: str) -> Any:
        """The error details of an action, as ListActionExecutions tells them."""
        result = self.actions(pipeline, execution_id)[action]["output"]["executionResult"]
        return result["errorDetails"]
