"""What may come from afar, and what belongs to the box."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.strict_yaml import YamlError
from gateway.site.config import load_site
from gateway.site.overlay import load_overlaid, shown_part

LOCAL = """\
# by hand
site: mews
gateway: gw
broker: {url: "mqtt://127.0.0.1:1883", username: gw, password_file: secret}
state_dir: state
poll: {routine: 7s}   # slowly
lines:
  - id: bus
    serial: /tmp/pty-of-a-test
    devices:
      - {id: m-1, profile: eastron-sdm630, unit: 1}
journal: {alarm_mb: 10}
"""
LINE = "lines: [{id: net, tcp: '127.0.0.1:1502', devices: [{id: m-9, profile: eastron-sdm630, unit: 9}]}]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("word", encoding="utf-8")
    (tmp_path / "gw.yaml").write_text(LOCAL, encoding="utf-8")
    return tmp_path / "gw.yaml"


def problems(path: Path, text: str) -> str:
    with pytest.raises(YamlError) as caught:
        load_overlaid(path, text)
    return str(caught.value)


def test_lines_and_paces_are_taken_and_the_rest_stays(path: Path):
    local = load_site(path)
    site = load_overlaid(path, LINE)
    assert [line.id for line in site.lines] == ["net"]
    assert (site.broker, site.state_dir, site.file.journal) == (
        local.broker,
        local.state_dir,
        local.file.journal,
    )
    assert site.broker.password == "word"
    assert site.file.poll == {}, "what is left out is left out, not mixed with the box's"
    assert site.path == path
    assert site.hash != local.hash


def test_the_shown_part_makes_the_same_configuration(path: Path):
    shown = shown_part(path)
    assert "secret" not in shown
    assert "broker" not in shown
    assert "# slowly" in shown
    assert load_overlaid(path, shown).hash == load_site(path).hash
    path.write_text("{site: mews, gateway: gw, broker: {url: 'mqtt://h'}, lines: []}", encoding="utf-8")
    assert shown_part(path) == "", "nothing is cut out of one line"


def test_the_whole_file_may_be_offered_while_it_says_what_the_box_says(path: Path):
    assert load_overlaid(path, LOCAL).hash == load_site(path).hash


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("broker: {url: 'mqtt://evil:1883'}\n", "broker: belongs to the box"),
        ("broker: {url: 'mqtt://127.0.0.1:1883', password_env: HOME}\n", "broker: belongs to the box"),
        ("state_dir: /etc\n", "state_dir: belongs to the box"),
        ("profiles: [/etc]\n", "profiles: belongs to the box"),
        ("metrics: {listen: '0.0.0.0:9'}\n", "metrics: belongs to the box"),
        ("journal: {alarm_mb: 1}\n", "journal: belongs to the box"),
        ("gateway: other\n", "gateway: belongs to the box"),
        ("timezone: Europe/Berlin\n", "timezone: belongs to the box"),
        ("lines: [{id: a, serial: /dev/watchdog}]\n", "no serial port that may be opened"),
        ("lines: [{id: a, serial: /dev/serial/by-id/../../sda}]\n", "no serial port that may be opened"),
        ("lines: [{id: a, serial: /etc/passwd}]\n", "no serial port that may be opened"),
        ("lines: [{id: a, tcp: nowhere}]\n", "offered configuration:1: lines"),
        ("lines: 3\n", "lines: expected a list"),
        ("[]", "write keys and values"),
        ("", "write keys and values"),
        ("lines: &a [*a]\n", "anchors"),
        ("a: !!python/object:os.system x\n", "tag"),
        ("unknown: 1\n", "no such key"),
        ("lines: []\n---\nlines: []\n", "second document"),
        ("x: [" * 60 + "]" * 60, "nested deeper"),
    ],
)
def test_hostile_texts_are_refused_by_name(path: Path, text: str, says: str):
    assert says in problems(path, text)


def test_ports_of_a_box(path: Path):
    for port in (
        "/dev/ttyUSB0",
        "/dev/ttyS1",
        "/dev/serial/by-id/usb-FTDI_1-if00-port0",
        "/tmp/pty-of-a-test",
    ):
        assert load_overlaid(path, f"lines: [{{id: a, serial: '{port}'}}]\n").lines[0].endpoint == port


@given(st.text(max_size=200))
def test_noise_is_an_error_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.getbasetemp() / "gw.yaml"
    if not path.exists():
        path.write_text("site: m\ngateway: g\nbroker: {url: 'mqtt://h'}\n", encoding="utf-8")
    with pytest.raises(YamlError):
        load_overlaid(path, text)
