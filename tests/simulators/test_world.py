"""A whole site on real sockets and a real pseudo-terminal, read by strangers' masters."""

import asyncio
import os
import stat
import struct
from decimal import Decimal
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from simulators.modbus_frames import crc16
from simulators.truth import RUN, Truth
from simulators.world import World
from tests.support.sims import clock_ms, simulated
from tests.support.waiting import until

VALUES = (
    "u16: 12.3, i16: -4.56, u32: 9999.99, i32_little: -1234567.891, u64: 18446744073709551615, f32: 229.9, "
    "bcd16: 123.4, flag_a: true, flag_b: true, field: 9, coil_b: true"
)
SITE = f"""\
site: bench
tick: 20ms
lines:
  - id: net
    tcp: 127.0.0.1:0
    devices:
      - {{id: one, profile: bench-all-types, unit: 1, writable: [u16, coil_a], physics: {{values: {{{VALUES}}}}}}}
      - {{id: two, profile: bench-all-types, unit: 2, physics: {{values: {{u16: 5}}}}}}
  - id: over
    tcp: 127.0.0.1:0
    framing: rtu
    devices:
      - {{id: three, profile: bench-all-types, unit: 3, physics: {{values: {{u16: 3}}}}}}
  - id: pair
    pty: run/pair
    baud: 115200
    devices:
      - {{id: four, profile: bench-all-types, unit: 4, physics: {{values: {{{VALUES}}}}}}}
      - id: five
        profile: bench-all-types
        unit: 5
        physics: {{values: {{u16: 5}}}}
        faults: [{{kind: crc_noise, rate: 1}}]
      - {{id: six, profile: bench-all-types, unit: 6, faults: [{{kind: truncate}}]}}
links:
  - {{id: gw, to: 127.0.0.1:1}}
story:
  - {{at: 100ms, device: two, set: {{alarm: true}}, for: 200ms}}
  - {{at: 100ms, link: gw, cut: 100ms}}
"""


def endpoint(world: World, line: str) -> tuple[str, int]:
    assert world.info is not None
    host, _, port = world.info.lines[line].endpoint.rpartition(":")
    return host, int(port)


