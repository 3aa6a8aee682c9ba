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
        with _server(Path(folder), github) as environment:
            console.print(f"✓ hookline serve, on {config.load(environment).endpoint_url}")
            return _Demo(console, Path(folder), environment, commit_id).run()


class _Demo:
    def __init__(
        self, console: Console, folder: Path, environment: dict[str, str], commit_id: str
    ) -> None:
        self._console = console
        self._folder = folder
        self._environment = environment
        self._commit_id = commit_id
        self._secret = secrets.token_hex(20)
        self._client = _client(config.load(environment))

    def run(self) -> int:
        url = self._apply()
        sent = [
            self._send("signed push to main", "started", url, "main"),
            self._send(
                "the same, wrong signature",
                "refused",
                url,
                "main",
                secret="not the secret",  # noqa: S106 - wrong on purpose
            ),
            self._send("signed push to feature", "filtered", url, "feature"),
        ]
        execution_id = sent[0].answer.get("execution", "")
        status = self._follow(execution_id) if execution_id else "never started"
        self._show_verdicts(sent)
        self._show_log(execution_id)
        happened = status == "Succeeded" and all(item.as_expected for item in sent)
        if happened:
            self._show_how_to_go_on()
        else:
            self._console.print(f"[red]Not all of it happened[/]: the execution {status}.")
        return 0 if happened else 1

    def _apply(self) -> str:
        """Declare the pipeline and the webhook; gives the webhook's URL."""
        file = self._write("hello.json", _declarations(self._secret))
        applied = self._hookline("apply", "--yes", file)
        url = next(line.strip() for line in applied.splitlines() if "/trigger?" in line)
        self._console.print(
            f"✓ CreatePipeline {_PIPELINE}: Source (GitHub) → Build (Commands)\n"
            f"✓ PutWebhook {_WEBHOOK}: $.ref = refs/heads/{{Branch}}, GITHUB_HMAC\n"
            f"  {url.partition('?')[0]}?t=…\n"
        )
        return url

    def _send(
        self, what: str, expected: str, url: str, branch: str, secret: str | None = None
    ) -> "_Sent":
        file = self._write("push.json", push_event(self._commit_id, f"refs/heads/{branch}"))
        shown = self._hookline("send", "--url", url, file, secret=secret or self._secret)
        answer = dict(line.split(maxsplit=1) for line in shown.splitlines())
        return _Sent(what, expected, answer)

    def _write(self, name: str, content: Any) -> str:
        file = self._folder / name
        file.write_text(json.dumps(content))
        return str(file)

    def _hookline(self, *arguments: str, secret: str = "") -> str:
        """What a command prints; `secret` is what `hookline send` signs with."""
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            [sys.executable, "-m", "hookline.cli", *arguments],
            env={**self._environment, "HOOKLINE_SEND_SECRET": secret},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode > 1:
            raise HooklineError(done.stderr)
        return done.stdout

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
        recorded = self._recorded({item.answer["delivery"] for item in sent})
        for item in sent:
            why = recorded[item.answer["delivery"]]
            table.add_row(item.what, item.answer["status"], item.answer["outcome"], why)
        self._console.print(table)

    def _recorded(self, delivery_ids: set[str]) -> dict[str, str]:
        """Why each delivery got its verdict."""
        # What starts nothing is recorded within a second after its answer.
        deadline = time.monotonic() + _RECORDED_S
        while True:
            lines = self._hookline("deliveries", "list", "--json").splitlines()
            found = {item["id"]: item["why"] for item in map(json.loads, lines)}
            if delivery_ids <= found.keys():
                return found
            if time.monotonic() > deadline:
                missing = ", ".join(sorted(delivery_ids - found.keys()))
                raise HooklineError(f"Not recorded: {missing}")

    def _show_log(self, execution_id: str) -> None:
        if not execution_id:
            return
        _, *lines = self._hookline("logs", execution_id, "--action", "Greet").splitlines()
        self._console.print("\n[bold]The log of Build / Greet[/], its last lines:")
        for line in lines[-_LOG_LINES - 1 : -1]:
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
    answer: dict[str, str]

    @property
    def as_expected(self) -> bool:
        return self.answer.get("outcome") == self.expected


def _colored(status: str) -> str:
    return f"[{_STYLES.get(status, 'dim')}]{status}[/]"


def _declarations(secret: str) -> Any:
    webhook = {
        "name": _WEBHOOK,
        "targetPipeline": _PIPELINE,
        "targetAction": "Checkout",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": secret},
    }
    return [_pipeline(), webhook]


def _pipeline() -> Any:
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
def _server(folder: Path, github: Path) -> Iterator[dict[str, str]]:
    """A real server on a free port, with nothing of the caller's settings; gives those in use."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOOKLINE_", "AWS_"))
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
            port = _ready_port(process, folder / "serve.log")
            yield environment | {"HOOKLINE_PORT": str(port)}
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
