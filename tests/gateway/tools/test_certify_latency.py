"""How late a change can be seen, as a certificate tells it: of the most urgent points, by the reads that are polled."""

from types import SimpleNamespace

from gateway.planning.forecast import forecast
from gateway.polling.line_rules import longest_of
from gateway.site.config import load_site
from gateway.tools.certify import _foreseen, _latency

SITE = """\
site: s
gateway: g
broker: {url: "mqtt://127.0.0.1:1"}
lines:
  - id: bus
    serial: /dev/ttyUSB7
    baud: 1200
    timeout: 200ms
    devices:
      - {id: fire-1, profile: gatehouse-demo-fire-panel, unit: 1}
      - {id: door-1, profile: gatehouse-demo-door, unit: 2}
      - {id: m-1, profile: eastron-sdm630, unit: 3}
"""


def line_of(folder):
    (folder / "site.yaml").write_text(SITE)
    return load_site(folder / "site.yaml").lines[0]


def test_a_certificate_reckons_with_the_reads_that_are_polled(tmp_path):
    line = line_of(tmp_path)
    found = _foreseen(SimpleNamespace(line=line), {})
    planned = forecast(line, budget=line.fire_budget, longest=longest_of(line))
    assert [one.task.label for one in found.foreseen] == [one.task.label for one in planned.foreseen]


def test_what_is_told_of_a_door_is_its_alarms_not_its_counters(tmp_path):
    line = line_of(tmp_path)
    found = _foreseen(SimpleNamespace(line=line), {})
    told = {one.id: _latency(found, one)["found"] for one in line.devices}
    assert told["fire-1"].startswith("fire ")
    assert told["door-1"].startswith("alarm ")
    assert float(told["door-1"].split()[1]) < 60
