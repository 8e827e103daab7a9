import re
from pathlib import Path

import pytest

from drivers import registry
from drivers.profiles_store import SHIPPED, load_library, load_profile, profile_files
from drivers.strict_yaml import YamlError

GOOD = """\
profile: acme-m1
vendor: Acme
model: M1
class: meter
protocol: modbus
resource: electricity
register_basis: primary
source: [manual]
points:
  energy:
    label: Energy
    unit: kWh
    exp: -2
    kind: register
    poll: billing
    billing: true
    modulus: 1000000
    at: {table: holding, address: 256, type: uint32, order: little}
  power: {label: Power, unit: W, at: {table: holding, address: 0, type: int16}}
  open: {label: Open, kind: state, at: {table: discrete, address: 0}}
events:
  power_high: {when: {point: power, above: 100}, label: Power high, severity: low, class: power}
actions:
  reset: {label: Reset, at: {table: coil, address: 0, value: true}, read_back: {point: open, is: false}}
examples:
  - request: "01 03 01 00 00 02 C5 F7"
    reply: "01 03 04 E2 40 00 01 0C 5F"
    expect: {energy: "1234.56"}
"""


def write(folder: Path, text: str, name: str = "acme-m1") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(folder: Path, old: str, new: str, load=load_profile) -> list[str]:
    assert GOOD.count(old) == 1, old
    file = write(folder, GOOD.replace(old, new))
    with pytest.raises(YamlError) as caught:
        load(file)
    return [str(problem).removeprefix(str(file)) for problem in caught.value.problems]


def test_a_good_profile_loads_and_is_checked_by_its_driver(tmp_path):
    profile = registry.check_profile_file(write(tmp_path, GOOD))
    assert profile.profile == "acme-m1"
    assert profile.points["energy"].billing
    assert "acme-m1" in registry.checked_library([tmp_path])


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("profile: acme-m1", "profile: acme-m2", ":1: profile: must be the file's name"),
        ("source: [manual]", "source: []", ":8: source: needs a word"),
        ("    kind: register\n", "", ":10: points.energy.kind: a billed point must be of kind register"),
        ("    modulus: 1000000\n", "", ":16: points.energy.billing: a billed register needs `modulus`"),
        ("modulus: 1000000", "modulus: 0", ":17: points.energy.modulus: must be above 0"),
        ("resource: electricity\n", "", "a billed register needs the profile's `resource`"),
        ("register_basis: primary\n", "", "needs the profile's `register_basis`"),
        ("class: meter", "class: fire", ":23: actions: a fire panel is never commanded"),
        (
            "point: power, above",
            "point: powr, above",
            ":22: events.power_high.when.point: there is no point `powr`",
        ),
        ("above: 100", "above: 100, below: 5", ":22: events.power_high.when: needs exactly one of"),
        (", above: 100", "", "it has none"),
        ("above: 100", "is: true", "events.power_high.when.is: `power` is a gauge"),
        ("power, above: 100", "open, above: 100", "`open` is a state: use is or equals"),
        ("above: 100", "equals: 100, deadband: 5", ":22: events.power_high.when.deadband"),
        ("above: 100", "above: 100, deadband: -5", ":22: events.power_high.when.deadband"),
        ("{point: open, is: false}", "{point: opn, is: false}", ":24: actions.reset.read_back.point"),
        ("{point: open, is: false}", "{point: open}", ":24: actions.reset.read_back: needs exactly one"),
        (
            "open, is: false}",
            "open, is: false, within: 3m}",
            ":24: actions.reset.read_back.within: is more than 120",
        ),
        (
            "open, is: false}",
            "open, is: false, after: 9s, within: 9000ms}",
            ":24: actions.reset.read_back.after: must be shorter",
        ),
        ("open, is: false}", "open, is: false, after: 1h}", ":24: actions.reset.read_back.after: "),
        ('    expect: {energy: "1234.56"}', "    expect: {}", ":28: examples[0].expect: says nothing"),
        ('{energy: "1234.56"}', '{enrgy: "1234.56"}', ":28: examples[0].expect.enrgy: there is no point"),
        ('{energy: "1234.56"}', '{energy: "many"}', ":28: examples[0].expect.energy: must be a decimal"),
        ("unit: W,", 'unit: W, missing: ["FFF"],', ":19: points.power.missing[0]: 'FFF' is no hex"),
        ("vendor: Acme", "vendr: Acme", ":2: vendr: no such key here: did you mean `vendor`?"),
    ],
)
def test_a_fault_is_named_by_file_line_and_mend(tmp_path, old, new, wanted):
    found = faults(tmp_path, old, new)
    assert any(wanted in fault for fault in found), found


