"""The check values that are published for these CRCs, and an own reckoning bit by bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.crc import crc16_8005
from tests.support.sealed import crc


@pytest.mark.parametrize(("start", "check"), [(0, 0xBB3D), (0xFFFF, 0x4B37)], ids=["ARC", "MODBUS"])
def test_the_published_check_values(start, check):
    assert crc16_8005(b"123456789", start) == check


@given(st.binary(max_size=60), st.sampled_from([0, 0xFFFF]))
def test_the_table_is_the_polynomial(data, start):
    assert crc16_8005(data, start) == crc(data, 0xA001, start, reflected=True)
    assert crc16_8005(memoryview(data), start) == crc16_8005(bytearray(data), start)
