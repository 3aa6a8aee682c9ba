import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hookline.receiver.recorder.metrics import FILE, Histogram, Metrics
from support.entries import entry


def samples(folder: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families((folder / FILE).read_text())
        for sample in family.samples
    }


def test_each_figure_is_written(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.committed([entry(), entry()], ["STARTED", "DUPLICATE"], 0.003)
    metrics.failed()
    metrics.waiting(7)
    metrics.write()
    found = samples(tmp_path)
    for verdict in ("started", "duplicate"):
        assert found["hookline_deliveries_total", frozenset({("verdict", verdict)})] == 1
    assert found["hookline_commits_failed_total", frozenset()] == 1
    assert found["hookline_queue_depth", frozenset()] == 7
    assert found["hookline_commit_batch_size_count", frozenset()] == 1
    assert found["hookline_commit_batch_size_sum", frozenset()] == 2
    commit = frozenset({("step", "commit")})
    assert found["hookline_delivery_step_seconds_sum", commit] == pytest.approx(0.003)


@given(st.lists(st.floats(0, 10)))
def test_buckets_are_cumulative(values: list[float]) -> None:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - for this test only

    histogram = Histogram((0.5, 1, 5))
    for value in values:
        histogram.observe(value)
    family = HistogramMetricFamily("x", "x")
    histogram.add_to(family, [])
    counts = {
        sample.labels["le"]: sample.value for sample in family.samples if "le" in sample.labels
    }
    for bound in (0.5, 1, 5):
        assert counts[str(bound)] == sum(value <= bound for value in values)
    assert counts["+Inf"] == len(values)


def test_a_disk_that_takes_nothing_leaves_the_earlier_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(tmp_path)
    metrics.write()
    before = (tmp_path / FILE).read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    metrics.failed()
    metrics.write()
    assert (tmp_path / FILE).read_bytes() == before
