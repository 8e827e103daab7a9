"""The driver over real lines, against the simulated slaves: a level converter on TCP, and a serial port."""

from decimal import Decimal
from random import Random

import pytest

from drivers.errors import DeviceSilent, DriverError
from drivers.lines import Line, SerialSettings, TcpSettings
from drivers.mbus.address import target
from drivers.mbus.conversation import select
from drivers.mbus.search import Search
from simulators.field_wire import FieldPty, FieldTcp
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.mbus import device, point
from tests.support.virtual import ScriptedWire, in_no_time, line_over
from tests.support.wire import line_to

HEAT = Slave(
    Identity("12345678", "KAM", 8, 4),
    lambda: [Value(b"\x06", number, storage=number) for number in range(40)],
    1,
)
WATER = Slave(Identity("12345699", "ACW", 14, 6), lambda: [Value(b"\x13", 4711, "bcd8")], 2)
GONE = Slave(Identity("99999999"), list, 3, silent=True)


def bus() -> MbusBus:
    return MbusBus([HEAT, WATER, GONE], Random(1))


async def read_both(line: Line) -> None:
    energy = {f"e{n}": point({"quantity": "energy", "storage": n}, unit="kWh") for n in range(40)}
    volume = {"volume": point({"quantity": "volume"}, unit="m³")}
    for unit, address in ((1, ""), (None, "12345678-KAM-08-04")):
        heat = device(energy, unit, address=address)
        (plan,) = heat.plan(energy)
        for _ in range(2):
            reply = await line.exchange(heat.exchange(plan), timeout=5.0)
            found = heat.decode(plan, reply.payload)
            assert {name: reading.value for name, reading in found.items()} == {
                f"e{n}": Decimal(n) for n in range(40)
            }
    water = device(volume, None, address="1234569F")
    (plan,) = water.plan(volume)
    reply = await line.exchange(water.exchange(plan), timeout=5.0)
    assert water.decode(plan, reply.payload)["volume"].value == Decimal("4.711")
    gone = device(volume, 3)
    with pytest.raises(DeviceSilent):
        await line.exchange(gone.exchange(plan), timeout=0.05)


@pytest.mark.parametrize("burst", [0, 7])
async def test_over_a_level_converter(burst):
    async with FieldTcp(bus(), burst=burst) as server:
        line = line_to(TcpSettings("127.0.0.1", server.port))
        try:
            await read_both(line)
        finally:
            await line.aclose()


async def test_over_a_serial_port(tmp_path):
    async with FieldPty(bus(), tmp_path / "mbus"):
        line = line_to(SerialSettings(str(tmp_path / "mbus"), baud=38400))
        try:
            await read_both(line)
        finally:
            await line.aclose()


async def test_a_search_over_a_line():
    slaves = [Slave(Identity(f"1234567{digit}"), lambda: [Value(b"\x06", 1)]) for digit in range(2)]
    pair = MbusBus(slaves, Random(1))
    async with FieldTcp(pair) as server:
        line = line_to(TcpSettings("127.0.0.1", server.port, late_guard=0.2))
        search = Search("1234567F")
        try:
            while len(search.found) < 2 and (question := search.exchange()) is not None:
                # What both say at once is never read, however long it is waited for.
                timeout = 5.0 if search.asked else 0.1
                try:
                    search.answered((await line.exchange(question, timeout=timeout)).payload)
                except DriverError as err:
                    search.failed(err)
        finally:
            await line.aclose()
    assert sorted(search.found) == ["12345670-GHS-01-04", "12345671-GHS-01-04"]
    assert (search.asked, pair.collisions) == (3, 2)


def chosen(ident):
    return select(target(None, ident), then=lambda raw: raw)


def test_the_same_acknowledgement_of_another_costs_no_time_where_its_telegram_follows():
    async def run():
        async with line_over(ScriptedWire(lambda *_: [(0.001, b"\xe5")])) as line:
            replies = [await line.exchange(chosen(ident), timeout=9.0) for ident in ("11111111", "22222222")]
            assert all(reply.ended - reply.began < 1 for reply in replies)

    in_no_time(run())
