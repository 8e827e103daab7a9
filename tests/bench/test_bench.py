"""The measurements themselves: what they report, and that the chain they clock is the real one."""

import io
import json

import pytest
from rich.console import Console

from bench import journal, latency
from bench.figures import figures, table

ROWS = [
    {"ratio": 0.5, "rate": 120_000.0},
    {"ratio": 0.7, "rate": 90_000.0},
    {"ratio": 0.6, "rate": 100_000.0},
]


def test_a_figure_tells_its_least_middle_and_greatest_run():
    found = figures("ingest", ROWS, [("ratio", "ours / raw", "ratio"), ("rate", "ours", "values/s")])
    told = [json.loads(json.dumps(figure.as_json())) for figure in found]
    assert [(one["min"], one["median"], one["max"]) for one in told] == [
        (0.5, 0.6, 0.7),
        (90e3, 100e3, 120e3),
    ]
    assert told[0]["runs"] == [0.5, 0.7, 0.6]

    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(table(found))
    assert "ours / raw" in out.getvalue()
    assert "100 k" in out.getvalue()


@pytest.mark.e2e
@pytest.mark.slow
def test_a_change_is_clocked_through_the_real_chain():
    changes = list(latency.measure(2))
    assert len(changes) == 2
    for row in changes:
        assert 0 < row["read_to_page"] <= row["change_to_page"]
        assert row["read_to_row"] > 0


@pytest.mark.slow
def test_the_journal_that_is_measured_keeps_everything():
    (row,) = journal.measure(1)
    assert row["cpu_us"] > 0
