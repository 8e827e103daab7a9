import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Heard, ListenDriver
from drivers.errors import Misconfigured
from drivers.iec62056_21 import frames, telegram
from drivers.iec62056_21.p1 import ANY, MAX_TELEGRAM, DsmrP1Driver, P1Session
from drivers.profile import Action, Example, Point, Profile
from gateway.site.config import load_site
from messages.types import Quality
from tests.support.sitefile import site_at
from tests.support.vectors import rows

ROWS = {row["source"].rpartition(" ")[2]: row for row in rows("iec62056-21")}
V5 = bytes.fromhex(ROWS["TELEGRAM_V5"]["hex"])
V4 = bytes.fromhex(ROWS["TELEGRAM_V4_2"]["hex"])
V3 = bytes.fromhex(ROWS["TELEGRAM_V3"]["hex"])
OWN = "4B384547303034303436333935353037"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
POINTS = {
    "low": {"obis": "1-0:1.8.1", "unit": "kWh"},
    "gas": {"obis": "0-1:24.2.1", "group": 1, "unit": "m³"},
}


def profile(**more: Any) -> Profile:
    points = {
        name: Point(label=name, at={key: at[key] for key in at if key != "unit"}, unit=at["unit"])
        for name, at in POINTS.items()
    }
    given = {"examples": (), "points": points, **more}
    return Profile(
        profile="p1-meter",
        vendor="T",
        model="M",
        device_class="meter",
        protocol="dsmr-p1",
        source=("test",),
        **given,
    )


def session(source: str = ANY, *, line: dict[str, Any] | None = None, **options: Any) -> P1Session:
    return DsmrP1Driver().session({source: (profile(), options)}, line or {})


def heard(made: P1Session, raw: bytes) -> list[Heard]:
    return list(made.feed(raw, NOW))


def test_a_telegram_is_heard_with_its_values():
    (one,) = heard(session(), V5)
    assert one.source == ANY
    assert {name: reading.value for name, reading in one.readings.items()} == {
        "low": Decimal("4.426"),
        "gas": Decimal("0.107"),
    }
    assert (one.raw, one.reply, one.refuse) == (V5, b"", b"")
    assert isinstance(DsmrP1Driver(), ListenDriver)
    assert session().tick(NOW) == ()


def test_a_meter_is_known_by_its_own_identifier():
    (one,) = heard(session(OWN), V5)
    assert (one.source, one.readings["low"].value) == (OWN, Decimal("4.426"))
    (other,) = heard(session("1234"), V5)
    assert (other.source, other.readings) == (OWN, {})
    assert DsmrP1Driver().source(profile(), {"address": OWN}) == OWN
    assert DsmrP1Driver().source(profile(), {}) == ANY


@given(
    st.lists(st.integers(0, len(V5 + V4)), max_size=5),
    st.binary(max_size=30).filter(lambda raw: b"/" not in raw),
)
def test_telegrams_are_found_in_any_portions(cuts, noise):
    raw = noise + V5 + V4
    edges = [0, *sorted(cuts), len(raw)]
    made = session()
    found = [
        one for start, end in itertools.pairwise(edges) if end > start for one in heard(made, raw[start:end])
    ]
    assert [one.raw for one in found] == [V5, V4]


