"""Byte times, silences and collisions on a pair, counted; and devices that misbehave while a site runs."""

import asyncio
import contextlib
import json
import os
import struct
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerType

from simulators.counters import COUNTERS
from simulators.modbus_frames import crc16
from simulators.truth import Truth, TruthWriter
from simulators.vocabulary import Step
from simulators.world import World, running
from tests.support.sims import clock_ms, library, simulated, site_of
from tests.support.waiting import until

CHAR_S = 10 / 9600
DEVICES = """
      - {id: a, profile: bench-all-types, unit: 1, physics: {kind: reads}}
      - {id: b, profile: bench-all-types, unit: 2, physics: {kind: reads}}
"""
PAIR = f"site: s\ntick: 10ms\nlines:\n  - id: pair\n    pty: run/pair\n    devices:{DEVICES}"
OVER = f"site: s\ntick: 10ms\nlines:\n  - id: pair\n    tcp: 127.0.0.1:0\n    framing: rtu\n    devices:{DEVICES}"
TIMED = OVER.replace("framing: rtu", "framing: rtu\n    baud: 9600\n    strict: true")


def rtu(unit: int, address: int, count: int) -> bytes:
    body = struct.pack(">BBHH", unit, 3, address, count)
    return body + struct.pack("<H", crc16(body))


def sound(frame: bytes) -> bool:
    return len(frame) > 4 and crc16(frame) == 0


