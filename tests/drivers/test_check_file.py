import pytest

from drivers import check_file
from tests.support.vectors import VECTORS

MAPS = VECTORS / "modbus-register-maps.jsonl"


@pytest.mark.parametrize("name", ["modbus-rtu", "modbus-register-maps", "modbus-decode"])
def test_every_line_of_the_shipped_vectors_agrees(name):
    report = check_file.run(VECTORS / f"{name}.jsonl", MAPS)
    assert report.disagreements == []
    assert report.agree == report.total == len((VECTORS / f"{name}.jsonl").read_text().splitlines())
    assert report.total > 100


def test_one_row_may_be_written_over_several_lines(tmp_path):
    report = check_file.run(VECTORS / "osdp-secure-channel.json")
    assert (report.agree, report.total) == (1, 1)
    lines = tmp_path / "lines.json"
    lines.write_text((VECTORS / "modbus-rtu.jsonl").read_text())
    assert check_file.run(lines).agree > 100


def test_every_wrong_line_counts_and_is_named(tmp_path):
    good = (VECTORS / "modbus-rtu.jsonl").read_text().splitlines()[0]
    lines = [
        good,
        "",
        "{not json",
        "[1]",
        '{"protocol": "bacnet.ip-x", "hex": "68"}',
        '{"hex": "00"}',
        '{"protocol": "modbus-rtu", "id": "a\\u001b[2Jb", "hex": "0000", "expected": {"crc_ok": true}}',
        '{"protocol": "modbus-rtu", "hex": "00", "expected": {"x": NaN}}',
        '{"protocol": "modbus-rtu-x"}',
        "[" * 100_000,
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    report = check_file.run(file)
    assert (report.agree, report.total) == (1, 9)
    assert [text.split(":")[1] for text in report.disagreements] == ["3", "4", "5", "6", "7", "8", "9", "10"]
    assert "no driver for 'bacnet.ip-x'; known are" in report.disagreements[2]
    assert all(text.isprintable() for text in report.disagreements)


def test_a_wrong_line_in_the_maps_counts_too(tmp_path):
    maps = tmp_path / "maps.jsonl"
    maps.write_text("{\n")
    report = check_file.run(VECTORS / "modbus-rtu.jsonl", maps)
    assert report.total == report.agree + 1
    assert "maps.jsonl:1:" in report.disagreements[0]


def test_a_line_without_end_is_cut_and_counted(tmp_path):
    file = tmp_path / "long.jsonl"
    file.write_bytes(b'{"a": "' + b"x" * (3 * check_file.MAX_LINE))
    report = check_file.run(file)
    assert report.agree == 0
    assert report.total == 4
    with pytest.raises(FileNotFoundError):
        check_file.run(tmp_path / "none.jsonl")
