from datetime import UTC, datetime
from pathlib import Path

from gateway.app import MAX_SILENT_NAMED
from gateway.delivery.births import MAX_RAISED_NAMED, birth, raised, too_large, unread
from gateway.site.config import load_site
from messages.codec import decode_birth, decode_state, encode
from messages.types import GatewayState, Lane, LaneState
from tests.support.gateway import START, device_of, profile_of

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


LISTENS = """\
  - id: fire
    listen: {at: "127.0.0.1:0", heard_within: 90s}
    devices:
      - {id: host, profile: gb26875-transmission-device, address: 01020304aabb}
  - id: printer
    serial: /dev/null
    listen: {}
    devices: [{id: paper, profile: gst-gst9000-printer}]
"""


def test_a_birth_says_who_speaks_unasked_under_which_name_and_when_it_is_silent(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE + LISTENS, encoding="utf-8")
    told = decode_birth(encode(birth(load_site(path), at=START, boot="b1", epoch="e1")))
    says = {one.id: (one.address, one.speaks, one.heard_within_s) for one in told.devices}
    assert says["host"] == ("01020304AABB", True, 90)
    assert says["paper"] == ("printer", True, None), "a port that only listens is never silent by itself"
    assert says["one"] == ("", False, None)


def test_a_birth_says_how_long_a_valve_may_take(tmp_path: Path):
    path = tmp_path / "site.yaml"
    water = "  - {id: w, tcp: 127.0.0.1:2, devices: [{id: v, profile: cjt188-water-meter-valve, unit: 9}]}\n"
    path.write_text(SITE + water, encoding="utf-8")
    told = decode_birth(encode(birth(load_site(path), at=START, boot="b", epoch="e"))).profiles
    assert told["cjt188-water-meter-valve"].actions["close_valve"].within_s == 45
    assert told["gatehouse-demo-door"].actions["release"].within_s == 0


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


def test_a_heartbeat_names_the_events_that_stand_and_fits_into_its_message():
    profile = profile_of({"smoke": "fire", "heat": "fire", "volts": "slow"}, events=("smoke", "heat"))
    both, one, none = (
        device_of(name, profile, state=state)
        for name, state in (("p-1", b'["smoke","heat"]'), ("p-2", b'["heat","gone"]'), ("p-3", None))
    )
    assert raised([both, one, none]) == {"p-1": ("heat", "smoke"), "p-2": ("heat",)}

    code = "h" * 64
    profile = profile_of({code: "fire"}, events=(code,))
    longest = [
        device_of("d" * 58 + f"{n:06}", profile, state=f'["{code}"]'.encode() if n < 200 else None)
        for n in range(1000)
    ]
    named = raised(longest)
    assert len(named) == MAX_RAISED_NAMED
    lane = LaneState(first=2**62, next=2**62, bytes=2**62, oldest_at=datetime(2026, 1, 1, tzinfo=UTC))
    state = GatewayState(
        online=True,
        boot="b" * 64,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        epoch="e" * 64,
        config="sha256:" + "0" * 64,
        lanes={each.value: lane for each in Lane},
        silent=tuple(device.id for device in longest[:MAX_SILENT_NAMED]),
        raised=named,
        unread=unread(longest[:221], frozenset()),
    )
    assert len(state.unread or ()) == 21
    assert decode_state(encode(state)) == state


def test_a_heartbeat_names_what_nobody_has_read_or_says_that_it_cannot():
    profile = profile_of({"smoke": "fire", "heat": "fire"}, events=("smoke", "heat"))
    one, other = device_of("p-1", profile, state=b'["heat"]'), device_of("p-2", profile)
    assert unread([one, other], frozenset()) == {"p-1": ("smoke",), "p-2": ("smoke", "heat")}
    assert unread([one, other], {"p-2"}) == {"p-1": ("smoke",)}, "who is silent is known to be"
    assert unread([], frozenset()) == {}
    many = [device_of(f"p-{n}", profile) for n in range(300)]
    assert unread(many, frozenset()) is None, "too many to name"
    standing = [device_of(f"p-{n}", profile, state=b'["heat","smoke"]') for n in range(101)]
    assert unread(standing, frozenset()) is None, (
        "not all that stands is named: silence about one proves nothing"
    )
