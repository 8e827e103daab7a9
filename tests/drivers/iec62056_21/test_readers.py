import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.iec62056_21 import frames
from drivers.iec62056_21.readers import MAX_BLOCK, MAX_NOISE, BlockReader, IdentificationReader

DATA = b"0.0.0(12345678)\r\n1.8.0(000123.45*kWh)\r\n1.8.0*01(000100.00*kWh)\r\n!\r\n"
BLOCK = frames.block(DATA)
IDENT = b"/LGZ5ZMD310AT.Q1\r\n"


def block(parity: bool = False, **more) -> BlockReader:
    return BlockReader(software_parity=parity, **more)


def found(reader: BlockReader | IdentificationReader, raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(raw)]
    portions = [raw[one:two] for one, two in itertools.pairwise(edges)]
    return [payload for payload in map(reader.feed, portions) if payload is not None]


cuts = st.lists(st.integers(0, len(BLOCK)), max_size=4)


@given(
    st.binary(max_size=50).filter(lambda raw: not set(raw) & {frames.STX, frames.NAK}), cuts, st.booleans()
)
def test_a_block_is_found_after_noise_in_any_portions(noise, places, parity):
    raw = noise + (frames.add_parity(BLOCK) if parity else BLOCK)
    if parity:
        noise = bytes(byte & 0x7F for byte in noise)
        raw = frames.add_parity(bytes(byte for byte in noise if byte not in {frames.STX, frames.NAK}) + BLOCK)
    assert found(block(parity), raw, places) == [DATA]


@given(st.integers(0, 8 * len(BLOCK) - 1), st.booleans())
def test_a_block_with_one_wrong_bit_never_yields_data(place, parity):
    raw = bytearray(frames.add_parity(BLOCK) if parity else BLOCK)
    raw[place // 8] ^= 1 << place % 8
    reader = block(parity)
    with contextlib.suppress(DriverError):
        assert reader.feed(bytes(raw)) is None


@given(st.integers(0, 8 * len(DATA) - 1))
def test_where_there_is_no_bcc_the_parity_guards(place):
    raw = bytearray(frames.add_parity(DATA))
    raw[place // 8] ^= 1 << place % 8
    reader = block(True, checked=False)
    whole = reader.feed(frames.add_parity(DATA))
    assert whole == DATA.partition(b"!")[0]
    with contextlib.suppress(DriverError):
        damaged = block(True, checked=False).feed(bytes(raw))
        assert damaged in {None, whole}  # what follows the end does not count


@given(st.lists(st.binary(max_size=80), max_size=20), st.booleans(), st.booleans())
def test_hostile_bytes_raise_nothing_else_and_are_bounded(portions, parity, checked):
    for reader in (
        block(parity, checked=checked),
        IdentificationReader(software_parity=parity, follows=block(parity, checked=checked)),
    ):
        with contextlib.suppress(DriverError):
            for portion in portions:
                reader.feed(portion)
                assert reader.pending <= 2000


@pytest.mark.parametrize("checked", [True, False])
def test_a_block_without_an_end_is_given_up(checked):
    with pytest.raises(FrameDamaged, match=str(MAX_BLOCK)):
        block(checked=checked).feed(b"\x02" + b"1" * (MAX_BLOCK + 1))


def test_noise_without_a_block_is_given_up():
    with pytest.raises(FrameDamaged, match="without a data block"):
        block().feed(b"1" * (MAX_NOISE + 1))
    with pytest.raises(FrameDamaged, match="without an identification"):
        IdentificationReader(software_parity=False).feed(b"1" * (MAX_NOISE + 1))


def test_a_wrong_bcc_a_refusal_and_a_wrong_mode_are_named():
    with pytest.raises(FrameDamaged, match="BCC is"):
        block().feed(BLOCK[:-1] + bytes((BLOCK[-1] ^ 1,)))
    with pytest.raises(DeviceRefused, match="NAK"):
        block().feed(b"\x15")
    with pytest.raises(FrameDamaged, match="software_parity"):
        block(checked=False).feed(frames.add_parity(DATA))


@given(
    st.binary(max_size=30).filter(lambda raw: b"/" not in raw),
    st.sampled_from([b"\r\n", b"\r", b"\n"]),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_an_identification_is_found_after_noise_and_the_echo_of_the_request(noise, end, places):
    raw = noise + b"/?12345678!\r\n" + IDENT.rstrip() + end
    places = [min(place, len(raw)) for place in places]
    assert found(IdentificationReader(software_parity=False), raw, places) == [IDENT.rstrip()]


def test_a_long_line_is_no_identification():
    reader = IdentificationReader(software_parity=False)
    assert reader.feed(b"/" + b"A" * 200) is None
    assert reader.feed(b"\r\n" + IDENT) == IDENT.rstrip()


@given(st.sampled_from([b"/ABC X1", b"/ABCAX1"]), cuts, st.booleans())
def test_in_modes_a_and_b_the_data_follow(head, places, parity):
    raw = head + b"\r\n" + BLOCK
    reader = IdentificationReader(software_parity=parity, follows=block(parity))
    assert found(reader, frames.add_parity(raw) if parity else raw, places) == [head + b"\n" + DATA]


@pytest.mark.parametrize(
    ("line", "mode", "baud", "text"),
    [
        ("/LGZ5ZMD310AT.Q1", "C", 9600, "ZMD310AT.Q1"),
        ("/ISk5\\2MT382-1000", "C", 9600, "MT382-1000"),
        ("/ABCBx", "B", 1200, "x"),
        ("/ABC x", "A", None, "x"),
        ("/ABC9x", "A", None, "x"),
    ],
)
def test_an_identification_says_mode_and_speed(line, mode, baud, text):
    made = frames.identification(line)
    assert (made.mode, made.baud, made.text) == (mode, baud, text)


@pytest.mark.parametrize("line", ["", "/AB5", "/A1B5x", "LGZ5x", "/?1!", "/ABC5x/y"])
def test_what_is_no_identification_is_refused(line):
    with pytest.raises(FrameDamaged, match="identification"):
        frames.identification(line)


@given(st.binary(max_size=40).map(lambda raw: bytes(byte & 0x7F for byte in raw)), st.data())
def test_parity_is_even_and_any_one_bit_is_seen(raw, data):
    sent = frames.add_parity(raw)
    assert all(byte.bit_count() % 2 == 0 for byte in sent)
    assert frames.strip_parity(sent) == raw
    if raw:
        place = data.draw(st.integers(0, 8 * len(raw) - 1))
        changed = bytearray(sent)
        changed[place // 8] ^= 1 << place % 8
        assert frames.strip_parity(bytes(changed)) is None


def test_a_thousand_beginnings_at_once_are_noise_like_any_other():
    reader = IdentificationReader(software_parity=False)
    assert reader.feed(b"/" * (MAX_NOISE // 2)) is None
    assert reader.pending <= frames.MAX_IDENTIFICATION
