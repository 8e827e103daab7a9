import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlt645.frames import BROADCAST, LONGEST, Frame, checksum, frames_in, parse, wire_address
from drivers.dlt645.reply import MAX_NOISE, Reader, segment
from drivers.errors import DeviceRefused, FrameDamaged

DI = bytes.fromhex("00000100")  # 00010000, low byte first
addresses = st.text("0123456789", min_size=12, max_size=12)
frames = st.builds(
    Frame,
    address=addresses,
    control=st.integers(0, 255),
    data=st.binary(max_size=60),
    wake_up=st.integers(0, 8),
)
answers = st.builds(
    Frame, address=addresses, control=st.just(0x91), data=st.binary(max_size=12).map(DI.__add__)
)


def heard(reader: Reader, *portions: bytes) -> bytes | None:
    return next((found for portion in portions if (found := reader.feed(portion)) is not None), None)


@given(frames)
def test_what_is_built_is_what_is_read(frame):
    assert parse(frame.encode()) == frame


def test_the_standards_layout():
    frame = Frame("000012345678", 0x11, DI, wake_up=4)
    assert frame.encode().hex(" ").upper() == "FE FE FE FE 68 78 56 34 12 00 00 68 11 04 33 33 34 33 C6 16"
    assert not frame.from_meter
    assert Frame("1" * 12, 0xB1).more
    assert (Frame("1" * 12, 0xD1).abnormal, Frame("1" * 12, 0xD1).edition) == (True, 2007)
    assert Frame("1" * 12, 0x81).edition == 1997
    assert Frame(BROADCAST, 0x08).edition is None


@pytest.mark.parametrize("address", ["12", "", "12345678901", "xx"])
def test_what_is_no_address_is_not_sent(address):
    with pytest.raises(ValueError, match=r"address|hex"):
        wire_address(address)


def test_more_data_than_the_length_byte_can_say_is_not_sent():
    with pytest.raises(ValueError, match="256 bytes"):
        Frame("1" * 12, 0x14, bytes(256)).encode()


@pytest.mark.parametrize(
    ("place", "why"),
    [(0, "68H"), (7, "68H"), (9, "length"), (-1, "last byte"), (-2, "checksum"), (12, "checksum")],
)
def test_each_part_of_a_frame_is_judged(place, why):
    raw = bytearray(Frame("000012345678", 0x91, DI + bytes(4)).encode())
    raw[place] ^= 1
    with pytest.raises(FrameDamaged, match=why):
        parse(bytes(raw))


def test_too_short_is_damaged():
    with pytest.raises(FrameDamaged, match="shortest"):
        parse(b"\xfe\xfe\x68")


@given(st.lists(frames, max_size=3), st.binary(max_size=20).filter(lambda noise: 0x68 not in noise))
def test_frames_are_found_one_after_the_other_and_among_noise(several, noise):
    raw = b"".join(noise + frame.encode() for frame in several)
    assert [(f.address, f.control, f.data) for f in frames_in(raw)] == [
        (f.address, f.control, f.data) for f in several
    ]


@given(answers, st.binary(max_size=30), st.data())
def test_an_answer_is_found_however_it_comes(frame, noise, data):
    raw = noise.replace(b"\x68", b"") + frame.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    portions = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    reader = Reader(frame.address, 0x11, DI)
    assert heard(reader, *portions) == segment(frame)
    whole = Reader(frame.address, 0x11, DI)
    assert heard(whole, *(bytes((byte,)) for byte in raw)) == segment(frame)


@given(answers, st.data())
def test_one_flipped_bit_never_yields_a_value(frame, data):
    raw = bytearray(frame.encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        assert Reader(frame.address, 0x11, DI).feed(bytes(raw)) is None
    except DeviceRefused:  # a flipped bit can never make a refusal either: its sum would be right
        raise AssertionError from None


@given(answers, addresses)
def test_answers_of_others_and_to_others_are_passed_over(frame, other):
    reader = Reader(frame.address, 0x11, DI)
    late = Frame(frame.address, 0x91, bytes.fromhex("00000200") + bytes(4)).encode()
    request = Frame(frame.address, 0x11, DI).encode()
    noise = late + request + Frame(frame.address, 0x92, DI).encode()
    if other != frame.address:
        noise += Frame(other, 0x91, DI + bytes(4)).encode()
    assert heard(reader, noise, frame.encode()) == segment(frame)


@given(answers)
def test_a_cut_answer_does_not_hide_the_next(frame):
    raw = frame.encode()
    assert heard(Reader(frame.address, 0x11, DI), raw[:-3], raw) == segment(frame)


def test_two_joined_frames_are_one_answer():
    one, two = (Frame("000000000001", 0x91, DI + bytes((n, 0, 0, 0))) for n in (1, 2))
    assert Reader("000000000001", 0x11, DI).feed(one.encode() + two.encode()) == segment(one)


def test_a_refusal_says_why():
    reader = Reader("000000000001", 0x11, DI)
    with pytest.raises(DeviceRefused, match="no such data, wrong password") as caught:
        reader.feed(Frame("000000000001", 0xD1, b"\x06").encode())
    assert (caught.value.code, caught.value.address) == (6, True)
    with pytest.raises(DeviceRefused, match="no such data identifier"):
        Reader("000000000001", 0x01).feed(Frame("000000000001", 0xC1, b"\x02").encode())
    assert Reader("000000000001", 0x11).feed(Frame("000000000001", 0xD1, b"\x06\x00").encode()) is None


def test_wildcards_take_the_digits_that_were_given():
    frame = Frame("000012345678", 0x91, DI)
    assert Reader("AAAAAAAAAAAA", 0x11, DI).feed(frame.encode()) == segment(frame)
    assert Reader("AAAAAAAA5678", 0x11, DI).feed(frame.encode()) == segment(frame)
    assert Reader("AAAAAAAA5679", 0x11, DI).feed(frame.encode()) is None
    anonymous = Frame("AAAAAAAAAAAA", 0x91, DI)
    assert Reader("000012345678", 0x11, DI).feed(anonymous.encode()) is None
    assert Reader("000012345678", 0x11, DI, any_address=True).feed(anonymous.encode()) == segment(anonymous)


def test_a_start_byte_inside_of_address_and_data_begins_no_frame():
    frame = Frame("685335353568", 0x91, DI + bytes.fromhex("16351200"))
    assert Reader(frame.address, 0x11, DI).feed(b"\x68\x68" + frame.encode()) == segment(frame)


def test_an_answer_of_another_length_is_none_where_the_length_is_known():
    assert Reader("000000000001", 0x1C, size=0).feed(Frame("000000000001", 0x9C, b"\0").encode()) is None
    assert Reader("000000000001", 0x1C, size=0).feed(Frame("000000000001", 0x9C).encode()) == b"\x9c\0"


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_hostile_bytes_are_bounded(portions):
    reader = Reader("000000000001", 0x11, DI)
    for portion in portions:
        reader.feed(portion)
        assert len(reader._buffer) <= LONGEST
        assert reader.needs > 0


def test_endless_noise_is_damage():
    with pytest.raises(FrameDamaged, match="without an answer"):
        Reader("000000000001", 0x11, DI).feed(bytes(MAX_NOISE + 1))


def test_the_sum_is_of_bytes():
    assert checksum(b"\xff\x02") == 1
