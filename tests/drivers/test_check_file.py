from pathlib import Path

import pytest

from drivers import check_file

VECTORS = Path(__file__).parents[1] / "vectors"
MAPS = VECTORS / "modbus-register-maps.jsonl"


@pytest.mark.parametrize("name", ["modbus-rtu", "modbus-register-maps", "modbus-decode"])
def test_every_line_of_the_shipped_vectors_agrees(name):
    report = check_file.run(VECTORS / f"{name}.jsonl", MAPS)
    assert report.disagreements == []
    assert report.agree == report.total == len((VECTORS / f"{name}.jsonl").read_text().splitlines())
    assert report.total > 100
