"""Lines whose devices speak unasked, as people write them in the site file."""

import json
from ipaddress import ip_network

import pytest
from typer.testing import CliRunner

from drivers.lines import SerialSettings
from gateway.cli.main import app
from gateway.site.config import load_site
from gateway.site.listening import Socket, Source
from tests.support.sitefile import problems, site_at

TEXT = """\
site: s
gateway: gw
broker: {url: "mqtt://127.0.0.1:1883", username: gw, password_file: secrets/gw-a}
lines:
  - id: fire
    listen: {at: "127.0.0.1:5200", transport: tcp+udp, allow: [10.1.0.0/16, 10.2.0.1], peers: 5,
             kilobytes_per_s: 900, heard_within: 90s}
    devices:
      - {id: host, profile: gb26875-transmission-device, address: "010203040506"}
      - {id: other, profile: gb26875-transmission-device, address: "010203040507", heard_within: never}
  - id: printer
    serial: /dev/ttyUSB3
    baud: 2400
    listen: {}
    devices: [{id: paper, profile: gst-gst9000-printer}]
  - id: meters
    tcp: 127.0.0.1:15020
    devices: [{id: m, profile: eastron-sdm630, unit: 1}]
"""


def test_what_listens_lies_beside_what_is_polled(tmp_path):
    site = load_site(site_at(tmp_path, TEXT))
    assert [line.id for line in site.lines] == ["meters"]
    fire, printer = site.listening
    assert fire.ear.place == Socket("127.0.0.1", 5200, tcp=True, udp=True)
    assert fire.ear.limits.allow == (ip_network("10.1.0.0/16"), ip_network("10.2.0.1"))
    assert fire.ear.limits.peers == 5
    assert fire.ear.limits.bytes_per_s == 900_000
    assert fire.ear.sources == {"host": Source("010203040506", 90.0), "other": Source("010203040507", None)}
    assert printer.ear.place == SerialSettings("/dev/ttyUSB3", baud=2400)
    assert printer.ear.sources["paper"].within is None, "a printer that prints nothing is no fault"
    assert [device.id for device in site.devices] == ["m", "host", "other", "paper"]


def test_its_hash_tells_listening_lines_apart(tmp_path):
    one = load_site(site_at(tmp_path, TEXT)).hash
    assert load_site(site_at(tmp_path, TEXT.replace("90s", "91s"))).hash != one


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('at: "127.0.0.1:5200", ', "", "needs exactly one of `at` (address:port) and the line's `serial`"),
        ("127.0.0.1:5200", "5200", "write address:port, for example 0.0.0.0:5200"),
        ("10.1.0.0/16", "10.1.0.1/16", "has host bits set: write 10.1.2.3 or 10.1.0.0/16"),
        ("90s", "1s", "write 5s to 168h, or never where silence means nothing"),
        ("010203040507", "010203040506", "names itself 010203040506 as host does"),
        ('"010203040507"', '"x"', "is not twelve hex digits"),
        (
            "profile: gb26875-transmission-device, address",
            "profile: sia-dc09-panel, address",
            "a listening line has one protocol",
        ),
        (
            "profile: gst-gst9000-printer",
            "profile: eastron-sdm630, unit: 1",
            "is asked, it does not speak unasked",
        ),
        (
            "profile: eastron-sdm630, unit: 1",
            "profile: gst-gst9000-printer",
            "speaks unasked: give its line `listen`",
        ),
        ("tcp: 127.0.0.1:15020", "tcp: 127.0.0.1:15020\n    listen: {at: '127.0.0.1:1'}", "does not connect"),
        (
            "devices: [{id: paper, profile: gst-gst9000-printer}]",
            "devices: []",
            "a listening line needs a device",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, words):
    assert old in TEXT
    assert any(words in problem for problem in problems(tmp_path, TEXT.replace(old, new, 1)))


def test_one_port_has_one_owner(tmp_path):
    twice = TEXT + TEXT[TEXT.index("  - id: printer") : TEXT.index("  - id: meters")].replace(
        "id: p", "id: q"
    )
    assert any("already line printer" in problem for problem in problems(tmp_path, twice))


def test_check_shows_who_may_speak_and_when_silence_is_told(tmp_path):
    path = site_at(tmp_path, TEXT)
    got = CliRunner().invoke(app, ["check", str(path), "--json"])
    rows = json.loads(got.stdout)["listening"]
    assert [(row["device"], row["silent after"]) for row in rows] == [
        ("host", "90 s"),
        ("other", "never"),
        ("paper", "never"),
    ]
    assert rows[0]["may speak"] == "10.1.0.0/16, 10.2.0.1/32"
    shown = CliRunner().invoke(app, ["check", str(path)], env={"COLUMNS": "200"})
    assert "lines that listen" in shown.stdout
