"""`gatehouse-sim cjt188`: water, heat and gas meters on a pseudo-terminal, or behind a serial server on TCP."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from simulators.cjt188 import SimBus, SimMeter
from simulators.on_wires import (
    BaudOption,
    PtyOption,
    SecondsOption,
    SeedOption,
    TcpOption,
    Wires,
    ZoneOption,
    play,
    refuse,
    teller,
    ticking,
)

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


def serve(
    meter: Annotated[
        list[str], typer.Option(help="KIND:ADDRESS, as cold:20170701; kinds are cold, hot, heat, gas.")
    ],
    tcp: TcpOption = None,
    pty: PtyOption = None,
    baud: BaudOption = 2400,
    seed: SeedOption = 1,
    zone: ZoneOption = "Asia/Shanghai",
    seconds: SecondsOption = None,
) -> None:
    """Serve CJ/T 188 meters; asked all at once they answer all at once, as real ones do."""
    found = [_METER.fullmatch(text) for text in meter]
    wires = Wires(tcp, pty, baud)
    if wrong := wires.wrong or _wrong(meter, found):
        refuse(wrong)
    rng, there = Random(seed), ZoneInfo(zone)  # noqa: S311 - a simulation
    living = [
        born(KINDS[one["kind"]], one["address"], lambda: datetime.now(there), rng) for one in found if one
    ]
    bus = SimBus([one.meter for one in living])
    life = ticking([one.tick for one in living])
    play(wires.serve(bus, life, teller(f"{len(living)} meters"), seconds))


def _wrong(meters: list[str], found: list[re.Match[str] | None]) -> str:
    for text, one in zip(meters, found, strict=True):
        if one is None or one["kind"] not in KINDS:
            return f"--meter {text}: is no KIND:ADDRESS of up to 14 digits; kinds are {', '.join(KINDS)}"
    return ""
