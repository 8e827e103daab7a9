"""Lines against slaves that others wrote: pymodbus on TCP, RTU over TCP and a pair of pseudo-terminals."""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.errors import DeviceRefused, LineDown
from drivers.lines import SerialSettings, TcpSettings
from tests.support.wire import line_to, mbap_read, registers, rtu_read

VALUES = [1000 + address for address in range(200)]


def device() -> SimDevice:
    return SimDevice(1, simdata=[SimData(0, values=VALUES, datatype=DataType.REGISTERS)])


@asynccontextmanager
async def serving(server: ModbusTcpServer | ModbusSerialServer) -> AsyncIterator[None]:
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()


@asynccontextmanager
async def tcp_server(framer: FramerType) -> AsyncIterator[TcpSettings]:
    server = ModbusTcpServer(device(), framer=framer, address=("127.0.0.1", 0))
    async with serving(server):
        port = server.transport.sockets[0].getsockname()[1]
        yield TcpSettings("127.0.0.1", port)


@asynccontextmanager
async def joined_ptys() -> AsyncIterator[tuple[str, str]]:
    """Two serial ports with a cable between them: what enters one comes out of the other."""
    loop = asyncio.get_running_loop()
    ends = [os.openpty(), os.openpty()]
    for master, slave in ends:
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
    (left, left_slave), (right, right_slave) = ends

    def carry(source: int, sink: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(sink, os.read(source, 4096))

    loop.add_reader(left, carry, left, right)
    loop.add_reader(right, carry, right, left)
    try:
        yield os.ttyname(left_slave), os.ttyname(right_slave)
    finally:
        loop.remove_reader(left)
        loop.remove_reader(right)
        for pair in ends:
            for end in pair:
                os.close(end)


async def test_pymodbus_over_tcp():
    async with tcp_server(FramerType.SOCKET) as settings, line_to(settings) as line:
        for number in range(100):
            reply = await line.exchange(mbap_read(number, 3, transaction=number), timeout=2)
            assert registers(reply.payload) == tuple(VALUES[number : number + 3])
        with pytest.raises(DeviceRefused) as caught:
            await line.exchange(mbap_read(5000, transaction=7), timeout=2)
        assert caught.value.address
        assert line.stats.timeouts == line.stats.damaged == line.stats.late_bytes == 0


async def test_pymodbus_rtu_over_tcp():
    async with tcp_server(FramerType.RTU) as settings, line_to(settings) as line:
        for number in range(50):
            reply = await line.exchange(rtu_read(number, 3), timeout=2)
            assert registers(reply.payload) == tuple(VALUES[number : number + 3])
        with pytest.raises(DeviceRefused):
            await line.exchange(rtu_read(5000), timeout=2)
        with pytest.raises(DeviceRefused):  # pymodbus speaks for a unit that it does not have
            await line.exchange(rtu_read(0, unit=9), timeout=0.1)
        assert registers((await line.exchange(rtu_read(1), timeout=2)).payload) == (VALUES[1],)


async def test_pymodbus_rtu_on_a_serial_port():
    async with joined_ptys() as (ours, theirs):
        server = ModbusSerialServer(device(), framer=FramerType.RTU, port=theirs, baudrate=115200)
        async with serving(server), line_to(SerialSettings(ours, baud=115200)) as line:
            for number in range(50):
                reply = await line.exchange(rtu_read(number, 3), timeout=2)
                assert registers(reply.payload) == tuple(VALUES[number : number + 3])
            with pytest.raises(DeviceRefused):
                await line.exchange(rtu_read(0, unit=9), timeout=0.1)
            assert registers((await line.exchange(rtu_read(1), timeout=2)).payload) == (VALUES[1],)


async def test_a_pymodbus_server_that_restarts():
    async with tcp_server(FramerType.SOCKET) as settings:
        line = line_to(settings)
        await line.exchange(mbap_read(1), timeout=2)
    async with line:
        with pytest.raises(LineDown):
            for _ in range(2):  # the first may find the old connection closed, the second finds nobody
                await line.exchange(mbap_read(1), timeout=2)
        server = ModbusTcpServer(device(), address=(settings.host, settings.port))
        async with serving(server), asyncio.timeout(10):
            while not line.up:
                with contextlib.suppress(LineDown):
                    await line.exchange(mbap_read(1), timeout=2)
                await asyncio.sleep(0.02)
        assert line.stats.reopened == 1
