"""What each operation takes with few past executions of a pipeline, and with many.

    benchmarks/growth.py [--executions 100000] [--few 20] [--repeat 15]
                         [--database sqlite|postgresql|both]

Makes two databases with one pipeline each: one with --few executions, so that its pages are full,
one with --executions. Then lets each operation run in turn on the one and the other, in this
process: no HTTP, and what it writes is rolled back. Prints the least of --repeat calls.
"""

import argparse
import contextlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.growth import History
from support.postgres import Cluster


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    kinds = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    for kind in kinds:
        measure(kind, (options.few, options.executions), options.repeat, console)


def measure(kind: str, counts: tuple[int, int], repeat: int, console: Console) -> None:
    """Print a table of what the operations take."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-growth-")))
        cluster = None
        if kind == "postgresql":
            cluster = Cluster()
            stack.callback(cluster.close)
        operations = []
        for count in counts:
            own = folder / str(count)
            own.mkdir()
            url = cluster.create_database() if cluster else f"sqlite:///{own / 'hookline.db'}"
            history = History(url, own, count)
            stack.callback(history.close)
            operations.append(history.operations())
        few, many = operations
        table = Table(kind, *(f"{count:,} past, ms" for count in counts), "ratio")
        for name, operation in many.items():
            times = alternate(few[name], operation, repeat)
            table.add_row(name, *(f"{took:.2f}" for took in times), f"{times[1] / times[0]:.2f}")
        console.print(table)


def alternate(
    few: Callable[[], object], many: Callable[[], object], repeat: int
) -> tuple[float, float]:
    """The least that both take, in milliseconds: the rest is the machine's other work."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeat):
        for operation, times in zip((few, many), took, strict=True):
            began = time.perf_counter()
            operation()
            times.append((time.perf_counter() - began) * 1e3)
    return min(took[0]), min(took[1])


if __name__ == "__main__":
    main()
