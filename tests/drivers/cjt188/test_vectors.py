import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cjt188 import frames
from drivers.cjt188.explain import explain
from drivers.cjt188.vectors import check_vector
from tests.support.vectors import rows

ROWS = rows("cjt188")
ADDRESS = "00201707010069"


def row(control: int, data: str, **expected):
    raw = frames.encode(0x10, ADDRESS, control, bytes.fromhex(data))
    return {"protocol": "cjt188", "hex": raw.hex(), "expected": {"valid": True, **expected}}


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_the_file_agrees(line):
    assert check_vector(line) is None


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_a_changed_expectation_does_not(line):
    for key, value in line["expected"].items():
        if key in {"note", "reason"}:
            continue
        other = (not value) if isinstance(value, bool) else "other" if value is None else None
        changed = {**line, "expected": {**line["expected"], key: other}}
        if not (line["expected"]["valid"] is False and key == "checksum_computed"):
            assert check_vector(changed), key


@pytest.mark.parametrize(
    ("control", "data", "expected"),
    [
        (0x81, "20D10178563412 2C", {"di": "D120", "di_on_wire": "20D1", "settled_volume": "123456.78"}),
        (0x81, "D12001785634122C", {"di": "D120", "volume": "123456.78", "volume_unit": "m3"}),
        (0x81, "D1200178563412 11", {"settled_unit": "GJ", "settled_bcd": "12345678"}),
        (0x81, "20D101FFFFFFFF2C", {"settled_volume": None, "settled_bcd": "FFFFFFFF"}),
        (0x84, "17A0010200", {"di": "A017", "status": "0200", "error": False, "ser": 1}),
        (0x84, "17A0010500", {"valve": "closed", "battery_low": True}),
        (0x04, "17A00155", {"command": "open", "from_meter": False}),
        (0xC1, "010400", {"error": True, "ser": 1, "status": "0400"}),
        (0x81, "778801AABB", {"di": "7788", "body": "AABB"}),
    ],
)
def test_frames_that_were_not_given_agree(control, data, expected):
    assert check_vector(row(control, data, **expected)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hex": 7}, "needs a frame"),
        ({"expected": 7}, "needs a frame"),
        ({"hex": "zz"}, "no hex"),
        ({"hex": "68"}, "refused"),
        ({"expected": {"valid": False}}, "is sound"),
        ({"expected": {"colour": "red"}}, "says nothing"),
    ],
)
def test_a_row_that_is_wrong_is_a_disagreement(change, words):
    assert words in str(check_vector({**ROWS[1], **change}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checksum_computed": "00"}, "checksum_computed"),
        ({"reason": "length 1 vs 2"}, "reason"),
        ({"wakeup_fe": 9}, "fe"),
    ],
)
def test_why_a_frame_is_refused_is_compared(change, words):
    assert words in str(check_vector({**ROWS[0], "expected": {**ROWS[0]["expected"], **change}}))


@pytest.mark.parametrize(
    "line", [line for line in ROWS if line["expected"]["valid"]], ids=lambda line: line["id"]
)
def test_explain_says_what_the_frame_says(line):
    said = explain(bytes.fromhex(line["hex"]))
    assert line["expected"]["address"] in said
    if line["expected"].get("volume"):
        assert f"volume: {line['expected']['volume']}" in said


@given(st.sampled_from(ROWS), st.data())
def test_a_hostile_row_is_a_verdict(line, data):
    value = data.draw(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    )
    key = data.draw(st.sampled_from(sorted(line["expected"])))
    fault = check_vector({**line, "expected": {**line["expected"], key: value}})
    assert fault is None or isinstance(fault, str)
