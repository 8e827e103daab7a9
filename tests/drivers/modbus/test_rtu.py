import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.modbus import pdu
from drivers.modbus.rtu import MAX_NOISE, RtuReader, crc16, crc_ok, frame
from messages.types import Quality
from tests.support.vectors import rows

# In one test each, for a test per frame would take longer than what it tests.
PAIRS = [
    (bytes.fromhex(row["request_rtu"]), bytes.fromhex(row["response_rtu"]))
    for row in rows("modbus-decode")
    if "request_rtu" in row
]


def reader_for(request: bytes) -> RtuReader:
    assert crc_ok(request)
    return RtuReader(request[0], request[1:-2])


def test_the_crc_is_that_of_the_standard():
    assert crc16(b"123456789") == 0x4B37  # the check value of CRC-16/MODBUS
    assert frame(2, bytes.fromhex("07")).hex() == "02074112"  # the example of the serial line standard


def test_a_reply_is_found_whole_byte_by_byte_and_split_anywhere():
    for request_, reply in PAIRS:
        assert reader_for(request_).feed(reply) == reply[1:-2]
        reader = reader_for(request_)
        portions = [reader.feed(reply[place : place + 1]) for place in range(len(reply))]
        assert portions == [None] * (len(reply) - 1) + [reply[1:-2]]
        for cut in range(1, len(reply)):
            reader = reader_for(request_)
            assert reader.feed(reply[:cut]) is None
            assert reader.feed(reply[cut:]) == reply[1:-2]


def test_noise_the_echo_and_other_units_before_the_reply_are_passed_over():
    for request_, reply in PAIRS:
        other = frame((request_[0] % 247) + 1, reply[1:-2])
        wrong_function = frame(request_[0], bytes((reply[1] ^ 7,)) + reply[2:-2])
        too_short = frame(request_[0], bytes((reply[1], 2, 0, 1)))
        for before in (
            b"\0",
            b"\xfe\xff",
            request_,
            request_[:1],
            reply[:3],
            reply[:-1],
            other,
            wrong_function,
        ):
            assert reader_for(request_).feed(before + reply) == reply[1:-2], before.hex()
        if len(too_short) != len(reply):
            assert reader_for(request_).feed(too_short + reply) == reply[1:-2]


def test_of_two_joined_frames_the_first_is_the_reply():
    for request_, reply in PAIRS:
        assert reader_for(request_).feed(reply + reply) == reply[1:-2]
        assert reader_for(request_).feed(reply + request_) == reply[1:-2]


