"""The numbers that are looked up when somebody asks for the metrics."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from gateway.delivery.journal import Journal
from gateway.delivery.uplink import Uplink
from gateway.listening.listeners import Listeners
from gateway.metrics import counter, gauge
from gateway.polling.fleet import Fleet
from gateway.polling.polled import Polled
from gateway.polling.punctuality import line_times


def gauges(journal: Journal, uplink: Uplink, fleet: Fleet, listeners: Listeners) -> Iterable[Metric]:
    """Return what is looked up when somebody asks for the metrics."""
    counts, sent = journal.lane_counts(), uplink.counts
    yield gauge(
        "gatehouse_journal_batches",
        "Batches kept, waiting for the server",
        "lane",
        ((lane.value, count.waiting) for lane, count in counts.items()),
    )
    yield gauge(
        "gatehouse_journal_bytes",
        "Bytes of them",
        "lane",
        ((lane.value, c.bytes) for lane, c in counts.items()),
    )
    yield counter(
        "gatehouse_batches",
        "Batches by what became of them",
        "fate",
        (
            ("sent", sent.published),
            ("stored", sent.stored),
            ("resent", sent.resent),
            ("rejected", sent.rejected),
        ),
    )
    yield gauge("gatehouse_connected", "1 with a broker", "", (("", float(uplink.connected)),))
    yield gauge(
        "gatehouse_unanswered_seconds",
        "For how long the broker has taken batches and no server has said that they are stored",
        "",
        (("", uplink.unanswered_s),),
    )
    yield gauge(
        "gatehouse_line_up",
        "1 where a line is open",
        "line",
        [
            *((poller.line, float(poller.up)) for poller in fleet.pollers),
            *((line.line, float(line.up)) for line in listeners.lines),
        ],
    )
    yield gauge(
        "gatehouse_peers",
        "Connections of devices that speak unasked",
        "line",
        [(line.line, float(line.peers)) for line in listeners.lines],
    )
    yield counter(
        "gatehouse_values_left_out",
        "Point values read and not told: report by exception",
        "line",
        [
            (poller.line, float(sum(_left_out(device) for device in poller.devices)))
            for poller in fleet.pollers
        ],
    )
    yield counter(
        "gatehouse_late_bytes",
        "Bytes that nobody had asked for",
        "line",
        [(poller.line, float(poller.wire.stats.late_bytes)) for poller in fleet.pollers],
    )
    yield from line_times(fleet.pollers)


def _left_out(device: Polled) -> int:
    return device.reporter.left_out if device.reporter is not None else 0
