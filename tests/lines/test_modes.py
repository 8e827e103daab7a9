"""Devices of unlike baud, stop bits and framing on one line."""

import asyncio
import itertools
import termios
import time

import pytest

from drivers.errors import DeviceSilent, LineDown, Misconfigured
from drivers.lines import SerialMode, SerialSettings
from drivers.modbus.driver import ModbusDriver
from tests.support.machine import waited
from tests.support.modbus import profile
from tests.support.waiting import until
from tests.support.wire import (
    PtyPeer,
    Send,
    TcpPeer,
    asked_address,
    line_to,
    registers,
    rtu_read,
    rtu_reply,
)

SPEEDS = {termios.B9600: 9600, termios.B19200: 19200, termios.B2400: 2400, termios.B115200: 115200}
FAST = SerialMode(baud=19200, stop_bits=2)


class Watched(PtyPeer):
    """Answers a request only if it came in the mode that its unit understands, as a real device does."""

    def __init__(self, folder, modes, answer=None):
        super().__init__(self.judge, folder)
        self.modes, self.answer = (
            modes,
            answer or (lambda request: rtu_reply(request, asked_address(request))),
        )
        self.wrong = 0
        self.times: list[tuple[float, str]] = []

    def mode(self) -> str:
        flags = termios.tcgetattr(self._master)
        return f"{SPEEDS[flags[5]]} 8N{2 if flags[2] & termios.CSTOPB else 1}"

    def judge(self, request):
        self.times.append((time.monotonic(), self.mode()))
        if self.mode() != self.modes[_unit(request)]:
            self.wrong += 1
            return []
        return [Send(self.answer(request))]


def _unit(request: bytes) -> int:
    return int(request[1:3], 16) if request[:1] == b":" else request[0]


async def test_each_device_is_asked_in_its_own_mode(tmp_path):
    peer = Watched(tmp_path, {1: "9600 8N1", 2: "19200 8N2"})
    async with peer, line_to(peer.settings(baud=9600)) as line:
        for address in range(12):
            unit = 1 + address % 3 // 2
            mode = FAST if unit == 2 else None
            reply = await line.exchange(rtu_read(address, unit=unit), timeout=1, mode=mode)
            assert registers(reply.payload) == (address,)
    assert peer.wrong == 0
    assert {mode for _, mode in peer.times} == {"9600 8N1", "19200 8N2"}


async def test_a_change_of_mode_lies_between_two_silences(tmp_path):
    peer = Watched(tmp_path, {1: "2400 8N1", 2: "19200 8N2"})
    async with peer, line_to(peer.settings(baud=2400)) as line:
        for address in range(6):
            unit = 1 + address % 2
            await line.exchange(rtu_read(address, unit=unit), timeout=1, mode=FAST if unit == 2 else None)
    slow, fast = SerialSettings("x", baud=2400).silence, FAST.silence
    for (one, was), (two, _) in itertools.pairwise(peer.times):
        # Our request is handed to the pty at once, but its time on a real wire is waited out as well.
        assert two - one >= slow + fast, was


async def test_the_lines_own_mode_by_name_is_no_change(tmp_path):
    peer = Watched(tmp_path, {1: "9600 8N1"})
    async with peer, line_to(peer.settings(baud=9600)) as line:
        began = time.monotonic()
        for address in range(10):
            await line.exchange(
                rtu_read(address), timeout=1, mode=SerialMode(baud=9600) if address % 2 else None
            )
        took = time.monotonic() - began
    assert peer.wrong == 0
    assert took < 5


async def test_a_mode_that_the_port_refuses_is_the_trouble_of_that_device_alone(tmp_path):
    peer = Watched(tmp_path, {1: "9600 8N1"})
    async with peer, line_to(peer.settings(baud=9600)) as line:
        for address in range(3):
            with pytest.raises(Misconfigured, match=r"refuses parity E and data_bits 7.*device"):
                await line.exchange(rtu_read(9, unit=2), timeout=1, mode=SerialMode(parity="E", data_bits=7))
            reply = await line.exchange(rtu_read(address), timeout=1)
            assert registers(reply.payload) == (address,)
        assert line.stats.downs == 0
    assert peer.wrong == 0


async def test_behind_a_serial_server_no_mode_can_be_changed():
    async with (
        TcpPeer(lambda request: [Send(rtu_reply(request, 5))]) as peer,
        line_to(peer.settings()) as line,
    ):
        with pytest.raises(Misconfigured, match="serial server"):
            await line.exchange(rtu_read(5), timeout=1, mode=FAST)
        assert registers((await line.exchange(rtu_read(5), timeout=1)).payload) == (5,)


