"""Whatever a simulated meter counts, by its own encoder, is what the driver reads, or nothing."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.cjt188.driver import Cjt188Driver
from messages.types import Quality
from simulators.cjt188 import SimBus, SimMeter
from tests.support.cjt188 import profile

DRIVER = Cjt188Driver()
ADDRESS = "00201707010069"
COUNTS = st.integers(0, 99_999_999).map(lambda count: Decimal(count).scaleb(-2))


def read(meter: SimMeter, points: dict[str, dict[str, Any]], **options: Any) -> dict[str, Any]:
    made = DRIVER.device(profile(points), None, {"address": meter.address, **options})
    (transaction,) = made.plan(points)
    exchange = made.exchange(transaction)
    (said,) = SimBus([meter]).feed(exchange.request)
    assert exchange.reader is not None
    payload = exchange.reader.feed(said)
    assert payload is not None
    return dict(made.decode(transaction, payload))


@given(
    total=st.none() | COUNTS,
    settled=COUNTS,
    unit=st.sampled_from(["m³", "L"]),
    asked=st.sampled_from(["m³", "L"]),
    valve=st.sampled_from([0, 1, 3]),
    battery=st.booleans(),
    quirks=st.fixed_dictionaries({"unit_first": st.booleans(), "high_first": st.booleans()}),
    kind=st.sampled_from([0x10, 0x11, 0x13, 0x30]),
)
def test_a_water_or_gas_meter_is_read_as_it_counts(total, settled, unit, asked, valve, battery, quirks, kind):
    meter = SimMeter(
        ADDRESS, lambda: datetime(2026, 1, 1), kind=kind, total=total, unit=unit, settled=[settled], valve=valve,
        battery_low=battery, **quirks,
    )  # fmt: skip
    points = {
        "now": {"field": "volume", "unit": asked, "exp": -2},
        "then": {"field": "settled_volume", "unit": asked, "exp": -2},
        "valve": {"field": "status", "mask": "0x0003", "kind": "state"},
        "battery": {"field": "status", "bit": 2, "kind": "state"},
    }
    order = "high" if quirks["high_first"] else "low"
    found = read(meter, points, type=f"{kind:02X}", unit_first=quirks["unit_first"], di_order=order)
    right = unit == asked
    assert found["now"].value == (total if right else None)
    assert found["then"].value == (settled if right else None)
    assert found["then"].quality is (Quality.GOOD if right else Quality.CONFIG)
    assert (found["valve"].value, found["battery"].value) == (valve, battery)


@given(
    st.tuples(COUNTS, COUNTS, COUNTS),
    st.integers(0, 99_999_999),
    st.integers(2, 4),
    st.integers(0, 999_999),
    st.sampled_from(["kWh", "MWh", "GJ", "MJ"]),
)
def test_a_heat_meter_is_read_as_it_counts(totals, flow, decimals, hours, unit):
    energy, volume, power = totals
    meter = SimMeter(
        ADDRESS, lambda: datetime(2026, 1, 1), kind=0x20, total=energy, unit=unit, volume=volume, power=power,
        flow=Decimal(flow).scaleb(-decimals), flow_decimals=decimals, hours=hours,
    )  # fmt: skip
    points = {
        "energy": {"field": "energy", "unit": unit, "exp": -2},
        "volume": {"field": "volume", "unit": "m³", "exp": -2},
        "power": {"field": "power", "unit": "kW", "exp": -2},
        "flow": {"field": "flow", "unit": "m³/h", "exp": -decimals},
        "hours": {"field": "hours", "unit": "h"},
    }
    found = {name: reading.value for name, reading in read(meter, points, type="20").items()}
    assert found == {
        "energy": energy,
        "volume": volume,
        "power": power,
        "flow": Decimal(flow).scaleb(-decimals),
        "hours": hours,
    }
