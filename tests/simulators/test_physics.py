"""Physics: seeded, bounded, and bound to what a profile says of its points."""

from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.profile import Point, Profile
from simulators import physics
from simulators.site import Physics

STEP = Decimal("0.2")


def profile(points: dict[str, Point], **more: str) -> Profile:
    fields = {"class": "meter", "resource": "electricity", **more}
    return Profile(
        profile="made",
        vendor="v",
        model="m",
        device_class=fields["class"],  # type: ignore[arg-type]
        resource=fields["resource"],  # type: ignore[arg-type]
        protocol="modbus",
        points=points,
        examples=(),
        source=("made",),
    )


def point(unit: str = "", kind: str = "gauge", table: str = "holding", **at: object) -> Point:
    return Point(label="p", unit=unit, kind=kind, at={"table": table, "address": 0, **at})  # type: ignore[arg-type]


METER = {
    "voltage_l1": point("V"),
    "voltage_l1_l2": point("V"),
    "current_l2": point("A"),
    "current_n": point("A"),
    "power_active": point("kW"),
    "power_active_l1": point("W"),
    "power_reactive": point("var"),
    "power_apparent": point("VA"),
    "frequency": point("Hz"),
    "power_factor": point(""),
    "energy_import": point("kWh", "register"),
    "energy_export": point("kWh", "register"),
    "energy_reactive": point("kvarh", "register"),
    "energy_import_t1": point("Wh", "register"),
    "breaker": point("", "state", "discrete"),
}


def test_an_electricity_meter_knows_its_quantities() -> None:
    model = physics.make(profile(METER), Physics(load_w=Decimal(1800), total=Decimal("8123.42")), Random(1))
    values = model.update(Decimal(0), {})
    number = {name: value for name, value in values.items() if isinstance(value, Decimal)}
    assert values["breaker"] is False
    assert abs(number["energy_import"] - Decimal("8123.42")) < 1
    assert abs(number["energy_import_t1"] - number["energy_import"] * 400) < 1
    assert 380 < number["voltage_l1_l2"] < 410
    assert 1500 < number["power_active_l1"] * 3 < 2100
    assert Decimal("1.5") < number["power_active"] < Decimal("2.1")
    assert number["power_apparent"] > number["power_active"] * 1000
    assert Decimal(2) < number["current_l2"] < Decimal(4)
    assert number["power_factor"] == Decimal("0.95")


@settings(max_examples=25)
@given(st.integers(), st.decimals(min_value=1, max_value=100_000, places=2))
def test_the_same_seed_gives_the_same_course_and_energy_only_grows(seed: int, load: Decimal) -> None:
    one, two = (physics.make(profile(METER), Physics(load_w=load), Random(seed)) for _ in range(2))
    before = Decimal(0)
    used = Decimal(0)
    for _ in range(50):
        values = one.update(STEP, {})
        assert values == two.update(STEP, {})
        energy, power = values["energy_import"], values["power_active"]
        assert isinstance(energy, Decimal)
        assert isinstance(power, Decimal)
        assert energy > before
        before = energy
        used += power * STEP / 3600
        assert abs(power * 1000 - load) <= load * Decimal("0.12")
    assert abs(before - 1000 - used) < Decimal("1e-20")


def test_a_site_can_hold_a_point() -> None:
    model = physics.make(profile(METER), Physics(values={"voltage_l1": Decimal(231)}), Random(1))
    assert model.update(STEP, {})["voltage_l1"] == 231


def test_a_water_meter_counts_litres_in_any_unit() -> None:
    points = {
        "volume": point("m³", "register"),
        "pulses": point("", "register"),
        "flow": point("L/h"),
        "reverse_volume": point("m³"),
    }
    model = physics.make(profile(points, resource="water"), Physics(total=Decimal(12)), Random(1))
    values = model.update(Decimal(3600), {})
    assert isinstance(values["volume"], Decimal)
    assert values["pulses"] == values["volume"] * 1000
    assert Decimal("12.09") < values["volume"] < Decimal("12.15")
    assert values["reverse_volume"] == 0


def test_a_release_unlocks_a_door_for_some_seconds() -> None:
    points = {
        "locked": point(table="discrete"),
        "unlocked": point(table="discrete"),
        "door_open": point(table="discrete"),
    }
    model = physics.make(profile(points, **{"class": "access", "resource": ""}), Physics(), Random(1))
    assert model.update(STEP, {}) == {"locked": True, "unlocked": False, "door_open": False}
    assert not model.act("open_window")
    assert model.act("release")
    assert model.update(Decimal("4.8"), {}) == {"locked": False, "unlocked": True, "door_open": False}
    assert model.update(STEP, {})["locked"] is True


def test_a_tripped_pump_stops() -> None:
    points = {
        "running": point(table="coil"),
        "tripped": point(table="coil"),
        "pressure": point("bar"),
        "run_hours": point("h", "register"),
    }
    model = physics.make(profile(points, **{"class": "pump", "resource": ""}), Physics(), Random(1))
    before = model.update(Decimal(36), {})
    assert before["running"] is True
    after = model.update(Decimal(36), {"tripped": True})
    assert after["running"] is False
    assert after["run_hours"] == before["run_hours"]
    assert after["pressure"] < before["pressure"]  # type: ignore[operator]
    assert model.update(STEP, {"tripped": False})["running"] is True


def test_a_lift_visits_every_floor_and_stays_where_someone_is_trapped() -> None:
    points = {"floor": point(), "trapped": point(table="discrete")}
    model = physics.make(profile(points, **{"class": "lift", "resource": ""}), Physics(), Random(1))
    seen = [model.update(Decimal(3), {})["floor"] for _ in range(34)]
    assert set(seen) == {Decimal(floor) for floor in range(1, 19)}
    assert model.update(Decimal(3), {"trapped": True})["floor"] == seen[-1]


def test_air_drifts_inside_its_band() -> None:
    points = {"temperature": point("°C"), "humidity": point("%"), "co2": point("ppm"), "pm25": point("µg/m³")}
    model = physics.make(profile(points, **{"class": "env", "resource": ""}), Physics(), Random(5))
    for _ in range(500):
        values = model.update(STEP, {})
        assert 21 <= values["temperature"] <= 25  # type: ignore[operator]
        assert 560 <= values["co2"] <= 680  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["static", "fire"])
def test_what_has_no_physics_keeps_still(kind: str) -> None:
    spec = msgspec.convert({"kind": kind, "values": {"voltage_l1": 3}}, Physics)
    model = physics.make(profile(METER), spec, Random(1))
    assert model.update(STEP, {}) == model.update(STEP, {})
    assert model.update(STEP, {})["voltage_l1"] == 3
