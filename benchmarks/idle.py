"""What Hookline costs while nothing happens: time until ready, memory and CPU of all processes.

benchmarks/idle.py [--seconds 30]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def main() -> None:
    """Measure a first start and a second one, then idle time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="hookline-idle-") as folder:
        for start in ("first start", "second start"):
            began = time.perf_counter()
            server = serve(Path(folder))
            print(f"{start}: ready after {time.perf_counter() - began:.2f} s")
            if start == "second start":
                watch(server, seconds)
            server.send_signal(signal.SIGTERM)
            server.wait()


def serve(folder: Path) -> subprocess.Popen[str]:
    """A server on a free port, when it has said that it is ready."""
    environment = {
        **os.environ,
        "HOOKLINE_DATA_DIR": str(folder / "data"),
        "HOOKLINE_CONFIG": os.devnull,
        "HOOKLINE_PORT": "0",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "hookline.cli", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while not server.stdout.readline().startswith("Hookline listens"):
        pass
    return server


def watch(server: subprocess.Popen[str], seconds: int) -> None:
    """Print memory and CPU of all its processes over some time."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(seconds)
    resident = proportional = cpu = 0.0
    for process, used in zip(processes, before, strict=True):
        info = process.memory_full_info()
        took = sum(process.cpu_times()[:2]) - used
        role = " ".join(process.cmdline()).strip()
        print(
            f"{role[:40]:40} {info.rss / 1e6:6.1f} MB resident, {info.pss / 1e6:6.1f} MB "
            f"proportional, {took / seconds:6.2%} of a core"
        )
        resident, proportional, cpu = resident + info.rss, proportional + info.pss, cpu + took
    print(
        f"{'together':40} {resident / 1e6:6.1f} MB resident, {proportional / 1e6:6.1f} MB "
        f"proportional, {cpu / seconds:6.2%} of a core"
    )


if __name__ == "__main__":
    main()
