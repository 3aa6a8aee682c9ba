"""What the recorder counts, in Prometheus's text format.

Every delivery of this machine passes the recorder, so it alone counts, a batch at a time; it
writes the figures to a file that the workers' /metrics answers with.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from hookline.receiver.entries import STEPS, Entry

FILE = "metrics.prom"

_LATENCY_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)


class _LogLines(Collector):
    def __init__(self, lost: int) -> None:
        self._lost = lost

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "hookline_log_lines_lost", "Log lines that could not be written", value=self._lost
        )


def log_figures(lost: int) -> bytes:
    """The figures of the log, of all processes: they count without the recorder."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_LogLines(lost))
    return generate_latest(registry)


class Histogram:
    """Counts of values by upper bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add the counts, cumulated as Prometheus wants them."""
        buckets, total = [], 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets, self._sum)


class Metrics(Collector):
    """Deliveries by verdict, latency by step, commits, batch sizes and what waits."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._verdicts: Counter[str] = Counter()
        self._steps = {step: Histogram(_LATENCY_BUCKETS) for step in STEPS}
        self._commit_time = Histogram(_LATENCY_BUCKETS)
        self._batches = Histogram(_BATCH_BUCKETS)
        self._failed = 0
        self._waiting = 0
        self._dropped = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def committed(self, entries: Sequence[Entry], verdicts: Sequence[str], seconds: float) -> None:
        """Count a commit of `entries` with their final verdicts, which took `seconds`."""
        self._verdicts.update(verdicts)
        self._batches.observe(len(entries))
        self._commit_time.observe(seconds)
        for entry in entries:
            for step, took in entry.steps.items():
                self._steps[step].observe(took)

    def failed(self) -> None:
        """Count a commit that failed."""
        self._failed += 1

    def waiting(self, count: int) -> None:
        """Note how many deliveries wait for their commit."""
        self._waiting = count

    def dropped(self, count: int) -> None:
        """Note how many deliveries have been given up since the store was away for too long."""
        self._dropped = count

    def write(self) -> None:
        """Put the figures where the workers find them; a full disk keeps the earlier ones."""
        draft = self._file.with_suffix(".new")
        with suppress(OSError):
            draft.write_bytes(generate_latest(self._registry))
            draft.replace(self._file)

    def collect(self) -> Iterator[Metric]:
        """The figures, for prometheus-client."""
        verdicts = CounterMetricFamily(
            "hookline_deliveries", "Deliveries recorded, by verdict", labels=["verdict"]
        )
        for verdict, count in self._verdicts.items():
            verdicts.add_metric([verdict.lower()], count)
        yield verdicts
        latency = HistogramMetricFamily(
            "hookline_delivery_step_seconds", "Time of the steps of a delivery", labels=["step"]
        )
        for step, histogram in self._steps.items():
            histogram.add_to(latency, [step])
        self._commit_time.add_to(latency, ["commit"])
        yield latency
        batches = HistogramMetricFamily("hookline_commit_batch_size", "Deliveries in a commit")
        self._batches.add_to(batches, [])
        yield batches
        yield CounterMetricFamily(
            "hookline_commits_failed", "Commits that failed", value=self._failed
        )
        yield GaugeMetricFamily(
            "hookline_queue_depth", "Deliveries that wait for their commit", value=self._waiting
        )
        yield CounterMetricFamily(
            "hookline_deliveries_dropped",
            "Deliveries that started nothing and were not recorded: too many waited for the store",
            value=self._dropped,
        )
