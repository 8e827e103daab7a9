import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.iec62056_21 import frames, telegram
from drivers.iec62056_21.explain import explain
from drivers.iec62056_21.vectors import check_vector
from tests.support.vectors import rows

ROWS = rows("iec62056-21")


def row(raw: bytes, **expected):
    return {"protocol": "iec62056-21", "hex": raw.hex(), "expected": expected}


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_the_file_agrees(line):
    assert check_vector(line) is None


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_a_changed_expectation_does_not(line):
    for key, value in line["expected"].items():
        other = not value if isinstance(value, bool) else value[1:] if isinstance(value, list | str) else 7
        assert check_vector({**line, "expected": {**line["expected"], key: other}}), key
    for place, item in enumerate(line["expected"].get("items", [])):
        for key in item:
            items = [dict(one) for one in line["expected"]["items"]]
            items[place][key] = "other"
            assert check_vector({**line, "expected": {**line["expected"], "items": items}}), (place, key)


@pytest.mark.parametrize(
    "line", [row for row in ROWS if "crc_ok" in row["expected"]], ids=lambda line: line["id"]
)
def test_one_wrong_bit_is_seen_by_the_crc(line):
    raw = bytes.fromhex(line["hex"])
    for place in range(0, len(raw) - 8, 97):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 7
        try:
            assert telegram.parse(bytes(changed)).crc_ok is not True
        except FrameDamaged:
            continue


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/?00000001!\r\n", {"kind": "request", "address": "00000001"}),
        (b"/?!\r\n", {"kind": "request", "address": ""}),
        (
            b"\x06050\r\n",
            {"kind": "acknowledgement", "protocol_char": "0", "baud_char": "5", "mode_char": "0"},
        ),
        (b"\x06", {"kind": "acknowledgement"}),
        (b"/Els6\\2EK280\r\n", {"identification": "2EK280", "manufacturer": "Els", "baud_char": "6"}),
        (b"\x01P0\x02(1234567)\x03P", {"command": "P0", "address": None, "value": "1234567", "bcc_ok": True}),
        (b"\x01B0\x03q", {"command": "B0", "address": None, "value": None}),
        (b"\x15", {"kind": "repeat request"}),
        (
            b"/LGZ5\\2ZMD\r\n",
            {"manufacturer": "LGZ", "baud": 9600, "identification": "\\2ZMD", "modes": "\\2"},
        ),
        (b"\x01B0\x03q", {"command": "B0", "bcc_ok": True, "items": []}),
        (b"\x01P0\x02(12345678)\x03" + bytes((frames.bcc(b"P0\x02(12345678)\x03"),)), {"command": "P0"}),
        (frames.block(b"1.8.0(5*kWh)"), {"address": "1.8.0", "value": "5", "unit": "kWh", "bcc_ok": True}),
        (
            b"/ABC5x\r\n" + frames.block(b"1.8.0(5)(6*V)\r\n!\r\n"),
            {"kind": "readout", "items": [{"address": "1.8.0", "value": "5", "unit": None, "more": ["6*V"]}]},
        ),
        (frames.add_parity(b"/?!\r\n"), {"kind": "request"}),
        (b"/ABC5x\r\n1.8.0(5)\r\n!0000\r\n", {"crc_ok": False, "crc_field": "0000"}),
        (b"/ESY5x\r\n1.8.0(5)\r\n!\r\n  258\r\n\xff\xff\r\n", {"manufacturer": "ESY", "value": "5"}),
        (b"\x02broken\x03\x00", {"bcc_ok": False}),
        (b"\x02broken\x03\x00", {"valid": False}),
    ],
)
def test_messages_that_were_not_given_agree(raw, expected):
    assert check_vector(row(raw, **expected)) is None
    if b"broken" not in raw:
        assert explain(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no message"),
        (b"\x06ABCD\r\n", "three characters"),
        (b"\x02abc", "ETX"),
        (b"\x01Z0\x03\x00", "command"),
        (b"/ABC5x\r\n1.8.0(5)", "ends with !"),
        (b"/?" + b"1" * 33 + b"!\r\n", "up to 32"),
        (b"\x80\x82", "above 7F"),
        (b"1" * 70000, "more than 65536"),
        (b"nothing", "is no data set"),
    ],
)
def test_what_is_no_message_is_named(raw, words):
    with pytest.raises(FrameDamaged, match=words):
        telegram.parse(raw)


def test_a_sound_message_that_should_be_none_is_a_disagreement():
    assert "is sound" in str(check_vector(row(b"/?!\r\n", valid=False)))
    assert "says nothing" in str(check_vector(row(b"/?!\r\n", colour="red")))
    assert "needs a message" in str(check_vector({"hex": 7}))
    assert "items: must" in str(check_vector(row(b"/?!\r\n", items=7)))
    assert "no hex" in str(check_vector({"hex": "zz"}))


def test_a_long_readout_is_cut_for_people():
    raw = frames.block(b"".join(b"1.8.%d(5)\r\n" % number for number in range(300)))
    assert "and 100 more" in explain(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_damaged(raw):
    try:
        assert explain(raw)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017
