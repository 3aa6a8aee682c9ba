"""Two, then three nodes on one PostgreSQL, killed, frozen and revived at random.

    benchmarks/nodes.py [--minutes 10] [--seed 7]

Half of the time with two nodes, half with three. Prints how many executions were answered, and how
many of them ended once, twice and never: all, none and none are right; else it exits with status 1.
"""

import argparse
import base64
import contextlib
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from engine import machine

from support.faults import Storm, Tally
from support.postgres import Cluster
from support.server import Server
from support.tenant import Tenant


def storm(count: int, seconds: float, seed: int) -> Tally:
    """So many nodes on a new database, for so long."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-")))
        cluster = Cluster()
        stack.callback(cluster.close)
        github = folder / "github"
        shared = {
            "database_url": cluster.create_database(),
            "artifact_store": str(folder / "artifacts"),
            "master_key": base64.b64encode(os.urandom(32)).decode(),
            "github_url": github.as_uri(),
            "log_format": "json",
        }
        nodes = []
        for number in range(count):
            name = f"node-{number}"
            nodes.append(stack.enter_context(Server(folder / name, node=name, **shared)))
        return Storm(nodes, Tenant(nodes[0], github), seed).blow(seconds)


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(machine())
    bad = False
    for count in (2, 3):
        tally = storm(count, options.minutes * 30, options.seed)
        faults = ", ".join(f"{what} {number}x" for what, number in sorted(tally.faults.items()))
        bad = bad or bool(tally.twice or tally.never)
        print(
            f"{count} nodes: {tally.answered} executions answered, {tally.refused} refused; "
            f"ended once {tally.once}, twice {len(tally.twice)}, "
            f"never {len(tally.never)}; {faults}",
            flush=True,
        )
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