async def test_a_port_that_comes_back_is_changed_over_again(tmp_path):
    peer = Watched(tmp_path, {2: "19200 8N2"})
    async with peer, line_to(peer.settings(baud=9600)) as line:
        await line.exchange(rtu_read(1, unit=2), timeout=1, mode=FAST)
        peer.hang_up()
        with pytest.raises(LineDown):
            await line.exchange(rtu_read(2, unit=2), timeout=1, mode=FAST)
        peer.appear()
        reply = await line.exchange(rtu_read(3, unit=2), timeout=1, mode=FAST)
        assert registers(reply.payload) == (3,)
    assert peer.wrong == 0


async def test_bytes_in_the_wrong_mode_are_no_answer(tmp_path):
    peer = Watched(tmp_path, {1: "9600 8N1"})
    async with peer, line_to(peer.settings(baud=19200)) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(1), timeout=0.05)
        assert peer.wrong == 1


def ascii_reply(request: bytes) -> bytes:
    """A slave of its own making: the registers asked for hold their own addresses."""
    text = request.decode().strip()[1:]
    unit, function, address, count = (int(text[i:j], 16) for i, j in ((0, 2), (2, 4), (4, 8), (8, 12)))
    values = "".join(f"{place & 0xFFFF:04X}" for place in range(address, address + count))
    body = f"{unit:02X}{function:02X}{2 * count:02X}{values}"
    check = -sum(bytes.fromhex(body)) % 256
    return f":{body}{check:02X}\r\n".encode()


POINTS = {
    "low": {"table": "holding", "address": 10, "type": "uint16"},
    "high": {"table": "holding", "address": 13, "type": "uint16"},
}


async def test_two_protocols_take_turns_on_one_pair(tmp_path):
    """Modbus RTU at 9600 and Modbus ASCII at 19200 8N2: each device hears only its own, and all values are right."""

    def answer(request):
        if request[:1] == b":":
            return ascii_reply(request)
        count = int.from_bytes(request[4:6], "big")
        return rtu_reply(request, *range(asked_address(request), asked_address(request) + count))

    driver = ModbusDriver()
    devices = {
        1: (driver.device(profile(POINTS), 1, {"framing": "rtu"}), None),
        2: (driver.device(profile(POINTS), 2, {"framing": "ascii"}), FAST),
    }
    peer = Watched(tmp_path, {1: "9600 8N1", 2: "19200 8N2"}, answer)
    async with peer, line_to(peer.settings(baud=9600)) as line:

        async def poll(unit: int) -> None:
            made, mode = devices[unit]
            for _ in range(10):
                (transaction,) = made.plan(POINTS)
                reply = await line.exchange(made.exchange(transaction), timeout=1, mode=mode)
                readings = made.decode(transaction, reply.payload)
                assert {name: int(reading.value) for name, reading in readings.items()} == {
                    "low": 10,
                    "high": 13,
                }

        async with asyncio.TaskGroup() as group:
            for unit in devices:
                group.create_task(poll(unit), name=f"unit {unit}")
    assert peer.wrong == 0
    assert len(peer.times) == 20


async def test_a_late_ascii_answer_is_owed_by_its_unit_alone(tmp_path):
    """A colon begins every ASCII frame: the unit behind it must part one device's debt from its neighbour's."""
    late: list[bytes] = []

    def script(request):
        if request.startswith(b":03"):
            late.append(ascii_reply(request))
            return []
        return [Send(ascii_reply(request))]

    driver = ModbusDriver()
    made = {unit: driver.device(profile(POINTS), unit, {"framing": "ascii"}) for unit in (3, 4)}
    (transaction,) = made[3].plan(POINTS)
    async with PtyPeer(script, tmp_path) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(made[3].exchange(transaction), timeout=0.05)
        began, stood = time.monotonic(), waited()
        reply = await line.exchange(made[4].exchange(transaction), timeout=1)
        passed = time.monotonic() - began - (waited() - stood)
        assert passed < 0.4, "the guard of the other unit is longer"
        assert made[4].decode(transaction, reply.payload)["low"].value == 10
        peer._send(late[0])
        await until(lambda: line._idle)
        await line.exchange(made[4].exchange(transaction), timeout=1)
        assert line.stats.late_replies == 1
