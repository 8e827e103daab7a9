import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.mbus import telegram
from drivers.mbus.explain import explain
from drivers.mbus.frames import Frame, long, short
from drivers.mbus.products import product
from tests.support.mbus import sound

WHO = "78563412" + "2D2C" + "08" + "04"


def parsed(ci: int, data: str):
    return telegram.parse(Frame(0x08, 1, ci, bytes.fromhex(data)))


def test_the_long_header():
    found = parsed(0x72, WHO + "2A1C0000" + "0406E8030000" + "1F")
    head = found.header
    assert (head.ident, head.manufacturer, head.version, head.medium) == ("12345678", "KAM", 8, 4)
    assert (head.access, head.status, head.signature) == (0x2A, 0x1C, 0)
    assert product(head) == "Kamstrup Multical 601"
    assert found.more
    assert [item.meaning.quantity for item in found.items] == ["energy", "manufacturer"]


def test_the_other_byte_order_says_the_same():
    low = parsed(0x72, WHO + "2A1C0000" + "0406E8030000")
    high = parsed(0x76, "12345678" + "2C2D" + "0804" + "2A1C0000" + "0406000003E8")
    assert low == high


def test_the_short_header_and_none():
    assert parsed(0x7A, "2A000000" + "0406E8030000").header.access == 0x2A
    assert parsed(0x78, "0406E8030000").items[0].datum.number == 1_000_000


@pytest.mark.parametrize(("signature", "mode"), [("3005", 5), ("0002", 2), ("500D", 13), ("0007", 7)])
def test_what_is_encrypted_is_reported_and_not_decoded(signature, mode):
    for ci, head in ((0x72, WHO), (0x7A, "")):
        found = parsed(ci, head + "2A00" + signature + "0406E8030000")
        assert (found.encryption, found.items) == (mode, ())
    assert "encrypted" in explain(long(0x08, 1, 0x72, bytes.fromhex(WHO + "2A00" + signature + "FFFF")))


@given(status=st.integers(0, 255))
def test_fixed_data(status):
    found = parsed(0x73, "78563412" + f"0A{status:02X}E97E" + "01000000" + "35010000")
    binary, stored = status & 1, status >> 1 & 1
    one, two = found.items
    assert (found.header.ident, found.header.medium) == ("12345678", 7)
    assert (one.meaning.quantity, one.meaning.unit) == ("volume", "m³")
    assert (one.record.storage, two.record.storage) == (stored, 1)
    assert telegram.fixed_count(two) == (0x135 if binary else 135)


def test_fixed_data_in_the_other_byte_order():
    low = parsed(0x73, "78563412" + "0A01E97E" + "01000000" + "35010000")
    assert parsed(0x77, "12345678" + "0A01E97E" + "00000001" + "00000135") == low


@pytest.mark.parametrize(
    ("ci", "data", "words"),
    [
        (0x72, WHO, "header has 12 bytes, and 8"),
        (0x7A, "0000", "header has 4 bytes"),
        (0x73, WHO, "have 16 bytes, and 8"),
        (0x51, "", "CI 51 is no answer"),
    ],
)
def test_what_is_malformed_is_named(ci, data, words):
    with pytest.raises(FrameDamaged, match=words):
        parsed(ci, data)
    with pytest.raises(FrameDamaged, match="short frame"):
        telegram.parse(Frame(0x40, 1))


def test_errors_and_alarms():
    assert (parsed(0x70, "08").kind, parsed(0x70, "08").code) == ("error", telegram.BUSY)
    assert parsed(0x70, "").code == 0
    assert (parsed(0x71, "05").kind, parsed(0x71, "05").code) == ("alarm", 5)


@given(st.integers(0, 255), st.binary(max_size=252))
def test_any_data_are_a_telegram_or_damaged(ci, data):
    try:
        found = telegram.parse(Frame(0x08, 1, ci, data))
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017
    else:
        assert found.kind in {"variable", "fixed", "error", "alarm"}


def test_makers_are_three_letters():
    assert telegram.letters(telegram.maker_code("KAM")) == "KAM"
    with pytest.raises(ValueError, match="three letters"):
        telegram.maker_code("K1M")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\xe5", "acknowledged"),
        (short(0x7B, 253), "REQ_UD2, FCB 1 · address 253 (the selected slave)"),
        (short(0x40, 3), "SND_NKE · address 3"),
        (long(0x53, 253, 0x52, bytes(8)), "SND_UD, FCB 0 · address 253 (the selected slave)"),
        (long(0x08, 1, 0x70, b"\x08"), "application error 8: application too busy"),
        (long(0x08, 1, 0x71, b"\x05"), "alarm, bits 00000101"),
        (
            long(0x08, 1, 0x72, bytes.fromhex(WHO + "2A3C0000")),
            "power low, permanent error, temporary error, manuf",
        ),
        (
            long(0x08, 1, 0x73, bytes.fromhex("785634120A04E97E0100000035010000")),
            "12345678 · Water · access 10",
        ),
        (
            long(0x08, 1, 0x72, bytes.fromhex(WHO + "2A000000" + "DC1406BBBBBBBB")),
            "maximum energy = none Wh [DIF DC, VIF 06, storage 9, tariff 1, the digits",
        ),
    ],
)
def test_frames_are_explained(raw, words):
    assert words in explain(raw)


@pytest.mark.parametrize("raw", list(sound()))
def test_every_captured_frame_is_explained(raw):
    lines = explain(raw).splitlines()
    assert len(lines) >= 3
    assert explain(raw + raw).splitlines() == lines + lines
