"""A log that can't be written costs its lines, and nothing else."""

import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from support.sending import push_event, send
from support.server import Server, until
from support.tenant import Tenant

MakeServer = Callable[..., Server]


@contextmanager
def full_disk() -> Iterator[int]:
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


@contextmanager
def gone_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def stopped_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4_096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


def lost(server: Server) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        figures = answer.read().decode()
    [line] = [
        line for line in figures.splitlines() if line.startswith("hookline_log_lines_lost_total ")
    ]
    return float(line.split()[1])


@pytest.mark.parametrize("errors", [full_disk, gone_reader, stopped_reader])
def test_t1_nothing_depends_on_a_log_line(
    make_server: MakeServer, github: Path, errors: Callable[[], AbstractContextManager[int]]
) -> None:
    server = make_server()
    with errors() as server.errors:
        server.start()
        tenant = Tenant(server, github)
        webhook = tenant.webhook(tenant.idle_pipeline())
        for number in range(3):
            assert tenant.push(webhook, push_event(n=number)).outcome == "started"
        # A line of each start, and one of each delivery.
        assert until(lambda: lost(server) >= 3)
        before = lost(server)
        for role in ("worker", "recorder", "engine"):
            [process] = server.children(role)
            process.kill()
            process.wait()
            assert until(lambda role=role: server.children(role))  # type: ignore[misc] # mypy takes no default for a lambda's parameter
        health = f"{server.url}/healthz"
        assert until(lambda: send(health, method="GET").status == 200)
        # The supervisor's lines, too.
        assert lost(server) >= before + 3
        assert tenant.push(webhook, push_event(n="after")).outcome == "started"
        assert server.stop() == 0
