from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.modbus import mbap
from drivers.modbus.rtu import frame
from drivers.modbus.vectors import point_id
from tests.support.vectors import rows

MAPS = rows("modbus-register-maps")
DECODE = [row for row in rows("modbus-decode") if "request_rtu" in row]


def verdict(row, maps=MAPS):
    return registry.get("modbus").check_vector(row, maps)


def rtu(pdu: str, **expected):
    raw = frame(1, bytes.fromhex(pdu))
    return {"protocol": "modbus-rtu", "hex": raw.hex(), "expected": {"crc_ok": True, "unit": 1, **expected}}


@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        ("01 0013 0013", {"role": "request", "function": 1, "address": 19, "count": 19}),
        ("01 01 05", {"role": "response", "function": 1, "bits": [1, 0, 1]}),
        (
            "02 02 AC DB",
            {"role": "response", "function": 2, "inputs": [False, False, True, True, 0, 1, 0, 1, 1]},
        ),
        ("05 0001 FF00", {"role": "request-or-echo", "function": 5, "address": 1, "value": 65280}),
        ("05 0001 FF00", {"role": "request", "function": 5, "address": 1, "value": True}),
        (
            "0F 0013 000A 02 CD01",
            {"role": "request", "function": 15, "coils": [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]},
        ),
        ("83 02", {"role": "exception", "function": 3, "exception": 2}),
        ("83 02", {"role": "response", "function": 131, "exception_code": 2}),
        ("83 02", {"exception": True}),
        ("08 0000 A537", {"role": "request-or-echo", "function": 8, "sub_function": 0, "data": "A537"}),
        ("16 0004 00F2 0025", {"function": 22, "address": 4, "and_mask": 242, "or_mask": 37}),
        ("17 04 00FE 0ACD", {"role": "response", "function": 23, "registers": [254, 2765]}),
        ("2B 0E 01 00", {"role": "request", "function": 43, "mei_type": 14}),
        ("2B 0E 01 01 00 00 01 00 03 414243", {"function": 43, "objects": {"0": "ABC"}}),
        ("2B 0E 01 01 00 00 01 00 03 414243", {"function": 43, "objects": [{"id": 0, "value": "ABC"}]}),
        ("2B 0E 01 01 00 00 01 00 03 414243", {"function": 43, "objects": {"VendorName": "ABC"}}),
        ("83 02", {"function": 3, "exception_name": "Illegal Data Address"}),
        ("05 0001 FF00", {"function": 5, "value": "on"}),
        ("06 0001 0003", {"function": 6, "registers": [3]}),
        ("08 0000 A537", {"function": 8, "data": 0xA537}),
        ("08 0000 A537", {"function": 8, "data": [0xA537]}),
        ("03 02 0001", {"role": "response", "data": "0001"}),
        ("03 02 0001", {"role": "response", "data": [0, 1]}),
        ("46 00", {"role": "request", "function": 70}),
    ],
)
def test_frames_that_were_not_given_agree(pdu, expected):
    assert verdict(rtu(pdu, **expected)) is None


@pytest.mark.parametrize(
    ("pdu", "expected", "words"),
    [
        ("03 0013 0013", {"role": "response"}, "expected a response"),
        ("03 0013 0013", {"role": "request", "address": 20}, "address"),
        ("03 02 0001", {"registers": [2]}, "registers"),
        ("03 02 0001", {"registers": [1, 2]}, "registers"),
        ("01 01 05", {"bits": [1, 1, 1]}, "bits"),
        ("01 02 0500", {"bits": [1, 0, 1]}, "bits"),
        ("83 02", {"exception": 3}, "exception"),
        ("83 02", {"role": "request"}, "exception"),
        ("83 02", {"function": 4}, "function"),
        ("05 0001 0000", {"value": True}, "value"),
        ("03 02 0001", {"crc_ok": False}, "CRC is right"),
        ("03 02 0001", {"colour": "red"}, "colour"),
        ("03 02 0001", {"unit": 2}, "unit"),
    ],
)
def test_a_row_that_is_wrong_is_a_disagreement(pdu, expected, words):
    fault = verdict(rtu(pdu, **expected))
    assert fault is not None
    assert words in fault


