"""`gatehouse-sim cjt188`: water, heat and gas meters on a pseudo-terminal, or behind a serial server on TCP."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from simulators.cjt188 import SimBus, SimMeter
from simulators.field_wire import FieldPty, FieldTcp
from simulators.site import not_here

WRONG_INPUT, INTERRUPTED = 2, 130
KINDS: Final = {"cold": 0x10, "hot": 0x11, "heat": 0x20, "gas": 0x30}
# What flows in an hour: m³, or kWh of heat.
_USE: Final = {0x10: Decimal("0.015"), 0x11: Decimal("0.008"), 0x20: Decimal("3.2"), 0x30: Decimal("0.22")}
_HOUR: Final = Decimal(3600)
_VALVE_TAKES: Final = timedelta(seconds=20)
_METER: Final = re.compile(r"(?P<kind>[a-z]+):(?P<address>[0-9]{1,14})")


@dataclass
class Living:
    """A meter whose total grows, and which settles when a month ends."""

    meter: SimMeter
    rng: Random
    last: datetime

    def tick(self) -> None:
        """Count up to now."""
        now, meter = self.meter.now(), self.meter
        if (now.year, now.month) != (self.last.year, self.last.month):
            meter.settle()
        rate = _USE[meter.kind] * self.rng.randrange(50, 150) / 100
        used = rate * Decimal(max(0.0, (now - self.last).total_seconds())) / _HOUR
        meter.total = (meter.total or Decimal(0)) + used
        if meter.kind >> 4 == 2:
            meter.power, meter.flow = rate, rate / 35
            meter.volume = meter.total / 35
        self.last = now


def born(kind: int, address: str, clock: Callable[[], datetime], rng: Random) -> Living:
    """Return a meter that has counted for some months already."""
    total = _USE[kind] * rng.randrange(2000, 9000)
    months = [total - _USE[kind] * 720 * back for back in range(1, 3)]
    unit = "kWh" if kind >> 4 == 2 else "m³"
    hours = rng.randrange(9000)
    meter = SimMeter(
        address.zfill(14),
        clock,
        kind=kind,
        total=total,
        unit=unit,
        settled=months,
        hours=hours,
        valve_takes=_VALVE_TAKES,
    )
    return Living(meter, rng, clock())


async def play(
    living: Sequence[Living], tcp: str | None, pty: Path | None, baud: int, tell: Callable[[str], None]
) -> None:
    """Serve the meters until cancelled; `tell` is told where."""
    bus = SimBus([one.meter for one in living])
    async with AsyncExitStack() as stack:
        if tcp is not None:
            host, _, port = tcp.rpartition(":")
            server = await stack.enter_async_context(
                FieldTcp(bus, host, int(port), baud=baud, turnaround=0.03)
            )
            tell(f"{server.host}:{server.port}")
        if pty is not None:
            await stack.enter_async_context(FieldPty(bus, pty, baud=baud, turnaround=0.03))
            tell(str(pty))
        while True:
            await asyncio.sleep(1.0)
            for one in living:
                one.tick()


def serve(
    meter: Annotated[
        list[str], typer.Option(help="KIND:ADDRESS, as cold:20170701; kinds are cold, hot, heat, gas.")
    ],
    tcp: Annotated[str | None, typer.Option(help="HOST:PORT of this machine; port 0 takes any.")] = None,
    pty: Annotated[Path | None, typer.Option(help="Where the link to the pseudo-terminal goes.")] = None,
    baud: Annotated[int, typer.Option(min=300, help="The pace of the wires.")] = 2400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    zone: Annotated[str, typer.Option(help="The zone of their clocks.")] = "Asia/Shanghai",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
) -> None:
    """Serve CJ/T 188 meters; asked all at once they answer all at once, as real ones do."""
    found = [_METER.fullmatch(text) for text in meter]
    wrong = _wrong(meter, found, tcp, pty)
    if wrong:
        Console(stderr=True).print(wrong, style="red", markup=False)
        raise typer.Exit(WRONG_INPUT)
    rng, there = Random(seed), ZoneInfo(zone)  # noqa: S311 - a simulation
    living = [
        born(KINDS[one["kind"]], one["address"], lambda: datetime.now(there), rng) for one in found if one
    ]
    out = Console()

    async def run() -> None:
        try:
            async with asyncio.timeout(seconds):
                await play(
                    living,
                    tcp,
                    pty,
                    baud,
                    lambda at: out.print(f"{len(living)} meters at {at}", highlight=False),
                )
        except TimeoutError:
            return

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _wrong(meters: list[str], found: list[re.Match[str] | None], tcp: str | None, pty: Path | None) -> str:
    if tcp is None and pty is None:
        return "say where: --tcp HOST:PORT or --pty PATH"
    if tcp is not None and (why := not_here(tcp)):
        return f"--tcp {tcp}: {why}"
    for text, one in zip(meters, found, strict=True):
        if one is None or one["kind"] not in KINDS:
            return f"--meter {text}: is no KIND:ADDRESS of up to 14 digits; kinds are {', '.join(KINDS)}"
    return ""
