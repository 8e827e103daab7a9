import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.modbus import pdu
from drivers.modbus.mbap import MAX_BUFFER, MbapReader, frame

REQUEST = pdu.read_request(3, 0x10, 2)
ANSWER = bytes.fromhex("0304DEADBEEF")


def reader(**options: bool) -> MbapReader:
    return MbapReader(0x1234, 5, REQUEST, **options)


def test_a_request_is_framed_as_the_guide_says():
    assert frame(0x1501, 0xFF, bytes.fromhex("0300040001")).hex() == "150100000006ff0300040001"


def test_a_reply_is_found_whole_byte_by_byte_and_split_anywhere():
    reply = frame(0x1234, 5, ANSWER)
    assert reader().feed(reply) == ANSWER
    for cut in range(1, len(reply)):
        one = reader()
        assert one.feed(reply[:cut]) is None
        assert one.feed(reply[cut:]) == ANSWER
    slow = reader()
    assert [slow.feed(bytes((byte,))) for byte in reply][-1] == ANSWER


def test_late_replies_to_other_requests_are_passed_over():
    late = frame(0x1233, 5, bytes.fromhex("030411111111"))
    refused = frame(0x1232, 5, bytes.fromhex("8302"))
    assert reader().feed(late + refused + frame(0x1234, 5, ANSWER)) == ANSWER
    assert reader().feed(late) is None


def test_another_unit_is_refused_with_the_option_named():
    with pytest.raises(FrameDamaged, match="any_unit: true"):
        reader().feed(frame(0x1234, 0, ANSWER))
    assert reader(any_unit=True).feed(frame(0x1234, 0, ANSWER)) == ANSWER


def test_another_transaction_is_taken_only_where_that_is_asked_for():
    assert reader().feed(frame(0, 5, ANSWER)) is None
    odd = reader(any_transaction=True)
    assert odd.feed(frame(0, 6, ANSWER) + frame(0, 5, bytes.fromhex("03020001"))) is None
    assert odd.feed(frame(0, 5, ANSWER)) == ANSWER
    assert reader(any_transaction=True, any_unit=True).feed(frame(7, 255, ANSWER)) == ANSWER


@pytest.mark.parametrize(
    "answer",
    ["04040001 0002", "0302 0001", "0306 000100020003", "0308 00010002", "8402", "83", "830200", "03"],
)
def test_an_answer_to_our_number_that_is_not_what_was_asked_for_is_damage(answer):
    with pytest.raises(FrameDamaged):
        reader().feed(frame(0x1234, 5, bytes.fromhex(answer)))


@pytest.mark.parametrize(
    "header", ["1234 0001 0007 05", "1234 0000 0001 05", "1234 0000 00FF 05", "1234 0000 FFFF 05"]
)
def test_a_stream_that_is_no_modbus_tcp_is_damage(header):
    with pytest.raises(FrameDamaged, match="framing: rtu"):
        reader().feed(bytes.fromhex(header) + ANSWER)


def test_an_exception_is_a_refusal():
    with pytest.raises(DeviceRefused) as caught:
        reader().feed(frame(0x1234, 5, bytes.fromhex("8302")))
    assert caught.value.address


def test_a_peer_that_sends_only_others_answers_is_given_up():
    one = reader()
    stale = frame(9, 5, ANSWER) * 50
    with pytest.raises(FrameDamaged, match="transaction 4660"):
        for _ in range(MAX_BUFFER):
            one.feed(stale)
    assert len(one._buffer) < 300


@given(st.binary(max_size=300))
def test_noise_never_yields_a_value(data):
    try:
        found = reader().feed(data)
    except DriverError:
        return
    assert found is None or frame(0x1234, 5, found) in data


@pytest.mark.parametrize("place", range(8 * 9))
def test_one_flipped_bit_in_header_function_or_byte_count_never_yields_a_value(place):
    # The registers themselves are guarded by TCP's checksum only: Modbus TCP has none of its own.
    damaged = bytearray(frame(0x1234, 5, ANSWER))
    damaged[place // 8] ^= 1 << place % 8
    with contextlib.suppress(DriverError):
        assert reader().feed(bytes(damaged)) is None
