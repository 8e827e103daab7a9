"""Devices of one line that are spoken to in different ways, from the file to the wire."""

from pathlib import Path

import pytest

from drivers.lines import SerialMode
from drivers.strict_yaml import YamlError
from gateway.polling.line_rules import timing_of
from gateway.site.config import Site, load_site

HEAD = """\
site: garden-mews
gateway: gw-a
broker: {url: "mqtt://127.0.0.1:1883", username: gw-a, password_file: gw-a}
lines:
  - id: riser
    %s
    devices:
      - {id: w-1, profile: gatehouse-demo-water-mbus, unit: 3}
      - {id: w-2, profile: gatehouse-demo-water-mbus, unit: 4, %s}
"""


def site(folder: Path, wire: str, device: str) -> Site:
    (folder / "gw-a").write_text("hunter2\n")
    path = folder / "site.yaml"
    path.write_text(HEAD % (wire, device), encoding="utf-8")
    return load_site(path)


def test_a_device_may_have_characters_and_a_framing_of_its_own(tmp_path):
    (line,) = site(tmp_path, "serial: /dev/ttyUSB7", "framing: ascii, baud: 19200, parity: E").lines
    plain, other = line.devices
    assert (plain.mode, other.mode) == (None, SerialMode(19200, "E"))
    assert (plain.options["framing"], other.options["framing"]) == ("rtu", "ascii")
    assert timing_of(line, 0.005, other.mode).byte_time == pytest.approx(11 / 19200)
    assert timing_of(line, 0.005, plain.mode).byte_time == pytest.approx(10 / 9600)


def test_what_is_the_same_as_the_lines_is_no_mode_of_its_own(tmp_path):
    (line,) = site(
        tmp_path, "serial: /dev/ttyUSB7", "baud: 9600, parity: N, data_bits: 8, stop_bits: 1"
    ).lines
    assert line.devices[1].mode is None


def test_behind_a_serial_server_both_framings_may_stand_on_one_bus(tmp_path):
    (line,) = site(tmp_path, "tcp: 10.0.0.7:4001\n    framing: rtu", "framing: ascii").lines
    assert [device.options["framing"] for device in line.devices] == ["rtu", "ascii"]


@pytest.mark.parametrize(
    ("wire", "device", "said"),
    [
        ("tcp: 10.0.0.7:4001", "baud: 19200", "devices[1].baud: is set in the serial server"),
        ("serial: /dev/ttyUSB7", "framing: mbap", "devices[1].framing: mbap is for tcp"),
        ("serial: /dev/ttyUSB7\n    framing: mbap", "unit: 5", "lines[0].framing: mbap is for tcp"),
        ("serial: /dev/ttyUSB7", "baud: 1", "devices[1].baud"),
        ("serial: /dev/ttyUSB7", "parity: X", "devices[1].parity"),
    ],
)
def test_what_the_wire_cannot_have_is_named(tmp_path, wire, device, said):
    device = device.removeprefix("unit: 5") or "name: x"
    with pytest.raises(YamlError) as caught:
        site(tmp_path, wire, device)
    assert any(said in str(problem) for problem in caught.value.problems)
