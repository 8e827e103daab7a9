import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lines import SerialSettings, TcpSettings
from drivers.strict_yaml import YamlError, convert
from drivers.strict_yaml import load as load_text
from gateway.site.config import Site, load_site
from gateway.site.meters import multiplier_of
from gateway.site.site_file import MeterFile, SiteFile
from tests.support.sitefile import problems, site_at

WHOLE = """\
site: garden-mews
gateway: gw-a
timezone: Asia/Shanghai
broker: {url: "mqtt://127.0.0.1:1883", username: gw-a, password_file: secrets/gw-a}
state_dir: state/gw-a
metrics: {listen: "127.0.0.1:0"}
journal: {alarm_mb: 64, billing_mb: 256, telemetry_mb: 512, free_disk_mb: 200}
poll: {fire: 1s, alarm: 2s, billing: 60s, routine: 10s, slow: 5m}
lines:
  - id: riser-a
    label: "Riser A"
    tcp: 127.0.0.1:15020
    timeout: 1s
    poll: {routine: 20s, slow: 10m}
    devices:
      - id: m-101
        profile: acrel-adl400-secondary
        unit: 1
        name: "Flat 101"
        building: A
        floor: "1"
        place: riser
        timeout: 500ms
        poll: {billing: 15s, slow: 1h}
        meter: {metering_point: MP-A-101, ct: 150/5, reader: "张三", rated_per_h: {active_energy_import: "100"}}
  - id: riser-b
    serial: /dev/ttyUSB7
    baud: 19200
    parity: E
    stop_bits: 1
    devices: [{id: w-1, profile: gatehouse-demo-water-mbus, unit: 3}]
"""


def test_a_line_may_have_a_fire_budget_of_its_own(tmp_path: Path):
    text = WHOLE.replace("    timeout: 1s\n", "    timeout: 1s\n    fire_budget: 800ms\n")
    site = load_site(site_at(tmp_path, text))
    assert [line.fire_budget for line in site.lines] == [0.8, 2.0]


