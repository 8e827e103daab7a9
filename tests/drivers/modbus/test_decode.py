import decimal
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from drivers.modbus.address import PointAt, bind_point
from drivers.modbus.decode import codec, scaled
from drivers.profile import Point
from messages.types import Quality

STRANGER = AsyncModbusTcpClient.DATATYPE
KINDS = {
    "uint16": (STRANGER.UINT16, st.integers(0, 2**16 - 1)),
    "int16": (STRANGER.INT16, st.integers(-(2**15), 2**15 - 1)),
    "uint32": (STRANGER.UINT32, st.integers(0, 2**32 - 1)),
    "int32": (STRANGER.INT32, st.integers(-(2**31), 2**31 - 1)),
    "uint64": (STRANGER.UINT64, st.integers(0, 2**64 - 1)),
    "int64": (STRANGER.INT64, st.integers(-(2**63), 2**63 - 1)),
}


def read(raw: str | bytes, exp: int = 0, missing: tuple[str, ...] = (), **at):
    at = {"table": "holding", "address": 0, **at}
    point = Point(label="x", at=at, exp=exp, missing=missing)
    data = bytes.fromhex(raw) if isinstance(raw, str) else raw
    return codec(point, bind_point(at, "at")).decode(data)


def swap_bytes(raw: bytes) -> bytes:
    return bytes(raw[place ^ 1] for place in range(len(raw)))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_whole_numbers_of_a_stranger_read_back_in_every_order_at_every_scale(kind, data):
    theirs, numbers = KINDS[kind]
    number = data.draw(numbers)
    exp = data.draw(st.integers(-12, 12))
    wanted = Decimal(number) * Decimal(10) ** exp if exp >= 0 else Decimal(number) / Decimal(10) ** -exp
    for word_order in ("big", "little"):
        words = ModbusClientMixin.convert_to_registers(number, theirs, word_order=word_order)
        raw = struct.pack(f">{len(words)}H", *words)
        for order, wire in ((word_order, raw), (f"{word_order}-swapped", swap_bytes(raw))):
            reading = read(wire, exp, type=kind, order=order)
            assert reading.quality is Quality.GOOD
            assert reading.raw == wire
            with decimal.localcontext(prec=60):
                assert reading.value == wanted


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["big", "little"]))
def test_floats_of_a_stranger_read_back(number, order):
    words = ModbusClientMixin.convert_to_registers(number, STRANGER.FLOAT32, word_order=order)
    value = read(struct.pack(">2H", *words), type="float32", order=order).value
    assert struct.pack(">f", float(value)) == struct.pack(">f", number) or (value == 0 and number == 0)
    words = ModbusClientMixin.convert_to_registers(number, STRANGER.FLOAT64, word_order=order)
    assert float(read(struct.pack(">4H", *words), type="float64", order=order).value) == number


@pytest.mark.parametrize(
    ("raw", "at", "value"),
    [
        ("0A0B0C0D", {"type": "uint32"}, 0x0A0B0C0D),
        ("0C0D0A0B", {"type": "uint32", "order": "little"}, 0x0A0B0C0D),
        ("0B0A0D0C", {"type": "uint32", "order": "big-swapped"}, 0x0A0B0C0D),
        ("0D0C0B0A", {"type": "uint32", "order": "little-swapped"}, 0x0A0B0C0D),
        ("0708050603040102", {"type": "uint64", "order": "little"}, 0x0102030405060708),
        ("0807060504030201", {"type": "uint64", "order": "little-swapped"}, 0x0102030405060708),
        ("0B0A", {"type": "uint16", "order": "big-swapped"}, 0x0A0B),
        ("12345678", {"type": "bcd32"}, 12345678),
        ("56781234", {"type": "bcd32", "order": "little"}, 12345678),
        ("0099", {"type": "bcd16"}, 99),
        ("0F5A", {"mask": "0x0F00"}, 15),
        ("0F5A", {"mask": "0x00F0"}, 5),
        ("80000001", {"type": "uint32", "mask": "0x80000000"}, 1),
        ("80000001", {"type": "uint32", "order": "little", "mask": "0xFFFF0000"}, 1),
        ("FFFE", {"type": "int16"}, -2),
    ],
)
def test_orders_bcd_and_bit_fields(raw, at, value):
    assert read(raw, **at).value == value


def test_single_bits():
    for bit in range(16):
        raw = (1 << bit).to_bytes(2, "big")
        assert read(raw, bit=bit).value is True
        assert read(bytes(byte ^ 0xFF for byte in raw), bit=bit).value is False
    assert read("0001 0000", type="uint32", bit=16).value is True
    assert read("0001 0000", type="uint32", order="little", bit=0).value is True


@given(st.binary(min_size=4, max_size=4))
def test_bcd_is_a_number_or_out_of_range(raw):
    reading = read(raw, -3, type="bcd32")
    if all(byte >> 4 <= 9 and byte & 15 <= 9 for byte in raw):
        assert reading.value == Decimal(int(raw.hex())) / 1000
    else:
        assert (reading.value, reading.quality) == (None, Quality.RANGE)


@pytest.mark.parametrize("raw", ["7FC00000", "7F800000", "FF800000", "FFFFFFFF", "7F800001"])
def test_what_is_no_number_is_unknown_with_a_quality(raw):
    reading = read(raw, -1, type="float32")
    assert (reading.value, reading.quality, reading.raw.hex()) == (None, Quality.RANGE, raw.lower())


def test_missing_patterns_are_the_number_whatever_the_word_order():
    for order, raw in (("big", "7FFFFFFF"), ("little", "FFFF7FFF"), ("little-swapped", "FFFFFF7F")):
        reading = read(raw, -1, ("7FFFFFFF",), type="int32", order=order)
        assert (reading.value, reading.quality) == (None, Quality.DEVICE)
    assert read("7FFFFFFE", 0, ("7FFFFFFF", "80000000"), type="int32").value == 2**31 - 2
    assert read("80000000", 0, ("7fffffff", "80000000"), type="int32").quality is Quality.DEVICE
    assert read("FFFFFFFF", 0, ("FFFFFFFF",), type="float32").quality is Quality.DEVICE


def test_scaling_keeps_the_resolution_and_writes_no_exponent():
    assert str(read("00000910", -1, type="uint32").value) == "232.0"
    assert str(read("0003", 3, type="uint16").value) == "3000"
    assert str(read("FFFFFFFFFFFFFFFF", -2, type="uint64").value) == "184467440737095516.15"
    assert str(read("FFFFFFFFFFFFFFFF", 12, type="uint64").value) == "18446744073709551615000000000000"
    assert str(scaled(Decimal("1E+10"), 0)) == "10000000000"
    assert str(scaled(Decimal("12.5"), 1)) == "125"


def test_the_context_of_the_caller_does_not_round():
    with decimal.localcontext(prec=3):
        assert str(read("FFFFFFFF", -2, type="uint32").value) == "42949672.95"
        assert str(read("43694314", 0, type="float32").value) == "233.26202"


def test_a_bit_table_needs_no_type():
    at = PointAt(table="coil", address=3)
    assert (at.kind, at.words) == ("bool", 1)
