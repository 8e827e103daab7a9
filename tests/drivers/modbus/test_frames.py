import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.modbus import frames, mbap
from drivers.modbus.rtu import frame


def fields(pdu: str, role: str):
    found = {parsed.role: parsed.fields for parsed in frames.parse_pdu(17, bytes.fromhex(pdu))}
    return found[role]


# The examples of the Modbus Application Protocol Specification V1.1b3, clause 6.
@pytest.mark.parametrize(
    ("pdu", "role", "wanted"),
    [
        ("01 0013 0013", "request", {"address": 0x13, "count": 0x13}),
        (
            "02 03 AC DB 35",
            "response",
            {"byte_count": 3, "bits": [c == "1" for c in "001101011101101110101100"]},
        ),
        ("03 06 022B 0000 0064", "response", {"byte_count": 6, "registers": [555, 0, 100]}),
        ("05 00AC FF00", "request-or-echo", {"address": 0xAC, "value": 0xFF00}),
        ("06 0001 0003", "request-or-echo", {"address": 1, "value": 3}),
        ("07", "request", {}),
        ("07 6D", "response", {"status": 0x6D}),
        ("08 0000 A537", "request-or-echo", {"sub_function": 0, "data": "a537", "value": 0xA537}),
        ("0B FFFF 0108", "response", {"status": 0xFFFF, "event_count": 0x108}),
        (
            "0C 08 0000 0108 0121 20 00",
            "response",
            {
                "byte_count": 8,
                "data": "0000010801212000",
                "status": 0,
                "event_count": 0x108,
                "message_count": 0x121,
                "events": [0x20, 0],
            },
        ),
        (
            "0F 0013 000A 02 CD 01",
            "request",
            {"address": 0x13, "count": 10, "byte_count": 2, "bits": [c == "1" for c in "1011001110"]},
        ),
        ("0F 0013 000A", "response", {"address": 0x13, "count": 10}),
        (
            "10 0001 0002 04 000A 0102",
            "request",
            {"address": 1, "count": 2, "byte_count": 4, "registers": [10, 0x102]},
        ),
        ("11", "request", {}),
        ("16 0004 00F2 0025", "request-or-echo", {"address": 4, "and_mask": 0xF2, "or_mask": 0x25}),
        (
            "17 0003 0006 000E 0003 06 00FF 00FF 00FF",
            "request",
            {
                "read_address": 3,
                "read_count": 6,
                "write_address": 14,
                "write_count": 3,
                "byte_count": 6,
                "write_registers": [255, 255, 255],
            },
        ),
        ("17 04 00FE 0ACD", "response", {"byte_count": 4, "registers": [0xFE, 0xACD]}),
        ("18 04DE", "request", {"address": 0x4DE}),
        ("18 0006 0002 01B8 1284", "response", {"byte_count": 6, "count": 2, "registers": [0x1B8, 0x1284]}),
        ("2B 0E 01 00", "request", {"mei_type": 14, "read_code": 1, "object_id": 0}),
        (
            "2B 0E 01 01 00 00 02 00 03 414243 01 02 4445",
            "response",
            {
                "mei_type": 14,
                "read_code": 1,
                "conformity": 1,
                "more_follows": 0,
                "next_object_id": 0,
                "object_count": 2,
                "objects": {"0": "ABC", "1": "DE"},
            },
        ),
        ("81 02", "exception", {"exception": 2}),
        ("46 00 01", "unknown", {"data": "0001"}),
    ],
)
def test_the_examples_of_the_standard_are_read(pdu, role, wanted):
    found = fields(pdu, role)
    if role == "response" and "bits" in wanted and pdu.startswith("02"):
        assert len(found["bits"]) == 24
        assert found["bits"][:8] == [False, False, True, True, False, True, False, True]
        return
    assert found == wanted


@pytest.mark.parametrize(
    "pdu", ["", "03", "03 00", "03 05 0102030405", "10 0001 0002 03 000102", "8302 00", "05 0001 0001"]
)
def test_what_fits_neither_direction_is_damage(pdu):
    with pytest.raises(FrameDamaged):
        frames.parse_pdu(1, bytes.fromhex(pdu))


def test_explain_names_framing_function_and_fields():
    said = frames.explain(frame(1, bytes.fromhex("0300000002")))
    assert "RTU, CRC right · unit 1 · function 03 Read Holding Registers" in said
    assert "request: address 0 (0x0000), count 2" in said
    said = frames.explain(mbap.frame(7, 2, bytes.fromhex("8302")))
    assert "Modbus TCP, transaction 7 · unit 2" in said
    assert "02 illegal data address" in said


def test_explain_says_what_is_wrong_with_a_frame():
    with pytest.raises(FrameDamaged, match="right would be C40B"):
        frames.explain(bytes.fromhex("010300000002C40A"))
    with pytest.raises(FrameDamaged, match="too few"):
        frames.explain(b"\x01")


def test_text_of_a_device_is_made_safe():
    evil = bytes.fromhex("2B0E0101000001 00 05") + b"\x1b[2J\n"
    assert "\x1b" not in frames.explain(frame(1, evil))


@given(st.binary(max_size=300))
def test_any_bytes_are_explained_or_refused(raw):
    for data in (raw, frame(1, raw), mbap.frame(1, 1, raw[:252])):
        try:
            assert frames.explain(data)
        except FrameDamaged as err:
            assert str(err)  # noqa: PT017


@given(st.text(max_size=60))
def test_any_text_is_hex_or_refused(text):
    try:
        assert isinstance(frames.from_hex(text), bytes)
    except FrameDamaged as err:
        assert "hex" in str(err)  # noqa: PT017


def test_hex_is_bounded_and_generous():
    assert frames.from_hex("0x01:03 00-00,0x02\n") == bytes.fromhex("0103000002")
    with pytest.raises(FrameDamaged, match="give one frame"):
        frames.from_hex("00" * 5000)
