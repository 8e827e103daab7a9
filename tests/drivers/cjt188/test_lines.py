"""The driver over real lines, against the simulated meters: a serial port, and a serial server on TCP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from drivers.api import Reading
from drivers.cjt188 import frames, scan
from drivers.cjt188.driver import Cjt188Device, Cjt188Driver
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.lines import Line, SerialSettings, TcpSettings
from drivers.profiles_store import load_library
from messages.types import Quality
from simulators.cjt188 import CLOSED, OPEN, SimBus, SimMeter
from simulators.field_wire import FieldPty, FieldTcp
from tests.support.virtual import ScriptedWire, in_no_time, line_over
from tests.support.wire import line_to

LIBRARY = load_library()
COLD, HOT, HEAT, GAS = "00201707010069", "00000051327643", "00312718241912", "33330000000007"


def at() -> datetime:
    return datetime(2026, 1, 31, 23, 59, 58)


def meters() -> list[SimMeter]:
    cold = SimMeter(COLD, at, total=Decimal("1234.56"), settled=[Decimal("1200.00"), Decimal("1100.5")])
    hot = SimMeter(HOT, at, kind=0x11, total=Decimal(17047), unit="L", decimals=0, high_first=True, wake_up=2)
    heat = SimMeter(
        HEAT,
        at,
        kind=0x20,
        answers_as=0x25,
        total=Decimal("54427.88"),
        unit="kWh",
        volume=Decimal("7156.08"),
        power=Decimal("12.5"),
        flow=Decimal("0.3412"),
        hours=74766,
        battery_low=True,
    )
    gas = SimMeter(GAS, at, kind=0x30, total=None, own_ser=0, silent=False)
    return [cold, hot, heat, gas]


DRIVER = Cjt188Driver()


def device(profile: str, address: str, **options: Any) -> Cjt188Device:
    return DRIVER.device(LIBRARY[profile], None, {"address": address, **options})


async def read(line: Line, made: Cjt188Device) -> Mapping[str, Reading]:
    found: dict[str, Reading] = {}
    for transaction in made.plan(made.codecs):
        reply = await line.exchange(made.exchange(transaction), timeout=1.0)
        found |= made.decode(transaction, reply.payload)
    return found


def values(found: Mapping[str, Reading]) -> dict[str, Any]:
    return {name: reading.value for name, reading in found.items()}


async def read_all(line: Line) -> None:
    assert values(await read(line, device("cjt188-water-meter-valve", COLD))) == {
        "volume": Decimal("1234.56"),
        "volume_settled": 1200,
        "volume_settled_1": 1200,
        "volume_settled_2": Decimal("1100.5"),
        "valve": OPEN,
        "battery_low": False,
    }
    litres = device("cjt188-water-meter-litre", HOT, type="11", di_order="high")
    assert (await read(line, litres))["volume"].value == 17047
    assert (await read(line, device("cjt188-water-meter", HOT, di_order="high")))[
        "volume"
    ].quality is Quality.CONFIG
    heat = values(await read(line, device("cjt188-heat-meter", HEAT)))
    assert heat | {"heat_energy_settled": 0} == {
        "heat_energy": Decimal("54427.88"),
        "heat_energy_settled": 0,
        "volume": Decimal("7156.08"),
        "power": Decimal("12.5"),
        "flow": Decimal("0.3412"),
        "supply_temperature": 55,
        "return_temperature": 45,
        "operating_hours": 74766,
        "battery_low": True,
    }
    assert (await read(line, device("cjt188-gas-meter", GAS, any_ser=True)))["volume"] == Reading(
        None, Quality.DEVICE, bytes.fromhex("FFFFFFFF")
    )


async def test_over_a_serial_port(tmp_path):
    # A pseudo-terminal has no parity: a real line is 2400 8E1.
    async with FieldPty(SimBus(meters()), tmp_path / "port", baud=9600, burst=7) as port:
        async with line_to(SerialSettings(str(port.path), baud=9600)) as line:
            await read_all(line)


async def test_over_a_serial_server():
    async with (
        FieldTcp(SimBus(meters()), burst=5) as server,
        line_to(TcpSettings("127.0.0.1", server.port)) as line,
    ):
        await read_all(line)


async def test_the_valve_is_moved_and_seen_to_have_moved():
    (cold, *_) = made = meters()
    async with FieldTcp(SimBus(made)) as server, line_to(TcpSettings("127.0.0.1", server.port)) as line:
        meter = device("cjt188-water-meter-valve", COLD)
        for action, state in (("close_valve", CLOSED), ("open_valve", OPEN)):
            plan = meter.command(action, {})
            await line.exchange(meter.exchange(plan.write), timeout=1.0)
            assert plan.read_back is not None
            reply = await line.exchange(meter.exchange(plan.read_back), timeout=1.0)
            seen = meter.decode(plan.read_back, reply.payload)
            assert {name: seen[name].value for name in plan.expect} == plan.expect
            assert cold.valve == state
        assert cold.orders == [0x99, 0x55]


async def test_a_refusal_and_a_meter_that_is_not_there_are_told_apart():
    (cold, *_) = made = meters()
    cold.refuses.add("901F")
    async with FieldTcp(SimBus(made)) as server:
        async with line_to(TcpSettings("127.0.0.1", server.port, late_guard=0.02)) as line:
            for address, error in ((COLD, DeviceRefused), ("00000000000001", DeviceSilent)):
                meter = device("cjt188-water-meter", address)
                (transaction,) = meter.plan(meter.codecs)
                with pytest.raises(error):
                    await line.exchange(meter.exchange(transaction), timeout=0.05)


async def test_a_meter_asleep_is_woken_and_one_alone_tells_its_address():
    sleepy = SimMeter(COLD, at, wake_up=3, total=Decimal(1))
    async with FieldTcp(SimBus([sleepy])) as server:
        async with line_to(TcpSettings("127.0.0.1", server.port, late_guard=0.02)) as line:
            reply = await line.exchange(scan.ask_address(), timeout=1.0)
            assert scan.who(reply.payload).address == COLD
            awake, asleep = (device("cjt188-water-meter", COLD, wakeup=count) for count in (3, 2))
            assert (await read(line, awake))["volume"].value == 1
            with pytest.raises(DeviceSilent):
                await line.exchange(asleep.exchange(asleep.plan(["volume"])[0]), timeout=0.05)


async def test_several_that_answer_at_once_are_nobody():
    async with FieldTcp(SimBus(meters())) as server:
        async with line_to(TcpSettings("127.0.0.1", server.port, late_guard=0.02)) as line:
            with pytest.raises(FrameDamaged):
                await line.exchange(scan.ask_address(), timeout=0.05)


async def test_a_valve_on_its_way_shows_where_it_was_until_it_is_there():
    now = datetime(2026, 9, 1, tzinfo=UTC)
    slow = SimMeter(COLD, lambda: now, valve_takes=timedelta(seconds=20), total=Decimal(1))
    async with FieldTcp(SimBus([slow])) as server, line_to(TcpSettings("127.0.0.1", server.port)) as line:
        meter = device("cjt188-water-meter-valve", COLD)
        plan = meter.command("close_valve", {})
        await line.exchange(meter.exchange(plan.write), timeout=1.0)
        assert plan.read_back is not None
        for passed, state in ((0, OPEN), (19, OPEN), (1, CLOSED)):
            now += timedelta(seconds=passed)
            reply = await line.exchange(meter.exchange(plan.read_back), timeout=1.0)
            assert meter.decode(plan.read_back, reply.payload)["valve"].value == state


@pytest.mark.parametrize("any_ser", [False, True])
def test_a_late_refusal_is_taken_for_no_other_question(any_ser):
    """It names no data identification, and where a meter does not repeat SER nothing else tells whose it is."""
    made = device("cjt188-water-meter-valve", COLD, any_ser=any_ser)
    current, settled = made.plan(["volume", "volume_settled_1"])
    late = made.exchange(current)

    def answers(asked, _now):
        told = frames.parse(asked)
        ser = bytes((0 if any_ser else told.ser,))
        if asked == late.request:
            return [(0.15, frames.encode(0x10, COLD, 0xC1, ser + b"\0\0"))]
        return [(0.1, frames.encode(0x10, COLD, 0x81, told.data[:2] + ser + bytes.fromhex("785634122C")))]

    async def run():
        async with line_over(ScriptedWire(answers)) as line:
            with pytest.raises(DeviceSilent):
                await line.exchange(late, timeout=0.12)
            reply = await line.exchange(made.exchange(settled), timeout=0.12)
            found = made.decode(settled, reply.payload)["volume_settled_1"]
            assert found.value == Decimal("123456.78")

    in_no_time(run())
