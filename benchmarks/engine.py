"""An execution beside adnanh/webhook with a shell script, on this machine, in one run.

    benchmarks/engine.py [--runs 10] [--rounds 3] [--database sqlite|postgresql|both]
                         [--burst 200] [--approvals 0]

Both clone a small repository over file:// and run one command that writes the time: Hookline in a
pipeline of two stages, adnanh/webhook (Debian package `webhook`) in a script. Each round sends
signed pushes, one at a time, to the one and the other. Prints CPU of all processes a run, those of
git and the shell among them but not PostgreSQL's own, and the time from the POST to the command's
first line. Needs root, for control groups. Then --burst executions of 20 pipelines at once,
and deliveries meanwhile to a webhook whose filter lets nothing pass. With --approvals so many
executions wait for a person before all of it.
"""

import argparse
import contextlib
import hashlib
import hmac
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path

import boto3
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cgroup import Group, group
from receive import SECRET, SETTLED_S, free_port, running, wait_for

from support.postgres import Cluster

PIPELINES = 20
WAIT_S = 120.0
SCRIPT = """\
set -e
folder=$(mktemp -d)
git clone --quiet --depth 1 "file://$1" "$folder/code"
cd "$folder/code"
bash -c 'date +%s%N >> "$0"' "$2"
rm -rf "$folder"
"""


@dataclass
class Server:
    """A server to be measured: where to send pushes, where its command writes, its processes.

    `group` accounts for all of them, and for what they start.
    """

    name: str
    url: str
    notes: Path
    processes: Callable[[], list[int]]
    group: Group
    latencies: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def push(url: str, number: int, ref: str = "refs/heads/main") -> float:
    """Send a signed push that was never sent before; the seconds that the answer took."""
    body = json.dumps({"ref": ref, "number": f"{number}/{os.urandom(6).hex()}"}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(
        url,
        body,
        {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": f"sha256={signature}",
        },
    )
    began = time.perf_counter()
    urllib.request.urlopen(request, timeout=30).close()
    return time.perf_counter() - began


def lines(notes: Path) -> list[int]:
    """When commands have run so far, in nanoseconds of the clock."""
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not happen within {WAIT_S:.0f} s")
        time.sleep(0.005)


def settle(server: Server) -> None:
    """Wait until the server is idle."""
    used = -1.0
    while (now := server.group.cpu_seconds()) - used > SETTLED_S:
        used = now
        time.sleep(0.2)


def measure(server: Server, runs: int) -> None:
    """One round: so many runs, one after the other."""
    settle(server)
    before = server.group.cpu_seconds()
    for number in range(runs):
        seen = len(lines(server.notes))
        began = time.time_ns()
        push(server.url, number)
        wait_until(lambda seen=seen: len(lines(server.notes)) > seen, f"a run of {server.name}")
        server.latencies.append((lines(server.notes)[-1] - began) / 1e6)
        # The run is over when its server is idle again: it still cleans up, and stores.
        settle(server)
    server.cpu.append((server.group.cpu_seconds() - before) / runs * 1e3)


def make_repository(folder: Path) -> Path:
    """A repository with one small commit."""
    repository = folder / "github" / "acme" / "app"
    repository.mkdir(parents=True)
    (repository / "README").write_text("hello\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--message", "First"],
    ):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    return repository


