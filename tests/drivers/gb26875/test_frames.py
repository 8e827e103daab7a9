import itertools
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.gb26875 import adu
from drivers.gb26875.frames import (
    MAX_FRAME,
    Damaged,
    Frame,
    FrameReader,
    encode,
    label_time,
    parse,
    time_label,
)

address = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex().upper())
frame = st.builds(
    Frame,
    serial=st.integers(0, 0xFFFF),
    version=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    time=st.binary(min_size=6, max_size=6),
    source=address,
    dest=address,
    command=st.integers(0, 255),
    adu=st.binary(max_size=60) | st.just(b"##@@##") | st.just(b"#" * 1024),
)


def made(adu_bytes=b"", serial=1):
    return encode(Frame(serial, (1, 0), bytes(6), "0140609623B2", "000000000000", 2, adu_bytes))


def serials(found):
    return [each.frame.serial if isinstance(each, Damaged) else each.serial for each in found]


def cut(raw, places):
    marks = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[first:last] for first, last in itertools.pairwise(marks)]


@given(frame)
def test_what_is_encoded_is_parsed(each):
    found = parse(encode(each))
    assert (found.serial, found.version, found.time) == (each.serial, each.version, each.time)
    assert (found.source, found.dest, found.command, found.adu) == (
        each.source,
        each.dest,
        each.command,
        each.adu,
    )


@given(st.lists(frame, max_size=4), st.lists(st.integers(0, 5000), max_size=6))
def test_a_stream_yields_its_frames_however_it_is_cut(frames, places):
    reader = FrameReader()
    raw = b"".join(encode(each) for each in frames)
    found = [each for portion in cut(raw, places) for each in reader.feed(portion)]
    assert [each.raw for each in found if isinstance(each, Frame)] == [encode(each) for each in frames]


@given(st.lists(st.binary(max_size=200) | st.just(b"@@" * 60) | st.just(made(b"\x15\x01")), max_size=12))
def test_any_bytes_are_passed_over_in_bounded_memory(portions):
    reader = FrameReader()
    for portion in portions:
        reader.feed(portion)
        assert len(reader._kept) < MAX_FRAME + 200


@pytest.mark.parametrize("noise", [b"", b"@", b"noise", b"@@@", b"##", b"@@\xff", b"\x00" * 40])
def test_noise_before_a_frame_does_not_hide_it(noise):
    reader = FrameReader()
    assert serials(reader.feed(noise + made(b"##@@", 7))) == [7]


def test_a_wrong_length_does_not_keep_the_next_frame_waiting():
    broken = bytearray(made(b"\x01\x01" + bytes(8)))
    broken[24:26] = (900).to_bytes(2, "little")
    assert serials(FrameReader().feed(bytes(broken) + made(serial=2))) == [2]


def test_a_wrong_length_that_swallows_the_next_frame_gives_it_back():
    first, second = bytearray(made(bytes(10))), made(serial=2)
    first[24:26] = (10 + len(second)).to_bytes(2, "little")
    found = FrameReader().feed(bytes(first) + second)
    assert serials(found) == [1, 2]
    assert isinstance(found[0], Damaged)
    assert isinstance(found[1], Frame)


def test_a_wrong_sum_is_told_with_the_right_one():
    raw = bytearray(made(b"\x15\x01"))
    raw[-3] ^= 0xFF
    (found,) = FrameReader().feed(bytes(raw))
    assert isinstance(found, Damaged)
    assert found.right_sum == raw[-3] ^ 0xFF
    with pytest.raises(FrameDamaged, match="right would be"):
        parse(bytes(raw))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "begins with @@"),
        (b"##" + made()[2:], "begins with @@"),
        (made() + b"x", "length field"),
        (made()[:-1] + b"x", "end with ##"),
    ],
)
def test_what_is_no_frame_is_named(raw, words):
    with pytest.raises(FrameDamaged, match=words):
        parse(raw)


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(ValueError, match="at most 1024"):
        made(bytes(1025))
    with pytest.raises(ValueError, match="six bytes"):
        encode(Frame(1, (1, 0), bytes(5), "00" * 6, "00" * 6, 2, b""))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)), st.sampled_from(["binary", "bcd"]))
def test_time_labels(at, form):
    at = at.replace(microsecond=0)
    assert label_time(time_label(at, form), form) == at


@pytest.mark.parametrize(
    "raw", ["000000000000", "3C0009020715", "000009020D15", "00000900 0715".replace(" ", "")]
)
def test_a_label_that_is_no_time_is_none(raw):
    assert label_time(bytes.fromhex(raw)) is None


def test_digits_that_are_none_are_no_time():
    assert label_time(bytes.fromhex("0000090A0715"), "bcd") is None
    assert label_time(bytes.fromhex("595923311299"), "bcd") == datetime(2099, 12, 31, 23, 59, 59)


@given(st.binary(max_size=1024))
def test_any_unit_is_read_or_kept_raw(raw):
    found = adu.parse(raw)
    assert found.raw == raw
    assert not (found.fault and found.objects)


@given(st.sampled_from(sorted(adu.TYPES)), st.binary(max_size=120))
def test_units_of_known_types_are_read_whole_or_not_at_all(kind, body):
    found = adu.parse(bytes((kind, 1)) + body)
    assert found.fault or len(found.objects) <= 1


def test_extended_objects_are_kept_raw():
    found = adu.parse(bytes.fromhex("0201") + bytes(46) + b"more")
    assert found.fault
    assert found.objects == ()
    assert found.raw.endswith(b"more")
