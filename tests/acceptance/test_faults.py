"""The fault run: under load, each part fails in turn; then every answer is held against the store.

It prints its figures at the end.
"""

import os
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hookline.model import Verdict
from hookline.store.tables import deliveries, executions, webhooks
from support.load import Load
from support.sending import Reply, push, push_event, send
from support.server import Server, until
from support.tenant import SECRET, Tenant

MakeServer = Callable[..., Server]


@pytest.fixture(scope="module")
def trio(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, github: Path
) -> Iterator[Server]:
    """A server of three workers."""
    folder, url = tmp_path_factory.mktemp("trio"), make_database()
    server = Server(folder, github_url=github.as_uri(), database_url=url)
    server.options = ["--workers", "3"]
    with server:
        yield server


def figures_of(server: Server, replies: list[Reply]) -> dict[str, int]:
    """What was answered and what is kept, after checking each against the other."""
    with server.database.read() as connection:
        kept = Counter(connection.execute(select(executions.c.id)).scalars())
        recorded = Counter(
            connection.execute(
                select(deliveries.c.execution_id).where(
                    deliveries.c.verdict == Verdict.STARTED.name
                )
            ).scalars()
        )
    answered = Counter(reply.execution_id for reply in replies if reply.outcome == "started")
    # A few of each, since what a failing comparison of thousands would print helps nobody.
    assert list((answered - kept).elements())[:5] == [], "answered, but no execution"
    assert [name for name, count in kept.items() if count > 1][:5] == []
    assert list((kept - recorded).elements())[:5] == [], "an execution without its delivery"
    assert list((recorded - kept).elements())[:5] == [], "a delivery without its execution"
    return {
        "answered": len(replies),
        "started": len(answered),
        "executions": len(kept),
        "answered 503": sum(reply.status == 503 for reply in replies),
    }


def check_answers(replies: list[Reply]) -> None:
    """Nothing but success, and the wish to be asked again later."""
    assert {reply.status for reply in replies} <= {200, 503}
    assert all(int(reply.headers["retry-after"]) > 0 for reply in replies if reply.status == 503)


def count_of_webhooks(server: Server) -> int:
    with server.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(webhooks)).scalar_one())


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str, dict[str, Any]], None]:
    """Print figures, whatever pytest captures."""

    def show(what: str, figures: dict[str, Any]) -> None:
        with capsys.disabled():
            print(f"\n  {what}: {', '.join(f'{count} {name}' for name, count in figures.items())}")  # noqa: T201 - the run reports its figures

    return show


def test_t1_t14_nothing_answered_is_lost_whatever_is_killed(
    trio: Server, github: Path, tell: Callable[[str, dict[str, Any]], None]
) -> None:
    tenant = Tenant(trio, github)
    pipeline = tenant.idle_pipeline()
    hooks = [tenant.webhook(pipeline) for _ in range(20)]
    with Load(hooks[0]["url"]) as load:
        for role in ("worker", "recorder", "engine", "recorder", "worker"):
            assert load.goes_on()
            process = until(lambda role=role: trio.children(role))[0]  # type: ignore[misc] # mypy takes no default for a lambda's parameter
            process.kill()
            process.wait()
        assert load.goes_on()
        trio.kill()
        trio.start()
        assert load.goes_on()
    check_answers(load.replies)
    figures = figures_of(trio, load.replies)
    assert figures["started"] > 300
    assert count_of_webhooks(trio) == len(hooks)
    outcomes = {push(hook["url"], SECRET, push_event(n="after")).outcome for hook in hooks}
    assert outcomes == {"started"}
    tell("killed, one by one and all at once", figures)


def test_t10_of_1000_posts_of_one_event_over_three_workers_one_starts(
    trio: Server, github: Path
) -> None:
    tenant = Tenant(trio, github)
    pipeline = tenant.idle_pipeline()
    url = tenant.webhook(pipeline)["url"]
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: push(url, SECRET, push_event()), range(1_000)))
    assert Counter(reply.outcome for reply in replies) == {"started": 1, "duplicate": 999}
    [execution] = tenant.executions(pipeline)
    assert {reply.execution_id for reply in replies} == {execution["pipelineExecutionId"]}


def test_t1_of_1000_events_over_three_workers_none_is_lost(trio: Server, github: Path) -> None:
    tenant = Tenant(trio, github)
    pipeline = tenant.idle_pipeline()
    url = tenant.webhook(pipeline)["url"]
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda n: push(url, SECRET, push_event(n=n)), range(1_000)))
    assert {reply.outcome for reply in replies} == {"started"}
    started = {reply.execution_id for reply in replies}
    assert len(started) == 1_000
    assert {item["pipelineExecutionId"] for item in tenant.executions(pipeline)} == started


