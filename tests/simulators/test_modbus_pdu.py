"""Requests judged and answered by the standard; the stranger is pymodbus's decoder."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu import DecodePDU

from simulators.modbus_pdu import Block, Image, Refusal, pack_bits, parse, refuse, reply


@given(st.integers(1, 2), st.lists(st.integers(0, 1), min_size=1, max_size=100))
def test_bits_are_packed_as_a_stranger_unpacks_them(function: int, bits: list[int]) -> None:
    pdu = reply(Block(function, "coil", 0, len(bits)), bits)
    decoded = DecodePDU(False).decode(pdu)
    assert decoded is not None
    assert decoded.bits[: len(bits)] == [bool(bit) for bit in bits]


@given(st.integers(3, 4), st.lists(st.integers(0, 65535), min_size=1, max_size=125))
def test_registers_are_written_as_a_stranger_reads_them(function: int, registers: list[int]) -> None:
    decoded = DecodePDU(False).decode(reply(Block(function, "holding", 0, len(registers)), registers))
    assert decoded is not None
    assert decoded.registers == registers


@given(st.binary(max_size=260))
def test_any_bytes_are_a_block_or_a_refusal(pdu: bytes) -> None:
    block: Block | None = None
    code = 0
    try:
        block = parse(pdu)
    except Refusal as refusal:
        code = refusal.code
    if block is None:
        assert refuse(pdu, code)[0] & 0x80
        assert code in {1, 2, 3}
    else:
        assert 1 <= block.count <= 2000
        assert block.address + block.count <= 0x10000


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("", 1),
        ("2b0e0100", 1),
        ("0300000000", 3),
        ("030000007e", 3),
        ("01000007d1", 3),
        ("03ffff0002", 2),
        ("0500011234", 3),
        ("0f000000080201ff", 3),
        ("100000000204000100", 3),
        ("030000", 3),
    ],
)
def test_what_the_standard_refuses(pdu: str, code: int) -> None:
    with pytest.raises(Refusal) as caught:
        parse(bytes.fromhex(pdu))
    assert caught.value.code == code


def test_a_hole_a_hidden_point_and_too_long_a_block_are_illegal_addresses() -> None:
    image = Image(max_registers=4)
    image.held["holding"] = {0: 10, 1: 11, 3: 13, 4: 14, 5: 15, 6: 16, 7: 17}
    assert image.read(parse(struct.pack(">BHH", 3, 0, 2))) == [10, 11]
    for address, count, hidden in ((0, 3, []), (3, 5, []), (3, 2, [range(4, 5)])):
        with pytest.raises(Refusal) as caught:
            image.read(parse(struct.pack(">BHH", 3, address, count)), hidden)
        assert caught.value.code == 2


def test_writes_are_echoed() -> None:
    for text in ("0500acff00", "050001" + "0000", "0600010003"):
        pdu = bytes.fromhex(text)
        assert reply(parse(pdu), []) == pdu
    assert reply(parse(bytes.fromhex("10000100020400010002")), []) == bytes.fromhex("1000010002")
    assert reply(parse(bytes.fromhex("0f0013000a02cd01")), []) == bytes.fromhex("0f0013000a")
    assert parse(bytes.fromhex("0f0013000a02cd01")).values == (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)
    assert pack_bits((1, 0, 1, 1, 0, 0, 1, 1, 1, 0)) == b"\xcd\x01"
