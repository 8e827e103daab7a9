from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Misconfigured
from drivers.mbus.address import PointAt, bind_point, secondary, target, written
from drivers.mbus.frames import Frame
from drivers.mbus.telegram import Header, maker_code
from drivers.mbus.units import base, shift
from simulators.mbus_frames import Identity
from tests.support.mbus import point

ENERGY = {"quantity": "energy"}


@pytest.mark.parametrize(
    ("unit", "address", "primary"),
    [(1, "", 1), (0, "", 0), (250, "", 250), (254, "", 254), (None, "7", 7), (3, "254", 254)],
)
def test_primary_addresses(unit, address, primary):
    assert target(unit, address).primary == primary


@pytest.mark.parametrize(
    ("unit", "address", "words"),
    [
        (None, "", "unit: is None"),
        (251, "", "unit: is 251"),
        (1, "253", "0 to 250"),
        (1, "1234567", "neither"),
        (1, "12345678-KAM", "neither"),
        (1, "1234567G", "neither"),
    ],
)
def test_what_is_no_address_is_refused(unit, address, words):
    with pytest.raises(Misconfigured, match=words):
        target(unit, address)


def answer(who: Identity, ci: int = 0x72, primary: int = 9) -> Frame:
    wire = who.wire
    if ci == 0x76:
        wire = wire[3::-1] + wire[5:3:-1] + wire[6:]
    return Frame(0x08, primary, ci, wire + bytes(8))


@pytest.mark.parametrize(
    ("address", "mine"),
    [
        ("12345678", True),
        ("1234567F", True),
        ("FFFFFFFF", True),
        ("12345679", False),
        ("12345678-KAM-08-04", True),
        ("12345678-FFFF-FF-04", True),
        ("12345678-kam-ff-ff", True),
        ("12345678-KAM-08-06", False),
        ("12345678-ELV-08-04", False),
    ],
)
def test_only_the_slave_that_was_selected_answers(address, mine):
    who = Identity("12345678", "KAM", 8, 4)
    whom = target(None, address)
    assert whom.answers(answer(who)) is mine
    assert whom.answers(answer(who, 0x76)) is mine
    assert whom.answers(Frame(0x08, 9, 0x70, b"\x08"))


def test_fixed_data_name_the_number_only():
    whom = target(None, "12345678-KAM-08-04")
    assert whom.answers(Frame(0x08, 9, 0x73, bytes.fromhex("78563412") + bytes(12)))
    assert whom.answers(Frame(0x08, 9, 0x77, bytes.fromhex("12345678") + bytes(12)))
    assert not whom.answers(Frame(0x08, 9, 0x73, bytes(16)))


def test_an_address_is_written_as_it_is_read():
    header = Header("12345678", "KAM", maker_code("KAM"), 8, 4)
    assert written(header) == "12345678-KAM-08-04"
    assert target(None, written(header)).secondary == Identity("12345678", "KAM", 8, 4).wire
    assert written(Header("12345678")) == "12345678"
    assert secondary("FFFFFFFF") == b"\xff" * 8


@pytest.mark.parametrize(
    ("at", "unit", "words"),
    [
        ({}, "", "exactly one of quantity, record, status; it has none"),
        ({"quantity": "energy", "record": 1}, "kWh", "it has quantity, record"),
        ({"quantity": "colour"}, "", "colour' is not known; known are .*energy"),
        ({"quantity": "date_time"}, "", "unit: is none, and a moment is told in s"),
        ({"quantity": "text"}, "", "the text that the device sends"),
        ({"status": "power_low", "storage": 1}, "", "needs nothing else"),
        ({"record": 1, "storage": 1}, "", "needs nothing else but"),
        ({"status": "power_low"}, "V", "true or false has no unit"),
        (ENERGY, "m³", "unit: is m³, and energy comes in J, Wh, cal"),
        (ENERGY, "", "is none"),
        ({**ENERGY, "storage": -1}, "kWh", r"at\.storage"),
        ({**ENERGY, "modifiers": "3c"}, "kWh", r"at\.modifiers"),
        ({**ENERGY, "colour": 1}, "kWh", r"at\.colour"),
    ],
)
def test_addresses_are_strict(at, unit, words):
    with pytest.raises(Misconfigured, match=words):
        bind_point(point(at, unit=unit), "points.x")


def test_a_sound_address_is_taken():
    assert bind_point(point({"quantity": "volume", "tariff": 1}, unit="m³"), "x") == PointAt(
        quantity="volume", tariff=1
    )
    assert bind_point(point({"status": 7}), "x").is_bool


@given(
    st.sampled_from(["Wh", "kWh", "MWh", "GWh", "J", "kJ", "GJ", "m³", "L", "kW", "W", "°C", "bar", "kPa"]),
    st.data(),
)
def test_units_are_turned_by_powers_of_ten_and_back(unit, data):
    other = data.draw(st.sampled_from(["Wh", "MWh", "J", "MJ", "m³", "L", "W", "MW", "°C", "hPa"]))
    there, back = shift(unit, other), shift(other, unit)
    assert (there is None) == (base(unit)[0] != base(other)[0])
    if there is not None and back is not None:
        assert Decimal(7).scaleb(there).scaleb(back) == 7


def test_hours_are_no_seconds_and_joules_no_watt_hours():
    assert shift("h", "s") is None
    assert shift("GJ", "kWh") is None
    assert shift("MWh", "kWh") == 3
    assert shift("bar", "kPa") == 2