def test_modbus_tcp_rows_are_read_with_their_header():
    raw = mbap.frame(7, 3, bytes.fromhex("0300000002"))
    wanted = {"transaction": 7, "protocol_id": 0, "length": 6, "unit": 3, "function": 3, "count": 2}
    row = {"protocol": "modbus-tcp", "hex": raw.hex(), "expected": wanted}
    assert verdict(row) is None
    assert "transaction" in str(verdict({**row, "expected": {**wanted, "transaction": 8}}))
    assert "no Modbus TCP frame" in str(verdict({**row, "hex": raw[:-1].hex()}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expected": {"value": Decimal(1), "unit": "V", "tolerance": Decimal("0.1")}}, "decode to"),
        ({"expected": {"value": None}}, "decode to"),
        ({"registers_hex": "0000"}, "decode to None"),
        ({"registers_hex": "zz"}, "no hex"),
        ({"name": "VoltageL9"}, "--maps"),
        ({"model": "Nobody"}, "--maps"),
        ({"request_rtu": "24040000000276FF"}, "neither RTU"),
        ({"request_rtu": frame(0x24, bytes.fromhex("0400020002")).hex()}, "asks for 04 @2+2"),
        ({"request_rtu": frame(0x24, bytes.fromhex("0300000002")).hex()}, "asks for 03 @0+2"),
        ({"request_rtu": frame(0x25, bytes.fromhex("0400000002")).hex()}, "sound answer"),
        ({"response_rtu": "240404436943147BE0"}, "sound answer"),
        ({"response_rtu": frame(0x24, bytes.fromhex("040443694315")).hex()}, None),
        ({"response_rtu": frame(0x24, bytes.fromhex("040443700000")).hex()}, "response decode to 240"),
        ({"expected": 7}, "must be an object"),
    ],
)
def test_a_decode_row_is_checked_in_registers_and_in_the_frame(change, words):
    row = DECODE[0]
    assert verdict(row) is None
    fault = verdict({**row, **change})
    assert (fault is None) if words is None else (fault is not None and words in fault)


def test_without_a_map_the_shipped_profiles_serve():
    assert [verdict(row, ()) for row in rows("modbus-decode")] == [None] * len(rows("modbus-decode"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "uint24"}, "uint24"),
        ({"words": 1}, "words: 1"),
        ({"address": 70000}, "address"),
        ({"address_hex": "0x0001"}, "address_hex"),
        ({"function": 6}, "function: 6"),
        ({"scale": Decimal("0.25")}, "no power of ten"),
        ({"not_available": "FFFF"}, "not_available"),
        ({"type": "float", "word_order": "little", "byte_order": "little"}, None),
        ({"type": "bcd", "words": 2}, None),
        ({"type": "u32", "scale": Decimal("1E+3")}, None),
        ({"function": 2, "type": "bool", "words": 1}, None),
    ],
)
def test_a_map_row_must_make_an_address(change, words):
    fault = verdict({**MAPS[0], **change})
    assert (fault is None) if words is None else (fault is not None and words in fault)


def test_the_little_endian_maps_of_others_decode():
    row = {
        "protocol": "modbus-decode",
        "model": "X",
        "name": "N",
        "registers_hex": "0D0C0B0A",
        "expected": {"value": Decimal("168496.141"), "unit": "kWh"},
    }
    line = {
        "protocol": "modbus",
        "model": "X",
        "name": "N",
        "function": 3,
        "address": 4,
        "type": "uint32",
        "words": 2,
        "word_order": "little",
        "byte_order": "little",
        "scale": Decimal("0.001"),
        "unit": "kWh",
    }
    assert verdict(row, [line]) is None
    assert "unit" in str(verdict(row, [{**line, "unit": "MWh"}]))


def test_every_name_of_the_maps_is_a_point_of_ours():
    assert all(point_id(row["name"]) for row in MAPS)
    assert point_id("ReactiveExportL3") == "reactive_energy_export_l3"


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
FRAME = rows("modbus-rtu")[0]


@given(st.data(), junk)
def test_a_hostile_row_is_a_disagreement_never_an_exception(data, value):
    row = data.draw(st.sampled_from([FRAME, MAPS[0], MAPS[60], DECODE[0], rtu("03 02 0001", registers=[1])]))
    key = data.draw(st.sampled_from(sorted(row)))
    inner = row["expected"] if "expected" in row and data.draw(st.booleans()) else None
    changed = {**row, key: value}
    if inner is not None:
        changed = {**row, "expected": {**inner, data.draw(st.sampled_from(sorted(inner))): value}}
    fault = verdict(changed, [*MAPS[:1], {**MAPS[0], "name": "Other", key: value}])
    assert fault is None or isinstance(fault, str)
