"""Meters that share a pair of wires: what arrives in portions is one request, with all that woke them."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import cjt188, dlt645
from simulators.shared_wires import MAX_WAKE_UP

AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


def portions(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(cut % len(raw) for cut in cuts)})
    return [raw[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 100), max_size=6)


@given(st.integers(0, MAX_WAKE_UP), st.binary(max_size=20), CUTS)
def test_a_request_in_any_portions_keeps_its_wake_up(awake: int, data: bytes, cuts: list[int]) -> None:
    flows, powers = bytearray(), bytearray()
    for part in portions(cjt188.framed(0x10, bytes(7), 1, data, awake=awake), cuts):
        flows += part
        heard = list(cjt188.requests_in(flows))
    assert [(one.data, one.awake) for one in heard] == [(data, awake)]
    for part in portions(dlt645.framed(bytes(6), 0x11, data, awake=awake), cuts):
        powers += part
        asked = list(dlt645.requests_in(powers))
    assert [(one.data, one.awake) for one in asked] == [(data, awake)]
    assert not flows
    assert not powers


def test_a_meter_that_sleeps_is_woken_by_bytes_that_came_before_its_request() -> None:
    bus = cjt188.SimBus([cjt188.SimMeter("20170701".zfill(14), lambda: AT, wake_up=3)])
    raw = cjt188.framed(0x10, b"\xaa" * 7, 1, b"\x1f\x90\x00", awake=3)
    assert not bus.feed(raw[:3])
    assert bus.feed(raw[3:])


@pytest.mark.parametrize("sent", ["261331121015", "260230121015", "269930121015", "2613011015ff"])
def test_a_time_that_is_none_sets_no_clock(sent: str) -> None:
    meter = dlt645.SimMeter("1", lambda: AT)
    asked = dlt645.framed(b"\x99" * 6, 0x08, bytes.fromhex(sent)[::-1])
    assert not dlt645.SimBus([meter]).feed(asked)
    assert meter.clock == AT


@pytest.mark.parametrize("edition", [1997, 2007])
@given(data=st.binary(max_size=6))
def test_an_identifier_that_is_none_is_refused(edition: int, data: bytes) -> None:
    meter = dlt645.SimMeter("1", lambda: AT, edition=1997 if edition == 1997 else 2007)
    control = 0x01 if edition == 1997 else 0x11
    assert dlt645.SimBus([meter]).feed(dlt645.framed(b"\xaa" * 6, control, data))


def test_a_meter_keeps_what_was_asked_lately() -> None:
    meter = dlt645.SimMeter("1", lambda: AT)
    asked = dlt645.framed(meter.wire, 0x11, bytes.fromhex("00000100"))
    for _ in range(dlt645.KEPT + 3):
        dlt645.SimBus([meter]).feed(asked)
    assert len(meter.asked) == dlt645.KEPT
