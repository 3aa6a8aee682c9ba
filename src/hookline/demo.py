"""`hookline demo`: the whole of Hookline in a temporary folder, in a few seconds."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hookline import config, profile
from hookline.config import Settings
from hookline.errors import HooklineError
from hookline.sender import Reply, send
from hookline.store import deliveries
from hookline.store.action_logs import open_log
from hookline.store.database import Database

if TYPE_CHECKING:
    from types_boto3_codepipeline import CodePipelineClient

_OWNER, _REPOSITORY = "octo-org", "hello"
_PIPELINE, _WEBHOOK = "hello", "hello-push"
_READY_S, _FINISH_S = 120.0, 60.0
_REFRESH_S = 0.1
_RECORDED_S = 5.0
_LOG_LINES = 8
_STYLES = {"Succeeded": "green", "Failed": "red", "InProgress": "yellow"}


def demo() -> None:
    """Show the whole of it in a temporary folder: a signed push that runs a pipeline."""
    raise typer.Exit(_run(Console(highlight=False)))


def _run(console: Console) -> int:
    console.print("[bold]Hookline demo[/]: a signed push starts a pipeline that really runs.\n")
    with tempfile.TemporaryDirectory(prefix="hookline-demo-") as folder:
        github = Path(folder) / "github"
        commit_id = _make_repository(github / _OWNER / _REPOSITORY)
        console.print(f"✓ a git repository, {_OWNER}/{_REPOSITORY}, commit {commit_id[:12]}")
        with _server(Path(folder), github) as settings:
            console.print(f"✓ hookline serve, on {settings.endpoint_url}")
            return _Demo(console, settings, commit_id).run()


class _Demo:
    def __init__(self, console: Console, settings: Settings, commit_id: str) -> None:
        self._console = console
        self._settings = settings
        self._commit_id = commit_id
        self._secret = secrets.token_hex(20)
        self._client = _client(settings)

    def run(self) -> int:
        url = self._create()
        sent = [
            _Sent("signed push to main", "started", self._push(url, "refs/heads/main")),
            _Sent(
                "the same, wrong signature",
                "refused",
                self._push(url, "refs/heads/main", secret="not the secret"),  # noqa: S106 - wrong on purpose
            ),
            _Sent("signed push to feature", "filtered", self._push(url, "refs/heads/feature")),
        ]
        execution_id = sent[0].reply.content.get("pipelineExecutionId", "")
        status = self._follow(execution_id) if execution_id else "never started"
        self._show_verdicts(sent)
        self._show_log(execution_id)
        happened = status == "Succeeded" and all(item.as_expected for item in sent)
        if happened:
            self._show_how_to_go_on()
        else:
            self._console.print(f"[red]Not all of it happened[/]: the execution {status}.")
        return 0 if happened else 1

    def _create(self) -> str:
        self._client.create_pipeline(pipeline=_declaration())
        self._console.print(f"✓ CreatePipeline {_PIPELINE}: Source (GitHub) → Build (Commands)")
        answer = self._client.put_webhook(
            webhook={
                "name": _WEBHOOK,
                "targetPipeline": _PIPELINE,
                "targetAction": "Checkout",
                "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
                "authentication": "GITHUB_HMAC",
                "authenticationConfiguration": {"SecretToken": self._secret},
            }
        )
        url = answer["webhook"]["url"]
        self._console.print(
            f"✓ PutWebhook {_WEBHOOK}: $.ref = refs/heads/{{Branch}}, GITHUB_HMAC\n"
            f"  {url.partition('?')[0]}?t=…\n"
        )
        return url

    def _push(self, url: str, ref: str, secret: str | None = None) -> Reply:
        body = json.dumps(push_event(self._commit_id, ref)).encode()
        return send(url, body, event="push", secret=secret or self._secret)

    def _follow(self, execution_id: str) -> str:
        deadline = time.monotonic() + _FINISH_S
        with Live(console=self._console, auto_refresh=False) as live:
            while True:
                status = self._client.get_pipeline_execution(
                    pipelineName=_PIPELINE, pipelineExecutionId=execution_id
                )["pipelineExecution"]["status"]
                live.update(self._progress(execution_id, status), refresh=True)
                if status != "InProgress" or time.monotonic() > deadline:
                    return status
                time.sleep(_REFRESH_S)

    def _progress(self, execution_id: str, status: str) -> Table:
        table = Table(title=f"execution {execution_id}: {_colored(status)}", title_justify="left")
        for column in ("stage", "action", "status", "summary"):
            table.add_column(column)
        for stage in self._client.get_pipeline_state(name=_PIPELINE)["stageStates"]:
            for action in stage["actionStates"]:
                latest = action.get("latestExecution", {})
                summary = latest.get("summary") or latest.get("errorDetails", {}).get("message", "")
                table.add_row(
                    stage["stageName"],
                    action["actionName"],
                    _colored(latest.get("status", "")),
                    summary.partition("\n")[0],
                )
        return table

    def _show_verdicts(self, sent: list["_Sent"]) -> None:
        table = Table(title="\nThree deliveries, three verdicts", title_justify="left")
        for column in ("delivery", "HTTP", "verdict", "why"):
            table.add_column(column)
        database = Database(self._settings.database)
        for item in sent:
            kept = _recorded(database, item.reply.content["deliveryId"])
            table.add_row(
                item.what, str(item.reply.status), item.reply.content["outcome"], kept.why
            )
        database.close()
        self._console.print(table)

    def _show_log(self, execution_id: str) -> None:
        for detail in self._client.list_action_executions(
            pipelineName=_PIPELINE, filter={"pipelineExecutionId": execution_id}
        )["actionExecutionDetails"]:
            if detail["actionName"] != "Greet":
                continue
            database = Database(self._settings.database)
            log = b"".join(open_log(database, detail["actionExecutionId"]))
            database.close()
            lines = log.decode().splitlines()
            self._console.print("\n[bold]The log of Build / Greet[/], its last lines:")
            for line in lines[-_LOG_LINES:]:
                self._console.print(f"  │ {line}", markup=False)

    def _show_how_to_go_on(self) -> None:
        self._console.print(
            "\n[bold]To go on[/], with pipelines and repositories of your own:\n"
            "  scripts/serve              runs the server and prints two export lines\n"
            "  scripts/hookline apply     … then works against it, and so do AWS's CLI and SDKs\n"
            "  docs/quickstart.md         takes you from there"
        )


@dataclass(frozen=True)
class _Sent:
    what: str
    expected: str
    reply: Reply

    @property
    def as_expected(self) -> bool:
        return self.reply.content.get("outcome") == self.expected


def _recorded(database: Database, delivery_id: str) -> deliveries.Delivery:
    # What starts nothing is recorded within a second after its answer.
    deadline = time.monotonic() + _RECORDED_S
    while True:
        with database.read() as connection:
            found = deliveries.find(connection, delivery_id)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise HooklineError(f"Delivery {delivery_id} was not recorded")
        time.sleep(_REFRESH_S)


def _colored(status: str) -> str:
    return f"[{_STYLES.get(status, 'dim')}]{status}[/]"


def _declaration() -> Any:
    return {
        "name": _PIPELINE,
        "roleArn": "arn:aws:iam::000000000000:role/hookline-demo",
        "artifactStore": {"type": "S3", "location": "hookline-demo"},
        "stages": [
            {
                "name": "Source",
                "actions": [
                    {
                        "name": "Checkout",
                        "actionTypeId": _type("Source", "ThirdParty", "GitHub"),
                        "configuration": {
                            "Owner": _OWNER,
                            "Repo": _REPOSITORY,
                            "Branch": "main",
                            "OAuthToken": "not-needed-for-a-local-repository",
                        },
                        "outputArtifacts": [{"name": "Code"}],
                    }
                ],
            },
            {
                "name": "Build",
                "actions": [
                    {
                        "name": "Greet",
                        "actionTypeId": _type("Compute", "AWS", "Commands"),
                        "commands": ["bash hello.sh > greeting.txt", "cat greeting.txt"],
                        "inputArtifacts": [{"name": "Code"}],
                        "outputArtifacts": [{"name": "Greeting", "files": ["greeting.txt"]}],
                    }
                ],
            },
        ],
    }


def _type(category: str, owner: str, provider: str) -> dict[str, str]:
    return {"category": category, "owner": owner, "provider": provider, "version": "1"}


def push_event(commit_id: str, ref: str) -> dict[str, Any]:
    """A push event in the shape GitHub sends it, of one commit to `ref`."""
    name = f"{_OWNER}/{_REPOSITORY}"
    author = {"name": "Mona Lisa", "email": "mona@example.com", "username": "mona"}
    commit = {
        "id": commit_id,
        "tree_id": "0" * 40,
        "distinct": True,
        "message": "Say hello",
        "timestamp": "2026-01-01T00:00:00Z",
        "url": f"https://github.com/{name}/commit/{commit_id}",
        "author": author,
        "committer": author,
        "added": ["hello.sh"],
        "removed": [],
        "modified": [],
    }
    return {
        "ref": ref,
        "before": "0" * 40,
        "after": commit_id,
        "created": True,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.com/{name}/commit/{commit_id[:12]}",
        "commits": [commit],
        "head_commit": commit,
        "repository": {
            "id": 1,
            "name": _REPOSITORY,
            "full_name": name,
            "private": False,
            "default_branch": "main",
            "html_url": f"https://github.com/{name}",
            "owner": {"name": _OWNER, "login": _OWNER, "type": "Organization"},
        },
        "pusher": {"name": "mona", "email": "mona@example.com"},
        "sender": {"login": "mona", "id": 1, "type": "User"},
    }


def _make_repository(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "hello.sh").write_text(
        'echo "Hello from the commit that was pushed."\necho "It runs in $(basename "$PWD")."\n'
    )
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", ".")
    identity = ("-c", "user.name=Mona Lisa", "-c", "user.email=mona@example.com")
    _git(folder, *identity, "commit", "--quiet", "--message", "Say hello")
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git of the user's PATH
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise HooklineError("The demo needs the program git. Install it and try again.") from error
    return done.stdout.strip()


@contextmanager
def _server(folder: Path, github: Path) -> Iterator[Settings]:
    """A real server on a free port, with nothing of the caller's settings."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")
    }
    environment |= {
        "HOOKLINE_CONFIG": os.devnull,
        "HOOKLINE_DATA_DIR": str(folder / "data"),
        "HOOKLINE_GITHUB_URL": github.as_uri(),
        "HOOKLINE_PORT": "0",
    }
    with (folder / "serve.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline.cli", "serve"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield config.load(
                environment | {"HOOKLINE_PORT": str(_ready_port(process, folder / "serve.log"))}
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _ready_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("Hookline listens on "):
                return int(line.rpartition(":")[2])
        time.sleep(0.05)
    raise HooklineError(f"The server did not start:\n{log.read_text()}")


def _client(settings: Settings) -> "CodePipelineClient":
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(profile.credentials_file(settings))
    os.environ["AWS_CONFIG_FILE"] = str(profile.config_file(settings))
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)
    import boto3  # noqa: PLC0415 - slow, and the server can start meanwhile

    return boto3.client("codepipeline")
