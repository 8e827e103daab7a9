"""The count of exchanges on the wires: plain numbers on the way of every poll, families when somebody asks."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

ROUND_TRIP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

ANSWERED = frozenset({"ok", "refused"})


@dataclass(slots=True)
class _Times:
    """A histogram: how many in each bucket, what is longer than all of them last, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(ROUND_TRIP_BUCKETS) + 1))
    seconds: float = 0.0


class Exchanges(Collector):
    """Counted on the event loop, thousands a second, and looked up by the thread that serves the metrics.

    The counters of the client library take a lock and half a dozen calls for each; that was a thirtieth of a poll.
    """

    def __init__(self) -> None:
        self._ended: dict[tuple[str, str], int] = {}
        self._times: dict[str, _Times] = {}

    def count(self, line: str, result: str, seconds: float) -> None:
        """Count one exchange; the time of those that were answered goes into the histogram."""
        key = line, result
        self._ended[key] = self._ended.get(key, 0) + 1
        if result in ANSWERED:
            times = self._times.get(line)
            if times is None:
                times = self._times[line] = _Times()
            times.counts[bisect_left(ROUND_TRIP_BUCKETS, seconds)] += 1
            times.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        """Return both families as they are now."""
        ended = CounterMetricFamily(
            "gatehouse_transactions", "Exchanges on the wires, by how they ended", labels=["line", "result"]
        )
        for key, count in self._ended.copy().items():
            ended.add_metric(key, count)
        times = HistogramMetricFamily(
            "gatehouse_round_trip_seconds", "Time of an exchange that was answered", labels=["line"]
        )
        for line, one in self._times.copy().items():
            so_far, buckets = 0, []
            for bound, count in zip((*ROUND_TRIP_BUCKETS, float("inf")), one.counts.copy(), strict=True):
                so_far += count
                buckets.append(("+Inf" if bound == float("inf") else str(bound), float(so_far)))
            times.add_metric([line], buckets, one.seconds)
        return ended, times

    def describe(self) -> Iterable[Metric]:
        """Name the families, so that no other may have their names."""
        return self.collect()
