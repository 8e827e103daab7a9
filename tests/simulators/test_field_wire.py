"""Who opens a simulated pair of wires at another speed is not understood, as on a real one."""

import asyncio
import os
import termios
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from simulators import cjt188, dlt645
from simulators.field_wire import FieldPty, Forgets, Talker
from simulators.iec62056 import OpticalMeter, OpticalPty
from simulators.mbus import MbusBus
from simulators.mbus_life import aged
from simulators.osdp_life import OsdpLine
from simulators.osdp_reader import Reader
from simulators.osdp_secure import crc

AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
OWN, OTHERS = 19200, (9600, 57600, 115200)


def dl() -> tuple[Talker, bytes]:
    asked = dlt645.framed(b"\xaa" * 6, 0x11, bytes.fromhex("00000100"))
    return dlt645.SimBus([dlt645.SimMeter("1", lambda: AT)]), asked


def cj() -> tuple[Talker, bytes]:
    asked = cjt188.framed(0x10, b"\xaa" * 7, 1, b"\x1f\x90\x00")
    return cjt188.SimBus([cjt188.SimMeter("1".zfill(14), lambda: AT)]), asked


def mbus() -> tuple[Talker, bytes]:
    slave = aged("heat", "12345678", lambda: AT, Random(1), 7).slave()
    return MbusBus([slave], Random(1)), bytes.fromhex("105b076216")


def osdp() -> tuple[Talker, bytes]:
    asked = bytes.fromhex("53000900046100")
    return OsdpLine([Reader(0, bytes)], lambda: 0), asked + crc(asked)


class Ear:
    """Hears what arrives, and tells when something has."""

    def __init__(self, inner: Talker) -> None:
        self.inner, self.came = inner, asyncio.Event()

    async def comes(self) -> None:
        await self.came.wait()
        self.came.clear()

    def silence(self) -> None:
        if isinstance(self.inner, Forgets):
            self.inner.silence()

    def feed(self, data: bytes) -> Sequence[bytes]:
        said = self.inner.feed(data)
        self.came.set()
        return said


class Port:
    """The gateway's end."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def at(self, baud: int) -> None:
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    async def hear(self, size: int) -> bytes:
        loop, some, data = asyncio.get_running_loop(), asyncio.Event(), b""
        loop.add_reader(self.fd, some.set)
        try:
            while len(data) < size:
                await some.wait()
                some.clear()
                data += os.read(self.fd, 1024)
        finally:
            loop.remove_reader(self.fd)
        return data


@pytest.mark.parametrize("make", [dl, cj, mbus, osdp])
async def test_a_device_is_found_at_its_own_speed_only(make, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("simulators.field_wire.SILENCE_S", 0.0)
    talker, asked = make()
    (answer,) = make()[0].feed(asked)
    ear = Ear(talker)
    async with asyncio.timeout(10), FieldPty(ear, tmp_path / "port", baud=OWN) as pty:
        port = Port(pty.path)
        try:
            for other in OTHERS:
                port.at(other)
                os.write(port.fd, asked)
                await ear.comes()
                with pytest.raises(BlockingIOError):
                    os.read(port.fd, 1)
            port.at(OWN)
            os.write(port.fd, asked)
            assert await port.hear(len(answer)) == answer
        finally:
            os.close(port.fd)


async def test_an_answer_is_garbage_to_who_listens_at_another_speed(tmp_path: Path) -> None:
    talker, asked = mbus()
    ear = Ear(talker)
    async with asyncio.timeout(10), FieldPty(ear, tmp_path / "port", baud=OWN, turnaround=0.01) as pty:
        port = Port(pty.path)
        try:
            port.at(OWN)
            os.write(port.fd, asked)
            await ear.comes()
            port.at(115200)
            assert b"\x68" not in await port.hear(1)
        finally:
            os.close(port.fd)


async def test_a_meter_under_an_optical_head_hears_at_its_own_speed_only(tmp_path: Path) -> None:
    meter = OpticalMeter(lambda: [("1.8.0", "1*kWh")], initial=9600)
    ear = Ear(meter)
    async with asyncio.timeout(10), OpticalPty(meter, tmp_path / "head", turnaround=0.0, talker=ear) as pty:
        port = Port(pty.path)
        try:
            port.at(19200)
            os.write(port.fd, b"/?!\r\n")
            await ear.comes()
            assert not meter.due
            port.at(9600)
            os.write(port.fd, b"/?!\r\n")
            assert (await port.hear(5)).startswith(b"/LGZ5")
        finally:
            os.close(port.fd)