@contextlib.contextmanager
def peer(folder: Path, repository: Path) -> Iterator[Server]:
    """adnanh/webhook with the script."""
    notes, script = folder / "peer-notes", folder / "run.sh"
    script.write_text(SCRIPT)
    signature = {"source": "header", "name": "X-Hub-Signature-256"}
    match = {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": signature}
    arguments = ["bash", str(script), str(repository), str(notes)]
    hook = {
        "id": "push",
        "execute-command": "/usr/bin/env",
        "pass-arguments-to-command": [{"source": "string", "name": item} for item in arguments],
        "trigger-rule": {"match": match},
    }
    (folder / "hooks.json").write_text(json.dumps([hook]))
    port = free_port()
    command = ["webhook", "-hooks", str(folder / "hooks.json"), "-ip", "127.0.0.1"]
    with contextlib.ExitStack() as stack:
        accounts = stack.enter_context(group("peer"))
        started = accounts.started([*command, "-port", str(port)])
        pid = stack.enter_context(running(started, dict(os.environ), folder / "peer.log"))
        wait_for(f"http://127.0.0.1:{port}/")
        url = f"http://127.0.0.1:{port}/hooks/push"
        yield Server("adnanh/webhook + script", url, notes, lambda: [pid], accounts)


def declaration(name: str, notes: Path, *, approval: bool = False) -> dict[str, object]:
    """A pipeline of two stages: source, and one command or approval."""
    source = {
        "name": "App",
        "actionTypeId": {
            "category": "Source",
            "owner": "ThirdParty",
            "provider": "GitHub",
            "version": "1",
        },
        "configuration": {"Owner": "acme", "Repo": "app", "Branch": "main", "OAuthToken": "x"},
        "outputArtifacts": [{"name": "Code"}],
    }
    build = {
        "name": "Note",
        "actionTypeId": {
            "category": "Compute",
            "owner": "AWS",
            "provider": "Commands",
            "version": "1",
        },
        "commands": [f"date +%s%N >> {notes}"],
        "inputArtifacts": [{"name": "Code"}],
    }
    ask = {
        "name": "Ask",
        "actionTypeId": {
            "category": "Approval",
            "owner": "AWS",
            "provider": "Manual",
            "version": "1",
        },
    }
    return {
        "name": name,
        "pipelineType": "V2",
        "executionMode": "PARALLEL" if approval else "QUEUED",
        "roleArn": "arn:aws:iam::000000000000:role/unused",
        "artifactStore": {"type": "S3", "location": "unused"},
        "stages": [
            {"name": "Source", "actions": [source]},
            {"name": "Build", "actions": [ask if approval else build]},
        ],
    }


def put_webhook(client: object, pipeline: str, filters: list[dict[str, str]]) -> str:
    """A webhook that starts the pipeline; its URL."""
    webhook = {
        "name": f"{pipeline}-push-{os.urandom(3).hex()}",
        "targetPipeline": pipeline,
        "targetAction": "App",
        "filters": filters,
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": SECRET},
    }
    return str(client.put_webhook(webhook=webhook)["webhook"]["url"])


@contextlib.contextmanager
def hookline(folder: Path, database: str) -> Iterator[tuple[Server, object]]:
    """Hookline, with a pipeline and a client."""
    port, data = free_port(), folder / "data"
    environment = {
        **os.environ,
        "HOOKLINE_DATA_DIR": str(data),
        "HOOKLINE_CONFIG": os.devnull,
        "HOOKLINE_PORT": str(port),
        "HOOKLINE_GITHUB_URL": (folder / "github").as_uri(),
        "HOOKLINE_DATABASE_URL": database,
        "AWS_SHARED_CREDENTIALS_FILE": str(data / "aws" / "credentials"),
        "AWS_CONFIG_FILE": str(data / "aws" / "config"),
    }
    command = [sys.executable, "-m", "hookline.cli", "serve"]
    with contextlib.ExitStack() as stack:
        accounts = stack.enter_context(group("hookline"))
        started = accounts.started(command)
        pid = stack.enter_context(running(started, environment, folder / "hookline.log"))
        wait_until(lambda: is_ready(port), "the start of Hookline")
        os.environ |= {key: value for key, value in environment.items() if key.startswith("AWS_")}
        client = boto3.session.Session().client("codepipeline")
        notes = folder / "hookline-notes"
        client.create_pipeline(pipeline=declaration("p", notes))
        url = put_webhook(client, "p", [])
        name = "Hookline, " + ("PostgreSQL" if database else "SQLite")
        yield Server(name, url, notes, lambda: all_processes(pid), accounts), client


def is_ready(port: int) -> bool:
    """Whether the server says that it is ready."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
    except OSError:
        return False
    return True


def all_processes(pid: int) -> list[int]:
    """All that live as long as the server; what they run is counted once it has ended."""
    children = psutil.Process(pid).children()
    # The engine's launcher of programs is a child of the engine.
    launchers = [launcher for child in children for launcher in child.children()]
    return [pid, *(process.pid for process in (*children, *launchers))]


def deliver(url: str, done: Event, answers: SimpleQueue) -> None:
    """Send pushes, 50 a second at most, until `done`; how long the first and all others took."""
    answers.put(push(url, 0))
    taken = []
    while not done.wait(0.02):
        taken.append(push(url, len(taken)))
    answers.put(taken)


def burst(client: object, folder: Path, count: int, console: Console) -> None:
    """Start `count` executions of 20 pipelines at once, with deliveries to another meanwhile."""
    notes = folder / "burst-notes"
    for number in range(PIPELINES):
        client.create_pipeline(pipeline=declaration(f"burst-{number}", notes))
    never = [{"jsonPath": "$.ref", "matchEquals": "refs/heads/never"}]
    url = put_webhook(client, "burst-0", never)
    # In a process of its own: it would wait for this one's interpreter, too.
    context = multiprocessing.get_context("spawn")
    done, answers = context.Event(), context.SimpleQueue()
    sender = context.Process(target=deliver, args=(url, done, answers))
    sender.start()
    answers.get()
    began = time.perf_counter()
    for number in range(count):
        client.start_pipeline_execution(name=f"burst-{number % PIPELINES}")
    wait_until(lambda: len(lines(notes)) >= count, "the end of the burst")
    took = time.perf_counter() - began
    done.set()
    taken = answers.get()
    sender.join()
    taken.sort()
    console.print(
        f"{count} executions of {PIPELINES} pipelines: {count / took:.1f} a second; deliveries "
        f"meanwhile: p50 {taken[len(taken) // 2] * 1e3:.1f} ms, "
        f"p99 {taken[int(len(taken) * 0.99)] * 1e3:.1f} ms of {len(taken)}"
    )


def approve_later(client: object, folder: Path, server: Server, count: int) -> None:
    """Let so many executions wait for a person."""
    client.create_pipeline(pipeline=declaration("ask", folder / "unused", approval=True))
    url = put_webhook(client, "ask", [])
    for number in range(count):
        push(url, number)
    settle(server)


def idle(server: Server, console: Console, seconds: int = 20) -> None:
    """What all processes use while nothing happens."""
    before = server.group.cpu_seconds()
    time.sleep(seconds)
    used = (server.group.cpu_seconds() - before) / seconds
    held = sum(psutil.Process(pid).memory_full_info().pss for pid in server.processes())
    console.print(f"{server.name}, idle: {used:.2%} of a core, {held / 1e6:.0f} MB (Pss)")


def show(servers: list[Server], console: Console) -> None:
    """The figures, beside the first server's."""
    table = Table("server", "CPU a run, ms", "ratio", "first line, p50 ms", "ratio")
    base = servers[0]
    for server in servers:
        cpu, latency = statistics.median(server.cpu), statistics.median(server.latencies)
        table.add_row(
            server.name,
            f"{cpu:.0f}",
            f"{cpu / statistics.median(base.cpu):.1f}",
            f"{latency:.0f}",
            f"{latency / statistics.median(base.latencies):.1f}",
        )
    console.print(table)


def machine() -> str:
    """The interpreter and the processor, for the figures."""
    # Debian's own is built with both, and does not say so here.
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = [flag for flag in ("--enable-optimizations", "--with-lto") if flag in arguments]
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    interpreter = (
        f"Python {platform.python_version()} (CONFIG_ARGS: {', '.join(flags) or 'neither'})"
    )
    return f"{interpreter}; {len(models)} processors: {models[0]}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--burst", type=int, default=200)
    parser.add_argument("--approvals", type=int, default=0)
    options = parser.parse_args()
    console = Console(width=120)
    console.print(machine())
    kinds = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    for kind in kinds:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-")))
            repository = make_repository(folder)
            address = ""
            if kind == "postgresql":
                cluster = Cluster()
                stack.callback(cluster.close)
                address = cluster.create_database()
            beside = stack.enter_context(peer(folder, repository))
            ours, client = stack.enter_context(hookline(folder, address))
            if options.approvals:
                idle(ours, console)
                approve_later(client, folder, ours, options.approvals)
            idle(ours, console)
            for _ in range(options.rounds):
                for server in (beside, ours):
                    measure(server, options.runs)
            show([beside, ours], console)
            if options.burst:
                burst(client, folder, options.burst, console)


if __name__ == "__main__":
    main()
