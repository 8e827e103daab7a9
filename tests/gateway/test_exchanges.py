"""Our count of exchanges beside the client library's own: the same text, whatever was counted."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.exchanges import ANSWERED, ROUND_TRIP_BUCKETS, Exchanges

ENDS = st.tuples(
    st.sampled_from(["a", "b\n", 'c"']),
    st.sampled_from(["ok", "refused", "silent"]),
    st.sampled_from([0.0, *ROUND_TRIP_BUCKETS, 7.5]) | st.floats(0, 10),
)


@given(st.lists(ENDS, max_size=30))
def test_it_says_what_the_client_library_would_say(ends: list[tuple[str, str, float]]):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    exchanges = Exchanges()
    ours.register(exchanges)
    ended = Counter(
        "gatehouse_transactions",
        "Exchanges on the wires, by how they ended",
        ["line", "result"],
        registry=theirs,
    )
    times = Histogram(
        "gatehouse_round_trip_seconds",
        "Time of an exchange that was answered",
        ["line"],
        buckets=ROUND_TRIP_BUCKETS,
        registry=theirs,
    )
    for line, result, seconds in ends:
        exchanges.count(line, result, seconds)
        ended.labels(line, result).inc()
        if result in ANSWERED:
            times.labels(line).observe(seconds)
    assert _told(ours) == _told(theirs)


def _told(registry: CollectorRegistry) -> list[bytes]:
    # When a series began is the library's own note; nothing here restarts one while the gateway runs.
    return sorted(line for line in generate_latest(registry).splitlines() if b"_created" not in line)
