"""What an operator may count: Prometheus text at `/metrics`, on loopback unless the site file says otherwise."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.exchanges import Exchanges
from messages.types import Lane, Outcome

Snapshot = Callable[[], Iterable[Metric]]


class Metrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept = self.registry
        self._read = Counter("gatehouse_samples_read", "Point values read and journaled", registry=kept)
        self._lost = Counter(
            "gatehouse_samples_lost", "Samples dropped before the journal", ["lane"], registry=kept
        )
        self._exchanges = Exchanges()
        kept.register(self._exchanges)
        self._late: dict[str, Counter] = {}
        self._device_up = Gauge(
            "gatehouse_device_up", "1 where the device answers", ["device"], registry=kept
        )
        self._overruns = Counter(
            "gatehouse_overruns", "Polls left out: the line was busy", ["line"], registry=kept
        )
        self._messages = Counter(
            "gatehouse_messages",
            "Messages of devices that speak unasked, by what became of them",
            ["line", "result"],
            registry=kept,
        )
        self._commands = Counter(
            "gatehouse_commands", "Commands by how they ended", ["outcome"], registry=kept
        )

    def samples_read(self, values: int) -> None:
        """Count point values that came off a wire and are in the journal."""
        self._read.inc(values)

    def samples_lost(self, lane: Lane, samples: int) -> None:
        """Count samples that were dropped before they reached the journal."""
        self._lost.labels(lane.value).inc(samples)

    def transaction(self, line: str, result: str, seconds: float) -> None:
        """Count an exchange; the time of those that were answered goes into the histogram."""
        self._exchanges.count(line, result, seconds)

    def message(self, line: str, result: str) -> None:
        """Count a message of a device that speaks unasked, and what became of it."""
        self._messages.labels(line, result).inc()

    def device_up(self, device: str, up: bool) -> None:
        """Note that a device answers or is silent."""
        self._device_up.labels(device).set(1 if up else 0)

    def forget(self, device: str) -> None:
        """Show nothing more of a device that is no longer configured."""
        with suppress(KeyError):
            self._device_up.remove(device)

    def overran(self, line: str, periods: int) -> None:
        """Count polls that were left out because their time had passed."""
        found = self._late.get(line)
        if found is None:
            found = self._late[line] = self._overruns.labels(line)
        found.inc(periods)

    def command(self, outcome: Outcome) -> None:
        """Count how a command ended."""
        self._commands.labels(outcome.value).inc()

    def watch(self, snapshot: Snapshot) -> None:
        """Add numbers that are looked up when somebody asks; `snapshot` is called in the server's thread."""
        self.registry.register(_Watched(snapshot))


class _Watched(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return self._snapshot()

    def describe(self) -> Iterable[Metric]:
        return ()


def gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a gauge by one label."""
    family = GaugeMetricFamily(name, text, labels=[label] if label else [])
    for key, value in values:
        family.add_metric([key] if label else [], value)
    return family


def counter(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a counter by one label."""
    family = CounterMetricFamily(name, text, labels=[label] if label else [])
    for key, value in values:
        family.add_metric([key] if label else [], value)
    return family


@contextmanager
def serve(metrics: Metrics, listen: tuple[str, int] | None, port_file: Path) -> Iterator[int | None]:
    """Serve `/metrics` from a thread while the context lasts; the port in use is written to `port_file`."""
    if listen is None:
        yield None
        return
    host, port = listen
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    try:
        port_file.parent.mkdir(parents=True, exist_ok=True)
        port_file.write_text(f"{server.server_port}\n", encoding="ascii")
        yield server.server_port
    finally:
        port_file.unlink(missing_ok=True)
        server.shutdown()
        server.server_close()
        thread.join()
