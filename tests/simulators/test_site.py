"""Site files: everything that does not fit together is told by file and line."""

from pathlib import Path

import pytest

from drivers.strict_yaml import YamlError
from simulators.site import seconds
from tests.support.sims import site_of

GOOD = """\
site: s
lines:
  - id: net
    tcp: 127.0.0.1:0
    devices:
      - {id: a, profile: bench-all-types, unit: 1}
  - id: pair
    pty: run/pair
    devices:
      - {id: b, profile: bench-all-types, unit: 1, faults: [{kind: crc_noise, rate: 0.5, from: 1s, until: 2s}]}
links:
  - {id: gw, to: 127.0.0.1:1883}
story:
  - {at: 1s, device: a, set: {alarm: true}, for: 2s}
  - {at: 2s, link: gw, cut: 15s}
  - {at: 3s, device: b, fault: {kind: silent}, for: 10s}
"""


def test_a_good_site_is_read(tmp_path: Path) -> None:
    site = site_of(GOOD, tmp_path)
    assert [line.frames for line in site.lines] == ["mbap", "rtu"]
    assert [device.id for _, device in site.devices()] == ["a", "b"]
    assert site.story[0].set == {"alarm": True}
    assert seconds("-1.5m") == -90
    assert seconds(None) == 0


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("127.0.0.1:0", "0.0.0.0:0", 4, "simulators listen on 127.0.0.1 only"),
        ("127.0.0.1:0", "127.0.0.1:99999", 4, "no port"),
        (
            "profile: bench-all-types, unit: 1}",
            "profile: bench-all-typos, unit: 1}",
            6,
            "no profile `bench-all-typos`",
        ),
        ("id: b", "id: a", 10, "used twice"),
        ("id: pair", "id: net", 7, "used twice"),
        ("unit: 1}", "unit: 248}", 6, "<= 247"),
        ("rate: 0.5", "rate: 1.5", 10, "share"),
        ("kind: crc_noise, rate: 0.5", "kind: late", 10, "needs `delay`"),
        ("rate: 0.5", "delay: 1s", 10, "has no `delay`"),
        ("until: 2s", "until: 1s", 10, "ends before it begins"),
        ("pty: run/pair", "pty: run/pair\n    framing: mbap", 9, "carries `rtu`"),
        ("tcp: 127.0.0.1:0", "tcp: 127.0.0.1:0\n    baud: 9600", 5, "no characters to time"),
        ("kind: crc_noise, rate: 0.5", "kind: babble", 10, "needs `every`"),
        ("kind: crc_noise, rate: 0.5", "kind: babble, every: 0s", 10, "is no time"),
        ("kind: crc_noise, rate: 0.5", "kind: busy, code: 7", 10, "known are 5, 6"),
        ("set: {alarm: true}, for: 2s", "fault: {kind: echo}", 14, "only a pair of wires"),
        ("set: {alarm: true}, for: 2s", "fault: {kind: babble, every: 1s}", 14, "sends: reply"),
        ("alarm: true", "alarms: true", 14, "no point `alarms`"),
        ("alarm: true", "alarm: 3", 14, "not true or false"),
        ("alarm: true", "u16: null", 14, "no pattern"),
        ("device: a, set", "device: z, set", 14, "no device `z`"),
        ("link: gw, cut", "link: gx, cut", 15, "no link `gx`"),
        ("cut: 15s", "for: 15s", 15, "can be `cut`"),
        (", fault: {kind: silent}", "", 16, "nothing happens"),
        ("story:", "storey:", 13, "story"),
        ("site: s", "site: s\ntick: 1ms", 2, "10ms"),
    ],
)
def test_what_does_not_fit_is_told_by_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    with pytest.raises(YamlError) as caught:
        site_of(GOOD.replace(old, new, 1), tmp_path)
    problems = [problem for problem in caught.value.problems if said in problem.text]
    assert problems, str(caught.value)
    assert problems[0].line == line


def test_noise_on_modbus_tcp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="no checksum"):
        site_of(GOOD.replace("pty: run/pair", "tcp: 127.0.0.1:0"), tmp_path)
