"""A PostgreSQL of one's own for a benchmark: real, durable, and gone afterwards."""

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A fresh cluster on loopback; gives the address of an empty database."""
    folders = [*glob.glob("/usr/lib/postgresql/*/bin"), *os.environ["PATH"].split(":")]
    initdb = next((found for folder in folders if (found := shutil.which("initdb", path=folder))), None)
    if initdb is None:
        raise SystemExit("Install PostgreSQL (Debian package postgresql) first.")
    programs = os.path.dirname(initdb)
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="hookline-pg-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        if prefix:
            shutil.chown(folder, "postgres")
        data, log = f"{folder}/data", f"{folder}/log"
        run = lambda *command: subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")
        run(initdb, "-D", data, "-U", "hookline", "-A", "trust", "-E", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        run(f"{programs}/pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            run(f"{programs}/createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "hookline", "hookline")
            yield f"postgresql://hookline@127.0.0.1:{port}/hookline"
        finally:
            run(f"{programs}/pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
