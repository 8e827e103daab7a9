"""Our encoder against a stranger's: pymodbus writes the same words for the same value."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from drivers.profile import Point
from simulators.registers import Cell, MapError, as_hex, cell, shortest

STRANGER = ModbusClientMixin.DATATYPE
WIDTHS = {"uint16": (16, False), "int16": (16, True), "uint32": (32, False), "int32": (32, True)}
WIDTHS |= {"uint64": (64, False), "int64": (64, True)}
ORDERS = ("big", "little", "big-swapped", "little-swapped")


def made(**at: object) -> Cell:
    extra = {name: at.pop(name) for name in ("exp", "kind", "modulus", "missing") if name in at}
    return cell("p", Point(label="p", at={"table": "holding", "address": 0, **at}, **extra))


def by_order(words: list[int], order: str) -> tuple[int, ...]:
    if order.startswith("little"):
        words.reverse()
    if order.endswith("swapped"):
        words = [struct.unpack("<H", struct.pack(">H", word))[0] for word in words]
    return tuple(words)


@given(st.data())
def test_integers_agree_with_a_stranger(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(WIDTHS)))
    bits, signed = WIDTHS[kind]
    low = -(1 << bits - 1) if signed else 0
    raw = data.draw(st.integers(low, low + (1 << bits) - 1))
    order = data.draw(st.sampled_from(ORDERS))
    exp = data.draw(st.integers(-12, 12))
    held = made(type=kind, order=order, exp=exp)
    value = Decimal(raw).scaleb(exp)
    assert held.grid(value) == value
    stranger = ModbusClientMixin.convert_to_registers(raw, STRANGER[kind.upper()])
    assert held.encode(value) == by_order(stranger, order)
    assert held.decode(held.encode(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(ORDERS))
def test_float32_agrees_with_a_stranger_and_reads_back(number: float, order: str) -> None:
    held = made(type="float32", order=order)
    value = held.grid(shortest(number, ">f"))
    assert isinstance(value, Decimal)
    assert struct.pack(">f", float(value)) == struct.pack(">f", number + 0.0)  # -0.0 becomes 0
    stranger = ModbusClientMixin.convert_to_registers(number + 0.0, STRANGER.FLOAT32)
    assert held.encode(value) == by_order(stranger, order)
    assert held.decode(held.encode(value)) == value


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_the_grid_of_a_float_is_stable_and_near(value: Decimal) -> None:
    held = made(type="float32")
    once = held.grid(value)
    assert held.grid(once) == once
    assert isinstance(once, Decimal)
    assert abs(once - value) <= abs(value) / 2**23 + Decimal("1e-30")


def test_shortest_is_what_a_person_would_write() -> None:
    for text in ("0.1", "229.9", "16777216", "8123.42", "1E-45", "3.4028235E+38"):
        number = struct.unpack(">f", struct.pack(">f", float(text)))[0]
        assert shortest(number, ">f") == Decimal(text)
    assert shortest(0.1, ">d") == Decimal("0.1")


@given(st.integers(0, 99_999_999), st.sampled_from(ORDERS))
def test_bcd_holds_digits(raw: int, order: str) -> None:
    held = made(type="bcd32", order=order, exp=-2)
    words = held.encode(Decimal(raw).scaleb(-2))
    if order == "big":
        assert as_hex(words) == f"{raw:08d}"
    assert held.decode(words) == Decimal(raw).scaleb(-2)


@given(st.integers(1, 0xFFFF), st.data())
def test_a_bit_field_stays_inside_its_mask(mask: int, data: st.DataObject) -> None:
    held = made(type="bits", mask=hex(mask))
    shift = (mask & -mask).bit_length() - 1
    value = Decimal(data.draw(st.integers(0, mask >> shift)))
    (word,) = held.encode(held.grid(value))
    assert word == int(value) << shift
    assert word >> shift == value


def test_counting_registers_wrap_and_are_cut_where_gauges_are_clamped_and_rounded() -> None:
    register = made(type="uint32", exp=-2, kind="register", modulus=Decimal(1000000))
    assert register.grid(Decimal("1000000.019")) == Decimal("0.01")
    assert register.grid(Decimal("999999.999")) == Decimal("999999.99")
    gauge = made(type="int16", exp=-1)
    assert gauge.grid(Decimal(9999999)) == Decimal("3276.7")
    assert gauge.grid(Decimal("-0.16")) == Decimal("-0.2")
    assert made(type="uint16").grid(Decimal(-5)) == 0


def test_wrong_word_order_is_the_other_order_and_spares_single_words() -> None:
    assert made(type="uint32").encode(Decimal(0x00010002), wrong_order=True) == (2, 1)
    assert made(type="uint16").encode(Decimal(0x0102), wrong_order=True) == (0x0102,)


def test_a_missing_value_is_the_models_own_pattern() -> None:
    assert made(type="int16", missing=("8000",)).encode(None) == (0x8000,)
    assert math.isnan(struct.unpack(">f", struct.pack(">2H", *made(type="float32").encode(None)))[0])
    with pytest.raises(MapError, match="no pattern"):
        made(type="int16").encode(None)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({"type": "uint128"}, "type 'uint128'"),
        ({"address": 65535, "type": "uint32"}, "leaves 0..65535"),
        ({"bit": 16}, "bit 16"),
        ({"mask": "0x10000"}, "mask"),
        ({"table": "relay"}, "table"),
        ({"adress": 1}, "adress"),
        ({"address": "zero"}, "no number"),
    ],
)
def test_an_address_that_cannot_be_is_told(at: dict[str, object], said: str) -> None:
    with pytest.raises(MapError, match=said):
        made(**at)
    with pytest.raises(MapError):
        made(type="uint16").grid(True)