def test_the_whole_file(tmp_path: Path):
    site = load_site(site_at(tmp_path, WHOLE))
    assert site.broker.password == "hunter2"
    assert "hunter2" not in repr(site)
    assert site.state_dir == tmp_path / "state" / "gw-a"
    assert site.metrics == ("127.0.0.1", 0)
    tcp, serial = site.lines
    assert tcp.settings == TcpSettings("127.0.0.1", 15020)
    assert serial.settings == SerialSettings("/dev/ttyUSB7", baud=19200, parity="E")
    meter, water = site.devices
    assert meter.timeout == 0.5
    assert meter.periods == {"fire": 1, "alarm": 2, "billing": 15, "routine": 20, "slow": 3600}
    assert meter.options == {"framing": "mbap"}
    assert water.options == {"framing": "rtu"}
    assert water.periods["slow"] == 300
    assert meter.meter is not None
    assert (meter.meter.multiplier, meter.meter.reader) == (Decimal(30), "张三")
    assert meter.meter.rated_per_h == {"active_energy_import": Decimal(100)}


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (changed("id: w-1", "id: m-101"), 31, ["m-101 is already the id in line 16"]),
        (changed("id: riser-b", "id: riser-a"), 26, ["riser-a is already the id in line 10"]),
        (changed("id: w-1", "id: gw-a"), 31, ["the gateway's own id"]),
        (
            changed("acrel-adl400-secondary", "acrel-adl400-secondry"),
            17,
            ["did you mean acrel-adl400-secondary?"],
        ),
        (changed("127.0.0.1:15020", "127.0.0.1"), 12, ["address:port"]),
        (changed("127.0.0.1:15020", "127.0.0.1:99999"), 12, ["address:port"]),
        (
            changed("    serial: /dev/ttyUSB7\n", ""),
            26,
            ["exactly one of `tcp`, `serial`, `listen` and `camera`"],
        ),
        (changed("    baud: 19200", "    tcp: 'a:1'"), 26, ["exactly one of"]),
        (changed("    baud: 19200", "    framing: mbap"), 28, ["on a serial line write rtu"]),
        (changed("parity: E", "parity: X"), 29, ["not among the choices"]),
        (changed("timeout: 500ms", "timeout: 500"), 23, ["500 is not a time such as 500ms"]),
        (changed("timeout: 500ms", "timeout: 5h"), 23, ["between 10ms and 60s"]),
        (
            changed("    timeout: 1s\n", "    timeout: 1s\n    fire_budget: 1ms\n"),
            14,
            ["between 100ms and 60s"],
        ),
        (changed("poll: {fire: 1s", "fire_budget: 2h\npoll: {fire: 1s"), 8, ["between 100ms and 60s"]),
        (changed("{billing: 15s,", "{billing: 0ms,"), 24, ["between 1ms and 24h"]),
        (changed("{billing: 15s,", "{biling: 15s,"), 24, ["biling"]),
        (changed("unit: 1\n", "unit: 300\n"), 16, ["unit", "255"]),
        (changed("ct: 150/5", "ct: 100/3"), 25, ["no exact decimal"]),
        (changed("ct: 150/5", "ct: 150/0"), 25, ["cannot be 0"]),
        (changed("ct: 150/5", "ct: 150/5, multiplier: 30"), 25, ["not both"]),
        (changed("ct: 150/5", "multiplier: 0"), 25, ["above zero"]),
        (
            changed('active_energy_import: "100"', "energy: 9"),
            25,
            ["no billing point", "active_energy_import"],
        ),
        (changed('"100"', "0"), 25, ["cannot be", "13.2"]),
        (changed('"100"', "much"), 25, ["rated_per_h"]),
        (changed("acrel-adl400-secondary", "gatehouse-demo-air"), 25, ["no billing point"]),
        (changed("acrel-adl400-secondary", "acrel-adl400-primary"), 25, ["multiply twice"]),
        (
            changed("mqtt://127.0.0.1:1883", "mqtt://gw:secret@127.0.0.1"),
            4,
            ["password does not belong in a URL"],
        ),
        (changed("mqtt://127.0.0.1:1883", "http://127.0.0.1"), 4, ["mqtt://host"]),
        (changed("secrets/gw-a", "secrets/none"), 4, ["cannot be read"]),
        (changed("password_file: secrets/gw-a", "password_env: GATEHOUSE_NOT_SET"), 4, ["GATEHOUSE_NOT_SET"]),
        (
            changed("password_file: secrets/gw-a", "password_file: secrets/gw-a, password_env: HOME"),
            4,
            ["not both"],
        ),
        (changed("password_file: secrets/gw-a", "ca_file: ca.pem"), 4, ["mqtts://"]),
        (changed("Asia/Shanghai", "Asia/Shangai"), 3, ["no time zone"]),
        (changed("Asia/Shanghai", "../../etc/passwd"), 3, ["no time zone"]),
        (changed("127.0.0.1:0", "9101"), 6, ["address:port"]),
        (changed("state_dir", "statedir"), 5, ["state_dir"]),
        (changed("site: garden-mews", "site: garden.mews"), 1, ["site"]),
        (changed("gateway: gw-a", "gateway: gw-a\ngateway: gw-b"), 3, ["stands twice"]),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: list[str]):
    found = problems(tmp_path, text)
    at_line = [problem for problem in found if problem.startswith(f"{line}: ")]
    assert at_line, found
    for word in words:
        assert any(word in problem for problem in at_line), found


def test_two_devices_with_one_unit_are_both_named(tmp_path: Path):
    more = "      - {id: m-102, profile: chint-ddsu666, unit: 1}\n  - id: riser-b"
    found = problems(tmp_path, changed("  - id: riser-b", more))
    assert len(found) == 2
    assert "also belongs to m-102" in found[0]
    assert "also belongs to m-101" in found[1]


def test_two_devices_with_one_address_are_both_named(tmp_path: Path):
    meter = "      - {{id: {}, profile: dlt645-dtzy-three-phase, {}}}\n"
    more = "".join(
        meter.format(name, how)
        for name, how in (
            ("e-1", 'address: "000012345678"'),
            ("e-2", 'options: {address: "12345678"}'),
            ("e-3", 'address: "12345679"'),
        )
    )
    found = problems(tmp_path, changed("  - id: riser-b", f"{more}  - id: riser-b"))
    assert [problem.partition(": ")[2] for problem in found] == [
        "lines[0].devices[1].address: address 000012345678 also belongs to e-2: two would answer at once",
        "lines[0].devices[2].address: address 12345678 also belongs to e-1: two would answer at once",
    ]


def test_devices_of_two_protocols_may_have_one_unit(tmp_path: Path):
    more = "      - {id: h-1, profile: mbus-kamstrup-multical-601, unit: 1}\n  - id: riser-b"
    assert len(load_site(site_at(tmp_path, changed("  - id: riser-b", more))).devices) == 3


def test_devices_without_a_unit_do_not_clash(tmp_path: Path):
    text = changed("        unit: 1\n", "").replace(
        "  - id: riser-b", "      - {id: m-102, profile: chint-ddsu666}\n  - id: riser-b"
    )
    assert len(load_site(site_at(tmp_path, text)).devices) == 3