def test_d2_p2_a_change_is_seen_by_each_of_three_workers_at_once(
    trio: Server, github: Path
) -> None:
    tenant = Tenant(trio, github)
    pipeline = tenant.idle_pipeline()

    def all_workers(url: str, name: str) -> set[Any]:
        # New connections at the same time are taken by all of them.
        with ThreadPoolExecutor(16) as pool:
            events = [push_event(n=f"{name}/{number}") for number in range(48)]
            return {
                reply.outcome if reply.status == 200 else reply.status
                for reply in pool.map(lambda event: push(url, SECRET, event), events)
            }

    for round_number in range(5):
        rule = {"jsonPath": "$.ref", "matchEquals": "refs/heads/dev"}
        url = tenant.webhook(pipeline, name="hook", filters=[])["url"]
        assert all_workers(url, f"{round_number}a") == {"started"}
        tenant.webhook(pipeline, name="hook", filters=[rule])
        assert all_workers(url, f"{round_number}b") == {"filtered"}
        tenant.client.delete_webhook(name="hook")
        assert all_workers(url, f"{round_number}c") == {404}


def test_t14_refused_and_filtered_ones_are_recorded_in_time_under_load(
    trio: Server, github: Path
) -> None:
    tenant = Tenant(trio, github)
    pipeline = tenant.idle_pipeline()
    busy = tenant.webhook(pipeline)
    quiet = tenant.webhook(pipeline, filters=[{"jsonPath": "$.absent"}])
    with Load(busy["url"], threads=16) as load:
        assert load.goes_on()
        for number in range(5):
            trio.delivery(push(quiet["url"], SECRET, push_event(n=number)).delivery_id)
            trio.delivery(send(quiet["url"], b"{}").delivery_id)


def test_t12_while_the_store_is_locked_senders_are_asked_to_come_again(
    make_server: MakeServer, github: Path, tell: Callable[[str, dict[str, Any]], None]
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    url = tenant.webhook(tenant.idle_pipeline())["url"]
    slowest = [0.0]

    def timed(number: int) -> Reply:
        began = time.monotonic()
        reply = push(url, SECRET, push_event(n=number))
        slowest[0] = max(slowest[0], time.monotonic() - began)
        return reply

    replies = [push(url, SECRET, push_event(n="before"))]
    holder = sqlite3.connect(server.data / "hookline.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        locked = [timed(-1)]
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert {reply.status for reply in locked} == {503}
    after = [timed(number) for number in range(8)]
    assert {reply.outcome for reply in after} == {"started"}
    replies += locked + after
    check_answers(replies)
    figures: dict[str, Any] = figures_of(server, replies)
    assert figures["executions"] == 9
    # One commit's patience, and perhaps that of one before it.
    assert slowest[0] < 35
    tell("store locked", {**figures, "s until the last 503": round(slowest[0], 1)})


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "hookline-test", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip("needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_t12_while_the_disk_is_full_senders_are_asked_to_come_again(
    tmp_path: Path, github: Path, tell: Callable[[str, dict[str, Any]], None]
) -> None:
    server = Server(tmp_path / "full", github_url=github.as_uri())
    with small_disk(server.data, "24M"):
        try:
            server.start()
            run_on_a_full_disk(server, Tenant(server, github), tell)
        finally:
            server.close()


def run_on_a_full_disk(
    server: Server, tenant: Tenant, tell: Callable[[str, dict[str, Any]], None]
) -> None:
    url = tenant.webhook(tenant.idle_pipeline())["url"]
    ballast = server.data / "ballast"
    recorders = server.children("recorder")
    with Load(url) as load:
        assert load.goes_on()
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4_096)
            except OSError:
                pass
        assert until(lambda: sum(reply.status == 503 for reply in load.replies[-20:]) == 20)
        # It lasts: what the recorder writes beside the store does not end it either.
        time.sleep(1.5)
        ballast.unlink()
        freed = len(load.replies)
        recovered = until(
            lambda: any(reply.outcome == "started" for reply in load.replies[freed + 20 :]), 30
        )
        assert recovered, server.output[-3_000:]
        assert load.goes_on()
    check_answers(load.replies)
    assert push(url, SECRET, push_event(n="after")).outcome == "started"
    figures = figures_of(server, load.replies)
    with server.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert server.children("recorder") == recorders
    assert until(lambda: send(f"{server.url}/healthz", method="GET").status == 200)
    tell("disk full", figures)


def test_the_load_is_one(trio: Server) -> None:
    """The machinery of the run itself: threads end with their block."""
    before = threading.active_count()
    with Load(f"{trio.url}/trigger?t=x&v=1") as load:
        assert load.goes_on()
    assert threading.active_count() == before
