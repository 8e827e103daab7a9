import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.osdp.codes import WITH_MAC
from drivers.osdp.frames import MAX_FRAME, Finder, Frame, build, checksum, crc16, dissect, parse
from tests.support.long import amount

FEW = settings(max_examples=amount(40, 2000))
BLOCKS = st.none() | st.integers(0x11, 0x18)


@st.composite
def frames(draw, reply=None):
    block = draw(BLOCKS)
    return Frame(
        address=draw(st.integers(0, 0x7F)),
        reply=draw(st.booleans()) if reply is None else reply,
        sequence=draw(st.integers(0, 3)),
        code=draw(st.integers(0, 255)),
        data=draw(st.binary(max_size=70)),
        crc=draw(st.booleans()),
        block=block,
        block_data=b"" if block is None else draw(st.binary(max_size=3)),
        mac=draw(st.binary(min_size=4, max_size=4)) if block in WITH_MAC else b"",
    )


def split(draw, data):
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_the_check_values_are_those_of_the_standard():
    assert crc16(bytes.fromhex("530008000560")) == 0x99DA
    assert checksum(bytes.fromhex("53000800006100")) == 0x44


@FEW
@given(frames(), st.booleans())
def test_a_frame_is_read_as_it_was_made(frame, mark):
    raw = build(frame, mark=mark)
    assert parse(raw) == frame
    assert dissect(raw).mark is mark


@FEW
@given(frames(), st.data())
def test_a_flipped_bit_is_seen(frame, data):
    """The CRC sees one or two flipped bits; the checksum one."""
    raw = bytearray(build(frame))
    bits = 8 * len(raw)
    for place in data.draw(
        st.lists(st.integers(0, bits - 1), min_size=1, max_size=2 if frame.crc else 1, unique=True)
    ):
        raw[place // 8] ^= 1 << place % 8
    found = dissect(bytes(raw))
    if frame.crc and raw[4] & 4:
        assert found.frame is None
    else:  # which check a frame has is told by the frame itself
        assert found.frame is None or found.crc is not frame.crc


@FEW
@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_have_a_fault(raw):
    found = dissect(raw)
    assert bool(found.fault) == (found.frame is None)
    if found.fault:
        with pytest.raises(FrameDamaged):
            parse(raw)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("", "no SOM"),
        ("FF", "no SOM"),
        ("5380", "2 bytes"),
        ("53000800046000C0B9", "length field 8, bytes 9"),
        ("5300060000A7", "length field 6: must be"),
        ("530009000C0160" + "AABB", "check"),
    ],
)
def test_a_fault_is_named(raw, fault):
    assert dissect(bytes.fromhex(raw)).fault.startswith(fault)


@pytest.mark.parametrize("block", ["00", "01", "0615", "0219", "0210"])
def test_a_security_block_that_cannot_be_is_a_fault(block):
    body = bytes.fromhex("5300") + bytes((5 + len(block) // 2 + 3, 0, 0x0C)) + bytes.fromhex(block + "60")
    assert "security block" in dissect(body + crc16(body).to_bytes(2, "little")).fault


def test_a_mac_without_a_code_is_a_fault():
    body = bytes.fromhex("53000D000C021500000000")
    assert dissect(body + crc16(body).to_bytes(2, "little")).fault == "no room for a code"


def test_what_is_no_frame_is_not_made():
    with pytest.raises(ValueError, match="1440 at most"):
        build(Frame(0, False, 0, 0x60, bytes(1440)))
    with pytest.raises(ValueError, match="MAC"):
        build(Frame(0, False, 0, 0x60, block=0x15))


@FEW
@given(st.lists(frames(reply=True), max_size=4), st.binary(max_size=12), st.data())
def test_replies_are_found_in_any_portions_after_noise(sent, noise, data):
    address = 5
    own = [Frame(address, *_rest(frame)) for frame in sent]
    noise = noise.replace(b"\x53", b"")
    stream = noise + b"".join(build(frame, mark=index % 2 == 0) for index, frame in enumerate(own))
    finder, found = Finder(address), []
    for portion in split(data.draw, stream):
        found += finder.feed(portion)
        assert finder.pending <= MAX_FRAME
    assert [frame for frame, _ in found] == own
    assert all(parse(raw) == frame for frame, raw in found)


def _rest(frame):
    return (
        frame.reply,
        frame.sequence,
        frame.code,
        frame.data,
        frame.crc,
        frame.block,
        frame.block_data,
        frame.mac,
    )


@FEW
@given(st.lists(st.binary(max_size=400), max_size=6))
def test_the_buffer_is_bounded_and_noise_is_no_frame(portions):
    finder = Finder(1, most=128)
    for portion in portions:
        for frame, _ in finder.feed(portion):
            assert frame.address == 1
            assert frame.reply
        assert finder.pending <= 128
        assert finder.needs >= 1


def test_a_command_and_another_devices_reply_are_passed_over():
    finder = Finder(1)
    others = build(Frame(1, False, 1, 0x60)) + build(Frame(2, True, 1, 0x40))
    mine = Frame(1, True, 1, 0x40)
    assert [frame for frame, _ in finder.feed(others + build(mine))] == [mine]
    assert finder.passed == len(others)


def test_a_frame_inside_a_frames_data_is_data():
    """Card data may hold anything: what stands inside a frame is never taken for one."""
    inner = build(Frame(1, True, 1, 0x53, b"\x00\x011"))
    outer = Frame(1, True, 1, 0x50, b"\0\0" + (8 * len(inner)).to_bytes(2, "little") + inner)
    finder, raw = Finder(1), build(outer)
    assert [frame for byte in raw for frame, _ in finder.feed(bytes((byte,)))] == [outer]
