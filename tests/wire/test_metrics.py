"""/metrics: what Prometheus reads, of real deliveries."""

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support.sending import push_event, send
from support.server import Server, until
from support.tenant import Tenant

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def families(server: Server) -> Any:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return list(text_string_to_metric_families(answer.read().decode()))


def samples(server: Server) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(server)
        for sample in family.samples
    }


def test_metrics_count_deliveries_steps_and_commits(
    make_server: Callable[..., Server], github: Path
) -> None:
    server = make_server()
    server.options = ["--workers", "2"]
    server.start()
    tenant = Tenant(server, github)
    pipeline = tenant.idle_pipeline()
    url = tenant.webhook(pipeline)
    picky = tenant.webhook(pipeline, filters=[{"jsonPath": "$.absent"}])
    for number in (1, 2, 3, 3):
        tenant.push(url, push_event(n=number))
    for number in range(5):
        tenant.push(picky, push_event(n=number))
    for _ in range(6):
        send(url["url"], b"{}")
    send(f"{server.url}/trigger?t=unknown&v=1", b"{}")
    wanted = {"started": 3, "duplicate": 1, "filtered": 5, "no_signature": 6}

    def counted() -> dict[str, float]:
        return {
            dict(labels)["verdict"]: value
            for (name, labels), value in samples(server).items()
            if name == "hookline_deliveries_total"
        }

    assert until(lambda: counted() == wanted, 5), counted()
    found = samples(server)
    steps = {
        dict(labels)["step"]: value
        for (name, labels), value in found.items()
        if name == "hookline_delivery_step_seconds_count"
    }
    # Those without a signature were read, and then refused.
    assert steps["read"] == 15
    assert steps["authenticate"] == steps["parse"] == 9
    assert steps["filter"] == 4
    assert steps["commit"] == found["hookline_commit_batch_size_count", frozenset()] >= 4
    assert found["hookline_commit_batch_size_sum", frozenset()] == 15
    assert found["hookline_queue_depth", frozenset()] == 0
    assert found["hookline_commits_failed_total", frozenset()] == 0
    assert found["hookline_log_lines_lost_total", frozenset()] == 0
    total = sum(
        value for (name, _), value in found.items() if name == "hookline_delivery_step_seconds_sum"
    )
    assert 0 < total < 60


def test_metrics_are_in_the_form_that_prometheus_checks(server: Server, tenant: Tenant) -> None:
    tenant.push(tenant.webhook(tenant.idle_pipeline()))
    assert until(lambda: families(server), 5)
    found = families(server)
    names = [family.name for family in found]
    assert len(names) == len(set(names))
    assert {
        "hookline_deliveries": "counter",
        "hookline_delivery_step_seconds": "histogram",
        "hookline_commit_batch_size": "histogram",
        "hookline_commits_failed": "counter",
        "hookline_deliveries_dropped": "counter",
        "hookline_log_lines_lost": "counter",
        "hookline_queue_depth": "gauge",
    }.items() <= {family.name: family.type for family in found}.items()
    for family in found:
        assert family.documentation
        assert family.samples or family.type == "counter"
        if family.type == "histogram":
            check_histogram(family)


def check_histogram(family: Any) -> None:
    """Buckets never fall, the last is +Inf and holds as many as are counted."""
    series: dict[frozenset[Any], list[tuple[float, float]]] = {}
    counts: dict[frozenset[Any], float] = {}
    for sample in family.samples:
        labels = frozenset((name, text) for name, text in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            series.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[labels] = sample.value
    assert series.keys() == counts.keys()
    for labels, buckets in series.items():
        assert buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1] == (float("inf"), counts[labels])


def test_metrics_go_on_after_the_recorder_was_started_anew(
    make_server: Callable[..., Server], github: Path
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    tenant.push(webhook, push_event(n=1))
    key = ("hookline_deliveries_total", frozenset({("verdict", "started")}))
    assert until(lambda: samples(server).get(key) == 1, 5)
    [recorder] = server.children("recorder")
    recorder.kill()
    recorder.wait()
    assert tenant.push(webhook, push_event(n=2)).outcome == "started"
    # A counter that begins anew: Prometheus takes it for what it is.
    assert until(lambda: samples(server).get(key) == 1, 5)
