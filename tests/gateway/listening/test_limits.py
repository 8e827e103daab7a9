"""What a peer may do: rates in handed-in time, and who may speak at all."""

from ipaddress import ip_network

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.listening.limits import MOST_KNOWN, Bucket, HostBuckets, Limits, allowed


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), min_size=1, max_size=40))
def test_whoever_waits_as_told_keeps_the_rate(course):
    """Over any course no more passes than the burst and the rate allow."""
    bucket, now, passed = Bucket(10.0, 30.0), 0.0, 0
    for pause, count in course:
        now += pause
        wait = bucket.take(count, now)
        now += wait
        passed += count
        assert passed <= 30 + 10 * now + 1e-6


def test_a_quiet_peer_may_burst_and_a_clock_that_goes_back_gives_nothing():
    bucket = Bucket(1.0, 5.0)
    assert bucket.take(5, 100.0) == 0
    assert bucket.take(1, 100.0) == 1.0
    assert bucket.take(1, 50.0) == 2.0
    assert bucket.take(1, 1000.0) == 0


def test_a_datagram_beyond_the_rate_is_left_out_and_costs_nothing():
    bucket = Bucket(1.0, 2.0)
    assert [bucket.has(1, 0.0) for _ in range(4)] == [True, True, False, False]
    assert bucket.has(1, 1.0)


def test_rates_outlive_a_connection_but_not_for_all_hosts_for_ever():
    hosts = HostBuckets(Limits())
    mine = hosts.of("10.0.0.1")
    assert hosts.of("10.0.0.1") is mine
    for number in range(MOST_KNOWN):
        hosts.of(f"host {number}")
    assert hosts.of("10.0.0.1") is not mine


@pytest.mark.parametrize(
    ("host", "networks", "expected"),
    [
        ("10.1.2.3", [], True),
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("10.2.2.3", ["10.1.0.0/16", "10.2.2.3"], True),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("fe80::1", ["10.0.0.0/8"], False),
        ("nonsense", ["0.0.0.0/0"], False),
    ],
)
def test_who_may_speak(host, networks, expected):
    assert allowed(host, [ip_network(text) for text in networks]) is expected
