import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus.meaning import QUANTITIES, UNITS, meaning_of
from drivers.mbus.records import Record


def meant(vif: str):
    return meaning_of(Record(0x04, vif=bytes.fromhex(vif), data=bytes(4)))


@pytest.mark.parametrize(
    ("vif", "quantity", "unit", "exp"),
    [
        ("06", "energy", "Wh", 3),
        ("0E", "energy", "J", 6),
        ("13", "volume", "m³", -3),
        ("2B", "power", "W", 0),
        ("3B", "volume_flow", "m³/h", -3),
        ("43", "volume_flow", "m³/min", -4),
        ("5B", "flow_temperature", "°C", 0),
        ("5E", "return_temperature", "°C", -1),
        ("61", "temperature_difference", "K", -2),
        ("68", "pressure", "bar", -3),
        ("22", "on_time", "h", 0),
        ("6E", "heat_cost", "", 0),
        ("78", "fabrication_number", "", 0),
        ("FD17", "error_flags", "", 0),
        ("FD48", "voltage", "V", -1),
        ("FD59", "current", "A", -3),
        ("FD6F", "battery_time", "year", 0),
        ("FB01", "energy", "Wh", 6),
        ("FB08", "energy", "J", 8),
        ("FB10", "volume", "m³", 2),
        ("FB29", "power", "W", 6),
        ("FB2D", "frequency", "Hz", -2),
        ("FB1A", "relative_humidity", "%", -1),
        ("7B", "reserved", "", 0),
        ("FD7F", "reserved", "", 0),
        ("9374", "volume", "m³", -5),
        ("867D", "energy", "Wh", 6),
    ],
)
def test_the_tables(vif, quantity, unit, exp):
    found = meant(vif)
    assert (found.quantity, found.unit, found.exp) == (quantity, unit, exp)


@given(st.integers(0, 0x7F), st.sampled_from(range(0x70, 0x78)))
def test_a_factor_moves_the_point_and_changes_nothing_else(code, factor):
    if code == 0x7F:
        return
    plain, scaled = meant(f"{code:02X}"), meant(f"{code | 0x80:02X}{factor:02X}")
    if code not in {0x7B, 0x7D}:
        assert scaled.exp == plain.exp + factor - 0x76
        assert scaled.quantity == plain.quantity


@pytest.mark.parametrize(
    ("vif", "modifiers"),
    [
        ("863C", "3C"),
        ("86BB3C", "3B3C"),
        ("86FF74", "7F74"),
        ("86FC74", "7C74"),
        ("FFF074", "7074"),
        ("8600", ""),
        ("FDC93C", "3C"),
    ],
)
def test_what_changes_the_meaning_is_kept(vif, modifiers):
    assert meant(vif).modifiers.hex().upper() == modifiers


def test_a_device_marks_a_record_as_wrong():
    assert meant("8615").fault == 0x15
    assert [meant(f"86{code:02X}").fault for code in (0x01, 0x0F, 0x18, 0x1C)] == [0x01, 0x0F, 0x18, 0x1C]


def test_data_as_the_standard_has_it_is_no_error_and_an_average_is_another_value():
    assert meant("FD971D") == meant("FD17")
    assert (meant("AB12").fault, meant("AB12").modifiers) == (0, b"\x12")
    assert all(meant(f"AB{code:02X}").modifiers for code in (0x13, 0x14, 0x1E, 0x1F))
    assert meant("867B").offset == 0
    assert meant("8679").offset == -2


def test_every_quantity_says_its_units():
    assert set(UNITS) == QUANTITIES
    assert UNITS["energy"] == {"Wh", "J", "cal"}


@given(st.binary(min_size=1, max_size=11))
def test_any_codes_have_a_meaning_or_are_reserved(vif):
    found = meaning_of(Record(0x04, vif=vif, data=bytes(4)))
    assert found.quantity in QUANTITIES | {"reserved", "text"}
    assert abs(found.exp) < 100
