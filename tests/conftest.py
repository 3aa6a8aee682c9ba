"""Fixtures: real servers on both databases, and what goes with them; the rule on skips."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from hookline.store.database import Database
from support import sqlite
from support.postgres import Cluster
from support.server import Server
from support.tenant import Tenant

# Reasons for which a test may be skipped although HOOKLINE_FORBID_SKIPS=1, each with why.
ALLOWED_SKIPS: dict[str, str] = {
    "needs terraform and its provider hashicorp/aws": "neither is in a package registry: the "
    "provider comes from HashiCorp's own, or from a mirror (HOOKLINE_TERRAFORM_MIRROR)",
    "needs docker and its daemon": "podman runs the same tests, and the daemon is root's on its "
    "machine; the words that docker is given are tested everywhere",
    "needs podman that can run a container": "many containers and virtual machines forbid it",
    "needs cgroups that bound memory": "rootless podman has none in cgroups of version 1",
}

# No deadline: what takes long on a loaded machine is no fault.
settings.register_profile("short", max_examples=50, deadline=None)
settings.register_profile("long", max_examples=1_000, deadline=None)
settings.load_profile("short")


# What waits for most of its time, beside what loads the machine.
_WAITING = {"test_healing.py", "test_nodes.py", "test_outages.py", "test_serve.py"}


class Groups(LoadScopeScheduling):
    """Tests of a group run one after the other in one process, which shares servers among them."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        if file.parent.name == "acceptance":
            return "acceptance that waits" if file.name in _WAITING else "acceptance under load"
        return str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _skips_are_forbidden():
        reason = str(report.longrepr[-1]).removeprefix("Skipped: ")
        if reason not in ALLOWED_SKIPS:
            report.outcome = "failed"
            report.longrepr = f"skipped ({reason}) although HOOKLINE_FORBID_SKIPS=1"
    return report


def _skips_are_forbidden() -> bool:
    return os.environ.get("HOOKLINE_FORBID_SKIPS") == "1"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with closing(Cluster(fsync=False)) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def make_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes databases with Hookline's schema; their addresses."""
    if request.param == "sqlite":
        return lambda: sqlite.create_database(tmp_path_factory.mktemp("database") / "hookline.db")
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.create_database


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    return make_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("github")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, github: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shared"), github_url=github.as_uri())
    with server:
        yield server


@pytest.fixture
def tenant(server: Server, github: Path) -> Tenant:
    return Tenant(server, github)


@pytest.fixture
def make_server(tmp_path: Path, github: Path) -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:

        def make(name: str = "server", **settings: str) -> Server:
            server = Server(tmp_path / name, **{"github_url": github.as_uri(), **settings})
            stack.callback(server.close)
            return server

        yield make
