import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.osdp.multipart import Assembler, part
from tests.support.long import amount


def parts(whole, size):
    for offset in range(0, max(1, len(whole)), size):
        piece = whole[offset : offset + size]
        yield struct.pack("<HHH", len(whole), offset, len(piece)) + piece


@settings(max_examples=amount(40, 2000))
@given(st.binary(min_size=1, max_size=300), st.integers(1, 64), st.booleans())
def test_parts_make_the_whole_again(whole, size, broken_off):
    made = Assembler()
    if broken_off:
        made.add(0x80, struct.pack("<HHH", 50, 0, 3) + b"abc")  # a message that was never ended
    found = [made.add(0x80, each) for each in parts(whole, size)]
    assert found[-1] == whole
    assert not any(found[:-1])


@settings(max_examples=amount(60, 2000))
@given(st.lists(st.tuples(st.sampled_from([0x80, 0x81]), st.binary(max_size=40)), max_size=8))
def test_any_parts_are_a_whole_or_damage_and_memory_is_bounded(pieces):
    made = Assembler(most=64)
    for code, data in pieces:
        try:
            whole = made.add(code, data)
        except FrameDamaged:
            assert made._have == b""
            continue
        assert whole is None or len(whole) <= 64
        assert len(made._have) <= 64


@pytest.mark.parametrize(
    "pieces",
    [
        ["0500000003 00616263".replace(" ", "")[:6]],
        ["050000000300" + "6162"],
        ["020000000300" + "616263"],
        ["001000000100" + "61", "001001000100" + "62", "001003000100" + "63"],
        ["050001000100" + "61"],
        ["FFFF00000100" + "61"],
        ["050000000000"],
    ],
)
def test_parts_that_do_not_fit_are_damage(pieces):
    made = Assembler()
    with pytest.raises(FrameDamaged):
        for piece in pieces:
            made.add(0x80, bytes.fromhex(piece))


def test_a_part_is_taken_apart():
    found = part(bytes.fromhex("0A0003000200AABB"))
    assert (found.total, found.offset, found.data) == (10, 3, b"\xaa\xbb")
