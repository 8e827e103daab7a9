"""`plan`: what a line will do and how late a fire point can be, before anybody drives out."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.planning.forecast import forecast
from gateway.polling.schedule import FIRE
from gateway.site.config import load_site

HEAD = """
site: garden-mews
gateway: gw-a
broker: {url: "mqtt://127.0.0.1:1883"}
"""
BUS = """
lines:
  - id: riser-a
    serial: /dev/ttyUSB7
    baud: BAUD
    timeout: TIMEOUT
    devices:
      - {id: fire-1, profile: gatehouse-demo-fire-panel, unit: 100}
"""


def site_file(
    folder: Path, *, meters: int, baud: int = 9600, timeout: str = "500ms", extra: str = ""
) -> Path:
    rows = [f"      - {{id: m-{n}, profile: eastron-sdm630, unit: {n}}}\n" for n in range(1, meters + 1)]
    path = folder / "site.yaml"
    bus = BUS.replace("BAUD", str(baud)).replace("TIMEOUT", timeout)
    path.write_text(HEAD + extra + bus + "".join(rows), encoding="utf-8")
    return path


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["plan", *words])
    return result.exit_code, result.output


def test_a_panel_on_a_quiet_bus_keeps_its_budget(tmp_path: Path) -> None:
    code, text = run(str(site_file(tmp_path, meters=3)))
    assert code == 0, text
    assert "fire-1" in text
    assert "worst" in text


def test_a_fire_point_that_can_be_too_late_is_an_error_that_says_what_helps(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=3, timeout="3s")
    code, text = run(str(path))
    assert code == 2
    assert "fire budget is 2 s" in text
    assert "line of its own" in text
    assert "ms to answer" in text


def test_each_advice_is_enough_by_itself(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=3, timeout="3s")
    code, text = run(str(path), "--json")
    told = json.loads(text[: text.rindex("}") + 1])
    assert code == 2
    words = " ".join(told["lines"][0]["missed"][0]["advice"])
    assert "`timeout: 500ms`" in words
    mended = site_file(tmp_path, meters=3, timeout="500ms")
    assert run(str(mended))[0] == 0


def test_what_one_lost_answer_of_a_panel_costs_is_told_with_the_guard_that_keeps_the_budget(
    tmp_path: Path,
) -> None:
    """On RTU nothing is asked while a late answer could be taken for its own: twice the time-out, if more than once."""
    path = site_file(tmp_path, meters=3, timeout="600ms", extra="poll: {fire: 0.5s}\n")
    path.write_text(path.read_text().replace("unit: 100}", "unit: 100, options: {max_bits: 32}}"))
    code, text = run(str(path))
    told = " ".join(text.split())
    assert code == 0, text
    assert "one answer of fire-1 is lost on the wire" in told
    assert "for 1.2 s its late answer" in told
    found = re.search(r"`(late_guard: \d+ms)`", told)
    assert found is not None
    path.write_text(path.read_text().replace("    timeout: 600ms\n", f"    timeout: 600ms\n    {found[1]}\n"))
    code, text = run(str(path))
    assert code == 0
    assert "is lost on the wire" not in " ".join(text.split())


def test_what_one_lost_answer_of_a_panel_with_one_read_costs_is_told_with_the_time_out_that_keeps_the_budget(
    tmp_path: Path,
) -> None:
    """One and the same read is put again at once, so that only the time-out is lost."""
    path = site_file(tmp_path, meters=0, timeout="1s")
    code, text = run(str(path))
    told = " ".join(text.split())
    assert code == 0, text
    assert "it is asked again when 1 s have passed" in told
    found = re.search(r"`timeout: (\d+)ms`", told)
    assert found is not None
    code, text = run(str(site_file(tmp_path, meters=0, timeout=f"{found[1]}ms")))
    assert code == 0
    assert "is lost on the wire" not in " ".join(text.split())


def test_a_tool_costs_one_question_at_most(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=1)
    _, text = run(str(path), "--json")
    line = json.loads(text[: text.rindex("}") + 1])["lines"][0]
    well = next(row["worst_s_with_dead"]["0"] for row in line["requests"] if row["class"] == "fire")
    (with_tool,) = line["worst_s_with_a_tool"].values()
    assert well < with_tool <= well + 2.0 / 4
    path = site_file(tmp_path, meters=1, extra="fire_budget: 1500ms\npoll: {fire: 1200ms}\n", timeout="100ms")
    code, text = run(str(path))
    assert code == 0, text
    assert "while an engineer's tool asks on this line, a change of fire-1 can be later" in " ".join(
        text.split()
    )


def test_modbus_tcp_needs_no_guard(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=0, timeout="500ms")
    path.write_text(path.read_text().replace("serial: /dev/ttyUSB7\n    baud: 9600", "tcp: 127.0.0.1:502"))
    code, text = run(str(path))
    assert code == 0
    assert "is lost on the wire" not in " ".join(text.split())


def test_where_no_single_change_is_enough_the_advice_is_still_enough(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=3, extra="fire_budget: 300ms\n", timeout="3s")
    code, text = run(str(path))
    assert code == 2
    assert "Any one of these" not in text
    told = " ".join(text.split())
    assert "all of this together is: a line of its own, polled every 0.1 s (`poll: {fire: 0.1s}`)" in told
    assert (
        run(
            str(site_file(tmp_path, meters=0, extra="fire_budget: 300ms\npoll: {fire: 0.1s}\n", timeout="3s"))
        )[0]
        == 0
    )


def test_a_budget_that_nothing_keeps_is_said_to_be_one(tmp_path: Path) -> None:
    code, text = run(str(site_file(tmp_path, meters=3, baud=9600, extra="fire_budget: 100ms\n")))
    assert code == 2
    assert "set a `fire_budget` that can be kept" in text


def test_a_budget_of_the_line_counts(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=3, extra="fire_budget: 1200ms\n")
    assert run(str(path))[0] == 2


def test_the_table_as_json_names_every_point_once_and_all_latencies(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=2)
    _, text = run(str(path), "--json")
    line = json.loads(text[: text.rindex("}") + 1])["lines"][0]
    site = load_site(path)
    for device in site.devices:
        mine = [point for row in line["requests"] if row["device"] == device.id for point in row["points"]]
        assert set(mine) == set(device.profile.points)
    for row in line["requests"]:
        worst = row["worst_s_with_dead"]
        assert row["period_s"] < worst["0"] <= worst["1"] <= worst["all"]
    assert 0 < line["utilisation"] < 1


def test_more_meters_make_the_panel_no_later(tmp_path: Path) -> None:
    """A fire point waits for one transaction, however many devices share its line."""
    latencies = []
    for meters in (2, 20):
        line = load_site(site_file(tmp_path, meters=meters)).lines[0]
        found = forecast(line, budget=2.0)
        latencies.append(max(one.bounds[1].latency or 99 for one in found.foreseen if one.task.rank == FIRE))
    assert latencies[0] == pytest.approx(latencies[1])


def test_a_line_with_too_much_to_do_says_so(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=30, baud=1200, extra="poll: {routine: 2s}\n")
    _, text = run(str(path))
    assert "longer periods, or a second line" in text


def test_a_wrong_turnaround_is_told(tmp_path: Path) -> None:
    code, text = run(str(site_file(tmp_path, meters=1)), "--turnaround", "fast")
    assert code == 2
    assert "write 500ms" in text


def test_nobody_needs_the_brokers_password_to_look_at_devices(tmp_path: Path) -> None:
    path = site_file(tmp_path, meters=1)
    broker = '{url: "mqtt://127.0.0.1:1883", username: gw-a, password_file: secrets/not-yet}'
    path.write_text(path.read_text().replace('{url: "mqtt://127.0.0.1:1883"}', broker))
    assert run(str(path))[0] == 0
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert checked.exit_code == 2
    assert "secrets/not-yet" in checked.output
