import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.cjt188 import frames
from drivers.cjt188.frames import Asked, Frame, ReplyFinder
from drivers.errors import DeviceRefused, DriverError, FrameDamaged

ADDRESS = "00201707010069"
DATA = bytes.fromhex("1F9002000000002C000000002C595416190817201301")
REPLY = frames.encode(0x10, ADDRESS, 0x81, DATA)
ASKED = Asked(frames.READ, 0x10, ADDRESS, "901F", 2)

addresses = st.binary(min_size=7, max_size=7).map(lambda raw: raw.hex().upper())
whole = st.builds(
    Frame, st.integers(0, 255), addresses, st.integers(0, 255), st.binary(max_size=255), st.integers(0, 13)
)


def written(frame: Frame) -> bytes:
    return frames.encode(frame.meter_type, frame.address, frame.control, frame.data, wakeup=frame.wakeup)


@given(whole)
def test_what_is_written_is_read(frame):
    assert frames.parse(written(frame)) == frame


@given(whole, st.data())
def test_one_wrong_bit_is_never_a_frame(frame, data):
    raw = bytearray(written(frame))
    place = data.draw(st.integers(8 * frame.wakeup, 8 * len(raw) - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameDamaged):
        frames.parse(bytes(raw))


@given(cut=st.integers(0, len(REPLY)), second=st.integers(0, len(REPLY)), wake=st.integers(0, 13))
def test_a_reply_is_found_in_any_portions(cut, second, wake):
    raw = b"\xfe" * wake + REPLY
    one, two = sorted((cut, second))
    finder = ReplyFinder(ASKED)
    found = [finder.feed(part) for part in (raw[:one], raw[one:two], raw[two:])]
    assert [reply for reply in found if reply] == [REPLY]
    finder = ReplyFinder(ASKED)
    assert [found for found in (finder.feed(bytes((byte,))) for byte in raw) if found] == [REPLY]


@given(st.binary(max_size=60))
def test_noise_before_a_reply_is_passed_over(noise):
    # A piece of a frame that could be the reply's own beginning holds the finder until more bytes come.
    finder = ReplyFinder(ASKED)
    found = finder.feed(noise + REPLY)
    if found is None:
        found = finder.feed(bytes(300))
    assert found == REPLY


def test_an_echo_and_the_replies_of_others_are_passed_over():
    request = frames.encode(0x10, ADDRESS, 0x01, bytes.fromhex("1F9002"))
    other = frames.encode(0x10, "00201707010070", 0x81, DATA)
    older = frames.encode(0x10, ADDRESS, 0x81, DATA[:2] + b"\x01" + DATA[3:])
    history = frames.encode(0x10, ADDRESS, 0x81, bytes.fromhex("20D102000000002C"))
    gas = frames.encode(0x30, ADDRESS, 0x81, DATA)
    assert ReplyFinder(ASKED).feed(request + other + older + history + gas + REPLY) == REPLY


@pytest.mark.parametrize("kind", [0x20, 0x25, 0x2F, 0xAA])
def test_a_heat_meter_may_answer_as_another_kind_of_heat_meter(kind):
    asked = Asked(frames.READ, 0x20, ADDRESS, "901F", 2)
    raw = frames.encode(kind, ADDRESS, 0x81, DATA)
    assert ReplyFinder(asked).feed(raw) == raw


def test_either_order_of_the_identification_is_taken_and_any_address_where_all_were_asked():
    turned = frames.encode(0x10, ADDRESS, 0x81, DATA[1::-1] + DATA[2:])
    assert ReplyFinder(ASKED).feed(turned) == turned
    anyone = Asked(frames.READ_ADDRESS, frames.ANY, frames.ANY_ADDRESS, "810A")
    said = frames.encode(0x10, ADDRESS, 0x83, bytes.fromhex("0A8100"))
    assert ReplyFinder(anyone).feed(said) == said


@pytest.mark.parametrize(
    ("data", "code"), [("020400", 0x0400), ("1F90020400", 0x0400), ("901F028F01", 0x8F01), ("1F9002", 0)]
)
def test_an_abnormal_reply_is_a_refusal(data, code):
    raw = frames.encode(0x10, ADDRESS, 0xC1, bytes.fromhex(data))
    if data == "1F9002":  # three bytes are SER and status, and this SER is another's
        assert ReplyFinder(ASKED).feed(raw) is None
        return
    with pytest.raises(DeviceRefused, match="abnormal") as found:
        ReplyFinder(ASKED).feed(raw)
    assert found.value.code == code


@given(st.integers(0, 8 * len(REPLY) - 1))
def test_a_reply_with_one_wrong_bit_is_never_taken(place):
    raw = bytearray(REPLY)
    raw[place // 8] ^= 1 << place % 8
    finder = ReplyFinder(ASKED)
    assert finder.feed(bytes(raw)) is None
    assert finder.feed(bytes(300)) is None


@given(st.lists(st.binary(max_size=64), max_size=30))
def test_hostile_bytes_are_bounded_and_raise_nothing_else(portions):
    finder = ReplyFinder(ASKED)
    for portion in portions:
        try:
            assert finder.feed(portion) is None
        except DriverError:
            return
        assert finder.pending <= 300


def test_too_much_noise_is_said():
    finder = ReplyFinder(ASKED)
    with pytest.raises(FrameDamaged, match="without an answer"):
        finder.feed(b"\x55" * (frames.MAX_NOISE + 1))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_damaged(raw):
    assume(not raw.startswith(b"\x68"))
    try:
        frames.parse(raw)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw[:-1] + b"\x17", "end is 17"),
        (lambda raw: raw[:-2] + b"\x00\x16", "checksum is 00, right would be EF"),
        (lambda raw: raw + b"\x00", "length 36 vs 35"),
        (lambda raw: raw[1:], "begins with 68"),
        (lambda raw: raw[:9], "13 bytes"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    with pytest.raises(FrameDamaged, match=words):
        frames.parse(change(REPLY))


def test_what_does_not_fit_is_not_written():
    with pytest.raises(ValueError, match="7 bytes"):
        frames.encode(0x10, "00", 1, b"")
    with pytest.raises(ValueError, match="255"):
        frames.encode(0x10, ADDRESS, 1, bytes(256))
