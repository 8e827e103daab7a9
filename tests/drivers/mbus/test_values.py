import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus import records
from drivers.mbus.meaning import meaning_of
from drivers.mbus.values import Stamp, datum
from simulators.mbus_frames import Value, record

SIZES = {"int8": 1, "int16": 2, "int24": 3, "int32": 4, "int48": 6, "int64": 8}
DIGITS = {"bcd2": 2, "bcd4": 4, "bcd6": 6, "bcd8": 8, "bcd12": 12}


def read(raw: bytes | str):
    (found,) = records.parse(bytes.fromhex(raw) if isinstance(raw, str) else raw)
    return datum(found, meaning_of(found))


@given(st.sampled_from(sorted(SIZES)), st.data())
def test_integers_are_signed(coding, data):
    limit = 1 << (8 * SIZES[coding] - 1)
    count = data.draw(st.integers(1 - limit, limit - 1))
    found = read(record(Value(b"\x13", count, coding)))
    assert (found.number, found.fault) == (Decimal(count).scaleb(-3), "")


@given(st.sampled_from(sorted(DIGITS)), st.data())
def test_digits_are_digits_and_may_be_negative(coding, data):
    count = data.draw(st.integers(-(10 ** (DIGITS[coding] - 1)) + 1, 10 ** DIGITS[coding] - 1))
    assert read(record(Value(b"\x06", count, coding))).number == Decimal(count).scaleb(3)


@given(st.integers(0, 10**8 - 1), st.integers(0, 7), st.sampled_from("ABCDEF"))
def test_a_digit_above_nine_is_no_number(count, place, digit):
    text = f"{count:08d}"
    spoiled = text[:place] + digit + text[place + 1 :]
    found = read(b"\x0c\x13" + bytes.fromhex(spoiled)[::-1])
    if place == 0 and digit == "F":
        assert found.number == -Decimal(int(spoiled[1:])).scaleb(-3)
    else:
        assert found.number is None
        assert "are no number" in found.fault


@pytest.mark.parametrize("coding", sorted(SIZES))
def test_the_number_that_means_none(coding):
    found = read(record(Value(b"\x13", -(1 << (8 * SIZES[coding] - 1)), coding)))
    assert found.fault == "the number that means none"
    flags = read(record(Value(b"\xfd\x17", -(1 << (8 * SIZES[coding] - 1)), coding)))
    assert (flags.number, flags.fault) == (Decimal(1 << (8 * SIZES[coding] - 1)), "")


@given(st.floats(width=32))
def test_real_numbers(number):
    found = read(b"\x05\x2b" + struct.pack("<f", number))
    if math.isfinite(number):
        assert found.number is not None
        assert struct.pack("<f", float(found.number)) == struct.pack("<f", number or 0.0)
    else:
        assert found.number is None


@pytest.mark.parametrize(
    ("raw", "said", "valid"),
    [
        ("426CBF15", "2013-05-31", True),
        ("426C0000", "2000-00-00", False),
        ("426CFFFF", "2127-15-31", False),
        ("046D0B0BCD13", "2014-03-13T11:11:00", True),
        ("046D100905C5", "1996-05-05T09:16:00", True),
        ("046D8B0BCD13", "2014-03-13T11:11:00", False),
        ("046D0B1BCD13", "2014-03-13T27:11:00", False),
        ("066D1E0B0BCD1300", "2014-03-13T11:11:30", True),
        ("036D1E0B0B", "0000-00-00T11:11:30", True),
        ("036D1E0B1F", "0000-00-00T31:11:30", False),
        ("04FD300B0BCD13", "2014-03-13T11:11:00", True),
    ],
)
def test_dates_and_times(raw, said, valid):
    stamp = read(raw).stamp
    assert stamp is not None
    assert (str(stamp), stamp.valid) == (said, valid)


def test_summer_time_is_told():
    assert read("046D0B8BCD13").stamp == Stamp(2014, 3, 13, 11, 11, 0, summer=True)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("0D06C2" + "3412", "1234000"),
        ("0D06D2" + "3412", "-1234000"),
        ("0D06E2" + "0080", "-32768000"),
        ("0D06C0", None),
        ("0D06E0", None),
        ("0D06C1" + "FA", None),
        ("0006", None),
        ("0806", None),
        ("0486150100" + "0000", "1000"),
    ],
)
def test_numbers_of_variable_length_and_none(raw, number):
    found = read(raw)
    if number is not None:
        assert found.number == Decimal(number)
    elif found.number is not None or not found.fault:
        assert found.fault


def test_texts_are_sent_backwards():
    assert read("0DFD0C06" + "353332445652").text == "RVD235"
    assert read("0D7800").text == ""


def test_an_offset_is_added():
    assert read("0486780A000000").number == Decimal("10000.001")


@given(st.binary(min_size=2, max_size=60))
def test_anything_that_is_a_record_is_read_without_an_error(data):
    try:
        found = records.parse(data)
    except records.FrameDamaged:
        return
    for one in found:
        read_out = datum(one, meaning_of(one)) if not one.special else None
        assert read_out is None or read_out.number is None or read_out.number.is_finite()
