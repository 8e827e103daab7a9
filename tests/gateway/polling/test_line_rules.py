from pathlib import Path

import pytest

from drivers.strict_yaml import YamlError
from gateway.polling.line_rules import longest_of, rules_of
from gateway.site.config import load_site

SITE = """\
site: s
gateway: g
broker: {{url: "mqtt://127.0.0.1:1883"}}
{more}
lines:
  - {{id: bus, serial: /dev/ttyUSB0, devices: [{{id: w, profile: gatehouse-demo-water-mbus, unit: 3}}]}}
  - id: server
    tcp: "10.0.0.7:4001"
    framing: rtu
    baud: 2400
    devices: [{{id: m, profile: acrel-adl400-primary, unit: 1}}]
  - {{id: alone, tcp: "10.0.0.8:502", fire_budget: 4s, devices: [{{id: f, profile: {fire}, unit: 1}}]}}
"""
FIRE = "gatehouse-demo-fire-panel"


def rules(folder: Path, more: str = ""):
    path = folder / "site.yaml"
    path.write_text(SITE.format(more=more, fire=FIRE))
    return [(line, rules_of(line)) for line in load_site(path).lines]


def test_each_kind_of_line_has_its_rules(tmp_path: Path):
    (bus_line, bus), (_, server), (fire_line, alone) = rules(tmp_path)
    assert bus.timing.byte_time == pytest.approx(10 / 9600)
    assert bus.adds_wire_time
    assert bus.floor == 0.05
    assert longest_of(bus_line) is None
    assert server.timing.byte_time == pytest.approx(10 / 2400)
    assert not server.adds_wire_time, "what it speaks is TCP: the bytes' time is reckoned by us"
    assert alone.timing.byte_time == 0
    assert alone.floor == 0.3
    assert longest_of(fire_line) == alone.longest == 1.0
    assert (bus.stride, server.stride, alone.stride) == (0.0, 0.0, 1 / 16), "a bus paces itself"


def test_books_are_read_by_the_clock_of_the_site(tmp_path: Path):
    more = "timezone: Asia/Kathmandu\nsnapshot: {every: 30m, window: 90s}"
    _, found = rules(tmp_path, more)[0]
    assert found.snapshots is not None
    assert (found.snapshots.zone.key, found.snapshots.every.seconds) == ("Asia/Kathmandu", 1800)
    assert found.snapshots.window.seconds == 90


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        ("{every: 7m}", "a day is a multiple"),
        ("{every: 30s}", "1m to 24h"),
        ("{every: 15m, window: 10m}", "half of `every`"),
        ("{every: 15m, window: 10ms}", "1s to"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(tmp_path: Path, snapshot: str, words: str):
    with pytest.raises(YamlError, match="snapshot") as caught:
        rules(tmp_path, f"snapshot: {snapshot}")
    assert words in str(caught.value)


def test_the_shortest_time_out_can_be_set(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(
        SITE.format(more="", fire=FIRE).replace("framing: rtu", "framing: rtu\n    shortest_timeout: 250ms")
    )
    assert [rules_of(line).floor for line in load_site(path).lines] == [0.05, 0.25, 0.3]
