import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged, Misconfigured
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.odd import BASIC_ID, SERVER_ID, OpenReply, OpenRtuReader, identity
from drivers.modbus.rtu import frame

UNIT = 9
ID_REPLY = bytes.fromhex("2B0E01010000 03") + b"\x00\x04Acme" + b"\x01\x02M1" + b"\x02\x032.7"
SERVER_REPLY = bytes.fromhex("1104") + b"abc\xff"


def reader(request: bytes) -> OpenRtuReader:
    return OpenRtuReader(UNIT, OpenReply(request))


def fed(found: OpenRtuReader, data: bytes, cuts: list[int]) -> bytes | None:
    first = 0
    for end in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        answer = found.feed(data[first:end])
        if answer is not None:
            return answer
        first = end
    return None


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (BASIC_ID, ID_REPLY),
        (SERVER_ID, SERVER_REPLY),
        (b"\x07", b"\x07\x6d"),
        (b"\x0b", bytes.fromhex("0BFFFF0108")),
        (b"\x08\x00\x00\xa5\x37", b"\x08\x00\x00\xa5\x37"),
        (bytes.fromhex("1804DE"), bytes.fromhex("18000600 0201B81284")),
        (bytes.fromhex("16000400F20025"), bytes.fromhex("16000400F20025")),
    ],
)
@given(cuts=st.lists(st.integers(0, 60), max_size=5), noise=st.binary(max_size=20))
def test_an_answer_is_as_long_as_it_says_in_any_portions_behind_any_noise(request_, reply, cuts, noise):
    assert fed(reader(request_), frame(UNIT, reply), cuts) == reply
    # Noise that looks like the head of the answer is passed over once it cannot be one.
    assert fed(reader(request_), noise + frame(UNIT, reply) + bytes(260), cuts) == reply


@given(st.binary(max_size=60))
def test_a_function_that_nobody_knows_ends_where_its_crc_is_right(data):
    reply = b"\x42" + data
    found = reader(b"\x42\x01")
    assert found.feed(b"\x00" + frame(UNIT, reply)) == reply


def test_a_refusal_and_a_reply_of_another_unit():
    found = reader(BASIC_ID)
    assert found.feed(frame(UNIT + 1, ID_REPLY)) is None
    with pytest.raises(DeviceRefused, match="illegal function"):
        found.feed(frame(UNIT, b"\xab\x01"))


@given(st.lists(st.binary(max_size=300), max_size=8), st.sampled_from([BASIC_ID, SERVER_ID, b"\x42"]))
def test_hostile_bytes_end_and_hold_little_memory(portions, request_):
    found = reader(request_)
    with contextlib.suppress(DriverError):
        for portion in portions:
            found.feed(portion)
            assert len(found._buffer) <= 256


def test_noise_without_end_is_given_up():
    found = reader(b"\x42")
    with pytest.raises(FrameDamaged):
        for _ in range(40):
            found.feed(bytes(200))


def test_what_a_device_says_of_itself():
    assert identity(ID_REPLY) == {"VendorName": "Acme", "ProductCode": "M1", "MajorMinorRevision": "2.7"}
    assert identity(SERVER_REPLY) == {"ServerId": "abc"}
    assert identity(bytes.fromhex("1103 01FF02")) == {"ServerId": "01 ff 02"}
    assert identity(bytes.fromhex("2B0E0181000001 8002") + b"hi") == {"Object80": "hi"}


@given(st.binary(max_size=80))
def test_anything_else_says_nothing(data):
    for head in (b"\x2b", b"\x2b\x0e", b"\x11", b""):
        assert all(isinstance(text, str) for text in identity(head + data).values())


@pytest.mark.parametrize("request_", [b"", b"\x00", b"\x83\x01", bytes([3]) * 254])
def test_what_is_no_request_is_refused(request_):
    with pytest.raises(Misconfigured):
        ModbusDriver().workshop.raw(1, request_, {"framing": "rtu"})


def test_a_read_is_held_to_what_was_asked():
    exchange = ModbusDriver().workshop.raw(1, bytes.fromhex("0300000002"), {"framing": "rtu"})
    assert exchange.reader is not None
    assert exchange.reader.feed(frame(1, bytes.fromhex("03020001"))) is None
    assert exchange.reader.feed(frame(1, bytes.fromhex("030400010002"))) == bytes.fromhex("030400010002")
