"""Which of these is on the display? The right reading is always among those named, and no wrong one is certain."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.guess import guesses, matches

ORDERS = {
    "big": lambda b: b,
    "little": lambda b: b"".join(b[i : i + 2] for i in range(len(b) - 2, -1, -2)),
    "big-swapped": lambda b: b"".join(b[i : i + 2][::-1] for i in range(0, len(b), 2)),
    "little-swapped": lambda b: b[::-1],
}


@given(st.integers(1, 2**32 - 1), st.sampled_from(sorted(ORDERS)), st.integers(-4, 3))
def test_a_number_in_any_order_and_scale_is_found(number: int, order: str, exp: int) -> None:
    wire = ORDERS[order](number.to_bytes(4, "big"))
    shown = Decimal(number).scaleb(exp)
    shown = shown.quantize(Decimal(1)) if exp > 0 else shown
    found = [(one.order, one.type, one.exp) for one in matches(wire, shown)]
    assert (order, "uint32", exp) in found
    assert [abs(e) for *_, e in found] == sorted(abs(e) for *_, e in found)


@given(st.integers(1, 2**24), st.sampled_from(sorted(ORDERS)))
def test_a_float_shows_its_digits(number: int, order: str) -> None:
    value = number / 100
    wire = ORDERS[order](struct.pack(">f", value))
    shown = Decimal(str(struct.unpack(">f", struct.pack(">f", value))[0])).quantize(Decimal("0.1"))
    if shown:
        assert (order, "float32", 0) in [(one.order, one.type, one.exp) for one in matches(wire, shown)]


def test_side_by_side() -> None:
    rows = {(one.order, one.type): one.value for one in guesses(bytes.fromhex("43664000"), 0)}
    assert rows["big", "float32"] == Decimal("230.25")
    assert rows["little", "uint32"] == Decimal(0x40004366)
    assert rows["little-swapped", "uint32"] == Decimal(0x00406643)
    assert rows["big-swapped", "uint32"] == Decimal(0x66430040)
    assert len(rows) == 16
    one = {(g.order, g.type): g.value for g in guesses(b"\xff\xfe", -1)}
    assert one["big", "int16"] == Decimal("-0.2")
    assert one["big-swapped", "uint16"] == Decimal("6527.9")
    assert len(one) == 6


@pytest.mark.parametrize(
    ("shown", "found"), [("230.3", True), ("230.2", True), ("230.25", True), ("230.4", False)]
)
def test_a_display_rounds_or_cuts(shown: str, found: bool) -> None:
    got = [(g.order, g.type, g.exp) for g in matches(bytes.fromhex("43664000"), Decimal(shown))]
    assert (("big", "float32", 0) in got) is found


def test_a_zero_tells_nothing() -> None:
    assert matches(b"\0\0\0\0", Decimal(0)) == []
    assert matches(b"\0\0\0\0", Decimal(5)) == []


@given(st.binary(min_size=2, max_size=8).filter(lambda b: len(b) in {2, 4, 8}), st.integers(-12, 12))
def test_any_bytes_have_a_table(raw: bytes, exp: int) -> None:
    for one in guesses(raw, exp):
        assert one.value is None or (one.value.is_finite() and len(format(one.value, "f")) < 60)
