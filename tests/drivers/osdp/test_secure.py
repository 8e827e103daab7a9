import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.osdp.codes import Block
from drivers.osdp.frames import Frame, build, head, parse
from drivers.osdp.secure import SCBK_D, Channel, derive, mac
from simulators.osdp_secure import Session
from tests.support.long import amount

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "osdp-secure-channel.json").read_text())
FEW = settings(max_examples=amount(30, 2000))


def keys(name="scbk_d"):
    return derive(*(bytes.fromhex(VECTOR[part]) for part in (name, "cp_random", "pd_random")))


def pair():
    ours = keys()
    theirs = Session(SCBK_D, bytes.fromhex(VECTOR["cp_random"]), bytes.fromhex(VECTOR["pd_random"]))
    theirs.begin()
    return Channel(ours), theirs


@pytest.mark.parametrize("name", ["s_enc", "s_mac1", "s_mac2", "cp_cryptogram", "pd_cryptogram", "rmac_i"])
def test_keys_are_derived_as_the_standard_does(name):
    assert getattr(keys(), name).hex().upper() == VECTOR[name]
    assert SCBK_D.hex().upper() == VECTOR["scbk_d"]


@FEW
@given(st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=50)), min_size=1, max_size=4))
def test_a_talk_with_another_encoder_is_understood_on_both_sides(turns):
    ours, theirs = pair()
    for number, (asked, answered) in enumerate(turns):
        sent = parse(build(ours.seal(Frame(3, False, number % 3 + 1, 0x6B, asked))))
        assert sent.encrypted == bool(asked)
        assert theirs.open(build(sent)) == (0x6B, asked)
        got = parse(theirs.seal(3, number % 3 + 1, 0x53, answered))
        assert ours.open(got) == answered


@FEW
@given(st.data())
def test_a_reply_that_was_changed_repeated_or_taken_from_elsewhere_is_refused(data):
    ours, theirs = pair()
    theirs.open(build(ours.seal(Frame(3, False, 1, 0x60))))
    raw = theirs.seal(3, 1, 0x50, b"\x00\x01\x1a\x00\x12\x34\x56\x40")
    frame = parse(raw)
    which = data.draw(st.sampled_from(["mac", "data", "code", "sequence", "plain"]))
    changed = {
        "mac": lambda: Frame(3, True, 1, 0x50, frame.data, block=frame.block, mac=b"\0\0\0\0"),
        "data": lambda: Frame(3, True, 1, 0x50, _flip(data, frame.data), block=frame.block, mac=frame.mac),
        "code": lambda: Frame(3, True, 1, 0x53, frame.data, block=frame.block, mac=frame.mac),
        "sequence": lambda: Frame(3, True, 2, 0x50, frame.data, block=frame.block, mac=frame.mac),
        "plain": lambda: Frame(3, True, 1, 0x50, b"\x00\x01\x1a\x00\x12\x34\x56\x40"),
    }[which]()
    with pytest.raises(FrameDamaged):
        ours.open(changed)
    assert ours.open(frame) == b"\x00\x01\x1a\x00\x12\x34\x56\x40"  # and the true one still is
    with pytest.raises(FrameDamaged):  # but only once
        ours.seal(Frame(3, False, 2, 0x60))
        ours.open(frame)


def _flip(data, secret):
    place = data.draw(st.integers(0, 8 * len(secret) - 1))
    raw = bytearray(secret)
    raw[place // 8] ^= 1 << place % 8
    return bytes(raw)


def test_encrypted_data_that_was_never_padded_is_refused():
    ours, _ = pair()
    made = keys()
    ours.seal(Frame(3, False, 1, 0x60))
    chained = mac(made, head(Frame(3, False, 1, 0x60, block=Block.SCS_15, mac=bytes(4))), made.rmac_i)
    for secret, words in ((bytes(15), "whole blocks"), (bytes(16), "padding")):
        bare = Frame(3, True, 1, 0x50, secret, block=Block.SCS_18, mac=bytes(4))
        tag = mac(made, head(bare), chained)[:4]
        with pytest.raises(FrameDamaged, match=words):
            ours.open(Frame(3, True, 1, 0x50, secret, block=Block.SCS_18, mac=tag))
