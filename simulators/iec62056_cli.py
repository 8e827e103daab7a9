"""`gatehouse-sim iec62056`: a meter that is read out by IEC 62056-21, or one that pushes P1 telegrams."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from random import Random
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from simulators.iec62056 import OpticalMeter, OpticalPty, PushPty, telegram
from simulators.on_wires import (
    PtyOption,
    SecondsOption,
    SeedOption,
    TcpOption,
    Wires,
    ZoneOption,
    for_so_long,
    play,
    refuse,
    teller,
    ticking,
)

PUSH_S = 1.0
_THOUSANDTH = Decimal("0.001")


class Living:
    """A meter whose energy grows with the time of its clock."""

    def __init__(self, number: str, clock: Callable[[], datetime], rng: Random) -> None:
        self.number = number
        self._clock, self._rng = clock, rng
        self._last = clock()
        self.total = Decimal(rng.randrange(1000, 90000))
        self.power = Decimal(0)

    def tick(self) -> None:
        """Count up to now."""
        now = self._clock()
        self.power = Decimal(self._rng.randrange(100, 4000)) / 1000
        self.total += self.power * Decimal(max(0.0, (now - self._last).total_seconds())) / 3600
        self._last = now

    def readout(self) -> Sequence[tuple[str, str]]:
        """Return what a readout shows."""
        self.tick()
        total = self.total.quantize(_THOUSANDTH, ROUND_FLOOR)
        month = (self.total - 100).quantize(_THOUSANDTH, ROUND_FLOOR)
        volts = [(f"{phase}.7", f"{self._rng.randrange(228, 233)}*V") for phase in (32, 52, 72)]
        return [
            ("F.F", "00"),
            ("C.1.0", self.number),
            ("0.1.0", "07"),
            ("1.8.0", f"{total:010.3f}*kWh"),
            ("1.8.0*07", f"{month:010.3f}*kWh"),
            ("1.8.1", f"{total:010.3f}*kWh"),
            ("1.8.2", "000000.000*kWh"),
            ("2.8.0", "000000.000*kWh"),
            *volts,
        ]

    def sets(self) -> Sequence[tuple[str, str]]:
        """Return the data sets that a P1 port tells, what stands in their parentheses without the outermost pair."""
        self.tick()
        total = self.total.quantize(_THOUSANDTH, ROUND_FLOOR)
        gas = (self.total / 9).quantize(_THOUSANDTH, ROUND_FLOOR)
        at = self._clock().strftime("%y%m%d%H%M%S")
        volts = [
            (f"1-0:{phase}.7.0", f"{self._rng.randrange(228, 233)}.{self._rng.randrange(10)}*V")
            for phase in (32, 52, 72)
        ]
        amps = [(f"1-0:{phase}.7.0", f"{self._rng.randrange(600):03d}*A") for phase in (31, 51, 71)]
        return [
            ("1-3:0.2.8", "50"),
            ("0-0:1.0.0", f"{at}W"),
            ("0-0:96.1.1", self.number.encode("ascii").hex().upper()),
            ("1-0:1.8.1", f"{total:010.3f}*kWh"),
            ("1-0:1.8.2", "000000.000*kWh"),
            ("1-0:2.8.1", "000000.000*kWh"),
            ("1-0:2.8.2", "000000.000*kWh"),
            ("1-0:1.7.0", f"{self.power:06.3f}*kW"),
            ("1-0:2.7.0", "00.000*kW"),
            *volts,
            *amps,
            ("0-1:24.1.0", "003"),
            ("0-1:24.2.1", f"{at}W)({gas:09.3f}*m3"),
        ]

    def telegram(self, sets: Sequence[tuple[str, str]] | None = None) -> bytes:
        """Return what a P1 port says; without `sets`, as it stands now."""
        return telegram("ISk5\\2MT382-1000", self.sets() if sets is None else sets)


async def read_out(meter: OpticalMeter, pty: Path, tell: Callable[[str], None]) -> None:
    """Let the meter be read out on a pseudo-terminal, at its own speed only, until cancelled."""
    async with OpticalPty(meter, pty):
        tell(f"{pty}: {meter.initial} baud")
        await asyncio.Event().wait()


async def push(living: Living, pty: Path, tell: Callable[[str], None]) -> None:
    """Push telegrams until cancelled."""
    async with PushPty(pty) as port:
        tell(f"{pty}: telegrams of {living.number}")
        while True:
            port.push(living.telegram())
            await asyncio.sleep(PUSH_S)


def serve(
    number: Annotated[str, typer.Option(help="The meter's number, up to 16 digits.")] = "00012345",
    tcp: TcpOption = None,
    pty: PtyOption = None,
    p1: Annotated[
        bool, typer.Option("--p1", help="Push P1 telegrams each second, on a pseudo-terminal.")
    ] = False,
    initial: Annotated[int, typer.Option(help="The speed at which it is asked.")] = 300,
    speed: Annotated[
        str, typer.Option(help="The baud character of its identification: 0-6, A-F, or a blank.")
    ] = "5",
    parity: Annotated[bool, typer.Option("--parity", help="Send 7E1 on a port that is 8N1.")] = False,
    seed: SeedOption = 1,
    zone: ZoneOption = "Asia/Shanghai",
    seconds: SecondsOption = None,
) -> None:
    """Serve one meter: it is heard, and hears, only at the speed that it is at itself."""
    wires = Wires(tcp, pty)
    if wrong := wires.wrong or _wrong(number, tcp, pty, p1=p1, speed=speed):
        refuse(wrong)
    there = ZoneInfo(zone)
    living = Living(number, lambda: datetime.now(there), Random(seed))  # noqa: S311 - a simulation
    meter = OpticalMeter(living.readout, speed_char=speed, initial=initial, parity=parity)
    tell = teller()
    tell(f"meter {number}")
    if pty is None:
        play(wires.serve(meter, ticking([living.tick]), tell, seconds))
    elif p1:
        play(for_so_long(push(living, pty, tell), seconds))
    else:
        play(for_so_long(read_out(meter, pty, tell), seconds))


def _wrong(number: str, tcp: str | None, pty: Path | None, *, p1: bool, speed: str) -> str:
    if tcp is not None and pty is not None:
        return "say where: --tcp HOST:PORT or --pty PATH, and not both"
    if p1 and pty is None:
        return "--p1 needs --pty PATH"
    if not (number.isascii() and number.isdigit() and len(number) <= 16):
        return f"--number {number}: up to 16 digits"
    if len(speed) != 1 or speed not in "0123456ABCDEF ":
        return f"--speed {speed}: 0 to 6, A to F, or a blank"
    return ""
