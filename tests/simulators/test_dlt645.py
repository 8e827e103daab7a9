from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers import registry
from drivers.profiles_store import load_library
from simulators.cli import app
from simulators.dlt645 import SimBus, SimMeter, framed, packed, requests_in
from simulators.dlt645_life import Life, household, tariff_at
from tests.support.clock import Clock
from tests.support.conversation import carry

ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 11, 30, 22, 30, tzinfo=ZONE)


def living(load: str = "1.2") -> tuple[Clock, Life]:
    clock = Clock(START)
    energies = {1: [Decimal("100.00"), *[Decimal("25.00")] * 4]}
    meter = SimMeter("1", clock, energies=energies, kilowatts=[Decimal(load)] * 4)
    return clock, Life(meter, Random(1), load_kw=Decimal(load))


def test_a_meter_counts_freezes_at_midnight_and_settles_on_its_day():
    clock, life = living()
    life.tick()
    clock.now += timedelta(minutes=30)
    life.tick()
    assert life.meter.energies[1][0] == Decimal("100.60")
    assert life.meter.energies[1][3] == Decimal("25.60")
    clock.now += timedelta(hours=3)
    life.tick()
    (frozen,) = life.meter.frozen
    (settled,) = life.meter.settled
    assert frozen[0] == datetime(2026, 12, 1, tzinfo=ZONE)
    assert frozen[1] == settled
    assert Decimal("100.60") < settled[1][0] < life.meter.energies[1][0]


def test_a_clock_that_was_set_back_counts_nothing_twice():
    clock, life = living()
    life.tick()
    clock.now -= timedelta(hours=1)
    life.tick()
    assert life.meter.energies[1][0] == 100
    clock.now += timedelta(minutes=30)
    life.tick()
    assert life.meter.energies[1][0] == Decimal("100.60")


@given(st.lists(st.integers(1, 5000), max_size=30))
def test_the_total_is_the_sum_of_the_tariffs_to_a_hundredth_each(steps):
    clock, life = living("7.3")
    for seconds in steps:
        life.tick()
        clock.now += timedelta(seconds=seconds)
    life.tick()
    total, *tariffs = life.meter.energies[1]
    assert abs(total - sum(tariffs)) <= Decimal("0.05")


def test_now_and_then_a_cover_is_opened_or_the_power_fails():
    clock, life = living()
    life.every = 60.0
    dark = timedelta(0)
    for _ in range(3600):
        life.tick()
        dark += timedelta(seconds=1) if life.meter.silent else timedelta(0)
        clock.now += timedelta(seconds=1)
    life.tick()
    meter = life.meter
    spans = sorted([*meter.openings, *meter.power_losses])
    assert len(spans) > 30
    assert min(len(meter.openings), len(meter.power_losses)) > 10
    assert all(timedelta(seconds=3) <= ended - began <= timedelta(seconds=12) for began, ended in spans)
    assert all(ended < began for (_, ended), (began, _) in pairwise(spans))
    lost = sum((ended - began for began, ended in meter.power_losses), timedelta(0))
    assert abs(dark - lost) <= timedelta(seconds=len(meter.power_losses))
    assert meter.data("03300D00") == packed(len(meter.openings), 3)


def test_a_driver_tells_of_a_cover_that_is_opened():
    clock, life = living()
    profile = load_library()["dlt645-ddzy-single-phase"]
    driver = registry.get("dlt645").device(profile, None, {"address": "1"})
    bus = SimBus([life.meter])

    def told() -> list[str]:
        (asked,) = driver.plan(["cover_open_count"])
        payload = carry(driver.exchange(asked), lambda each: bus.feed(each.request))
        return [happening.code for happening in driver.happenings(asked, payload)]

    life.tick()
    assert told() == []
    life.every = 30.0
    while not life.meter.openings:
        clock.now += timedelta(seconds=1)
        life.tick()
    assert told() == ["cover_opened"]


def test_a_meter_without_power_counts_nothing():
    clock, life = living("3.6")
    life.tick()
    life.every = 60.0
    while not life.meter.silent:
        clock.now += timedelta(seconds=1)
        life.tick()
    before = life.meter.energies[1][0]
    life.every = 0.0
    clock.now += timedelta(minutes=10)
    life.tick()
    assert life.meter.energies[1][0] == before


def test_tariffs_follow_the_hour():
    assert [tariff_at(START.replace(hour=hour)) for hour in (0, 6, 7, 9, 12, 19, 22, 23)] == [
        4,
        4,
        3,
        2,
        3,
        2,
        3,
        4,
    ]


def test_a_household_begins_with_its_last_day_and_month():
    life = household("1", 2007, lambda: START, Random(1))
    assert life.meter.frozen[0][1] == life.meter.settled[0] == life.meter.energies
    assert life.meter.data("00010000") == life.meter.data("00010001")


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_a_bus_takes_any_bytes(portions):
    bus = SimBus([SimMeter("1", lambda: START)])
    for portion in portions:
        bus.feed(portion)
    asked = framed(bytes.fromhex("010000000000"), 0x11, bytes.fromhex("00000100"))
    bus.feed(bytes(600))
    assert bus.feed(asked)


def test_two_that_answer_at_once_are_garbage():
    bus = SimBus([SimMeter(name, lambda: START) for name in ("1", "2")])
    (said,) = bus.feed(framed(b"\xaa" * 6, 0x11, bytes.fromhex("00000100")))
    assert sum(said[4:-2]) % 256 != said[-2]


def test_a_request_of_many_portions_keeps_its_wake_up():
    buffer, heard = bytearray(), []
    for byte in framed(bytes(6), 0x11, b"\1\2", awake=3):
        buffer.append(byte)
        heard += requests_in(buffer)
    assert [(one.control, one.data, one.awake) for one in heard] == [(0x11, b"\1\2", 3)]


def test_signs_and_digits():
    assert packed(Decimal("-12.34"), 2, 2) == b"\x34\x92"
    assert packed(123456, 2) == b"\x56\x34"


def test_the_command_says_where_its_meters_are(tmp_path):
    port = tmp_path / "port"
    words = ["dlt645", "--meter", "12", "--meter", "13", "--pty", str(port), "--tcp", "127.0.0.1:0"]
    result = CliRunner().invoke(app, [*words, "--seconds", "0.1"])
    assert result.exit_code == 0, result.output
    assert f"2 meters at {port}" in result.output.replace("\n", "")
    assert "2 meters at 127.0.0.1:" in result.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--meter", "1"], "say where"),
        (["--meter", "x1", "--tcp", "127.0.0.1:0"], "no address"),
        (["--meter", "1", "--tcp", "10.0.0.1:1"], "not this machine"),
        (["--meter", "1", "--tcp", "127.0.0.1:0", "--edition", "2020"], "1997 or 2007"),
    ],
)
def test_what_cannot_be_served_is_said(words, why):
    result = CliRunner().invoke(app, ["dlt645", *words])
    assert result.exit_code == 2
    assert why in result.output
