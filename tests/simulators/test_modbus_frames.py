"""The server half of the framings: whole, in portions, after garbage; against pymodbus's framers."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from simulators.modbus_frames import AsciiFraming, MbapFraming, NotModbus, Request, RtuFraming, crc16

PDUS = st.one_of(
    st.builds(
        lambda f, a, n: struct.pack(">BHH", f, a, n),
        st.integers(1, 6),
        st.integers(0, 65535),
        st.integers(0, 65535),
    ),
    st.builds(
        lambda a, v: struct.pack(">BHHB", 16, a, len(v), 2 * len(v)) + struct.pack(f">{len(v)}H", *v),
        st.integers(0, 65535),
        st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    ),
)


def rtu(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


def portions(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def test_the_checksum_is_the_standards() -> None:
    assert rtu(1, bytes.fromhex("0300000001")).hex() == "010300000001840a"


@given(
    st.lists(st.tuples(st.integers(0, 247), PDUS), min_size=1, max_size=4),
    st.lists(st.integers(0), max_size=12),
)
def test_rtu_requests_are_found_however_they_come(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    frames = RtuFraming()
    data = b"".join(rtu(unit, pdu) for unit, pdu in sent)
    found = [request for part in portions(data, cuts) for request in frames.feed(part)]
    assert [(request.unit, request.pdu) for request in found] == sent


@given(st.binary(max_size=12), st.integers(1, 247), PDUS)
def test_rtu_garbage_before_a_request_is_passed_over(garbage: bytes, unit: int, pdu: bytes) -> None:
    frames = RtuFraming()
    found = frames.feed(garbage + rtu(unit, pdu)) + frames.silence()
    assert (unit, pdu) in [(request.unit, request.pdu) for request in found]


def test_a_request_that_stopped_is_forgotten_and_an_unknown_function_is_a_request() -> None:
    frames = RtuFraming()
    assert frames.feed(rtu(1, bytes.fromhex("0300000001"))[:5]) == []
    assert frames.silence() == []
    assert len(frames.feed(rtu(2, bytes.fromhex("0300000001")))) == 1
    assert frames.feed(rtu(3, b"\x2b\x0e\x01\x00")) == []
    assert [request.pdu for request in frames.silence()] == [b"\x2b\x0e\x01\x00"]


@given(st.binary(max_size=2000))
def test_noise_never_raises_and_the_buffer_stays_small(noise: bytes) -> None:
    frames = RtuFraming()
    frames.feed(noise)
    assert len(frames._buffer) <= 260
    frames.silence()
    assert not frames._buffer


@given(st.integers(1, 247), st.integers(0, 65535), PDUS, st.lists(st.integers(0), max_size=6))
def test_mbap_requests_agree_with_a_stranger(
    unit: int, transaction: int, pdu: bytes, cuts: list[int]
) -> None:
    data = FramerSocket(DecodePDU(True)).encode(pdu, unit, transaction)
    frames = MbapFraming()
    found = [request for part in portions(data, cuts) for request in frames.feed(part)]
    assert found == [Request(unit, pdu, len(data), transaction)]
    assert frames.wrap(found[0], pdu) == data


@given(
    st.lists(st.tuples(st.integers(1, 247), PDUS), min_size=1, max_size=4),
    st.lists(st.integers(0), max_size=12),
)
def test_ascii_requests_agree_with_a_stranger_however_they_come(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    strange = FramerAscii(DecodePDU(True))
    parts = [strange.encode(pdu, unit, 0) for unit, pdu in sent]
    frames = AsciiFraming()
    found = [request for part in portions(b"".join(parts), cuts) for request in frames.feed(part)]
    assert found == [Request(unit, pdu, len(part)) for (unit, pdu), part in zip(sent, parts, strict=True)]
    assert [frames.wrap(request, request.pdu) for request in found] == parts
    assert not frames.begun
    assert frames.skipped == 0


@given(st.binary(max_size=1500))
def test_ascii_noise_never_raises_and_the_buffer_stays_small(noise: bytes) -> None:
    frames = AsciiFraming()
    frames.feed(noise)
    assert len(frames._buffer) <= 513
    frames.silence()
    assert not frames.begun


@pytest.mark.parametrize(
    "frame", [b":010300000001FA\r\n", b":010300000001fb\r\n", b":0103 0000001FB\r\n", b":\r\n"]
)
def test_an_ascii_request_with_a_wrong_check_or_wrong_digits_is_none(frame: bytes) -> None:
    frames = AsciiFraming()
    assert frames.feed(frame) == []
    assert frames.skipped == len(frame)
    good = b":010300000001FB\r\n"
    assert frames.feed(b":0103" + good) == [Request(1, bytes.fromhex("0300000001"), len(good))]


@given(st.integers(1, 247), PDUS)
def test_rtu_replies_agree_with_a_stranger(unit: int, pdu: bytes) -> None:
    assert RtuFraming().wrap(Request(unit, pdu, 0), pdu) == FramerRTU(DecodePDU(True)).encode(pdu, unit, 0)


@pytest.mark.parametrize("head", ["000100010006", "000100000001", "0001000000ff", "474554202f20"])
def test_what_is_no_mbap_closes_the_connection(head: str) -> None:
    with pytest.raises(NotModbus):
        MbapFraming().feed(bytes.fromhex(head) + b"\x01\x03")
