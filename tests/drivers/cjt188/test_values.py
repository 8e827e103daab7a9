from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cjt188 import layout, values


@given(st.integers(0, 99_999_999))
def test_digits_are_read_low_byte_first(number):
    assert values.digits(bytes.fromhex(f"{number:08d}")[::-1]) == number


@given(st.binary(min_size=4, max_size=4))
def test_digits_above_nine_are_no_number(raw):
    sound = all(byte >> 4 < 10 and byte & 15 < 10 for byte in raw)
    assert (values.digits(raw) is not None) == sound


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_a_time_is_read(at):
    raw = bytes.fromhex(at.strftime("%Y%m%d%H%M%S").zfill(14))[::-1]
    assert values.instant(raw) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    "raw", ["00" * 7, "FF" * 7, "60000001012020", "000000320120 20".replace(" ", ""), "000000"]
)
def test_what_is_no_time_is_none(raw):
    assert values.instant(bytes.fromhex(raw)) is None


@pytest.mark.parametrize(
    ("raw", "unit", "value"),
    [
        ("785634122C", "m³", "123456.78"),
        ("2C78563412", "m³", "123456.78"),
        ("7856341229", "L", "123456.78"),
        ("785634120A", "MWh", "12345678"),
        ("7856341213", "GJ", "12345678"),
        ("7856341299", "", "123456.78"),
        ("AA5634122C", "m³", None),
    ],
)
def test_a_quantity_has_the_unit_of_its_code(raw, unit, value):
    seen = values.quantity(bytes.fromhex(raw))
    assert seen.unit == unit
    assert seen.value(-2) == (None if value is None else Decimal(value))


def test_the_layouts_are_as_long_as_the_standard_says():
    assert [3 + layout.length(places) for places in (layout.WATER, layout.HEAT, layout.TOTAL)] == [22, 46, 8]
    assert layout.layout("901F", 0x25) is layout.HEAT
    assert layout.layout("901F", 0x30) is layout.WATER
    assert layout.layout("D12B", 0x30) is layout.TOTAL
    assert layout.layout("D12C", 0x30) == {}


def test_kinds_are_named():
    assert [values.kind_of(code) for code in (0x10, 0x19, 0x25, 0xAA, 0x70)] == [
        "cold water meter",
        "water meter",
        "heat meter",
        "any meter",
        "unknown kind of meter",
    ]
