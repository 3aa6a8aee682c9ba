"""What executions cost that wait for a person, while nothing happens.

    benchmarks/approvals.py [--waiting 10000] [--seconds 30] [--database sqlite|postgresql|both]

Two servers, one of them with so many approvals that wait, are measured over the same time: CPU and
memory (proportional set size) of all their processes.
"""

import argparse
import base64
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil
from engine import all_processes, declaration, machine
from receive import cpu_seconds, settle

from hookline.actions.provider import Waiting
from hookline.executions.finish import Outcome, finish
from hookline.executions.start import Start, start
from hookline.executions.take import take
from hookline.model import DEFAULT_LABEL, Scope, Trigger, new_id
from hookline.store import nodes, pipelines
from hookline.store.database import Database
from hookline.store.nodes import Node
from support.node import DONE
from support.postgres import Cluster
from support.server import Server

SCOPE = Scope("000000000000", "us-east-1")
BATCH = 500
WEEK_S = 604_800.0


def fill(address: str, count: int) -> None:
    """Let so many executions wait for a person, in a database of its own, before its server."""
    database = Database(address, limited=False)
    database.migrate()
    with database.write() as connection:
        pipelines.create(connection, SCOPE, declaration("ask", Path("unused"), approval=True))
    filler = new_id()
    with database.write() as connection:
        nodes.put(connection, Node("filler", filler, "0", (DEFAULT_LABEL,)))
    for begin in range(0, count, BATCH):
        new = [Start(new_id(), Trigger("Webhook", "arn")) for _ in range(min(BATCH, count - begin))]
        with database.write() as connection:
            pipelines.lock(connection, [(SCOPE, "ask")])
            pipeline = pipelines.find(connection, SCOPE, "ask")
            start(connection, pipeline, new)
        end_all(database, filler, lambda: DONE)
        end_all(database, filler, lambda: Waiting(new_id(), WEEK_S))
    with database.write() as connection:
        nodes.remove(connection, filler)
    database.close()


def end_all(database: Database, filler: str, outcome: object) -> None:
    """Take all that may be run now, and end it."""
    taken = take(database, filler, [DEFAULT_LABEL], BATCH)
    with database.write() as connection:
        for held in taken:
            given: Outcome = outcome()
            finish(connection, held, given)


@contextlib.contextmanager
def servers(kind: str, waiting: int) -> Iterator[dict[str, Server]]:
    """One server without approvals, and one with so many."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-")))
        if kind == "postgresql":
            cluster = Cluster()
            stack.callback(cluster.close)
        found = {}
        for count in (0, waiting):
            name = f"{count:,} approvals"
            address = f"sqlite:///{folder / str(count)}.db"
            if kind == "postgresql":
                address = cluster.create_database()
            fill(address, count)
            key = base64.b64encode(os.urandom(32)).decode()
            server = Server(folder / str(count), database_url=address, master_key=key)
            found[name] = stack.enter_context(server)
        yield found


def measure(running: dict[str, Server], seconds: int) -> None:
    """Print what each uses over the same time."""
    processes = {name: all_processes(server.process.pid) for name, server in running.items()}
    for pids in processes.values():
        settle(pids)
    before = {name: cpu_seconds(pids) for name, pids in processes.items()}
    time.sleep(seconds)
    for name, pids in processes.items():
        used = (cpu_seconds(pids) - before[name]) / seconds
        held = sum(psutil.Process(pid).memory_full_info().pss for pid in pids)
        print(f"  {name}: {used:.2%} of a core, {held / 1e6:.0f} MB", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    options = parser.parse_args()
    print(machine())
    for kind in ["sqlite", "postgresql"] if options.database == "both" else [options.database]:
        print(kind, flush=True)
        with servers(kind, options.waiting) as running:
            measure(running, options.seconds)


if __name__ == "__main__":
    main()
