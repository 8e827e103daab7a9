import contextlib
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.sia_dc09 import crypto
from drivers.sia_dc09.events import cid_event, sia_events
from drivers.sia_dc09.frames import (
    MAX_FRAME,
    FrameReader,
    crc16,
    encode,
    parse,
    parse_body,
    stamp,
    stamp_time,
)

hexes = st.text("0123456789ABCDEF", min_size=1, max_size=6)
data = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='[]"'), max_size=40)
bodies = st.builds('"SIA-DCS"{:04}L{}#{}[{}]'.format, st.integers(0, 9999), hexes, hexes, data).map(
    str.encode
)


def cut(raw, places):
    marks = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[first:last] for first, last in itertools.pairwise(marks)]


def test_the_crc_is_that_of_arc():
    assert crc16(b"123456789") == 0xBB3D


@given(st.lists(st.tuples(bodies, st.booleans()), max_size=4), st.lists(st.integers(0, 3000), max_size=6))
def test_a_stream_yields_its_frames_however_it_is_cut(sent, places):
    reader = FrameReader()
    raw = b"".join(encode(body, binary_crc=binary) for body, binary in sent)
    found = [each for portion in cut(raw, places) for each in reader.feed(portion)]
    assert [(each.body, each.binary_crc, each.sound) for each in found] == [(*each, True) for each in sent]


@given(st.lists(st.binary(max_size=300) | st.just(b'\n00000FFF"' * 20), max_size=12))
def test_any_bytes_are_passed_over_in_bounded_memory(portions):
    reader = FrameReader()
    for portion in portions:
        reader.feed(portion)
        assert len(reader._kept) <= MAX_FRAME


@pytest.mark.parametrize("binary", [True, False])
def test_a_frame_that_was_cut_off_does_not_take_the_next_one_with_it(binary):
    whole = encode(b'"NULL"0000L0#1[]', binary_crc=binary)
    found = FrameReader().feed(whole[:15] + whole + b"noise" + whole)
    assert [each.raw for each in found] == [whole, whole]


def test_a_frame_without_an_end_is_given_up():
    reader = FrameReader()
    head = b'\n00000FFF"'
    assert reader.feed(head + b"x" * 5000) == []
    assert [each.sound for each in reader.feed(encode(b'"NULL"0000L0#1[]'))] == [True]


@given(st.binary(max_size=80))
def test_a_body_is_parsed_or_damaged(raw):
    try:
        parse_body(raw)
    except FrameDamaged as err:
        assert str(err).isprintable()  # noqa: PT017


@given(data)
def test_any_data_is_read_in_bounded_events(text):
    found, _ = sia_events(text)
    assert len(found) <= 32
    cid_event(text)


def test_texts_and_hex_numbers_of_sia_events():
    found, strange = sia_events("#1|Nri2/BA1F^Hall^/BR01F|AFront door|Xwhat")
    assert [(each.code, each.number, each.area, each.text) for each in found] == [
        ("BA", "1F", "2", "Hall"),
        ("BR", "01F", "2", "Front door"),
    ]
    assert strange == "Xwhat"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'"SIA-DCS"12L0#1[]',
        b'"SIA-DCS"0001#1[]',
        b'"SIA-DCS"0001L0#1[x',
        b'"SIA-DCS"0001L0#1[x]y',
        b'"*NULL"0001L0#1[0011]',
        b'"*NULL"0001L0#1[zz]',
    ],
)
def test_what_is_no_body_is_damaged(body):
    with pytest.raises(FrameDamaged):
        parse_body(body)


def test_what_is_no_frame_is_damaged():
    with pytest.raises(FrameDamaged, match="0 DC-09 frames"):
        parse(b"\nno")
    with pytest.raises(ValueError, match="at most"):
        encode(b"x" * 5000)


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))
def test_time_stamps(at):
    assert stamp_time(stamp(at)) == at.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "_", "_25:00:00,01-01-2020", "_00:00:00,02-30-2020", "_0:0:0,1-1-20"])
def test_a_stamp_that_is_none(text):
    assert stamp_time(text) is None


@given(st.sampled_from([16, 24, 32]), data, st.binary(min_size=40, max_size=40))
def test_what_is_encrypted_can_be_decrypted(size, text, noise):
    key = bytes(range(size))
    rest = f"#1|{text}]_10:00:00,01-01-2026"
    assert crypto.decrypt(crypto.encrypt(rest, key, lambda count: noise[:count]), key) == rest
    empty = "]_10:00:00,01-01-2026"
    assert crypto.decrypt(crypto.encrypt(empty, key, lambda count: noise[:count]), key) == empty


@given(st.binary(min_size=16, max_size=16), st.integers(1, 4))
def test_another_key_yields_an_error_or_text_never_anything_else(key, blocks):
    with contextlib.suppress(FrameDamaged):
        assert isinstance(crypto.decrypt("00" * 16 * blocks, key), str)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("Nri1/id0129pi010/BC0", ("BC", "0", "1", "0129", None)),
        ("Nid1A2/CL3", ("CL", "3", None, "1A2", None)),
        ("Nti10:11ri2id7BA3", ("BA", "3", "2", "7", "10:11")),
        ("Nda10-12-24/ti10:11/RP", ("RP", "", None, None, "10:11")),
    ],
)
def test_modifiers_of_sia_events(block, told):
    (event,), strange = sia_events(f"#1|{block}")
    assert (event.code, event.number, event.area, event.id, event.time) == told
    assert strange == ""