async def test_a_strangers_client_reads_what_the_truth_says(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        host, port = endpoint(world, "net")
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            holding = await client.read_holding_registers(0, count=17, device_id=1)
            inputs = await client.read_input_registers(256, count=2, device_id=1)
            coils = await client.read_coils(10, count=2, device_id=1)
            other = await client.read_holding_registers(0, count=1, device_id=2)
            hole = await client.read_holding_registers(100, count=1, device_id=1)
    assert other.registers == [50]
    assert hole.exception_code == 2
    assert coils.bits[:2] == [False, True]
    truth = Truth.load(tmp_path)
    rows = [row for row in truth.replies if row.device == "one"]
    assert [row.fate for row in rows] == ["good", "good", "good", "exception"]
    assert rows[0].points == (
        "u16",
        "i16",
        "u32",
        "i32_little",
        "u64",
        "i64_swapped",
        "flag_a",
        "flag_b",
        "field",
    )
    assert [truth.value_after("one", point, rows[0].n) for point in rows[0].points[:4]] == [
        Decimal("12.3"),
        Decimal("-4.56"),
        Decimal("9999.99"),
        Decimal("-1234567.891"),
    ]
    # Decoded by the stranger, not by us.
    mixin = AsyncModbusTcpClient
    assert mixin.convert_from_registers(holding.registers[2:4], mixin.DATATYPE.UINT32) == 999999
    assert mixin.convert_from_registers(holding.registers[4:6][::-1], mixin.DATATYPE.INT32) == -1234567891
    assert (
        mixin.convert_from_registers(inputs.registers, mixin.DATATYPE.FLOAT32)
        == struct.unpack(">f", struct.pack(">f", 229.9))[0]
    )


async def test_a_strangers_serial_client_reads_the_pty(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        assert world.info is not None
        path = world.info.lines["pair"].endpoint
        assert stat.S_ISCHR(Path(path).stat().st_mode)
        client = AsyncModbusSerialClient(path, baudrate=115200, timeout=0.3, retries=0)
        assert await client.connect()
        try:
            reply = await client.read_holding_registers(0, count=4, device_id=4)
            assert reply.registers == [123, 0xFE38, 0x000F, 0x423F]
            for damaged in (5, 6):
                with pytest.raises(ModbusIOException):
                    await client.read_holding_registers(0, count=2, device_id=damaged)
            again = await client.read_holding_registers(16, count=1, device_id=4)
            assert again.registers == [0x8901]
        finally:
            client.close()
    fates = [(row.device, row.fate) for row in Truth.load(tmp_path).replies]
    assert fates == [("four", "good"), ("five", "damaged"), ("six", "truncated"), ("four", "good")]
    assert not os.path.lexists(path)


async def test_bytes_on_the_pair_take_the_time_of_their_baud(tmp_path: Path) -> None:
    slow = SITE.replace("baud: 115200", "baud: 2400")
    async with simulated(slow, tmp_path) as world:
        assert world.info is not None
        client = AsyncModbusSerialClient(
            world.info.lines["pair"].endpoint, baudrate=2400, timeout=5, retries=0
        )
        assert await client.connect()
        try:
            await client.read_holding_registers(0, count=16, device_id=4)
        finally:
            client.close()
    (row,) = Truth.load(tmp_path).replies
    on_wire = (8 + 5 + 32 + 3.5) * 10 / 2400
    assert row.t1 - row.t0 >= on_wire * 1000 - 1


async def test_rtu_over_tcp_speaks_rtu(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        reader, writer = await asyncio.open_connection(*endpoint(world, "over"))
        body = bytes.fromhex("030300000001")
        writer.write(body + struct.pack("<H", crc16(body)))
        async with asyncio.timeout(5):
            assert (await reader.readexactly(5)).hex() == "030302001e"
            await reader.readexactly(2)
        writer.close()
        await writer.wait_closed()


async def test_writes_change_physics_and_read_back(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        host, port = endpoint(world, "net")
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            assert not (await client.write_register(0, 77, device_id=1)).isError()
            assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [77]
            assert not (await client.write_coil(10, True, device_id=1)).isError()
            assert (await client.write_register(2, 1, device_id=1)).exception_code == 2
    assert Truth.load(tmp_path).value_at("one", "u16", clock_ms(), clock_ms()) == {Decimal("7.7")}


async def test_the_story_is_played_and_told(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        await until(lambda: world.now >= 0.5)
    truth = Truth.load(tmp_path)
    assert [(fact.device, fact.event) for fact in truth.edges("raised")] == [("two", "alarm_on")]
    assert [(fact.device, fact.event) for fact in truth.edges("cleared")] == [("two", "alarm_on")]
    assert [fact.detail["cut"] for fact in truth.facts if fact.kind == "link"] == [True, False]
    assert (tmp_path / RUN).exists()


async def test_freezing_keeps_registers_and_mends_faults(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        world.freeze()
        before = world.truth.n
        assert world.info is not None
        client = AsyncModbusSerialClient(
            world.info.lines["pair"].endpoint, baudrate=115200, timeout=2, retries=0
        )
        assert await client.connect()
        try:
            assert (await client.read_holding_registers(0, count=1, device_id=5)).registers == [50]
        finally:
            client.close()
        assert world.truth.n == before


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 300, bytes(range(256)) * 8])
async def test_hostile_bytes_close_one_connection_and_no_other(tmp_path: Path, noise: bytes) -> None:
    async with simulated(SITE, tmp_path) as world:
        host, port = endpoint(world, "net")
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(noise)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            assert (await client.read_holding_registers(0, count=1, device_id=2)).registers == [50]


async def mbpoll(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-0", "-1", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return out.decode()


@pytest.mark.strangers
async def test_mbpoll_reads_tcp_and_pty(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        assert world.info is not None
        port = str(endpoint(world, "net")[1])
        tcp = await mbpoll(
            "-m", "tcp", "-p", port, "-a", "1", "-r", "0", "-c", "4", "-t", "4:hex", "127.0.0.1"
        )
        real = await mbpoll(
            "-m", "tcp", "-p", port, "-a", "1", "-r", "256", "-t", "3:float", "-B", "127.0.0.1"
        )
        path = world.info.lines["pair"].endpoint
        rtu = await mbpoll(
            "-m", "rtu", "-b", "115200", "-P", "none", "-a", "4", "-r", "0", "-c", "4", "-t", "4:hex", path
        )
    for out in (tcp, rtu):
        assert [line.split("\t")[1].strip() for line in out.splitlines() if line.startswith("[")] == [
            "0x007B",
            "0xFE38",
            "0x000F",
            "0x423F",
        ]
    assert "229.9" in real


async def test_a_late_reply_comes_after_the_next_ones_and_is_no_value(tmp_path: Path) -> None:
    late = SITE.replace("physics: {values: {u16: 5}}}", "faults: [{kind: late, delay: 300ms}]}", 1)
    assert late != SITE
    async with simulated(late, tmp_path) as world:
        reader, writer = await asyncio.open_connection(*endpoint(world, "net"))
        writer.write(bytes.fromhex("0001000000060203 00000001".replace(" ", "")))
        writer.write(bytes.fromhex("0002000000060103 00000001".replace(" ", "")))
        async with asyncio.timeout(5):
            replies = [await reader.readexactly(11) for _ in range(2)]
        writer.close()
        await writer.wait_closed()
    assert [reply[:2].hex() for reply in replies] == ["0002", "0001"]
    truth = Truth.load(tmp_path)
    assert [(row.device, row.fate) for row in truth.replies] == [("one", "good"), ("two", "late")]
    assert truth.replies[1].t1 - truth.replies[1].t0 >= 299
    assert truth.served_points() == 1


async def test_a_silent_device_and_an_unknown_unit_say_nothing_while_neighbours_answer(
    tmp_path: Path,
) -> None:
    async with simulated(SITE, tmp_path) as world:
        world.devices["two"].muted = True
        reader, writer = await asyncio.open_connection(*endpoint(world, "net"))
        for transaction, unit in ((1, 2), (2, 99), (3, 1)):
            writer.write(struct.pack(">HHHBBHH", transaction, 0, 6, unit, 3, 0, 1))
        async with asyncio.timeout(5):
            assert (await reader.readexactly(11))[:2].hex() == "0003"
        writer.close()
        await writer.wait_closed()
    assert [row.fate for row in Truth.load(tmp_path).replies] == ["silent", "silent", "good"]


async def test_an_order_that_changes_nothing_is_looked_for_three_times(tmp_path: Path) -> None:
    door = "{id: d, profile: gatehouse-demo-door, unit: 1}"
    site = f"site: s\nlines:\n  - {{id: net, tcp: '127.0.0.1:0', devices: [{door}]}}\n"
    async with simulated(site, tmp_path) as world:
        world.devices["d"].hold({"unlocked": False})
        host, port = endpoint(world, "net")
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            await client.write_coil(0, True, device_id=1)
            for _ in range(4):
                await client.read_discrete_inputs(1, count=1, device_id=1)
    assert [row.purpose for row in Truth.load(tmp_path).replies] == ["poll", *["read-back"] * 3, "poll"]


async def test_what_proves_a_command_and_what_a_stranger_read_are_no_samples(tmp_path: Path) -> None:
    async with simulated(SITE, tmp_path) as world:
        host, port = endpoint(world, "net")
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            await client.write_coil(10, True, device_id=1)
            await client.read_coils(10, count=1, device_id=1)
            await client.read_coils(10, count=1, device_id=1)
            world._servers["net"]._stranger = lambda _port: True  # type: ignore[union-attr]
        async with AsyncModbusTcpClient(host, port=port, timeout=5) as client:
            await client.read_coils(10, count=1, device_id=1)
    truth = Truth.load(tmp_path)
    assert [row.purpose for row in truth.replies] == ["poll", "read-back", "poll", "stranger"]
    assert truth.served_points() == 1
