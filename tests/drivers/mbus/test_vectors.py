import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import check_file, registry
from simulators.mbus_frames import Identity, response
from tests.support.vectors import rows

ROWS = rows("mbus")
READ = [row for row in ROWS if "records" in row["expected"]]


def verdict(row):
    return registry.get("mbus").check_vector(row, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_every_vector_agrees(row):
    assert verdict(row) is None


def changed(row, change):
    made = copy.deepcopy(row)
    change(made["expected"])
    return made


def set_value(expected):
    record = next(
        one for one in expected["records"] if isinstance(one.get("Value"), int | float) or "Value" in one
    )
    record["Value"] = 123456789.5


@pytest.mark.parametrize("row", READ, ids=lambda row: row["id"])
def test_a_wrong_expectation_is_a_disagreement(row):
    for change in (
        lambda expected: expected["slave"].update(Id="1"),
        lambda expected: expected["slave"].update(Status="01"),
        lambda expected: expected["records"].append({}),
        lambda expected: expected.update(colour="red"),
        lambda expected: expected.update(frame_ok=False),
        lambda expected: expected.update(application_error="Unspecified error"),
        lambda expected: expected["records"][0].update(Function="Stored maximum"),
    ):
        assert verdict(changed(row, change)) is not None


@pytest.mark.parametrize(
    "row",
    [row for row in READ if any("Value" in one for one in row["expected"]["records"])],
    ids=lambda row: row["id"],
)
def test_a_wrong_value_is_a_disagreement(row):
    assert "Value" in str(verdict(changed(row, set_value)))


@given(st.sampled_from(READ), st.data())
def test_a_spoiled_frame_disagrees(row, data):
    place = data.draw(st.integers(0, 4 * len(row["hex"]) - 1))
    spoiled = int(row["hex"], 16) ^ 1 << place
    assert verdict({**row, "hex": f"{spoiled:0{len(row['hex'])}X}"}) is not None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "needs `hex`"),
        ({"hex": "zz", "expected": {}}, "ValueError"),
        ({"hex": "00" * 5000, "expected": {}}, "more than"),
        ({"hex": "1040014116", "expected": {}}, "short frame"),
        ({"hex": "1040014116", "expected": {"frame_ok": False}}, None),
        ({"hex": "68040468080170047D16", "expected": {"application_error": "Too many records"}}, "Premature"),
        (
            {"hex": "68040468080170047D16", "expected": {"must": "x", "frame_ok": "malformed"}},
            "taken for sound",
        ),
        ({"hex": "1040014117", "expected": {"must": "x", "frame_ok": "link layer ok"}}, "link layer"),
    ],
)
def test_rows_of_other_kinds(row, words):
    found = verdict(row)
    assert found is None if words is None else words in str(found)


def test_a_file_is_checked_by_the_tool(tmp_path):
    path = tmp_path / "rows.jsonl"
    wrong = {**ROWS[0], "hex": ROWS[0]["hex"][:-2] + "17"}
    path.write_text("\n".join(json.dumps(row, default=str) for row in (wrong, {"protocol": "mbus"})))
    found = check_file.run(path)
    assert (found.agree, found.total) == (0, 2)
    assert "ends with 17" in found.disagreements[0]


def test_bits_may_be_told_as_a_negative_number():
    """libmbus reads every integer as a signed one; bits and codes have no sign by the standard."""
    raw = response(1, Identity("12345678"), 1, 0, bytes.fromhex("02FD17FFFF"))
    for value, fine in ((65535, True), (-1, True), (65534, False)):
        expected = {"records": [{"Quantity": "Error flags", "Value": value}]}
        assert (verdict({"hex": raw.hex(), "expected": expected}) is None) is fine
