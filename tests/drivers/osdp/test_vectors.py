import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.osdp.frames import Frame, build
from drivers.osdp.vectors import _bytes, check_vector, explain
from tests.support.long import amount
from tests.support.vectors import VECTORS, rows

ROWS = rows("osdp")


def row(reply, code, data, **expected):
    raw = build(Frame(1, reply, 1, code, bytes.fromhex(data)))
    return {"protocol": "osdp", "hex": raw.hex(), "expected": {"valid": True, **expected}}


@pytest.mark.parametrize("vector", ROWS, ids=lambda vector: vector["id"])
def test_every_vector_agrees(vector):
    assert check_vector(vector) is None


def test_the_derivation_vector_agrees_and_a_wrong_one_does_not():
    vector = json.loads((VECTORS / "osdp-secure-channel.json").read_text())
    assert check_vector(vector) is None
    assert "s_mac2" in check_vector({**vector, "s_mac2": "00" * 16})
    assert "16 bytes" in check_vector({**vector, "scbk_d": "00"})
    assert "nothing" in check_vector({key: vector[key] for key in ("scbk_d", "cp_random", "pd_random")})


@pytest.mark.parametrize(
    ("reply", "code", "data", "expected"),
    [
        (True, 0x41, "03", {"nak": {"code": 3, "meaning": "unknown command code"}}),
        (True, 0x41, "06", {"nak": {"code": 6}}),
        (True, 0x46, "010204040101", {"pdcap": [{"function": 1, "compliance": 2, "number": 4}, {}]}),
        (True, 0x48, "0100", {"lstat": {"tamper": 1, "power": 0}}),
        (True, 0x49, "000102", {"inputs": [0, 1, 2]}),
        (True, 0x4A, "01", {"outputs": [1]}),
        (True, 0x4B, "00", {"readers": [0]}),
        (
            True,
            0x50,
            "00011A0012345640",
            {"card": {"reader": 0, "format": 1, "bits": 26, "data": "12345640"}},
        ),
        (True, 0x51, "000003414243", {"card": {"direction": 0, "data": "ABC"}}),
        (True, 0x53, "00023132", {"keypad": {"reader": 0, "count": 2, "digits": "12"}}),
        (True, 0x54, "0280250000", {"com": {"address": 2, "baud": 9600}}),
        (True, 0x90, "5A424301", {"mfg": {"vendor": "5A4243", "data": "01"}}),
        (False, 0x6B, "000100010103" + "414243", {"text": {"row": 1, "column": 1, "text": "ABC"}}),
        (
            False,
            0x69,
            "0000020102030464000101000200",
            {
                "led": [
                    {"reader": 0, "led": 0, "temporary": {"timer_100ms": 100}, "permanent": {"control": 1}}
                ]
            },
        ),
        (False, 0x75, "0110" + "00" * 16, {"keyset": {"type": 1, "length": 16}}),
        (True, 0x99, "", {"name": "unknown"}),
    ],
)
def test_frames_that_were_not_given_agree(reply, code, data, expected):
    assert check_vector(row(reply, code, data, **expected)) is None


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"valid": False}, "valid"),
        ({"address": 2}, "address"),
        ({"nak": {"code": 4, "meaning": "sequence"}}, "nak"),
        ({"nak": {"code": 3, "meaning": "wrong length"}}, "nak"),
        ({"mac": "00000000"}, "mac"),
        ({"sequence": 2}, "sequence"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_disagreement_is_named(expected, words):
    assert words in check_vector(row(True, 0x41, "03", **expected))


def test_data_that_does_not_fit_its_code_has_no_fields():
    assert "card" in check_vector(row(True, 0x50, "00011A00123456", card={}))
    assert "com" in check_vector(row(True, 0x54, "00", com={}))


@pytest.mark.parametrize("text", [None, 5, "xyz", "0" * 20_000])
def test_what_is_no_hex_is_said(text):
    with pytest.raises(FrameDamaged):
        _bytes(text)


@settings(max_examples=amount(40, 2000))
@given(st.booleans(), st.integers(0, 255), st.binary(max_size=40))
def test_every_sound_frame_can_be_told_in_words(reply, code, data):
    said = explain(build(Frame(1, reply, 1, code, data)))
    assert f"{code:02X}" in said


def test_words_tell_the_security_and_no_secret():
    key = "00112233445566778899AABBCCDDEEFF"
    assert key not in explain(build(Frame(1, False, 1, 0x75, bytes.fromhex("0110" + key)))).replace(" ", "")
    assert "1234" not in explain(build(Frame(1, True, 1, 0x53, b"\x00\x041234")))
    by_id = {vector["id"]: bytes.fromhex(vector["hex"]) for vector in ROWS}
    assert "SCS_12, the default key" in explain(by_id["osdp-c872e1f1"])
    assert "SCS_14, accepted" in explain(by_id["osdp-580e3360"])
    assert "encrypted" in explain(by_id["osdp-071ebd88"])
    with pytest.raises(FrameDamaged, match="CRC"):
        explain(by_id["osdp-e0f96125"])