class Master:
    """Bytes in and out of a line, with nothing of ours or a library's between."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, frame: bytes, size: int, timeout: float = 5) -> bytes:
        self.writer.write(frame)
        async with asyncio.timeout(timeout):
            return await self.reader.readexactly(size)


@asynccontextmanager
async def over_tcp(world: World) -> AsyncIterator[Master]:
    assert world.info is not None
    host, _, port = world.info.lines["pair"].endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Master(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def set_speed(port: int, speed: int) -> None:
    modes = termios.tcgetattr(port)
    modes[4] = modes[5] = speed
    termios.tcsetattr(port, termios.TCSANOW, modes)


@asynccontextmanager
async def on_pty(world: World) -> AsyncIterator[int]:
    assert world.info is not None
    port = os.open(world.info.lines["pair"].endpoint, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port)
    set_speed(port, termios.B9600)
    try:
        yield port
    finally:
        os.close(port)


async def read_pty(port: int, size: int, timeout: float = 5) -> bytes:
    loop, data, more = asyncio.get_running_loop(), b"", asyncio.Event()
    loop.add_reader(port, more.set)
    try:
        async with asyncio.timeout(timeout):
            while len(data) < size:
                await more.wait()
                more.clear()
                with contextlib.suppress(BlockingIOError):
                    data += os.read(port, 512)
    finally:
        loop.remove_reader(port)
    return data


def fault(world: World, device: str, kind: str, **more: Any) -> None:
    step = {"at": "0s", "device": device, "mend": True, "fault": {"kind": kind, **more}}
    assert world.play([msgspec.convert(step, Step)]) == []


async def test_a_master_at_another_speed_is_not_understood_and_understands_nothing(tmp_path: Path) -> None:
    async with simulated(PAIR, tmp_path) as world, on_pty(world) as port:
        line = world.counters.lines["pair"]
        set_speed(port, termios.B19200)
        os.write(port, rtu(1, 0, 2))
        await until(lambda: line.damaged_requests == 1)
        assert line.requests == 0
        set_speed(port, termios.B9600)
        os.write(port, rtu(1, 0, 2))
        assert sound(await read_pty(port, 9))
        # It is asked at the right speed, and answers when nobody listens at that one any more.
        fault(world, "a", "slow", delay="300ms")
        os.write(port, rtu(1, 0, 2))
        await until(lambda: line.requests == 2)
        set_speed(port, termios.B4800)
        answer = await read_pty(port, 1)
        await until(lambda: world.truth.replies == 2)
        with contextlib.suppress(BlockingIOError):
            answer += os.read(port, 512)
        assert not sound(answer)
        assert rtu(1, 0, 2)[:2] != answer[:2]


@pytest.mark.parametrize("burst", ["0ms", "4ms"])
async def test_an_exchange_on_a_pty_takes_the_time_of_its_bytes(tmp_path: Path, burst: str) -> None:
    async with simulated(PAIR + f"    burst: {burst}\n    turnaround: 20ms\n", tmp_path) as world:
        async with on_pty(world) as port:
            loop = asyncio.get_running_loop()
            took = []
            for _ in range(8):
                began = loop.time()
                os.write(port, rtu(1, 0, 12))
                assert sound(await read_pty(port, 29))
                took.append(loop.time() - began)
                await asyncio.sleep(0.005)
    least = (8 + 29 + 3.5) * CHAR_S + 0.02
    assert min(took) >= least - 0.0005
    # Not wildly longer either: otherwise a gateway's speed would be measured on a slow bus.
    assert min(took) <= least + 0.01
    line = world.counters.lines["pair"]
    assert (line.requests, line.broken_silences, line.collisions, line.impatient) == (8, 0, 0, 0)
    assert line.shortest_silence_ms is not None
    assert line.shortest_silence_ms >= 5
    assert line.busy_s == pytest.approx(8 * least, rel=0.05)


async def test_rtu_over_tcp_keeps_byte_times_too(tmp_path: Path) -> None:
    async with simulated(TIMED, tmp_path) as world, over_tcp(world) as master:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert sound(await master.ask(rtu(1, 0, 12), 29))
        assert loop.time() - began >= (8 + 29 + 3.5) * CHAR_S + 0.005 - 0.0005


async def test_a_request_that_breaks_the_silence_is_counted_and_a_strict_device_does_not_hear_it(
    tmp_path: Path,
) -> None:
    slowly = TIMED.replace("9600", "600")  # a machine that stands still for some milliseconds breaks no test
    async with simulated(slowly, tmp_path) as world, over_tcp(world) as master:
        assert sound(await master.ask(rtu(1, 0, 1), 7))
        with pytest.raises(TimeoutError):  # at once, without 3.5 characters of silence
            await master.ask(rtu(1, 0, 1), 7, timeout=0.5)
        await asyncio.sleep(0.1)
        assert sound(await master.ask(rtu(1, 0, 1), 7))
        line = world.counters.lines["pair"]
        assert (line.requests, line.broken_silences, line.dropped) == (2, 1, 1)
        assert line.shortest_silence_ms < 3.5 * 10 / 600 * 1000
    told = json.loads((tmp_path / COUNTERS).read_bytes())
    assert told["lines"]["pair"]["broken_silences"] == 1


async def test_who_talks_into_an_answer_or_cannot_wait_for_one_is_counted(tmp_path: Path) -> None:
    async with simulated(TIMED, tmp_path) as world, over_tcp(world) as master:
        master.writer.write(rtu(1, 0, 12))
        async with asyncio.timeout(5):
            first = await master.reader.readexactly(3)
        line = world.counters.lines["pair"]
        master.writer.write(rtu(2, 0, 1))  # while the answer is on the wire
        async with asyncio.timeout(5):
            assert sound(first + await master.reader.readexactly(26))
        assert (line.collisions, line.requests) == (1, 1)
        await asyncio.sleep(0.02)
        fault(world, "a", "late", delay="150ms")
        master.writer.write(rtu(1, 0, 1))
        await asyncio.sleep(0.05)
        assert (await master.ask(rtu(2, 0, 1), 7))[0] == 2  # while the late one is owed
        assert line.impatient == 1
        async with asyncio.timeout(5):
            assert (await master.reader.readexactly(7))[0] == 1
    rows = Truth.load(tmp_path).replies
    assert [(row.device, row.fate) for row in rows] == [("a", "good"), ("b", "good"), ("a", "late")]


async def test_a_damaged_request_is_counted_and_the_next_is_heard(tmp_path: Path) -> None:
    async with simulated(TIMED, tmp_path) as world, over_tcp(world) as master:
        spoiled = bytearray(rtu(1, 0, 1))
        spoiled[3] ^= 4
        master.writer.write(spoiled)
        await asyncio.sleep(0.1)
        assert sound(await master.ask(rtu(1, 0, 1), 7))
        line = world.counters.lines["pair"]
        assert (line.damaged_requests, line.requests) == (1, 1)


async def test_registers_count_their_reads_and_scans_are_counted(tmp_path: Path) -> None:
    async with simulated(OVER, tmp_path) as world, over_tcp(world) as master:
        values = [(await master.ask(rtu(1, 0, 2), 9))[3:7] for _ in range(3)]
        await master.ask(rtu(1, 1, 1), 7)
        assert [struct.unpack(">HH", value) for value in values] == [(1, 1), (2, 2), (3, 3)]
        counts = world.counters.devices["a"]
        assert (counts.requests, counts.scans, counts.registers, counts.exceptions) == (4, 3, 7, 0)
        assert (await master.ask(rtu(1, 0x4000, 1), 5))[1] == 0x83
        assert counts.exceptions == 1
        world.counters.reset()
        assert counts.requests == 0
        assert world.counters.lines["pair"].connections == 1
    truth = Truth.load(tmp_path)
    assert [str(value) for row, point, value in truth.served() if point == "u16"] == ["0.1", "0.2", "0.3"]


@pytest.mark.parametrize(("code", "said"), [(5, 5), (None, 6)])
async def test_a_busy_device_says_which_kind_of_busy(tmp_path: Path, code: int | None, said: int) -> None:
    async with simulated(OVER, tmp_path) as world, over_tcp(world) as master:
        fault(world, "a", "busy", **({"code": code} if code else {}))
        assert (await master.ask(rtu(1, 0, 1), 5))[1:3] == bytes([0x83, said])
        fault(world, "a", "slow", delay="1ms")
        assert (await master.ask(rtu(1, 0, 1), 7))[3:5] == b"\0\1"  # what was refused was not read


async def test_a_doubled_answer_comes_twice_and_counts_once(tmp_path: Path) -> None:
    async with simulated(OVER, tmp_path) as world, over_tcp(world) as master:
        fault(world, "a", "double", delay="30ms")
        both = await master.ask(rtu(1, 0, 1), 14)
        assert both[:7] == both[7:]
    assert [row.fate for row in Truth.load(tmp_path).replies] == ["good"]


async def test_an_echo_comes_before_the_answer(tmp_path: Path) -> None:
    async with simulated(OVER, tmp_path) as world, over_tcp(world) as master:
        fault(world, "a", "echo")
        back = await master.ask(rtu(1, 0, 1), 15)
        assert back[:8] == rtu(1, 0, 1)
        assert sound(back[8:])
        assert sound(await master.ask(rtu(2, 0, 1), 7))


@pytest.mark.parametrize("sends", ["noise", "reply"])
async def test_a_babbling_device_talks_unasked(tmp_path: Path, sends: str) -> None:
    async with simulated(OVER, tmp_path) as world, over_tcp(world) as master:
        fault(world, "a", "babble", every="50ms", sends=sends)
        async with asyncio.timeout(5):
            data = await master.reader.readexactly(7)
        assert (data[:3] == b"\1\3\2" and sound(data)) is (sends == "reply")
        assert world.counters.lines["pair"].babbled >= 1


async def test_babble_into_an_answer_damages_it(tmp_path: Path) -> None:
    async with simulated(TIMED, tmp_path) as world, over_tcp(world) as master:
        fault(world, "b", "babble", every="20ms")
        for _ in range(4):
            master.writer.write(rtu(1, 0, 17))
            await asyncio.sleep(0.1)
    fates = [row.fate for row in Truth.load(tmp_path).replies]
    assert fates
    assert set(fates) <= {"damaged", "silent"}


@pytest.mark.parametrize("wire", ["tcp", "pty"])
async def test_a_stranger_reads_modbus_ascii(tmp_path: Path, wire: str) -> None:
    site = OVER.replace("framing: rtu", "framing: ascii") if wire == "tcp" else PAIR + "    framing: ascii\n"
    async with simulated(site, tmp_path) as world:
        assert world.info is not None
        place = world.info.lines["pair"].endpoint
        client: Any
        if wire == "tcp":
            host, _, port = place.rpartition(":")
            client = AsyncModbusTcpClient(host, port=int(port), framer=FramerType.ASCII, timeout=5)
        else:
            client = AsyncModbusSerialClient(place, framer=FramerType.ASCII, baudrate=9600, timeout=5)
        assert await client.connect()
        try:
            reply = await client.read_holding_registers(0, count=2, device_id=1)
            assert reply.registers == [1, 1]
            hole = await client.read_holding_registers(0x4000, count=1, device_id=1)
            assert hole.exception_code == 2
        finally:
            client.close()


async def test_a_dead_device_returns_while_the_site_runs(tmp_path: Path) -> None:
    async with simulated(PAIR, tmp_path) as world:
        assert world.info is not None
        client = AsyncModbusSerialClient(
            world.info.lines["pair"].endpoint, baudrate=9600, timeout=0.1, retries=0
        )
        assert await client.connect()
        try:
            fault(world, "a", "silent")
            with pytest.raises(ModbusIOException):
                await client.read_holding_registers(0, count=1, device_id=1)
            world.devices["a"].faults.clear()
            assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [1]
        finally:
            client.close()
        counts = world.counters.devices["a"]
        assert (counts.requests, counts.unanswered, counts.answered) == (2, 1, 1)


async def test_a_light_site_counts_and_writes_no_rows(tmp_path: Path) -> None:
    profiles = library()
    site = site_of(OVER, tmp_path, profiles)
    with TruthWriter(tmp_path, clock_ms, records=False) as truth:
        async with running(World(site, profiles, tmp_path, truth, clock_ms=clock_ms)) as world:
            async with over_tcp(world) as master:
                assert sound(await master.ask(rtu(1, 0, 2), 9))
            assert world.counters.devices["a"].requests == 1
    assert Truth.load(tmp_path).replies == ()
