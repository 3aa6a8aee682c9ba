"""Many deliveries at one time: each event starts one execution, and none is lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hookline.model import Verdict
from support.sending import Reply, push, push_event
from support.server import Server
from support.tenant import SECRET, Tenant

COUNT, THREADS = 200, 50


@pytest.fixture(scope="module")
def busy(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, github: Path
) -> Iterator[Server]:
    folder, url = tmp_path_factory.mktemp("busy"), make_database()
    server = Server(folder, github_url=github.as_uri(), database_url=url)
    server.options = ["--workers", "2"]
    with server:
        yield server


def send_all(url: str, events: list[Any]) -> list[Reply]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda event: push(url, SECRET, event), events))


def test_t10_one_event_sent_200_times_at_once_starts_one_execution(
    busy: Server, github: Path
) -> None:
    tenant = Tenant(busy, github)
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(pipeline)
    replies = send_all(webhook["url"], [push_event()] * COUNT)
    assert Counter(reply.outcome for reply in replies) == {"started": 1, "duplicate": COUNT - 1}
    [execution] = tenant.executions(pipeline)
    assert {reply.execution_id for reply in replies} == {execution["pipelineExecutionId"]}
    deliveries = busy.deliveries(replies[0].delivery_id)
    verdicts = Counter(delivery.verdict for delivery in deliveries)
    assert verdicts == {Verdict.STARTED: 1, Verdict.DUPLICATE: COUNT - 1}


def test_t1_200_different_events_at_once_lose_none(busy: Server, github: Path) -> None:
    tenant = Tenant(busy, github)
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(pipeline)
    replies = send_all(webhook["url"], [push_event(n=number) for number in range(COUNT)])
    assert {reply.outcome for reply in replies} == {"started"}
    started = {reply.execution_id for reply in replies}
    assert len(started) == COUNT
    assert {item["pipelineExecutionId"] for item in tenant.executions(pipeline)} == started
    deliveries = busy.deliveries(replies[0].delivery_id)
    recorded = {delivery.id: delivery.execution_id for delivery in deliveries}
    assert recorded == {reply.delivery_id: reply.execution_id for reply in replies}


def test_t1_a_burst_over_several_pipelines_leaves_none_unfinished(
    busy: Server, github: Path
) -> None:
    tenant = Tenant(busy, github)
    commit = tenant.repository.commit("A burst")
    modes: list[dict[str, Any]] = [
        {},
        {"pipelineType": "V2", "executionMode": "QUEUED"},
        {"pipelineType": "V2", "executionMode": "PARALLEL"},
    ]
    for more in modes:
        pipeline = tenant.pipeline(**more)
        webhook = tenant.webhook(pipeline)
        replies = send_all(webhook["url"], [push_event(commit, n=number) for number in range(6)])
        ends = [tenant.finished(pipeline, reply.execution_id, 60)["status"] for reply in replies]
        allowed = {"Succeeded", "Superseded"} if not more else {"Succeeded"}
        assert set(ends) <= allowed, more
        assert "Succeeded" in ends


def test_p2_concurrent_puts_of_one_webhook_leave_one_url(busy: Server, github: Path) -> None:
    tenant = Tenant(busy, github)
    pipeline = tenant.idle_pipeline()

    def put(name: str) -> tuple[str, str]:
        try:
            return name, str(tenant.webhook(pipeline, name=name)["url"])
        except tenant.client.exceptions.ConcurrentModificationException:
            return name, ""

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(put, [f"contended-{number // 10}" for number in range(100)]))
    listed = tenant.client.list_webhooks()["webhooks"]
    kept = {(item["definition"]["name"], item["url"]) for item in listed}
    assert len(kept) == 10
    assert {answer for answer in answers if answer[1]} == kept
