from pathlib import Path

from gateway.births import birth, too_large
from gateway.config import load_site
from messages.codec import decode_birth, encode
from tests.support.gateway import START

SITE = """\
site: mews
gateway: gw
broker: {url: "mqtt://127.0.0.1:1"}
poll: {billing: 30s}
lines:
  - id: a
    label: Riser
    tcp: 127.0.0.1:1
    devices:
      - {id: one, profile: eastron-sdm630, unit: 1, name: One, building: A, floor: "-1", place: cellar,
         meter: {metering_point: MP, reader: 张三, serial: "7"}}
      - {id: two, profile: eastron-sdm630, unit: 2}
      - {id: quick, profile: eastron-sdm630, unit: 3, poll: {billing: 5s}}
      - {id: alike, profile: eastron-sdm630, unit: 4, poll: {fire: 7s}}
      - {id: door, profile: gatehouse-demo-door, unit: 5}
"""


def test_a_birth_says_what_is_polled_and_goes_through_the_contract(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    site = load_site(path)
    told = decode_birth(encode(birth(site, at=START, boot="b1", epoch="e1")))
    assert (told.site, told.gateway, told.boot, told.epoch, told.config) == (
        "mews",
        "gw",
        "b1",
        "e1",
        site.hash,
    )
    assert [line.endpoint for line in told.lines] == ["127.0.0.1:1"]
    one = told.devices[0]
    assert (one.name, one.building, one.floor, one.place, one.unit) == ("One", "A", "-1", "cellar", 1)
    assert one.meter is not None
    assert (one.meter.reader, one.meter.serial) == ("张三", "7")
    assert told.versions["gatehouse"]


def test_points_carry_their_pace_device_by_device(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    told = birth(load_site(path), at=START, boot="b", epoch="e")
    names = {device.id: device.profile for device in told.devices}
    assert names["one"] == names["two"] == "eastron-sdm630"
    assert names["alike"] == "eastron-sdm630", "a pace that no point has makes no difference"
    assert names["quick"] == "eastron-sdm630--2"

    def paces(profile: str) -> set[float]:
        return {point.period_s for point in told.profiles[profile].points.values() if point.billing}

    assert paces("eastron-sdm630") == {30}
    assert paces("eastron-sdm630--2") == {5}
    assert list(told.profiles["gatehouse-demo-door"].actions) == ["release"]
    assert told.profiles["gatehouse-demo-door"].events["forced_open"].alarm_class == "access_forced"


def test_a_site_that_no_server_would_take_is_told_so(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    assert too_large(load_site(path)) == ""
    lines = [
        f"  - id: l{line}\n    tcp: 127.0.0.1:{line + 1}\n    devices:\n"
        + "".join(
            f"      - {{id: d{line}-{unit}, profile: gatehouse-demo-air, unit: {unit}, name: {'x' * 150}}}\n"
            for unit in range(225)
        )
        for line in range(20)
    ]
    path.write_text(SITE.split("lines:", maxsplit=1)[0] + "lines:\n" + "".join(lines), encoding="utf-8")
    assert "split the lines over two gateways" in too_large(load_site(path))
