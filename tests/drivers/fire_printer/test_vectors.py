import pytest

from drivers.fire_printer.driver import PrinterDriver
from tests.support.fire import changed
from tests.support.vectors import rows

ROWS = rows("fire-printer")


def verdict(row):
    return PrinterDriver().check_vector(row, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_file_agrees(row):
    assert verdict(row) is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_changed_expectation_does_not(row):
    if row["expected"].get("event", "") is None:
        return  # a report: there is nothing else to compare
    for key in row["expected"].keys() - {"note"}:
        assert verdict(changed(row, key)), key


@pytest.mark.parametrize(
    ("panel", "raw", "expected"),
    [
        (
            "Firesense AFP-2800",
            b":ACKD FAULT Z012 2.4.D7 LIFT MOTOR ROOM 03/02 11:59;\n",
            {"event": "ACKD FAULT", "zone": 12, "kind_suggested": "fault_ack"},
        ),
        (
            "Firesense AFP-2800",
            b":RESET FAULT Z012 2.4.D7 LIFT 03/02 11:59;\r",
            {"label": "LIFT", "kind_suggested": "fault_clear"},
        ),
        (
            "Firesense AFP-2800",
            b":ISOL FAULT Z012 2.4.D7 LIFT 03/02 11:59;\r",
            {"day": 3, "kind_suggested": "fault_isolated"},
        ),
        (
            "GST9000",
            "\x1b602/01/05  01:02\n  012-345\n\x1b9首次火警\n三楼走廊\n感烟探测器\n\n".encode("gb18030"),
            {
                "loop": "012",
                "point": 345,
                "kind": "fire",
                "lines": ["02/01/05  01:02", "012-345", "首次火警", "三楼走廊", "感烟探测器"],
            },
        ),
        (
            "Edwards iO1000",
            b"TROUBLE ACTIVE | 10:22:31 11/03/2025 P:01\r\nAC POWER\r\n\r\n",
            {"details": ["P:01", "AC POWER"], "kind_suggested": "fault"},
        ),
        (
            "Edwards EST3x",
            b"ALARM RESTORED :: 10:22:31 11/03/2025 P:01 C:01 D:0014\r\n\r\n",
            {"details": ["P:01", "C:01", "D:0014"], "kind_suggested": "alarm_clear"},
        ),
    ],
)
def test_lines_that_were_not_given_agree(panel, raw, expected):
    row = {"hex": raw.hex(), "expected": {"panel": panel, **expected}}
    assert verdict(row) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"expected": {}},
        {"expected": {}, "hex": "41"},
        {"expected": {"panel": "GST9000"}, "hex": ""},
        {"expected": {"panel": "GST9000", "event": None}, "hex": "41"},
        {"expected": {"panel": "GST9000", "kind": "fire"}, "hex": "41"},
    ],
)
def test_a_hostile_row_is_a_disagreement(row):
    assert verdict(row)