@given(st.integers(0, 8 * len(V5) - 1))
def test_one_wrong_bit_is_never_a_value(place):
    raw = bytearray(V5)
    raw[place // 8] ^= 1 << place % 8
    made = session()
    for one in heard(made, bytes(raw)) + heard(made, b"") + heard(made, b""):
        assert one.raw.rstrip() == V5.rstrip()  # the line end behind the CRC is not covered by it
    assert [one.raw for one in heard(made, V4)][-1] == V4


def test_readings_are_taken_now_and_then_and_the_meter_is_heard_each_time():
    made = session(every="10s")
    times = [0, 1, 9.999, 10, 12, -5, 4.9, 5]
    found = [made.feed(V5, NOW + timedelta(seconds=seconds))[0] for seconds in times]
    assert [bool(one.readings) for one in found] == [True, False, False, True, False, True, False, True]
    assert all(one.source == ANY for one in found)


def test_a_telegram_that_broke_off_costs_itself_only():
    assert [one.raw for one in heard(session(), V5[:400] + b"\r\n" + V4)] == [V4]


def test_without_a_crc_it_is_believed_only_where_the_site_says_so():
    assert heard(session(), V3) == []
    (one,) = heard(session(crc="none"), V3)
    assert one.readings["low"].value == Decimal("12345.678")
    (one,) = heard(session(line={"crc": "none"}), V3)
    assert one.readings["gas"].quality is Quality.DEVICE
    assert heard(session(crc="none"), V5.replace(b"!6EEE", b"!6EEF")) == []


def test_old_meters_send_seven_bits_with_parity():
    (one,) = heard(session(line={"software_parity": True, "crc": "none"}), frames.add_parity(V3))
    assert one.readings["low"].value == Decimal("12345.678")


def test_parity_is_taken_wherever_it_is_said_for_a_port_has_one():
    told = frames.add_parity(V3)
    assert heard(session(crc="none"), told) == []
    assert len(heard(session(crc="none", software_parity=True), told)) == 1
    other = profile(options={"software_parity": True})
    pair = {ANY: (profile(), {"crc": "none"}), "X": (other, {"crc": "none"})}
    assert len(heard(DsmrP1Driver().session(pair, {}), told)) == 1


SITE = """\
site: s
gateway: gw
broker: {url: "mqtt://127.0.0.1:1883", username: gw, password_file: secrets/gw-a}
lines:
  - id: p1
    serial: /dev/ttyUSB0
    baud: 9600
    listen: {}
    devices:
      - {id: meter, profile: easymeter-q3d, options: {software_parity: true}}
"""


def test_the_option_of_a_device_in_a_site_file_makes_its_pushes_heard(tmp_path):
    (line,) = load_site(site_at(tmp_path, SITE)).listening
    (device,) = line.devices
    raw = bytes.fromhex(device.profile.examples[0].reply)
    devices = {line.ear.sources["meter"].name: (device.profile, device.options)}
    (one,) = heard(DsmrP1Driver().session(devices, line.file.options), frames.add_parity(raw))
    assert one.readings["active_energy_import"].value == Decimal("32549.5061662")
    disturbed = bytearray(frames.add_parity(raw))
    disturbed[raw.index(b"32549")] ^= 0x04
    assert heard(DsmrP1Driver().session(devices, line.file.options), bytes(disturbed)) == []


def test_a_last_line_without_its_end_is_taken_when_nothing_more_comes():
    made = session()
    assert heard(made, V5[:-2]) == []
    assert heard(made, b"") == []
    assert len(heard(made, b"")) == 1


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_hostile_bytes_yield_nothing(portions):
    made = session()
    assert [one for portion in portions for one in heard(made, portion)] == []


def test_an_endless_telegram_is_bounded_and_the_next_is_heard():
    made = session()
    assert heard(made, b"/" + b"1" * (MAX_TELEGRAM + 5)) == []
    assert heard(made, b"/" * 40000) == []
    assert [one.raw for one in heard(made, b"\r\n" + V5)] == [V5]


def test_the_crc_is_that_of_the_standard():
    assert telegram.crc16(b"123456789") == 0xBB3D


def example(raw: bytes, **expect: Any) -> tuple[Example, ...]:
    return (Example(reply=raw.hex(), expect=expect),)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"examples": example(V5, low="1")}, "decodes to 4.426"),
        ({"examples": example(V3, low="1")}, "no whole message"),
        ({"options": {"colour": 1}}, "options.colour"),
        ({"actions": {"x": Action(label="x", at={})}}, "only tells"),
        ({"points": {"p": Point(label="p", at={})}}, "points.p.at"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_by_its_place(more, words):
    with pytest.raises(Misconfigured, match=words):
        DsmrP1Driver().check(profile(**more))


def test_a_profile_that_works_passes():
    DsmrP1Driver().check(profile(examples=example(V5, low="4.426", gas="0.107")))
    DsmrP1Driver().check(profile(examples=example(V3, low="12345.678"), options={"crc": "none"}))
