import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.mbus import frames
from drivers.mbus.frames import AckReader, Frame, ResponseReader
from tests.support.mbus import sound

FRAMES = list(sound())
frame_of = st.sampled_from(FRAMES)
anyone = lambda _frame: True  # noqa: E731


def test_short_and_long_frames():
    assert frames.short(0x40, 1) == bytes.fromhex("1040014116")
    assert frames.short(0x7B, 253).hex() == "107bfd7816"
    made = frames.long(0x53, 0xFD, 0x52, bytes.fromhex("78563412FFFFFFFF"))
    assert made.hex() == "680b0b6853fd5278563412ffffffffb216"
    assert frames.parse(made) == Frame(0x53, 0xFD, 0x52, bytes.fromhex("78563412FFFFFFFF"))
    assert frames.parse(frames.short(0x40, 1)) == Frame(0x40, 1)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=252))
def test_a_frame_reads_back(control, address, ci, data):
    raw = frames.long(control, address, ci, data)
    assert frames.parse(raw) == Frame(control, address, ci, data)
    assert frames.split(raw + raw) == [raw, raw]


def test_no_frame_holds_more_than_252_bytes():
    with pytest.raises(ValueError, match="range"):
        frames.long(0x08, 1, 0x72, bytes(253))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "begins with neither"),
        ("1040014216", "checksum is 42, right would be 41"),
        ("1040014117", "ends with 17"),
        ("68030468080172007B16", "68 03 04 68 is not"),
        ("6804046808017200FF7B16", "says 10 bytes"),
        ("68020268080172", "begins with neither"),
        ("680202680801097216", "says 8 bytes"),
    ],
)
def test_what_is_wrong_is_named(raw, words):
    with pytest.raises(FrameDamaged, match=words):
        frames.parse(bytes.fromhex(raw))


@given(frame_of, st.binary(max_size=30).filter(lambda noise: b"\x68" not in noise), st.data())
def test_an_answer_is_found_behind_noise_however_it_is_cut(raw, noise, data):
    stream = noise + raw
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    reader = ResponseReader(anyone)
    found = [
        reader.feed(stream[start:end]) for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    assert [one for one in found if one is not None] == [raw]


@given(frame_of, st.data())
def test_one_flipped_bit_never_yields_an_answer(raw, data):
    place = data.draw(st.integers(0, 8 * len(raw) - 1))
    spoiled = bytearray(raw)
    spoiled[place >> 3] ^= 1 << (place & 7)
    assert ResponseReader(anyone).feed(bytes(spoiled)) is None
    with pytest.raises(FrameDamaged):
        frames.parse(bytes(spoiled))


@given(frame_of)
def test_byte_by_byte_the_reader_knows_how_much_is_missing(raw):
    reader = ResponseReader(anyone)
    for place, byte in enumerate(raw):
        assert 0 < reader.needs <= len(raw) - place
        found = reader.feed(bytes((byte,)))
        assert (found == raw) == (place == len(raw) - 1)


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_anything_is_nothing_or_damaged_and_little_of_it_is_kept(portions):
    reader = ResponseReader(lambda _frame: False)
    for portion in portions:
        assert reader.feed(portion) is None
        assert reader.pending <= frames.LONGEST


def test_endless_noise_is_given_up():
    reader = ResponseReader(anyone)
    with pytest.raises(FrameDamaged, match="without an answer"):
        reader.feed(bytes(frames.MAX_NOISE + 1))


def test_the_frames_of_others_and_of_masters_are_passed_over():
    mine = frames.long(0x08, 7, 0x72, b"me")
    reader = ResponseReader(lambda frame: frame.address == 7)
    other = frames.long(0x08, 8, 0x72, mine)
    asked = frames.long(0x53, 7, 0x51, b"asked")
    assert reader.feed(other + asked) is None
    assert reader.feed(mine) == mine


def test_an_acknowledgement_is_heard_but_not_inside_of_an_answer():
    assert AckReader().feed(b"\xe5") == b"\xe5"
    assert AckReader().feed(b"\x00\xff\xe5") == b"\xe5"
    late = frames.long(0x08, 1, 0x72, b"\xe5\xe5")
    reader = AckReader()
    assert reader.feed(late) is None
    assert reader.pending == 0
    assert reader.feed(b"\xe5") == b"\xe5"
