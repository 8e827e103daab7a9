"""The driver over real lines, against simulated meters: ports that change their speed, and a serial server on TCP."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest

from drivers.errors import DeviceSilent, DriverError, FrameDamaged
from drivers.iec62056_21.driver import Iec62056Device, Iec62056Driver
from drivers.iec62056_21.p1 import DsmrP1Driver
from drivers.lines import Line, SerialSettings, TcpSettings
from drivers.listen_check import NOW
from drivers.profiles_store import load_library
from messages.types import Value
from simulators.field_wire import FieldPty, FieldTcp
from simulators.iec62056 import OpticalMeter, OpticalPty, crc_arc, telegram
from tests.support.wire import line_to

LIBRARY = load_library()
SHOWN = [
    ("F.F", "00"),
    ("0.0", "          000001"),
    ("C.1.0", "00000001"),
    ("1.8.0", "061561.289*kWh"),
    ("1.8.0*01", "060000.000*kWh"),
    ("1.8.1", "042951.721*kWh"),
    ("1.8.2", "018609.568*kWh"),
    ("2.8.0", "000010.490*kWh"),
    ("32.7", "241*V"),
    ("52.7", "---.-*V"),
    ("72.7", "242*V"),
]
QUICK = {"reaction": "0.02"}


def device(**options: Any) -> Iec62056Device:
    return Iec62056Driver().device(LIBRARY["landis-gyr-e350-zmf100"], None, {**QUICK, **options})


async def read(line: Line, made: Iec62056Device, timeout: float = 1.0) -> dict[str, Value]:
    (transaction,) = made.plan(made.codecs)
    reply = await line.exchange(made.exchange(transaction), timeout=timeout)
    return {name: reading.value for name, reading in made.decode(transaction, reply.payload).items()}


def right(found: dict[str, Value]) -> bool:
    shown = (
        found["active_energy_import"],
        found["active_energy_export"],
        found["voltage_l1"],
        found["voltage_l2"],
    )
    return shown == (Decimal("61561.289"), Decimal("10.490"), Decimal(241), None)


def meter(**more: Any) -> OpticalMeter:
    # A real head begins at 300 baud; a test has not the time for it.
    return OpticalMeter(lambda: SHOWN, **{"initial": 9600, "speed_char": "6", **more})


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, {}),
        ({"noise": b"\x7f\x7f\x7f", "line_end": b"\r"}, {}),
        ({"line_end": b"\n"}, {}),
        ({"parity": True}, {"software_parity": True}),
        ({"echo": True}, {}),
        ({}, {"acknowledge": "4"}),
        ({"speed_char": "F"}, {"mode": "B"}),
        ({"speed_char": " "}, {"mode": "A"}),
        ({"speed_char": " ", "bcc": False}, {"mode": "A", "bcc": "none"}),
        ({"address": "12345678"}, {"address": "012345678", "serial": "1"}),
    ],
)
async def test_a_meter_is_read_twice_at_the_speed_that_is_agreed(tmp_path, more, options):
    made = meter(**more)
    async with OpticalPty(made, tmp_path / "head") as port:
        async with line_to(SerialSettings(str(port.path), baud=9600)) as line:
            for _ in range(2):
                assert right(await read(line, device(**options)))
    assert made.readouts == 2


async def test_at_the_wrong_speed_nothing_is_read(tmp_path):
    async with OpticalPty(meter(), tmp_path / "head") as port:
        settings = SerialSettings(str(port.path), baud=9600, late_guard=0.02)
        async with line_to(settings) as line:
            with pytest.raises(FrameDamaged):  # the readout comes at 19200 baud
                await read(line, device(change_baud=False, readout_bytes=100), timeout=0.05)
        async with line_to(SerialSettings(str(port.path), baud=4800, late_guard=0.02)) as line:
            with pytest.raises(DeviceSilent):
                await read(line, device(), timeout=0.05)


async def test_a_meter_of_another_address_does_not_answer(tmp_path):
    async with FieldPty(meter(address="1"), tmp_path / "port") as port:
        async with line_to(SerialSettings(str(port.path), late_guard=0.02)) as line:
            with pytest.raises(DeviceSilent):
                await read(line, device(address="2"), timeout=0.05)


async def test_over_a_serial_server_of_a_fixed_speed():
    async with FieldTcp(meter(), burst=9) as server, line_to(TcpSettings("127.0.0.1", server.port)) as line:
        assert right(await read(line, device(change_baud=False)))


async def test_a_damaged_readout_is_not_believed_and_the_next_is():
    made = meter(spoil=lambda raw: raw.replace(b"061561", b"061551"))
    async with FieldTcp(made) as server:
        async with line_to(TcpSettings("127.0.0.1", server.port, late_guard=0.02)) as line:
            with pytest.raises(FrameDamaged, match="BCC"):
                await read(line, device(change_baud=False), timeout=0.1)
            made.spoil = None
            assert right(await read(line, device(change_baud=False)))


async def test_a_meter_that_refuses_the_speed_is_heard_to():
    async with FieldTcp(meter(speed_char="3")) as server:
        async with line_to(TcpSettings("127.0.0.1", server.port)) as line:
            with pytest.raises(DriverError, match="NAK"):
                await read(line, device(change_baud=False, acknowledge="5"))


def test_simulated_telegrams_are_heard():
    profile = LIBRARY["iskraemeco-mt382-p1"]
    raw = telegram("ISk5\\2MT382-1000", [("1-0:1.8.1", "000004.426*kWh"), ("1-0:32.7.0", "0230.0*V")])
    session = DsmrP1Driver().session({"p1": (profile, {})}, {})
    (one,) = session.feed(raw, NOW)
    assert one.readings["active_energy_import_t1"].value == Decimal("4.426")
    assert one.readings["voltage_l1"].value == 230
    assert list(session.feed(telegram("ISk5x", [("1-0:1.8.1", "1*kWh")], crc=False), NOW)) == []
    assert crc_arc(b"123456789") == 0xBB3D
    with contextlib.suppress(DriverError):
        assert list(session.feed(raw.replace(b"4.426", b"5.426"), NOW)) == []
