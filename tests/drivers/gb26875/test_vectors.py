import pytest

from drivers.gb26875.driver import Gb26875Driver
from drivers.gb26875.frames import Frame, encode
from tests.support.fire import changed
from tests.support.vectors import rows

ROWS = rows("gb26875")
FRAME = next(row for row in ROWS if row["kind"] == "frame")
STATE = next(row for row in ROWS if row["id"] == "gb26875-aa13b2e1")


def verdict(row):
    return Gb26875Driver().check_vector(row, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_file_agrees(row):
    assert verdict(row) is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_changed_expectation_does_not(row):
    for key in row["expected"]:
        if key not in {"note", "items"}:
            assert verdict(changed(row, key)), key


@pytest.mark.parametrize("key", ["system_type", "state", "bits", "time"])
def test_each_item_counts(key):
    items = [
        STATE["expected"]["items"][0],
        {**STATE["expected"]["items"][1], key: ["fire"] if key == "bits" else "2021-07-02"},
    ]
    fault = verdict({**STATE, "expected": {**STATE["expected"], "items": items}})
    assert fault is not None
    assert fault.startswith(f"items[1].{key}")


def test_a_frame_that_is_to_be_refused():
    raw = bytearray.fromhex(FRAME["hex"])
    raw[-3] ^= 1
    assert "checksum" in str(verdict({**FRAME, "hex": raw.hex()}))
    assert verdict({**FRAME, "hex": raw.hex(), "expected": {"valid": False}}) is None
    assert "sound" in str(verdict({**FRAME, "expected": {"valid": False}}))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("5A01040009020715", {"type": 90, "items": [{"time": "2021-07-02T09:00:04"}]}),
        ("5B0105", {"type": 91, "items": [{"timeout_min": 5}]}),
        ("15016000000000000000", {"type": 21, "items": []}),
        ("150160000000000000", {"items": [{"bits": ["center channel fault", "line_fault"], "time": None}]}),
        ("080101020400 09020715", {"type": 8, "items": [{"system_addr": 2, "time": "2021-07-02T09:00:04"}]}),
        (
            "030101022801020304 08 9CFF 040009020715",
            {"items": [{"value": -10, "quantity": "voltage", "unit": "V"}]},
        ),
        ("3E0101022801020304", {"items": [{"component_addr": 67305985}]}),
        ("4001010205040009020715", {"items": [{"count": 5}]}),
        ("0601010203C1FAC1", {"items": [{"text": "\u9f99\ufffd"}]}),
        ("0601010200", {"items": [{"text": ""}]}),
        ("", {"type": 0, "objects": 0, "items": []}),
    ],
)
def test_units_that_were_not_given_agree(unit, expected):
    row = {"protocol": "gb26875.3", "kind": "adu", "hex": unit, "expected": expected}
    assert verdict(row) is None


@pytest.mark.parametrize(
    ("command", "name"), [(3, "acknowledge"), (5, "response"), (6, "deny"), (1, "control")]
)
def test_an_empty_frame_and_the_names_of_commands(command, name):
    raw = encode(Frame(513, (1, 2), bytes(6), "0140609623B2", "000000000001", command, b""))
    expected = {
        "valid": True,
        "serial": 513,
        "command_name": name,
        "adu_len": 0,
        "adu": None,
        "dest": "000000000001",
    }
    assert verdict({"hex": raw.hex(), "expected": expected}) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"expected": 3},
        {"expected": {}, "hex": "zz"},
        {"expected": {"adu": {"items": 5}}, "hex": FRAME["hex"]},
        {"expected": {"adu": {"items": [5]}}, "hex": FRAME["hex"]},
        {"expected": {"colour": "red"}, "hex": FRAME["hex"]},
        {"expected": {"time": "no time"}, "hex": FRAME["hex"]},
    ],
)
def test_a_hostile_row_is_a_disagreement(row):
    assert verdict(row)
