import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.modbus import frames, pdu
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.modbus_ascii import MAX_FRAME, AsciiReader, frame, lrc, unwrap
from tests.support.vectors import rows

READ = pdu.read_request(3, 107, 3)
ANSWER = bytes.fromhex("03 06 022B 0000 0064")
UNIT = 0x11

# Made by hand from the clause: the sum of unit and PDU, negated, is the LRC.
BY_HAND = [
    (0x11, "03 006B 0003", ":11 03 006B 0003 7E"),
    (0x11, "03 06 022B 0000 0064", ":11 0306 022B 0000 0064 55"),
    (0x01, "83 02", ":01 8302 7A"),
    (0xF7, "05 00AC FF00", ":F7 05 00AC FF00 59"),
]


@pytest.mark.parametrize(("unit", "body", "text"), BY_HAND)
def test_frames_made_by_hand(unit, body, text):
    wire = text.replace(" ", "").encode() + b"\r\n"
    assert frame(unit, bytes.fromhex(body)) == wire
    assert unwrap(wire) == (unit, bytes.fromhex(body))
    assert unwrap(wire.lower()) == (unit, bytes.fromhex(body))


ROWS = rows("modbus-ascii")


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_vectors_agree_and_what_is_bent_disagrees(row):
    driver = ModbusDriver()
    assert driver.check_vector(row, ()) is None
    bent = {**row, "expected": {**row["expected"], "lrc_ok": not row["expected"]["lrc_ok"]}}
    assert driver.check_vector(bent, ())
    if row["expected"]["lrc_ok"]:
        assert driver.check_vector({**row, "expected": {**row["expected"], "unit": 250}}, ())


def test_a_check_byte_makes_the_sum_zero():
    assert lrc(b"") == 0
    assert (lrc(b"\x01\x02") + 3) & 0xFF == 0


@given(st.integers(1, 247), st.binary(min_size=1, max_size=253))
def test_what_is_wrapped_is_unwrapped(unit, body):
    raw = frame(unit, body)
    assert unwrap(raw) == (unit, body)
    assert len(raw) == 2 * len(body) + 7 <= MAX_FRAME


@given(st.integers(1, 247), st.binary(min_size=1, max_size=60), st.data())
def test_one_wrong_character_is_never_taken(unit, body, data):
    raw = bytearray(frame(unit, body))
    place = data.draw(st.integers(0, len(raw) - 1))
    right = raw[place]
    raw[place] = data.draw(st.integers(0, 255))
    if chr(raw[place]).upper() != chr(right):
        with pytest.raises(FrameDamaged):
            unwrap(bytes(raw))


def fed(reader: AsciiReader, data: bytes, cuts: list[int]) -> bytes | None:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    first = 0
    for end in ends:
        found = reader.feed(data[first:end])
        if found is not None:
            return found
        first = end
    return None


noise = st.binary(max_size=300).filter(lambda raw: b"\r\n" not in raw)


@given(noise, st.lists(st.integers(0, 400), max_size=6))
def test_the_answer_is_found_behind_any_noise_in_any_portions(before, cuts):
    reader = AsciiReader(UNIT, READ)
    assert fed(reader, before + b"\r\n" + frame(UNIT, ANSWER), cuts) == ANSWER
    # A colon begins a frame anew, so what stood before needs no end.
    assert fed(AsciiReader(UNIT, READ), before + frame(UNIT, ANSWER), cuts) == ANSWER


@pytest.mark.parametrize(
    "other",
    [
        frame(0x12, ANSWER),
        frame(UNIT, bytes.fromhex("04 06 022B 0000 0064")),
        frame(UNIT, bytes.fromhex("03 04 022B 0000")),
        frame(UNIT, READ),
        frame(UNIT, bytes.fromhex("84 02")),
        frame(UNIT, ANSWER)[:-4] + b"00\r\n",
        b":\r\n::\r\n:1\r\n:zz\r\n",
        b"\r\n" * 200,
    ],
)
def test_what_is_no_answer_to_this_request_is_passed_over(other):
    reader = AsciiReader(UNIT, READ)
    assert reader.feed(other) is None
    assert reader.feed(frame(UNIT, ANSWER)) == ANSWER


def test_a_refusal_is_a_refusal():
    with pytest.raises(DeviceRefused) as caught:
        AsciiReader(UNIT, READ).feed(frame(UNIT, b"\x83\x02"))
    assert caught.value.address


@given(st.lists(st.binary(max_size=3000), max_size=6))
def test_hostile_bytes_end_and_hold_no_memory(portions):
    reader = AsciiReader(UNIT, READ)
    with contextlib.suppress(DriverError):
        for portion in portions:
            reader.feed(portion)
            assert len(reader._buffer) <= MAX_FRAME


def test_endless_noise_is_given_up():
    reader = AsciiReader(UNIT, READ)
    with pytest.raises(FrameDamaged):
        for _ in range(100):
            reader.feed(b"x" * 100)


def test_a_captured_frame_is_explained():
    assert frames.explain(frames.from_hex(":1103006B00037E")).startswith(
        "ASCII, LRC right · unit 17 · function 03"
    )
    with pytest.raises(FrameDamaged, match="LRC is 7F, right would be 7E"):
        frames.explain(frames.from_hex(":1103006B00037F"))
