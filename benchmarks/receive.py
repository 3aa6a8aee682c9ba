"""The receiving path beside adnanh/webhook, on this machine, in one run.

    benchmarks/receive.py [--seconds 5] [--rounds 5] [--database sqlite|postgresql|both] [--filled]

Starts Hookline (one HTTP worker and the engine) and adnanh/webhook (Debian package `webhook`; rule:
HMAC-SHA256 and `ref` equals; runs /bin/true) on loopback, and drives each in alternating rounds
with wrk: 32 connections, a push of 7-8 KB, each event another one. Prints medians. With --filled,
the database holds 100,000 webhooks and 1,000,000 deliveries before.
"""

import argparse
import contextlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
from rich.console import Console
from rich.table import Table

from hookline.demo import push_event
from hookline.model import Verdict, new_id
from hookline.store import deliveries, tables
from hookline.store.database import Database

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.postgres import Cluster

SECRET = "benchmark-secret"
CONNECTIONS = 32
BODY_SIZE = 7_600
SETTLED_S = 0.02
KINDS = ("refused", "filtered", "started")
REFS = {
    "refused": "refs/heads/main",
    "filtered": "refs/heads/other",
    "started": "refs/heads/main",
}
MARK = "@@@@@@@@@@@@"
# More distinct events than any server here takes in a second, so that none is sent twice.
EVENTS_PER_SECOND = {"refused": 50, "filtered": 20_000, "started": 20_000}

WRK_SCRIPT = """
local events, before, after = {}, nil, nil
function init(args)
  local body = io.open(args[1]):read("*a")
  local mark = body:find("@@@@@@@@@@@@", 1, true)
  before, after = body:sub(1, mark - 1), body:sub(mark + 12)
  for line in io.lines(args[2]) do events[#events + 1] = line end
end
local at = 0
function request()
  at = at % #events + 1
  local line = events[at]
  local headers = {
    ["Content-Type"] = "application/json", ["X-GitHub-Event"] = "push",
    ["X-GitHub-Delivery"] = line:sub(1, 12), ["User-Agent"] = "GitHub-Hookshot/044aadd",
    ["X-Hub-Signature-256"] = "sha256=" .. line:sub(14),
  }
  return wrk.format("POST", nil, headers, before .. line:sub(1, 12) .. after)
end
"""


@dataclass
class Figures:
    """One round: requests/s, latencies in ms, CPU in µs a request, memory in MB, failures.

    `rate` counts answers; `done` counts the requests over the time until the server was idle again,
    since adnanh/webhook answers before its process runs.
    """

    rate: float
    done: float
    p50: float
    p99: float
    cpu: float
    memory: float
    failures: int


def push_body(ref: str, commit_id: str) -> str:
    """A push of 7-8 KB, with a mark where each event differs."""
    event = push_event(commit_id, ref)
    event["repository"]["description"] = MARK
    commit = event["commits"][0]
    while len(json.dumps(event)) < BODY_SIZE:
        event["commits"].append({**commit, "id": os.urandom(20).hex()})
    return json.dumps(event)


def write_events(file: Path, body: str, secret: str, count: int) -> None:
    """One line an event: its mark's text and the signature of the body with it."""
    before, after = (part.encode() for part in body.split(MARK))
    key = secret.encode()
    with file.open("w") as stream:
        for _ in range(count):
            mark = os.urandom(6).hex()
            signature = hmac.digest(key, before + mark.encode() + after, "sha256").hex()
            stream.write(f"{mark} {signature}\n")