def test_one_flipped_bit_never_yields_a_value():
    for request_, reply in PAIRS:
        for place in range(8 * len(reply)):
            damaged = bytearray(reply)
            damaged[place // 8] ^= 1 << place % 8
            assert reader_for(request_).feed(bytes(damaged)) is None
            assert reader_for(request_).feed(bytes(damaged) + b"\0\0\0\0") is None


def test_a_truncated_reply_never_yields_a_value():
    for request_, reply in PAIRS:
        for size in range(len(reply)):
            assert reader_for(request_).feed(reply[:size]) is None


@given(noise=st.binary(max_size=60), cut=st.integers(0, 60))
def test_any_noise_before_a_reply_is_passed_over_or_waited_out(noise, cut):
    request = pdu.read_request(3, 16, 2)
    reply = frame(7, bytes.fromhex("0304DEADBEEF"))
    reader = RtuReader(7, request)
    whole = noise + reply
    first = reader.feed(whole[:cut])
    found = first if first is not None else reader.feed(whole[cut:])
    assert found == reply[1:-2]


@given(st.binary(max_size=400), st.integers(1, 247), st.sampled_from([1, 2, 3, 4]), st.integers(1, 20))
def test_bytes_that_hold_no_sound_frame_never_yield_a_value(data, unit, function, count):
    request = pdu.read_request(function, 0, count)
    size = pdu.expected_reply(request).length + 3
    try:
        found = RtuReader(unit, request).feed(data)
    except DeviceRefused:
        assert any(crc_ok(data[place : place + 5]) for place in range(len(data)))
        return
    if found is not None:
        assert any(crc_ok(data[place : place + size]) for place in range(len(data)))


def test_a_reply_of_another_length_function_or_unit_is_not_the_reply():
    request = pdu.read_request(3, 0, 2)
    for unit, answer in ((1, "03020001"), (1, "0306000100020003"), (1, "040400010002"), (2, "030400010002")):
        assert RtuReader(1, request).feed(frame(unit, bytes.fromhex(answer))) is None
    # the byte count lies: four registers' worth announced, two sent
    assert RtuReader(1, request).feed(frame(1, bytes.fromhex("030800010002"))) is None


@pytest.mark.parametrize(
    ("code", "busy", "address", "quality"),
    [
        (1, False, False, Quality.REFUSED),
        (2, False, True, Quality.REFUSED),
        (3, False, True, Quality.REFUSED),
        (4, False, False, Quality.DEVICE),
        (5, True, False, Quality.REFUSED),
        (6, True, False, Quality.REFUSED),
        (10, True, False, Quality.COMM),
        (11, True, False, Quality.TIMEOUT),
        (99, False, False, Quality.REFUSED),
    ],
)
def test_an_exception_is_a_refusal_classed_by_what_to_do_next(code, busy, address, quality):
    answer = frame(9, bytes((0x83, code)))
    reader = RtuReader(9, pdu.read_request(3, 0, 10))
    assert reader.feed(b"\x09" + answer[:2]) is None
    with pytest.raises(DeviceRefused) as caught:
        reader.feed(answer[2:])
    assert (caught.value.code, caught.value.busy, caught.value.address) == (code, busy, address)
    assert caught.value.quality is quality
    assert f"exception {code:02X}" in str(caught.value)
    assert DeviceRefused.quality is Quality.REFUSED  # the class is not changed by one instance


def test_an_exception_to_another_function_or_with_a_wrong_crc_is_noise():
    reader = RtuReader(9, pdu.read_request(3, 0, 10))
    assert reader.feed(frame(9, b"\x84\x02")) is None
    assert reader.feed(b"\x09\x83\x02\x00\x00") is None


@pytest.mark.parametrize(
    "request_",
    [
        pdu.write_coil_request(7, on=True),
        pdu.write_register_request(7, 61103),
        pdu.write_coils_request(7, (True, False, True)),
        pdu.write_registers_request(7, (1, 2)),
    ],
)
def test_the_answer_to_a_write_must_repeat_address_and_count_or_value(request_):
    answer = request_[:5]
    assert RtuReader(1, request_).feed(frame(1, answer)) == answer
    for place in range(1, 5):
        other = bytearray(answer)
        other[place] ^= 1
        assert RtuReader(1, request_).feed(frame(1, bytes(other))) is None


def test_a_babbler_is_given_up_and_costs_no_memory():
    reader = RtuReader(1, pdu.read_request(3, 0, 125))
    with pytest.raises(FrameDamaged, match="unit 1"):
        for _ in range(MAX_NOISE):
            reader.feed(b"\x01\x03\x00\x55")
    assert len(reader._buffer) < 300


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=30))
def test_the_reader_holds_no_more_than_one_reply(portions):
    reader = RtuReader(1, pdu.read_request(3, 0, 4))
    for portion in portions:
        assume(reader.feed(b"\x01\x03\x08" + portion) is None)
        assert len(reader._buffer) <= 13


def test_only_errors_of_the_drivers_come_out():
    assert issubclass(DeviceRefused, DriverError)
    with pytest.raises(ValueError, match="no reply is known"):
        RtuReader(1, b"\x2b\x0e\x01\x00")


@given(st.sampled_from(PAIRS), st.binary(max_size=12), st.booleans(), st.data())
def test_nothing_is_told_before_as_many_bytes_came_as_are_needed(pair, noise, refused, data):
    request_, reply = pair
    if refused:
        reply = frame(request_[0], bytes((request_[1] | 0x80, 2)))
    stream = noise + (request_[:1] if data.draw(st.booleans()) else b"") + reply
    reader, place, told = reader_for(request_), 0, False
    while not told and place < len(stream):
        needs = reader.needs
        assert needs > 0
        # One byte less than it needs, in one piece: it can tell nothing yet, whatever the bytes are.
        place, fewer = place + needs - 1, stream[place : place + needs - 1]
        assert reader.feed(fewer) is None
        try:
            told = reader.feed(stream[place : place + 1]) is not None
        except DriverError:
            told = True
        place += 1