def test_a_profile_without_an_example_does_not_load(tmp_path):
    file = write(tmp_path, GOOD[: GOOD.index("examples:")] + "examples: []\n")
    with pytest.raises(YamlError, match=r":25: examples: needs at least one example"):
        load_profile(file)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            '"1234.56"',
            '"1234.57"',
            ":28: examples[0].expect.energy: is 1234.57 here, and the reply decodes to 1234.56",
        ),
        ('"1234.56"', "null", ":28: examples[0].expect.energy: is None here"),
        ("{energy:", "{power:", ":28: examples[0].expect.power: is not in this reply"),
        ("0C 5F", "0C 5E", ":26: examples[0]: the reply is not the whole and sound answer"),
        ("01 03 04 E2 40 00 01 0C 5F", "hello", ":26: examples[0]: 'hello' is no hex"),
        (
            '  - request: "01 03 01 00 00 02 C5 F7"\n    reply',
            "  - reply",
            ":26: examples[0]: needs `request` too",
        ),
        (
            "table: holding, address: 0,",
            "table: holding, adress: 0,",
            ":19: points.power.at.adress: no such key here",
        ),
        ("address: 256", "address: 65535", ":18: points.energy.at.address: the value would reach beyond"),
        ("type: int16", "type: int17", ":19: points.power.at.type: 'int17' is not among"),
        ("address: 256, type: uint32", "address: 256, type: int32, bit: 3", "bits are taken from"),
        (
            "label: Open, kind: state,",
            "label: Open,",
            ":20: points.open.kind: a true or false point is a state",
        ),
        (
            "{point: open, is: false}",
            "{point: open, equals: 1}",
            ":24: actions.reset.read_back: `open` needs is",
        ),
        ("value: true}", "value: 1}", ":24: actions.reset.at.value: a coil takes true or false"),
        ("source: [manual]", "source: [manual]\noptions: {max_regs: 3}", ":9: options.max_regs: no such key"),
        ("protocol: modbus", "protocol: modbas", ":5: protocol: no driver for 'modbas'; known are"),
        ("protocol: modbus", "protocol: modbus\nstatus: silver", None),
    ],
)
def test_what_the_driver_finds_is_named_by_line_too(tmp_path, old, new, wanted):
    if wanted is None:
        registry.check_profile_file(write(tmp_path, GOOD.replace(old, new)))
        return
    found = faults(tmp_path, old, new, registry.check_profile_file)
    assert any(wanted in fault for fault in found), found


def test_a_library_names_the_faults_of_all_files(tmp_path):
    write(tmp_path, GOOD.replace("vendor: Acme", "vendr: Acme"))
    write(tmp_path, GOOD, "other")
    with pytest.raises(YamlError) as caught:
        load_library([tmp_path])
    assert len({problem.file for problem in caught.value.problems}) == 2


def test_no_file_may_replace_another_of_the_same_id(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write(tmp_path / "one", GOOD)
    write(tmp_path / "two", GOOD)
    with pytest.raises(YamlError, match=r"two/acme-m1\.yaml:1: profile: is already given by .*one"):
        load_library([tmp_path / "one", tmp_path / "two"])


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(YamlError, match="nowhere:1: is no folder"):
        load_library([tmp_path / "nowhere"])


def test_every_shipped_profile_names_its_schema_and_is_labelled_in_two_languages():
    assert len(profile_files()) >= 14
    for file in profile_files():
        assert file.read_text(encoding="utf-8").startswith(
            "# yaml-language-server: $schema=../../docs/schema/profile.schema.json\n"
        )
    for profile in load_library().values():
        for point in (
            *profile.points.values(),
            *profile.events.values(),
            *profile.signals.values(),
            *profile.actions.values(),
        ):
            assert re.search("[\u4e00-\u9fff]", point.label_zh), (profile.profile, point.label)


def test_the_shipped_library_has_what_a_site_needs():
    library = load_library()
    meters = [p for p in library.values() if p.resource == "electricity"]
    assert len(meters) >= 8
    assert all(any(point.billing for point in meter.points.values()) for meter in meters)
    assert {"meter", "access", "fire", "lift", "pump", "env"} <= {p.device_class for p in library.values()}
    fire = next(p for p in library.values() if p.device_class == "fire" and p.protocol == "modbus")
    assert not fire.actions
    assert all(point.poll == "fire" for point in fire.points.values())
    latched = [event for event in fire.events.values() if event.alarm_class == "fire"]
    assert len(latched) == 16
    assert all(event.latched and event.severity == "critical" for event in latched)


def test_the_example_of_the_handbook_loads(tmp_path):
    text = (Path(__file__).parents[2] / "docs/profiles.md").read_text(encoding="utf-8")
    yaml = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert registry.check_profile_file(write(tmp_path, yaml)).vendor == "Acme"
    assert SHIPPED.is_dir()


def test_a_shipped_profile_is_read_once_and_anew_when_it_has_changed(tmp_path, monkeypatch):
    text = (SHIPPED / "eastron-sdm630.yaml").read_text("utf-8")
    file = tmp_path / "eastron-sdm630.yaml"
    file.write_text(text, "utf-8")
    monkeypatch.setattr("drivers.profiles_store.SHIPPED", tmp_path)
    (first,) = load_library().values()
    assert load_library() == {first.profile: first}
    assert load_library()[first.profile] is first
    file.write_text(text.replace("vendor: Eastron", "vendor: Eastron and sons"), "utf-8")
    assert load_library()[first.profile].vendor == "Eastron and sons"
