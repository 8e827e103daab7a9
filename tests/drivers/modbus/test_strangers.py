"""The whole driver over a real line against servers that others wrote: pymodbus, in all three framings."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import minimalmodbus
import pytest
from pymodbus import ModbusDeviceIdentification
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.errors import DeviceRefused
from drivers.lines import Line, TcpSettings
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.rtu import crc16
from drivers.profile import Action, ReadBack
from tests.support.modbus import profile
from tests.support.wire import line_to

TYPED = {
    "u16": (DataType.UINT16, 65535, {"type": "uint16", "exp": -1}, "6553.5"),
    "i16": (DataType.INT16, -300, {"type": "int16", "exp": -2}, "-3.00"),
    "u32": (DataType.UINT32, 4294967295, {"type": "uint32", "exp": -3}, "4294967.295"),
    "i32": (DataType.INT32, -7, {"type": "int32"}, "-7"),
    "u64": (DataType.UINT64, 2**64 - 1, {"type": "uint64", "exp": -2}, "184467440737095516.15"),
    "i64": (DataType.INT64, -(2**63), {"type": "int64", "exp": -2}, "-92233720368547758.08"),
    "f32": (DataType.FLOAT32, 233.1, {"type": "float32"}, "233.1"),
    "f64": (DataType.FLOAT64, 0.1, {"type": "float64"}, "0.1"),
}
WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
STARTS = dict(zip(TYPED, itertools.accumulate([100, *WORDS.values()]), strict=False))
POINTS = {
    **{name: {"table": "holding", "address": STARTS[name], **at} for name, (_, _, at, _) in TYPED.items()},
    "input": {"table": "input", "address": 7, "type": "uint16"},
    "coil_3": {"table": "coil", "address": 3, "kind": "state"},
    "input_5": {"table": "discrete", "address": 5, "kind": "state"},
}
WANTED = {name: Decimal(text) for name, (_, _, _, text) in TYPED.items()} | {
    "input": Decimal(4711),
    "coil_3": False,
    "input_5": True,
}
ACTIONS = {
    "on": Action(
        label="On",
        at={"table": "coil", "address": 3, "value": True},
        read_back=ReadBack(point="coil_3", is_=True),
    ),
    "set": Action(
        label="Set",
        at={"table": "holding", "address": 100, "value": 1234},
        read_back=ReadBack(point="u16", equals=Decimal("123.4")),
    ),
}


IDENTITY = {
    "VendorName": "Acme",
    "ProductCode": "M1",
    "MajorMinorRevision": "2.7",
    "VendorUrl": "http://acme.example",
    "ProductName": "Meter",
    "ModelName": "M1-DIN",
}


def simulated() -> SimDevice:
    bits = [[SimData(0, values=[False] * 16, datatype=DataType.BITS)] for _ in range(2)]
    bits[1] = [SimData(0, values=[place == 5 for place in range(16)], datatype=DataType.BITS)]
    held = [SimData(STARTS[name], values=value, datatype=kind) for name, (kind, value, _, _) in TYPED.items()]
    return SimDevice(1, simdata=(bits[0], bits[1], held, [SimData(7, values=4711, datatype=DataType.UINT16)]))


@asynccontextmanager
async def line_and_options(framing: str) -> AsyncIterator[Line]:
    framer = {"mbap": FramerType.SOCKET, "rtu": FramerType.RTU, "ascii": FramerType.ASCII}[framing]
    server = ModbusTcpServer(
        simulated(),
        framer=framer,
        identity=ModbusDeviceIdentification(info_name=IDENTITY),
        address=("127.0.0.1", 0),
    )
    await server.serve_forever(background=True)
    try:
        port = server.transport.sockets[0].getsockname()[1]
        async with line_to(TcpSettings("127.0.0.1", port)) as line:
            yield line
    finally:
        await server.shutdown()


async def read_all(line: Line, device, names):
    values = {}
    for transaction in device.plan(names):
        reply = await line.exchange(device.exchange(transaction), timeout=2)
        values |= {name: reading.value for name, reading in device.decode(transaction, reply.payload).items()}
    return values


@pytest.mark.parametrize("framing", ["mbap", "rtu", "ascii"])
async def test_every_table_and_type_of_pymodbus_reads_as_it_was_written(framing):
    device = ModbusDriver().device(profile(POINTS), 1, {"framing": framing})
    async with line_and_options(framing) as line:
        values = await read_all(line, device, POINTS)
    assert values == WANTED
    assert str(values["i16"]) == "-3.00"


@pytest.mark.parametrize("framing", ["mbap", "rtu", "ascii"])
@pytest.mark.parametrize("write", ["single", "multiple"])
async def test_commands_are_taken_and_read_back(framing, write):
    device = ModbusDriver().device(profile(POINTS, ACTIONS), 1, {"framing": framing, "write": write})
    async with line_and_options(framing) as line:
        for action in ACTIONS:
            plan = device.command(action, {})
            await line.exchange(device.exchange(plan.write), timeout=2)
            assert plan.read_back is not None
            reply = await line.exchange(device.exchange(plan.read_back), timeout=2)
            shown = device.decode(plan.read_back, reply.payload)
            assert {name: shown[name].value for name in plan.expect} == plan.expect


async def test_a_block_with_a_hole_is_refused_by_address_and_its_halves_are_read():
    points = {
        "good": {"table": "input", "address": 7, "type": "uint16"},
        "hole": {"table": "input", "address": 8, "type": "uint16"},
    }
    device = ModbusDriver().device(profile(points), 1, {"framing": "mbap"})
    async with line_and_options("mbap") as line:
        (transaction,) = device.plan(points)
        with pytest.raises(DeviceRefused) as caught:
            await line.exchange(device.exchange(transaction), timeout=2)
        assert caught.value.address
        first, second = device.split(transaction)
        reply = await line.exchange(device.exchange(first), timeout=2)
        assert device.decode(first, reply.payload)["good"].value == 4711
        with pytest.raises(DeviceRefused):
            await line.exchange(device.exchange(second), timeout=2)


@pytest.mark.parametrize("framing", ["mbap", "rtu", "ascii"])
async def test_a_device_tells_who_it_is(framing):
    workshop, told = ModbusDriver().workshop, []
    async with line_and_options(framing) as line:
        for exchange in workshop.identify(1, {"framing": framing}):
            told.append(workshop.identity((await line.exchange(exchange, timeout=2)).payload))
    basic = {name: IDENTITY[name] for name in ("VendorName", "ProductCode", "MajorMinorRevision")}
    assert told[0] == basic
    assert told[1].items() >= IDENTITY.items()
    assert told[2]["ServerId"].startswith("Acme-M1-2.7")


@pytest.mark.parametrize("framing", ["mbap", "rtu", "ascii"])
@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("07", "0700"),
        ("08 0000 A537", "080000A537"),
        ("0B", "0B00000000"),
        ("03 0064 0001", "0302FFFF"),
    ],
)
async def test_any_function_can_be_asked(framing, request_, reply):
    async with line_and_options(framing) as line:
        exchange = ModbusDriver().workshop.raw(1, bytes.fromhex(request_), {"framing": framing})
        answer = (await line.exchange(exchange, timeout=2)).payload
    assert answer.hex()[:2] == reply.lower()[:2]
    assert len(answer) == len(reply) // 2


def test_the_crc_is_that_of_minimalmodbus():
    for data in (b"\x01\x03\x00\x00\x00\x0a", bytes(range(256)), b""):
        assert crc16(data).to_bytes(2, "little") == minimalmodbus._calculate_crc(data)