def test_one_wire_has_one_owner(tmp_path: Path):
    again = WHOLE + "  - {id: c, tcp: '127.0.0.1:15020'}\n"
    assert any("already line riser-a" in problem for problem in problems(tmp_path, again))
    (tmp_path / "by-id").symlink_to("/dev/ttyUSB7")
    again = WHOLE + f"  - {{id: c, serial: {tmp_path / 'by-id'}}}\n"
    assert any("already line riser-b" in problem for problem in problems(tmp_path, again))


def test_all_problems_are_told_at_once_in_the_order_of_lines(tmp_path: Path):
    text = (
        changed("Asia/Shanghai", "Nowhere/At-all")
        .replace("acrel-adl400-secondary", "acrl-secondary")
        .replace(":15020", "")
    )
    found = problems(tmp_path, text)
    assert [int(problem.split(":")[0]) for problem in found] == [3, 12, 17]


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(YamlError, match="cannot be read"):
            load_site(path)


def test_a_profile_folder_that_is_none(tmp_path: Path):
    assert "is no folder" in problems(tmp_path, WHOLE + "profiles: [./nowhere]\n")[0]


def test_a_profile_of_the_site_that_is_broken_is_told_with_its_own_file(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.yaml").write_text("profile: bad\nnonsense: 1\n")
    with pytest.raises(YamlError) as caught:
        load_site(site_at(tmp_path, WHOLE + "profiles: [mine]\n"))
    assert caught.value.problems[0].file.endswith("bad.yaml")


def load(folder: Path, text: str) -> Site:
    return load_site(site_at(folder, text))


def test_the_hash_tells_configurations_apart_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    base = load(tmp_path, WHOLE).hash
    assert base.startswith("sha256:")
    assert len(base) == 71
    assert load(tmp_path, WHOLE).hash == base
    assert load(tmp_path, "# a word\n" + WHOLE).hash == base
    assert load(tmp_path, changed("Flat 101", "Flat 102")).hash != base
    monkeypatch.setenv("GATEHOUSE_TEST_SECRET", "other")
    elsewhere = changed("password_file: secrets/gw-a", "password_env: GATEHOUSE_TEST_SECRET")
    assert load(tmp_path, elsewhere).hash == base


def test_the_hash_changes_with_a_profile(tmp_path: Path):
    own = tmp_path / "own"
    own.mkdir()
    shipped = Path("drivers/profiles/gatehouse-demo-air.yaml").read_text(encoding="utf-8")
    mine = shipped.replace("profile: gatehouse-demo-air", "profile: my-air")
    text = changed("gatehouse-demo-water-mbus", "my-air") + "profiles: [own]\n"
    (own / "my-air.yaml").write_text(mine)
    before = load(tmp_path, text).hash
    (own / "my-air.yaml").write_text(mine.replace("vendor: ", "vendor: Not ", 1))
    assert load(tmp_path, text).hash != before


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ({}, "1"),
        ({"multiplier": Decimal("2.5")}, "2.5"),
        ({"ct": "150/5"}, "30"),
        ({"ct": "200/5", "pt": "10000/100"}, "4000"),
        ({"ct": "5/8"}, "0.625"),
        ({"pt": "0.4/0.1"}, "4"),
    ],
)
def test_multipliers(meter: dict[str, object], expected: str):
    given_meter = MeterFile(metering_point="x", **meter)  # type: ignore[arg-type]
    assert multiplier_of(given_meter) == Decimal(expected)


@given(st.integers(1, 10**9), st.integers(0, 6), st.integers(0, 6))
def test_a_ratio_that_is_a_decimal_is_exact(primary: int, twos: int, fives: int):
    secondary = 2**twos * 5**fives
    multiplier = multiplier_of(MeterFile(metering_point="x", ct=f"{primary}/{secondary}"))
    assert multiplier * secondary == primary


yaml_noise = st.text(
    alphabet=st.sampled_from("abc:-[]{}'\"\n \t#&*!|>%@`0123456789\u4e2d\x00é"), max_size=200
)


@given(yaml_noise)
def test_any_text_is_a_site_or_a_clear_error(text: str):
    try:
        data, marks = load_text(text)
        convert(data, marks, SiteFile)
    except YamlError as err:
        assert err.problems  # noqa: PT017 - no error at all is just as well


def test_a_site_holds_the_code_of_the_protocols_it_speaks_and_no_others(tmp_path: Path):
    path = site_at(tmp_path, WHOLE)
    code = (
        "import sys, pathlib; from gateway.site.config import load_site; load_site(pathlib.Path(sys.argv[1]));"
        "print(*sorted(name.split('.')[1] for name in sys.modules if name.endswith('.driver')))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["modbus"]
