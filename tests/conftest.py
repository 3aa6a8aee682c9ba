"""Fixtures: real servers on both databases, and what goes with them; the rule on skips."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hookline.store.database import Database
from support.postgres import Cluster
from support.server import Server
from support.tenant import Tenant

# Reasons for which a test may be skipped although HOOKLINE_FORBID_SKIPS=1, each with why.
ALLOWED_SKIPS: dict[str, str] = {
    "needs terraform and its provider hashicorp/aws": "neither is in a package registry: the "
    "provider comes from HashiCorp's own, or from a mirror (HOOKLINE_TERRAFORM_MIRROR)",
}


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
    with ExitStack() as stack:
        cluster = Cluster()
        stack.callback(cluster.close)
        yield cluster


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def make_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('database') / 'hookline.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.create_database


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    return make_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


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
