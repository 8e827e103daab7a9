import math
import struct
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from drivers.shortest import shortest32, shortest64


def bits_of(number: float) -> int:
    return int.from_bytes(struct.pack(">f", number), "big")


def float_of(bits: int) -> float:
    return struct.unpack(">f", bits.to_bytes(4, "big"))[0]


def reads_back(number: Decimal, bits: int) -> bool:
    try:
        return bits_of(float(number)) == bits
    except OverflowError:
        return False


@given(st.decimals(min_value=-99999, max_value=99999, places=1))
def test_a_decimal_of_six_digits_survives_the_register(number):
    assert shortest32(bits_of(float(number))) == number


@given(st.integers(0, 0xFFFFFFFF))
def test_it_reads_back_and_nothing_shorter_does(bits):
    number = shortest32(bits)
    if number is None:
        assert not math.isfinite(float_of(bits))
        return
    if not number:
        assert bits & 0x7FFFFFFF == 0
        return
    assert reads_back(number, bits)
    digits = len(number.normalize().as_tuple().digits)
    if digits > 1:
        step = Decimal(1).scaleb(number.adjusted() - digits + 2)
        below = (number / step).to_integral_value(rounding="ROUND_FLOOR") * step
        assert not reads_back(below, bits)
        assert not reads_back(below + step, bits)


@given(st.integers(0, 254), st.booleans())
def test_powers_of_two_and_the_smallest_numbers_too(exponent, negative):
    for mantissa in (0, 1, 2, 3, 5, 0x7FFFFF):
        bits = negative << 31 | exponent << 23 | mantissa
        number = shortest32(bits)
        assert number is not None
        assert reads_back(number, bits) or bits & 0x7FFFFFFF == 0
        assert len(number.normalize().as_tuple().digits) <= 9


def test_known_numbers():
    assert str(shortest32(bits_of(233.1))) == "233.1"
    assert str(shortest32(0x43694314)) == "233.26202"
    assert shortest32(1) == Decimal("1E-45")
    # Below a power of two the gap is half as wide: the nearest eight digits do not read back, the next do.
    assert str(shortest32(31 << 23)) == "1.2621775E-29"
    assert shortest32(217 << 23) == Decimal("1.2379401E+27")
    assert shortest32(115 << 23) == Decimal("0.00024414062")
    assert shortest32(0x7F7FFFFF) == Decimal("3.4028235E+38")
    assert shortest32(0x80000000) == 0
    assert [shortest32(bits) for bits in (0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001)] == [None] * 4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_reads_back(number):
    found = shortest64(number)
    assert found is not None
    assert float(found) == number


def test_float64_that_is_no_number():
    assert shortest64(math.nan) is None
    assert shortest64(-math.inf) is None