def drive(url: str, folder: Path, kind: str, seconds: int, processes: list[int]) -> Figures:
    """One round of wrk against `url`."""
    body = (folder / f"{kind}.json").read_text()
    secret = "not the secret" if kind == "refused" else SECRET
    count = int(EVENTS_PER_SECOND[kind] * max(1.0, seconds))
    write_events(folder / "events", body, secret, count)
    settle(processes)
    before, began = cpu_seconds(processes), time.perf_counter()
    finished = subprocess.run(
        [
            *("wrk", "--latency", f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s"),
            *("-s", folder / "wrk.lua", url, "--", folder / f"{kind}.json", folder / "events"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    held = sum(memory(process) for process in processes) / 1e6
    settle(processes)
    took = time.perf_counter() - began
    return parse(finished.stdout, cpu_seconds(processes) - before, took, held)


def parse(report: str, cpu: float, took: float, held: float) -> Figures:
    """Figures from wrk's report, and what else was measured."""
    requests = int(found(r"(\d+) requests in", report))
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", report)
    return Figures(
        rate=float(found(r"Requests/sec:\s+([\d.]+)", report)),
        done=requests / took,
        p50=milliseconds(found(r"50%\s+([\d.]+\s?[mu]?s)", report)),
        p99=milliseconds(found(r"99%\s+([\d.]+\s?[mu]?s)", report)),
        cpu=cpu / requests * 1e6,
        memory=held,
        failures=int(failed[1] if failed else 0)
        + sum(int(number) for number in (sockets.groups() if sockets else ())),
    )


def found(pattern: str, text: str) -> str:
    """The one group of `pattern` in `text`."""
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk printed no {pattern}:\n{text}")
    return match[1]


def milliseconds(text: str) -> float:
    """A duration as wrk prints it, such as 1.23ms."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text.replace(" ", "")).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def settle(processes: list[int]) -> None:
    """Wait until no server is still busy with what it has answered in the round before."""
    used = -1.0
    while (now := cpu_seconds(processes)) - used > SETTLED_S:
        used = now
        time.sleep(0.2)


def cpu_seconds(processes: list[int]) -> float:
    """CPU time used so far by the processes and their reaped children."""
    total = 0.0
    for process in processes:
        times = psutil.Process(process).cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory(process: int) -> int:
    """Resident memory of a process, in bytes."""
    return psutil.Process(process).memory_info().rss


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[int]:
    """A server process of ours."""
    with log.open("w") as stream:
        process = subprocess.Popen(arguments, env=environment, stdout=stream, stderr=stream)
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def wait_for(url: str) -> None:
    """Wait until `url` answers."""
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{url} does not answer")


@contextlib.contextmanager
def peer(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """adnanh/webhook with the same rules."""
    rule = {
        "and": [
            {
                "match": {
                    "type": "payload-hmac-sha256",
                    "secret": SECRET,
                    "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
                }
            },
            {
                "match": {
                    "type": "value",
                    "value": "refs/heads/main",
                    "parameter": {"source": "payload", "name": "ref"},
                }
            },
        ]
    }
    hook = {"id": "push", "execute-command": "/bin/true", "trigger-rule": rule}
    (folder / "hooks.json").write_text(json.dumps([hook]))
    port = free_port()
    arguments = ["webhook", "-hooks", str(folder / "hooks.json"), "-ip", "127.0.0.1"]
    with running([*arguments, "-port", str(port)], dict(os.environ), folder / "peer.log") as pid:
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/hooks/push", [pid]


def fill(address: str) -> None:
    """Put 100,000 webhooks and 1,000,000 deliveries into a database."""
    database = Database(address)
    database.migrate()
    with database.write() as connection:
        for begin in range(0, 100_000, 10_000):
            connection.execute(
                tables.webhooks.insert(),
                [webhook_row(number) for number in range(begin, begin + 10_000)],
            )
    noise = os.urandom(1_600)
    for begin in range(0, 1_000_000, 10_000):
        with database.write() as connection:
            deliveries.insert(
                connection, [delivery(number, noise) for number in range(begin, begin + 10_000)]
            )
    database.close()


def webhook_row(number: int) -> dict[str, object]:
    """A webhook that nobody calls."""
    return {
        "account": "111111111111",
        "region": "us-east-1",
        "name": f"webhook-{number}",
        "target_pipeline": "pipeline",
        "target_action": "Source",
        "filters": [["$.ref", "refs/heads/{Branch}"]],
        "authentication": "GITHUB_HMAC",
        "secret_sealed": os.urandom(60),
        "token_hash": os.urandom(32),
        "token_sealed": os.urandom(80),
    }


def delivery(number: int, body: bytes) -> deliveries.Delivery:
    """A delivery of the size of a filtered push."""
    return deliveries.Delivery(
        id=new_id(),
        webhook_id=number % 100_000,
        received_at=time.time(),
        verdict=Verdict.FILTERED,
        remote="127.0.0.1",
        headers={"user-agent": "GitHub-Hookshot/044aadd", "x-github-event": "push"},
        trace={"authentication": "GITHUB_HMAC", "authenticated": True, "filters": []},
        body_size=7_600,
        body=body,
    )


@contextlib.contextmanager
def hookline(folder: Path, database: str) -> Iterator[tuple[str, list[int]]]:
    """Hookline, with a pipeline of one source and one command."""
    data = folder / "data"
    environment = {
        **os.environ,
        "HOOKLINE_DATA_DIR": str(data),
        "HOOKLINE_PORT": str(free_port()),
        "HOOKLINE_GITHUB_URL": (folder / "github").as_uri(),
        "HOOKLINE_DATABASE_URL": database,
        "HOOKLINE_CONFIG": os.devnull,
    }
    address = f"http://127.0.0.1:{environment['HOOKLINE_PORT']}"
    command = [sys.executable, "-m", "hookline.cli", "serve"]
    with running(command, environment, folder / "hookline.log") as pid:
        wait_for(f"{address}/healthz")
        while urllib.request.Request(f"{address}/healthz") and not ready(address):
            time.sleep(0.05)
        processes = [pid, *(child.pid for child in psutil.Process(pid).children())]
        yield webhook_url(data), processes


def ready(address: str) -> bool:
    """Whether the server says it is ready."""
    try:
        urllib.request.urlopen(f"{address}/healthz").close()
    except urllib.error.HTTPError:
        return False
    return True


def webhook_url(data: Path) -> str:
    """The URL of a new webhook to a new pipeline."""
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(data / "aws" / "credentials")
    os.environ["AWS_CONFIG_FILE"] = str(data / "aws" / "config")
    client = boto3.session.Session().client("codepipeline")
    source = {
        "name": "App",
        "actionTypeId": action_type("Source", "ThirdParty", "GitHub"),
        "configuration": {"Owner": "o", "Repo": "r", "Branch": "main", "OAuthToken": "t"},
        "outputArtifacts": [{"name": "Code"}],
    }
    build = {
        "name": "Test",
        "actionTypeId": action_type("Compute", "AWS", "Commands"),
        "commands": ["true"],
        "inputArtifacts": [{"name": "Code"}],
    }
    client.create_pipeline(
        pipeline={
            "name": "benchmark",
            "roleArn": "arn:aws:iam::000000000000:role/benchmark",
            "artifactStore": {"type": "S3", "location": "benchmark"},
            "stages": [
                {"name": "Source", "actions": [source]},
                {"name": "Test", "actions": [build]},
            ],
        }
    )
    return client.put_webhook(
        webhook={
            "name": "benchmark",
            "targetPipeline": "benchmark",
            "targetAction": "App",
            "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
            "authentication": "GITHUB_HMAC",
            "authenticationConfiguration": {"SecretToken": SECRET},
        }
    )["webhook"]["url"]


def action_type(category: str, owner: str, provider: str) -> dict[str, str]:
    """An ActionTypeId of version 1."""
    return {"category": category, "owner": owner, "provider": provider, "version": "1"}


def make_repository(folder: Path) -> str:
    """A repository of one commit; its id."""
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a\n")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-qb", "main"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def compare(console: Console, database: str, name: str, options: argparse.Namespace) -> None:
    """Measure both servers in alternating rounds, and print the medians."""
    seconds, rounds = options.seconds, options.rounds
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as temporary:
        folder = Path(temporary)
        commit_id = make_repository(folder / "github" / "o" / "r")
        (folder / "wrk.lua").write_text(WRK_SCRIPT)
        for kind, ref in REFS.items():
            (folder / f"{kind}.json").write_text(push_body(ref, commit_id))
        if options.filled:
            console.print(f"{name}: filling the database …", style="dim")
            (folder / "data").mkdir()
            fill(database or f"sqlite:///{folder / 'data' / 'hookline.db'}")
        with peer(folder) as theirs, hookline(folder, database) as ours:
            table = Table(title=f"Hookline on {name}", title_justify="left")
            for column in (
                *("verdict", "server", "answers/s", "done/s", "p50 ms", "p99 ms", "CPU µs/request"),
                *("memory MB", "failures"),
            ):
                table.add_column(column, justify="right")
            for kind in KINDS:
                measured = {"webhook": [], "Hookline": []}
                for number in range(rounds):
                    console.print(f"{name}: {kind}, round {number + 1} of {rounds}", style="dim")
                    for server, (url, processes) in (("webhook", theirs), ("Hookline", ours)):
                        figures = drive(url, folder, kind, seconds, processes)
                        measured[server].append(figures)
                add_rows(table, kind, measured)
            console.print(table)


def add_rows(table: Table, kind: str, measured: dict[str, list[Figures]]) -> None:
    """A row for each server, and their ratio."""
    medians = {}
    for server, figures in measured.items():
        median = {
            field: statistics.median(getattr(item, field) for item in figures)
            for field in ("rate", "done", "p50", "p99", "cpu", "memory", "failures")
        }
        medians[server] = median
        table.add_row(
            *(kind, server, f"{median['rate']:,.0f}", f"{median['done']:,.0f}"),
            f"{median['p50']:.2f}",
            *(f"{median['p99']:.2f}", f"{median['cpu']:.0f}", f"{median['memory']:.0f}"),
            # A refusal is no 2xx, and wrk counts it so.
            "" if kind == "refused" else f"{median['failures']:.0f}",
        )
    ours, theirs = medians["Hookline"], medians["webhook"]
    ratios = [
        f"{ours[field] / theirs[field]:.2f}" for field in ("rate", "done", "p50", "p99", "cpu")
    ]
    table.add_row(
        "",
        "ratio",
        *ratios,
        "",
        "",
        end_section=True,
    )


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--filled", action="store_true")
    options = parser.parse_args()
    missing = [program for program in ("wrk", "webhook", "git") if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"Install {', '.join(missing)} (Debian packages of these names) first.")
    console = Console()
    if options.database in {"sqlite", "both"}:
        compare(console, "", "SQLite", options)
    if options.database in {"postgresql", "both"}:
        with contextlib.closing(Cluster()) as cluster:
            compare(console, cluster.create_database(), "PostgreSQL", options)


if __name__ == "__main__":
    main()
